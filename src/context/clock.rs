//! The clock of a model: it stands still until the model has a day pass.

use std::cell::Cell;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::ground::panics;
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
}

pub(crate) fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now) + PASSED.get()
}

/// A day passes: every timer goes off that is due by then.
pub(crate) fn pass_a_day() {
    let timers = TIMERS.lock();
    PASSED.set(PASSED.get() + DAY);
    let now = now();
    let due = timers.iter().filter(|(_, (at, _))| *at <= now).map(|(_, (_, waker))| waker.clone());
    let due: Vec<Waker> = due.collect();
    drop(timers);
    due.into_iter().for_each(panics::wake);
}

/// A timer of one scope.
pub(super) struct Backend {
    pub(super) deadline: Instant,
    key: Option<usize>,
}

impl Backend {
    pub(super) fn at(deadline: Instant) -> Self {
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
