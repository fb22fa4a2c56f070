//! A scenario, stopped at each of its awaits.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Duration;

use super::leaks::PATIENCE;
use super::places::Suspended;
use super::played::{self, Scenario};
use crate::ground::error::Cancelled;

/// Runs a scenario again and again, and stops it at each of its awaits in turn: in one run at the first, in
/// the next at the second, until it has none left.
///
/// `setup` makes a world, anew for each run; `scenario` is what is stopped in it. What must be true
/// afterwards is said, and everything run, by [`check`](CancelAtEveryAwait::check). Each await is stopped in
/// four ways:
///
/// * by dropping the future, as `select!` and `tokio::time::timeout` do; and by cancelling a scope around
///   it, which spares what is shielded;
/// * as soon as it is suspended; and later, when what it waits for has come and it is about to go on. (A
///   value may be on its way to it then.)
///
/// Then everything that is left runs to its end, the world is checked and dropped, and nothing may be left
/// behind: what that means, [`assert_no_leaks`](crate::testing::assert_no_leaks) says. Every run has a
/// runtime of its own, on this thread, on a paused clock.
///
/// # Examples
///
/// Somebody takes a permit and pays for it later. If he is stopped in between, it is lost:
///
/// ```should_panic
/// use std::sync::Mutex;
/// use umbel::testing::cancel_at_every_await;
///
/// struct Pool {
///     free: Mutex<u32>,
/// }
///
/// async fn lend(pool: &Pool) {
///     *pool.free.lock().unwrap() -= 1;
///     tokio::task::yield_now().await; // here
///     *pool.free.lock().unwrap() += 1;
/// }
///
/// cancel_at_every_await(async || Pool { free: Mutex::new(1) }, async |pool| lend(pool).await)
///     .check(async |pool, _| assert_eq!(*pool.free.lock().unwrap(), 1));
/// ```
///
/// The panic says at which await, with its line, if the test was built with debug information:
///
/// ```text
/// 4 of 8 runs failed: the scenario of tests/pool.rs:19 must bear to be stopped anywhere
/// 1. dropped at suspension 1 of 1, as soon as it was suspended
///     tests/pool.rs:14:30  in pool::lend
///     tests/pool.rs:19:93  in pool::a_permit_comes_back
///   panicked: assertion `left == right` failed
/// ```
///
/// # What it cannot see
///
/// It counts the suspensions of the scenario's own future: children are stopped where they are by then. Of
/// the schedules of a multi-thread runtime it knows one for each run, in which tasks take turns in a fixed
/// order: [`Model`](crate::testing) is for the others. Nothing must depend on chance, or on real
/// input and output: a scenario that does not come to the same suspensions again is an error. So
/// `tokio::select!` has to be `biased` in it, and the order of a `HashMap` must not matter. A task that runs
/// for ever without being suspended hangs the test, as it would any test, and so does a function on a
/// blocking thread that does not end.
#[track_caller]
pub fn cancel_at_every_await<W, T, S, R>(setup: S, scenario: R) -> CancelAtEveryAwait<W, T, S, R>
where
    S: AsyncFn() -> W,
    R: AsyncFn(&W) -> T,
{
    CancelAtEveryAwait {
        scenario: Scenario { setup, steps: scenario, patience: PATIENCE, allows_unhandled: false },
        means: &[Means::Drop, Means::Cancel],
        site: Location::caller(),
        of: PhantomData,
    }
}

/// See [`cancel_at_every_await`].
#[must_use = "nothing is run until it is said what must be true afterwards: `.check(..)`"]
pub struct CancelAtEveryAwait<W, T, S, R> {
    scenario: Scenario<S, R>,
    means: &'static [Means],
    site: &'static Location<'static>,
    of: PhantomData<fn() -> (W, T)>,
}

/// How a run of the scenario ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<T> {
    /// It returned: nobody stopped it, or it was cancelled too late, or had nothing but shielded work
    /// left.
    Returned(T),
    /// The scope around it was cancelled, and its future was dropped there.
    Cancelled(Cancelled),
    /// Its future was dropped.
    Dropped,
}

impl<T> Outcome<T> {
    /// What it returned, if it did.
    pub fn returned(self) -> Option<T> {
        match self {
            Self::Returned(value) => Some(value),
            Self::Cancelled(_) | Self::Dropped => None,
        }
    }
}

/// What was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How often the scenario suspends when nobody stops it: alone, or in a scope if that is less.
    pub suspensions: usize,
    /// How often it was run.
    pub runs: usize,
}

/// By what it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Drop,
    Cancel,
}

/// When it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    AtOnce,
    Woken,
}

/// Where a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// The first suspension is 1.
    pub(super) at: usize,
    pub(super) moment: Moment,
}

/// What was wrong with a run.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    /// Where it was when it was stopped, or for ever after.
    pub(super) stopped: Suspended,
}

impl<W, T, S, R> CancelAtEveryAwait<W, T, S, R>
where
    S: AsyncFn() -> W,
    R: AsyncFn(&W) -> T,
{
    /// Only drops the future. For code that does not know of scopes.
    pub fn only_dropped(mut self) -> Self {
        self.means = &[Means::Drop];
        self
    }

    /// Only cancels a scope around it. For code that is never dropped: what it shields is not cut then.
    pub fn only_cancelled(mut self) -> Self {
        self.means = &[Means::Cancel];
        self
    }

    /// How long what was stopped may take to end, on the paused clock. One second, if this is not called.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.scenario.patience = patience;
        self
    }

    /// Errors that no scope returns are no failure: for a scenario in which something fails on purpose.
    pub fn allow_unhandled(mut self) -> Self {
        self.scenario.allows_unhandled = true;
        self
    }

    /// Runs everything. `check` is called at the end of each run, when all that the scenario has left has
    /// come to its end, and panics if the world is not as it must be. It may await, to find out whether
    /// the world can still be used. In the first run, and the last, nobody stops the scenario.
    ///
    /// # Panics
    ///
    /// If `check` panics in one of the runs, or the scenario does, or if something is left behind: after all
    /// runs, with a list of the awaits. Also if the scenario never suspends, so that nothing could be
    /// checked; if it does not suspend as often in each run; and if a run does not end within a day of the
    /// paused clock.
    #[expect(clippy::needless_pass_by_value, reason = "a closure is written where it is passed")]
    pub fn check<C>(self, check: C) -> Summary
    where
        C: AsyncFn(&W, Outcome<T>),
    {
        let mut runs = Runs { count: 0, failures: String::new(), failed: 0 };
        let suspensions = self.means.iter().map(|&means| {
            self.sweep(means, &mut runs, |stop| played::run(&self.scenario, &check, means, stop))
        });
        let suspensions = suspensions.min().unwrap_or(0);
        assert!(
            runs.failed == 0,
            "{} of {} runs failed: the scenario of {} must bear to be stopped anywhere\n{}",
            runs.failed,
            runs.count,
            self.site,
            runs.failures
        );
        Summary { suspensions, runs: runs.count }
    }

    /// Stops it by one means at each of its suspensions. Gives how many there are.
    fn sweep(
        &self,
        means: Means,
        runs: &mut Runs,
        run: impl Fn(Option<Stop>) -> Result<usize, Failure>,
    ) -> usize {
        let suspensions = self.undisturbed(runs, run(None));
        for at in 1..=suspensions {
            for moment in [Moment::AtOnce, Moment::Woken] {
                let stop = Stop { at, moment };
                runs.count += 1;
                if let Err(failure) = run(Some(stop)) {
                    runs.note(&Stopped { means, stop, of: suspensions }, &failure);
                }
            }
        }
        let again = self.undisturbed(runs, run(None));
        assert!(
            again == suspensions,
            "the scenario of {} is not the same in each run: it was suspended {suspensions} times at first, \
             and {again} times later",
            self.site
        );
        suspensions
    }

    /// How often it is suspended when nobody stops it.
    fn undisturbed(&self, runs: &mut Runs, played: Result<usize, Failure>) -> usize {
        runs.count += 1;
        match played {
            Ok(0) => panic!("the scenario of {} never suspends: nothing was checked", self.site),
            Ok(suspensions) => suspensions,
            Err(Failure { what, stopped }) => {
                panic!(
                    "the scenario of {} fails when nobody stops it: {what}\n{stopped}",
                    self.site
                )
            }
        }
    }
}

impl<W, T, S, R> fmt::Debug for CancelAtEveryAwait<W, T, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelAtEveryAwait").field("site", self.site).finish_non_exhaustive()
    }
}

struct Runs {
    count: usize,
    failed: usize,
    failures: String,
}

impl Runs {
    /// How many failures are told in full.
    const TOLD: usize = 8;

    fn note(&mut self, stopped: &Stopped, failure: &Failure) {
        self.failed += 1;
        if self.failed <= Self::TOLD {
            // Writing to a string does not fail.
            let _ = write!(self.failures, "{}. {stopped}\n{failure}", self.failed);
        } else if self.failed == Self::TOLD + 1 {
            self.failures.push_str("and more\n");
        }
    }
}

/// Where and how a run was stopped, in words.
struct Stopped {
    means: Means,
    stop: Stop,
    of: usize,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.means {
            Means::Drop => "dropped",
            Means::Cancel => "cancelled",
        })?;
        write!(f, " at suspension {} of {}, ", self.stop.at, self.of)?;
        f.write_str(match self.stop.moment {
            Moment::AtOnce => "as soon as it was suspended",
            Moment::Woken => "when it was about to go on",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stopped.fmt(f)?;
        for line in self.what.lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}
