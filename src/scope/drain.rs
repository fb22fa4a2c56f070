//! Orphans: children whose scope was dropped with nobody left to wait for them (R18).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::ground::panics;
use crate::ground::waiters::Ticket;
use crate::tree::{Rows, orphans as register};

/// Waits until no orphan is left.
///
/// A scope that is dropped by `select!`, by [`tokio::time::timeout`] or by an abort cancels its
/// spawned children at once, and an enclosing scope waits for them. Where there is no enclosing scope
/// they are *orphans*: cancelled, on their way to the end, and counted. A program that wants to end
/// with nothing running awaits this last, while its runtime still runs.
///
/// # Panics
///
/// Resumes the first panic of an orphan that nobody has seen yet: whoever drains is the owner.
///
/// # Cancel safety
///
/// Safe: dropping it only stops the waiting.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
///
/// let scope = umbel::scope(async |s| {
///     s.spawn(std::future::pending::<()>());
///     std::future::pending::<()>().await
/// });
/// // tokio's timeout drops the scope where nobody of ours is around to wait for the child.
/// let _ = tokio::time::timeout(Duration::from_secs(1), scope).await;
/// assert_eq!(umbel::orphans(), 1);
///
/// umbel::drain().await;
/// assert_eq!(umbel::orphans(), 0);
/// # }
/// ```
pub fn drain() -> Drain {
    Drain { ticket: None }
}

/// How many orphans there are: children without an owner that have not ended yet, with all that they
/// started, and scopes without an owner whose finalizers are being run. See [`drain`].
#[must_use]
pub fn orphans() -> usize {
    let trees = register::trees();
    let rows = trees.iter().flat_map(Rows::of_tree);
    rows.filter(|row| row.word.role().is_child() || row.is_tended).count()
}

/// The future of [`drain`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Drain {
    ticket: Option<Ticket>,
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !register::wait(&mut self.ticket, cx.waker()) {
            return Poll::Pending;
        }
        if let Some(panic) = register::take_panic() {
            panics::resume(panic);
        }
        Poll::Ready(())
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        register::stop_waiting(self.ticket.take());
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drain(..)")
    }
}
