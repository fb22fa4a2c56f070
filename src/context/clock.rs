//! The clock of a model. It stands still until the model has time pass; or, if the model wants deadlines to
//! pass, each timer is one more thread, at whose turn it is as late as that timer says.

use std::cell::Cell;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::ground::panics;
use crate::ground::runtime::spawn_thread;
use crate::ground::sync::static_lock;

const DAY: Duration = Duration::from_secs(86_400);

/// When each timer goes off, and who waits for it.
type Timers = Slab<(Instant, Waker)>;

static_lock! {
    static TIMERS: Timers = Timers::new();
}

thread_local! {
    // std's: all threads of one model are coroutines on the thread that runs the test.
    /// By how much time has passed, in this execution and all before: no execution looks at more than
    /// differences. Changed under the lock of the timers, which is what is explored.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static DEADLINES_PASS: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now) + PASSED.get()
}

/// A day passes: every timer goes off that is due by then.
pub(crate) fn pass_a_day() {
    pass_until(now() + DAY);
}

/// Time passes, unless it is as late already.
fn pass_until(at: Instant) {
    let timers = TIMERS.lock();
    PASSED.set(PASSED.get() + at.saturating_duration_since(now()));
    let now = now();
    let due = timers.iter().filter(|(_, (at, _))| *at <= now).map(|(_, (_, waker))| waker.clone());
    let due: Vec<Waker> = due.collect();
    drop(timers);
    due.into_iter().for_each(panics::wake);
}

/// Runs a model in which deadlines pass by themselves, or do not.
#[cfg(feature = "testing")]
pub(crate) fn deadlines_pass<T>(pass: bool, model: impl FnOnce() -> T) -> T {
    let before = DEADLINES_PASS.replace(pass);
    let result = model();
    DEADLINES_PASS.set(before);
    result
}

/// A timer of one scope.
pub(super) struct Backend {
    pub(super) deadline: Instant,
    key: Option<usize>,
}

impl Backend {
    pub(super) fn at(deadline: Instant) -> Self {
        if DEADLINES_PASS.get() {
            // It ends when that time has come: nobody waits for it.
            drop(spawn_thread("deadline", move || pass_until(deadline)));
        }
        Self { deadline, key: None }
    }

    pub(super) fn is_elapsed(&self) -> bool {
        let _timers = TIMERS.lock();
        self.deadline <= now()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut timers = TIMERS.lock();
        if self.deadline <= now() {
            return Poll::Ready(());
        }
        let old = self.key.take().map(|key| timers.remove(key));
        self.key = Some(timers.insert((self.deadline, waker)));
        drop(timers);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let waker = self.key.map(|key| TIMERS.lock().remove(key));
        drop(waker);
    }
}
