//! One run of a scenario: made, stopped, let go to its end, and looked at.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::capture::Bell;
use super::every_await::{Failure, Means, Moment, Outcome, Stop};
use super::leaks::Check;
use super::places::Suspended;
use crate::context::time::{self, Timer};
use crate::ground::panics;
use crate::scope::{CancelScope, scope};

/// A run that takes longer, on its paused clock, has no end.
const DAY: Duration = Duration::from_secs(86_400);

/// So has one that is polled more often.
const POLLS: usize = 10_000;

/// What is run.
pub(super) struct Scenario<S, R> {
    pub(super) setup: S,
    pub(super) steps: R,
    pub(super) patience: Duration,
    pub(super) allows_unhandled: bool,
}

/// Runs it once. Gives how often it was suspended.
pub(super) fn run<W, T, S, R, C>(
    scenario: &Scenario<S, R>,
    check: &C,
    means: Means,
    stop: Option<Stop>,
) -> Result<usize, Failure>
where
    S: AsyncFn() -> W,
    R: AsyncFn(&W) -> T,
    C: AsyncFn(&W, Outcome<T>),
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime can be built");
    let probe = Probe::new(stop);
    let played = panics::catch(|| runtime.block_on(play(scenario, check, means, &probe)));
    let what = match played {
        Ok(Ok(())) => return Ok(probe.suspensions.get()),
        Ok(Err(what)) => what,
        Err(panic) => format!("panicked: {}", panics::text(&panic)),
    };
    // A thread that was left behind is not waited for: it may have no end.
    runtime.shutdown_background();
    Err(Failure { what, stopped: probe.stopped.take() })
}

async fn play<W, T, S, R, C>(
    scenario: &Scenario<S, R>,
    check: &C,
    means: Means,
    probe: &Probe,
) -> Result<(), String>
where
    S: AsyncFn() -> W,
    R: AsyncFn(&W) -> T,
    C: AsyncFn(&W, Outcome<T>),
{
    let watched = Check::start();
    let world = in_time((scenario.setup)()).await.ok_or("the setup does not end")?;
    let before = watched.living();
    let outcome = match means {
        Means::Drop => probe.until_dropped((scenario.steps)(&world)).await,
        Means::Cancel => probe.until_cancelled((scenario.steps)(&world)).await,
    }?;
    watched.wait(scenario.patience, || watched.living() <= before).await;
    in_time(check(&world, outcome)).await.ok_or("the check does not end")?;
    drop(world);
    let left = watched.settle(scenario.patience).await;
    if left.is_nothing(scenario.allows_unhandled) {
        Ok(())
    } else {
        Err(format!("it left behind:\n{left}"))
    }
}

/// The output of a future that ends within a day.
async fn in_time<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = Timer::at(time::after(DAY));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.poll(cx).map(|()| None),
    })
    .await
}

/// Counts suspensions, and stops at one of them.
struct Probe {
    bell: Arc<Bell>,
    stop: Option<Stop>,
    suspensions: Cell<usize>,
    polls: Cell<usize>,
    has_stopped: Cell<bool>,
    /// Where it was suspended, when that was last of interest.
    stopped: RefCell<Suspended>,
}

impl Probe {
    fn new(stop: Option<Stop>) -> Self {
        Self {
            bell: Bell::new(),
            stop,
            suspensions: Cell::new(0),
            polls: Cell::new(0),
            has_stopped: Cell::new(false),
            stopped: RefCell::default(),
        }
    }

    /// Polls the future until it is ready, or stopped by being dropped.
    async fn until_dropped<F: Future>(&self, future: F) -> Result<Outcome<F::Output>, String> {
        let mut future = Some(Box::pin(self.probed(future)));
        self.drive(|cx, must_stop| {
            if must_stop {
                future = None;
            }
            match &mut future {
                Some(future) => future.as_mut().poll(cx).map(Outcome::Returned),
                None => Poll::Ready(Outcome::Dropped),
            }
        })
        .await
    }

    /// Polls the future, in a scope, to its end, which may be that of the scope's being cancelled.
    async fn until_cancelled<F: Future>(&self, future: F) -> Result<Outcome<F::Output>, String> {
        let (work, handle) = scope(async |_| self.probed(future).await).with_handle();
        let mut work = pin!(work);
        let outcome = self
            .drive(|cx, must_stop| {
                if must_stop {
                    cancel(&handle);
                }
                work.as_mut().poll(cx)
            })
            .await?;
        Ok(match outcome {
            Ok(value) => Outcome::Returned(value),
            Err(cancelled) => Outcome::Cancelled(cancelled),
        })
    }

    async fn probed<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let polled = poll_the_scenario(future.as_mut(), cx);
            if polled.is_pending() {
                self.suspensions.set(self.suspensions.get() + 1);
            }
            polled
        })
        .await
    }

    /// Calls `poll` as often as it is woken, once with word to stop.
    async fn drive<T>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<T>,
    ) -> Result<T, String> {
        let driven = in_time(poll_fn(|cx| {
            if !self.bell.take(cx.waker()) {
                return Poll::Pending;
            }
            if self.polls.replace(self.polls.get() + 1) > POLLS {
                return Poll::Ready(None);
            }
            self.turn(&mut poll).map(Some)
        }));
        match driven.await {
            Some(Some(output)) if self.has_stopped.get() || self.stop.is_none() => Ok(output),
            Some(Some(_)) => Err(format!(
                "it is not the same in each run: this time it ended after {} suspensions",
                self.suspensions.get()
            )),
            Some(None) => Err(format!("it has no end: it was polled {POLLS} times")),
            None => Err("it has no end: it waits for ever".to_owned()),
        }
    }

    /// One poll, and at once another one if it is to be stopped there.
    fn turn<T>(&self, poll: &mut impl FnMut(&mut Context<'_>, bool) -> Poll<T>) -> Poll<T> {
        let polled = self.noted(|cx| poll(cx, self.must_stop(Moment::Woken)));
        if polled.is_ready() || !self.must_stop(Moment::AtOnce) {
            return polled;
        }
        self.noted(|cx| poll(cx, true))
    }

    /// Whether this is where and when it is to be stopped. Says so once.
    fn must_stop(&self, now: Moment) -> bool {
        let here = Stop { at: self.suspensions.get(), moment: now };
        let must = self.stop == Some(here) && !self.has_stopped.get();
        if must {
            self.has_stopped.set(true);
        }
        must
    }

    /// Calls `poll` with a new waker, and notes who takes it if that is of interest: at the suspension at
    /// which it is stopped, and, for the case that this is the last one, when it is not stopped.
    fn noted<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let next = self.suspensions.get() + 1;
        let is_noted = self.stop.is_none_or(|stop| stop.at == next);
        if is_noted {
            self.bell.start_noting();
        }
        let waker = self.bell.waker();
        let polled = poll(&mut Context::from_waker(&waker));
        if is_noted {
            self.stopped.replace(self.bell.stop_noting());
        }
        polled
    }
}

#[track_caller]
fn cancel(handle: &CancelScope) {
    handle.cancel_with("cancelled by cancel_at_every_await");
}

/// Stands on the stack between the scenario and what is around it.
#[inline(never)]
fn poll_the_scenario<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let polled = future.poll(cx);
    // Or the call might be the last thing that is done here, and take this function's place.
    std::hint::black_box(&polled);
    polled
}
