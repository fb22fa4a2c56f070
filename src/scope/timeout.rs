//! `timeout`: a scope with a deadline that says when it was the deadline.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::future::ScopeFuture;
use super::plain::{Plain, around};
use crate::ground::error::{Elapsed, TimeoutError};

/// Runs `future` in a scope of its own that is cancelled when `limit` has passed.
///
/// The future is dropped when the time is up, with everything that was started in it, and this
/// returns only when all that has ended. A future that is ready at the same moment wins (R3). The time
/// counts from the first poll; the nearest deadline on the way up is in force (R20).
///
/// To wait a while *without* cancelling what is waited for (`&mut work`), use [`tokio::time::timeout`]:
/// what is first polled in here belongs to this scope, and is cancelled with it (R23).
///
/// # Outcomes
///
/// [`TimeoutError::Elapsed`] exactly when its own deadline was the first cause and it absorbed: not
/// after a manual cancel, not when an enclosing deadline passed (then this is dropped from above).
///
/// # Panics
///
/// When polled without a tokio runtime that has its time driver enabled, as tokio's own timers do.
/// Panics of the future are passed on.
///
/// # Cancel safety
///
/// That of a [`scope`](fn@crate::scope).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use umbel::TimeoutError;
///
/// let quick = umbel::timeout(Duration::from_secs(1), async { 7 }).await;
/// assert_eq!(quick.unwrap(), 7);
///
/// let slow = umbel::timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
/// assert!(matches!(slow, Err(TimeoutError::Elapsed(_))));
/// # }
/// ```
#[track_caller]
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    Timeout { limit, scope: around(future, Location::caller()).timeout(limit) }
}

pin_project! {
    /// The future of [`timeout`].
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Timeout<F: Future> {
        limit: Duration,
        #[pin]
        scope: ScopeFuture<'static, Plain<F>, F>,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = ready!(this.scope.as_mut().poll(cx));
        Poll::Ready(outcome.map_err(|cancelled| {
            if this.scope.has_timed_out() {
                TimeoutError::Elapsed(Elapsed { after: *this.limit })
            } else {
                TimeoutError::Cancelled(cancelled)
            }
        }))
    }
}

impl<F: Future> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("limit", &self.limit).finish_non_exhaustive()
    }
}
