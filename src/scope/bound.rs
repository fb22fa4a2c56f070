//! A bound on the number of children that run at a time.
//!
//! The permits are tokio's semaphore: fair, and safe to be cancelled. It hangs on the scope's node, and
//! admission finds it there.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::aside::Standing;
use super::child::Child;
use super::scope_handle::Scope;
use super::{fork, spawn};
use crate::ground::runtime::Host;
use crate::tree::{Attachment, NodeRef, Role, Shelf};

/// Bounds the children of a scope.
pub(super) fn set(node: &NodeRef, max: usize) {
    let permits: Attachment = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
    node.guard_with(Shelf::Bound, permits);
}

/// The bound of a scope, if it has one.
fn of(node: &NodeRef) -> Option<Arc<Semaphore>> {
    if !node.word().is_guarded() {
        return None;
    }
    let permits = node.known_attachment(Shelf::Bound)?;
    Some(permits.downcast().expect("what hangs there is the scope's semaphore"))
}

/// A child's turn in a bounded scope, or its place in the queue.
#[derive(Default)]
pub(super) enum Turn {
    #[default]
    Free,
    Waiting(Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>),
    /// Given back when it is dropped.
    #[expect(dead_code, reason = "held for its destructor")]
    Running(Option<OwnedSemaphorePermit>),
}

impl Turn {
    /// The turn of a child that has just been admitted. Nothing if the scope has no bound.
    pub(super) fn of(node: &NodeRef) -> Option<Self> {
        let permits = of(node)?;
        Some(match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => Self::Running(Some(permit)),
            Err(_) => Self::waiting(permits),
        })
    }

    /// Ready when it is this child's turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(wait) = self {
            let Poll::Ready(permit) = wait.as_mut().poll(cx) else { return Poll::Pending };
            *self = Self::Running(permit);
        }
        Poll::Ready(())
    }

    fn waiting(permits: Arc<Semaphore>) -> Self {
        // Nobody closes the semaphore, so the permit comes: at the latest when the children that run
        // have ended. (A child that waits has used up nothing of tokio's budget.)
        let permit = async move { permits.acquire_owned().await.ok() };
        let mut wait = Box::pin(tokio::task::coop::unconstrained(permit));
        // In the queue from now on, and not from its first turn: who comes later does not overtake. The
        // first turn comes in any case, and leaves a waker.
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Self::Running(permit),
            Poll::Pending => Self::Waiting(wait),
        }
    }
}

impl<'env> Scope<'env> {
    /// Waits until a child more can run under the bound that
    /// [`max_children`](crate::ScopeFuture::max_children) set, and holds that place. Who waits longest
    /// is first. Without a bound it is ready at once.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping it gives up the place in the queue, and no permit is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// umbel::scope(async |s| {
    ///     for page in 0..1_000 {
    ///         // Never more than eight at a time, and no heap of futures that wait.
    ///         s.reserve().await.spawn(async move { page });
    ///     }
    /// })
    /// .max_children(8)
    /// .await
    /// .unwrap();
    /// # }
    /// ```
    pub async fn reserve(&self) -> Slot<'_, 'env> {
        let permit = match of(&self.handle.0) {
            Some(permits) => permits.acquire_owned().await.ok(),
            None => None,
        };
        Slot { scope: self, permit }
    }

    /// As [`reserve`](Self::reserve), without waiting.
    ///
    /// # Errors
    ///
    /// [`Full`] if as many children run as may.
    pub fn try_reserve(&self) -> Result<Slot<'_, 'env>, Full> {
        let permit = match of(&self.handle.0) {
            Some(permits) => Some(permits.try_acquire_owned().map_err(|_| Full(()))?),
            None => None,
        };
        Ok(Slot { scope: self, permit })
    }
}

/// A place for one child in a scope with a bound: see [`Scope::reserve`]. Dropped unused, it is free
/// for others.
#[derive(Debug)]
#[must_use = "a place starts nothing: call `spawn` or `fork` on it"]
pub struct Slot<'s, 'env> {
    scope: &'s Scope<'env>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<'env> Slot<'_, 'env> {
    /// As [`Scope::spawn`], in this place.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let standing = Standing::Has(Turn::Running(self.permit));
        let (scope, site) = (self.scope.node(), Location::caller());
        spawn::start(scope, Role::Task, None, site, standing, future, Host::spawn)
    }

    /// As [`Scope::fork`], in this place.
    #[track_caller]
    pub fn fork<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        let standing = Standing::Has(Turn::Running(self.permit));
        fork::fork_in_turn(self.scope.node(), None, Location::caller(), standing, future)
    }
}

/// As many children run as may: see [`Scope::try_reserve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full(());

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope has as many children as it may have at a time")
    }
}

impl std::error::Error for Full {}
