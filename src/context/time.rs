//! The one file that names tokio's clock (R21): a paused clock drives everything.

#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
use std::future::Future;
#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// About thirty years: what `Duration::MAX` from now amounts to.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

/// Now, on tokio's clock.
#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(any(umbel_loom, loom, umbel_shuttle))]
pub(crate) use super::clock::now;

/// `delay` from now; a sum that no clock can hold is as good as thirty years.
pub(crate) fn after(delay: Duration) -> Instant {
    let now = now();
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}

/// When something has to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    None,
    /// Counted from the first poll.
    After(Duration),
    At(Instant),
}

/// By how much a limit must have passed before somebody else than its owner acts on it. tokio's timers
/// are up to a millisecond late, and the owner is to have its turn first.
const LATE: Duration = Duration::from_millis(2);

/// A limit before this has passed, and whoever had it has not noticed.
pub(crate) fn overdue() -> Option<Instant> {
    now().checked_sub(LATE)
}

/// A timer of one scope. In a box, because most scopes have none.
pub(crate) struct Timer(Backend);

#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
type Backend = Pin<Box<tokio::time::Sleep>>;
#[cfg(any(umbel_loom, loom, umbel_shuttle))]
type Backend = super::clock::Backend;

#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
impl Timer {
    pub(crate) fn at(deadline: Instant) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the permitted caller")]
        Self(Box::pin(tokio::time::sleep_until(deadline.into())))
    }

    fn deadline(&self) -> Instant {
        self.0.deadline().into_std()
    }

    pub(crate) fn is_elapsed(&self) -> bool {
        self.0.is_elapsed()
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A body that has used up tokio's budget for this turn must still time out.
        let unconstrained = &mut tokio::task::coop::unconstrained(self.0.as_mut());
        Pin::new(unconstrained).poll(cx)
    }
}

#[cfg(any(umbel_loom, loom, umbel_shuttle))]
impl Timer {
    pub(crate) fn at(deadline: Instant) -> Self {
        Self(Backend::at(deadline))
    }

    fn deadline(&self) -> Instant {
        self.0.deadline
    }

    pub(crate) fn is_elapsed(&self) -> bool {
        self.0.is_elapsed()
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

impl Timer {
    /// Has the timer in `slot` be one for when `limit`, which is somebody else's, is overdue.
    pub(crate) fn watch(slot: &mut Option<Self>, limit: Option<Instant>) {
        let wanted = limit.and_then(|limit| limit.checked_add(LATE * 2));
        if slot.as_ref().map(Self::deadline) != wanted {
            *slot = wanted.map(Self::at);
        }
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    /// R20.
    #[test]
    fn a_limit_that_no_clock_can_hold_is_thirty_years() {
        let years = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        let before = now();
        let at = after(Duration::MAX);
        assert!(before + years <= at && at <= now() + years);
    }
}
