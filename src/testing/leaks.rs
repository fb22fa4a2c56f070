//! What a test leaves behind.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::context::stack;
use crate::context::time::{self, Timer};
use crate::ground::runtime::{self, Host};
use crate::ground::watch::Watching;
use crate::scope::Picture;
use crate::tree::{Role, Row, orphans, roots};

/// How long what is left may take to end, if nobody says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Runs `body`, the body of a test, and panics if it leaves anything behind:
///
/// * a child that is still alive, be it an orphan, a child of a scope that is held and not awaited, or one
///   in a task that runs on; with the place where it was started;
/// * a scope whose future was forgotten, or is held by a task that runs on; with the place where it was
///   opened;
/// * a task of `tokio::spawn`: of these tokio tells the number and nothing else;
/// * finalizers that have not been run;
/// * an error that no scope returned, or a finalizer that was cut off or lost: what
///   [`set_unhandled_hook`](crate::set_unhandled_hook) is told. The hook is told all the same;
/// * the panic of an orphan that nobody has resumed.
///
/// What is on its way to its end gets there: the runtime is left to run, and if that is not enough, for
/// one second of tokio's clock. In a test whose clock is paused that takes no time; in another one only a
/// test that fails takes it. [`assert_no_leaks_within`] sets another limit.
///
/// A test needs a runtime of its own, as `#[tokio::test]` makes one: what is counted is that runtime's, so
/// that tests which run beside it do not matter.
///
/// # Panics
///
/// If something is left behind. Also when it is awaited inside a scope (that would wait for what is left),
/// outside a tokio runtime, or while another check is going on in the same runtime. If the body panics, so
/// does this, with that panic, and looks no further.
///
/// # What it cannot see
///
/// Tasks of a `LocalSet` or of another runtime, and what runs on threads, unless they are children of a
/// scope. A task that had been started before is not counted; if it ends meanwhile, it makes up for one that
/// is left. A panic in a task of `tokio::spawn` is in its join handle, and a child's `Err` is a value in its
/// handle: nobody knows whether these are wanted. What is reported by a thread of another runtime, that of a
/// pinned child for one, is that runtime's.
///
/// A function on a blocking thread that does not end is waited for, and not reported: a paused clock stands
/// still for it, and the end of the runtime waits as well.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use umbel::testing::assert_no_leaks;
///
/// let answer = assert_no_leaks(async {
///     umbel::scope(async |s| s.spawn(async { 42 }).await.unwrap()).await.unwrap()
/// })
/// .await;
/// assert_eq!(answer, 42);
/// # }
/// ```
#[track_caller]
pub fn assert_no_leaks<F: Future>(body: F) -> impl Future<Output = F::Output> {
    assert_no_leaks_within(PATIENCE, body)
}

/// [`assert_no_leaks`], with as much patience, of tokio's clock, for what is on its way to its end.
///
/// # Panics
///
/// As [`assert_no_leaks`].
#[track_caller]
pub fn assert_no_leaks_within<F: Future>(
    patience: Duration,
    body: F,
) -> impl Future<Output = F::Output> {
    let site = Location::caller();
    async move {
        let check = Check::start();
        let output = body.await;
        let left = check.settle(patience).await;
        assert!(
            left.is_nothing(false),
            "the body of assert_no_leaks at {site} has left behind:\n{left}"
        );
        output
    }
}

/// Looks on, and at the end says what is left.
pub(super) struct Check {
    watching: Watching,
    runtime: tokio::runtime::Handle,
    /// Tasks that were alive before.
    before: usize,
}

impl Check {
    pub(super) fn start() -> Self {
        assert!(stack::innermost().is_none(), "a check for leaks goes around scopes, not into one");
        let runtime = tokio::runtime::Handle::current();
        let watching = Host::current().id().and_then(Watching::start);
        let watching = watching.expect("one check for leaks at a time in a runtime");
        let before = runtime.metrics().num_alive_tasks();
        Self { watching, runtime, before }
    }

    /// How much is alive that was not before.
    pub(super) fn living(&self) -> usize {
        self.tasks() + roots::living(&self.watching).len()
    }

    /// How many tasks are.
    fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks().saturating_sub(self.before)
    }

    /// What is left when everything has had its turn, and `patience` after that.
    pub(super) async fn settle(&self, patience: Duration) -> Left {
        self.wait(patience, || self.living() == 0).await;
        self.left()
    }

    /// Waits for something to become true: by giving everybody turns, and between these by the clock. Time
    /// may pass without a turn of anybody, on a machine that is busy; so there are turns after the last of it.
    pub(super) async fn wait(&self, patience: Duration, is_true: impl Fn() -> bool) {
        let end = time::after(patience);
        let mut step = Duration::from_millis(1);
        while !turns_until(&is_true).await && time::now() < end {
            sleep_until(time::after(step).min(end)).await;
            step *= 2;
        }
    }

    fn left(&self) -> Left {
        let rows = roots::living(&self.watching);
        let left = Left {
            tasks: self.tasks().saturating_sub(rows.iter().filter(|row| is_task(row)).count()),
            rows,
            unhandled: self.watching.unhandled(),
            panics: self.watching.panics(),
        };
        if !left.panics.is_empty() {
            // It is reported here; nobody else who drains is to have it.
            orphans::forget_panic(Host::current().id());
        }
        left
    }
}

/// Yields until something is true, but not for ever. Whether it is.
async fn turns_until(is_true: impl Fn() -> bool) -> bool {
    const TURNS: usize = 64;
    for _ in 0..TURNS {
        if is_true() {
            return true;
        }
        runtime::yield_now().await;
    }
    is_true()
}

async fn sleep_until(at: Instant) {
    let mut timer = Timer::at(at);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// Whether it runs in a task of tokio's. Of a child on a thread of its own that is not true, which makes
/// the number of other tasks too low where a child is left anyway.
fn is_task(row: &Row) -> bool {
    matches!(row.word.role(), Role::Task | Role::Service) || row.is_tended
}

/// What is left.
pub(super) struct Left {
    rows: Vec<Row>,
    /// Tasks that no scope has started.
    tasks: usize,
    unhandled: Vec<String>,
    panics: Vec<String>,
}

impl Left {
    pub(super) fn is_nothing(&self, allows_unhandled: bool) -> bool {
        self.rows.is_empty()
            && self.tasks == 0
            && (allows_unhandled || self.unhandled.is_empty())
            && self.panics.is_empty()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in Picture::of(self.rows.clone()).to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        if self.tasks > 0 {
            let tasks = if self.tasks == 1 { "task" } else { "tasks" };
            writeln!(f, "  {} {tasks} that no scope has started", self.tasks)?;
        }
        for text in &self.unhandled {
            writeln!(f, "  {text}")?;
        }
        for text in &self.panics {
            writeln!(f, "  a panic of an orphan that nobody has resumed: {text:?}")?;
        }
        Ok(())
    }
}
