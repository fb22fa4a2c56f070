//! Shields: sections that run to their end although a scope around them is cancelled (R10, R11).

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::future::ScopeFuture;
use super::plain::{Plain, shielded};
use crate::ground::error::Elapsed;

/// Runs `future` to its end although an enclosing scope is cancelled, but no longer than `limit`.
///
/// For the steps that must not be left half done: a commit, a goodbye to the peer, handing back what
/// was borrowed. While the section runs, no scope around it in this task drops its body; when it has
/// ended, a cancelled one does so at the next suspension (R11). `limit` counts from the first poll of
/// the section, whether or not anything is cancelled.
///
/// It is a section and not a switch. It does not protect from what is cancelled inside it: scopes that
/// are opened in there can be cancelled, and have deadlines, as ever. Children are protected if their
/// scope was opened inside. Deadlines around it are not in force in it, and
/// [`check`](crate::check) is `Ok` in it.
///
/// Once it has been polled it counts, until it has ended, is dropped, or its limit has passed: one that is
/// kept and not polled any more protects until then and a few milliseconds more.
///
/// A drop is no cancellation: when the code around it is dropped, by `select!` or by
/// [`tokio::time::timeout`], so is the section.
///
/// # Outcomes
///
/// `Err(Elapsed)` when the limit passed: the future was dropped, and what was started in it has ended.
///
/// # Panics
///
/// When polled without a tokio runtime that has its time driver enabled. Panics of the future are passed
/// on.
///
/// # Cancel safety
///
/// A cancellation waits for it. Dropping it drops the future.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use tokio::time::sleep;
///
/// let mut said_goodbye = false;
/// let outcome = umbel::scope(async |s| {
///     s.cancel();
///     let goodbye = umbel::shield(Duration::from_secs(5), async {
///         sleep(Duration::from_millis(20)).await;
///         said_goodbye = true;
///     });
///     goodbye.await.unwrap();
///     sleep(Duration::from_millis(1)).await; // and here the body ends
///     unreachable!();
/// })
/// .await;
/// assert!(outcome.is_err() && said_goodbye);
/// # }
/// ```
#[track_caller]
pub fn shield<F: Future>(limit: Duration, future: F) -> Shield<F> {
    Shield { limit, section: shielded(future, Location::caller()).name("shield").timeout(limit) }
}

/// As [`shield`], for as long as it takes.
///
/// If `future` never ends, no scope around it ever does. Prefer a limit.
///
/// # Panics
///
/// Passes on those of the future.
///
/// # Cancel safety
///
/// As [`shield`].
#[track_caller]
pub fn shield_unbounded<F: Future>(future: F) -> ShieldUnbounded<F> {
    ShieldUnbounded { section: shielded(future, Location::caller()).name("shield") }
}

pin_project! {
    /// The future of [`shield`].
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Shield<F: Future> {
        limit: Duration,
        #[pin]
        section: ScopeFuture<'static, Plain<F>, F>,
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.section.poll(cx));
        // Nobody has a handle to a shield: only its own limit can have ended it.
        Poll::Ready(outcome.map_err(|_| Elapsed { after: *this.limit }))
    }
}

impl<F: Future> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("limit", &self.limit).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`shield_unbounded`].
    #[must_use = "a future does nothing until it is awaited"]
    pub struct ShieldUnbounded<F: Future> {
        #[pin]
        section: ScopeFuture<'static, Plain<F>, F>,
    }
}

impl<F: Future> Future for ShieldUnbounded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match ready!(self.project().section.poll(cx)) {
            Ok(value) => Poll::Ready(value),
            Err(cancelled) => {
                unreachable!("nobody can cancel a shield without a limit: {cancelled}")
            }
        }
    }
}

impl<F: Future> fmt::Debug for ShieldUnbounded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShieldUnbounded(..)")
    }
}
