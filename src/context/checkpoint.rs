//! Where running code meets its cancellation of its own accord.

use std::future::pending;

use super::stack;
use crate::ground::error::Cancelled;
use crate::ground::reason::{Kind, Reason};
use crate::ground::runtime::yield_now;
use crate::tree::NodeRef;

/// Lets other tasks run, and is a point at which a cancelled scope stops.
///
/// In a cancelled scope it suspends for good, so the body is dropped exactly here, however often it
/// is called (R9: the state counts, not the moment of the request). Elsewhere, and outside every
/// scope, it is [`tokio::task::yield_now`].
///
/// Every `await` that suspends is such a point already. A loop that never suspends needs this.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let outcome = umbel::scope(async |s| {
///     for n in 0.. {
///         if n == 1_000 {
///             s.cancel();
///         }
///         umbel::checkpoint().await;
///     }
/// })
/// .await;
/// assert!(outcome.is_err());
/// # }
/// ```
///
/// # Cancel safety
///
/// Safe: it holds nothing.
pub async fn checkpoint() {
    if !stack::is_cancelled() {
        yield_now().await;
    }
    if stack::is_cancelled() {
        pending::<()>().await;
    }
}

/// Whether the work this code belongs to is cancelled, as a `Result`, for `?`.
///
/// It never suspends and takes no lock. For code that computes between two awaits, and for code that
/// wants to leave by itself and say why. Outside every scope it is `Ok`.
///
/// # Errors
///
/// [`Cancelled`], with the first cause at the nearest cancelled scope.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// fn crunch(rows: &[u64]) -> Result<u64, umbel::Cancelled> {
///     let mut sum = 0;
///     for chunk in rows.chunks(1024) {
///         umbel::check()?;
///         sum += chunk.iter().sum::<u64>();
///     }
///     Ok(sum)
/// }
///
/// let sum = umbel::scope(async |s| {
///     s.cancel_with("enough");
///     crunch(&[1, 2, 3])
/// })
/// .await;
/// // A value wins (R3): the body returned in the poll in which the scope was cancelled.
/// assert!(sum.unwrap().is_err());
/// # }
/// ```
pub fn check() -> Result<(), Cancelled> {
    if !stack::is_cancelled() {
        return Ok(());
    }
    stack::innermost().map_or(Ok(()), |node| check_at(&node))
}

/// [`check`], for this very node.
pub(crate) fn check_at(node: &NodeRef) -> Result<(), Cancelled> {
    if !node.peek().is_cancelled() {
        return Ok(());
    }
    // INVARIANT I24: there is one; the fallback is for a defect of ours to stay harmless.
    Err(Cancelled::new(node.reason().unwrap_or_else(|| Reason::bare(Kind::ScopeEnded))))
}
