//! `Child<T>`: the handle to a child and its outcome.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::fork::Slot;
use super::handle::CancelScope;
use super::try_child::Tried;
use crate::ground::error::Cancelled;
use crate::ground::reason::{Kind, Reason};
use crate::ground::runtime::{JoinHandle, TaskId};
use crate::tree::{NodeRef, Refusal};

/// A child of a scope: a future of its value, and the way to address it.
///
/// Dropping it neither cancels the child nor detaches it: the scope waits for it all the same, and a
/// panic of the child reaches the scope's owner (R14).
///
/// # Outcomes
///
/// `Ok(value)` when the child returned. `Err(Cancelled)` when it was cancelled, when it was never
/// started, or when it panicked; the reason says which.
///
/// # Panics
///
/// When it is polled again after it has given its outcome.
///
/// # Cancel safety
///
/// Safe: `&mut child` can be polled, dropped and polled again; the value stays with the child until it
/// is taken.
pub struct Child<T> {
    /// Nothing if the child was refused.
    node: Option<NodeRef>,
    outcome: Outcome<T>,
}

/// Where the value comes from.
pub(super) enum Outcome<T> {
    Spawned(JoinHandle<Option<T>>),
    Forked(Arc<Slot<T>>),
    Refused(Reason),
    /// Asked for before the handle was given out.
    Known(Result<T, Cancelled>),
    /// A child of a `try_scope`.
    Tried(Tried<T>),
    Taken,
}

impl<T> Child<T> {
    pub(super) fn new(node: NodeRef, outcome: Outcome<T>) -> Self {
        Self { node: Some(node), outcome }
    }

    /// A child that was never started. Call when its future has been dropped.
    pub(super) fn refused(
        scope: &NodeRef,
        refusal: Refusal,
        site: &'static Location<'static>,
    ) -> Self {
        let reason = match refusal {
            Refusal::Cancelled => scope.reason(),
            Refusal::Stopping => scope.stop_reason(),
            Refusal::Closed | Refusal::Full => None,
        };
        let reason = reason.unwrap_or_else(|| Reason::at(Kind::ScopeEnded, site));
        Self { node: None, outcome: Outcome::Refused(reason) }
    }

    /// Puts back an outcome that was taken.
    pub(super) fn with_outcome(mut self, outcome: Result<T, Cancelled>) -> Self {
        self.outcome = Outcome::Known(outcome);
        self
    }

    /// A child of a `try_scope`: nothing is what it has to give if it failed.
    pub(super) fn of_attempt(attempt: Child<Option<T>>) -> Self {
        let outcome = match attempt.outcome {
            Outcome::Spawned(handle) => Outcome::Tried(Tried::Spawned(handle)),
            Outcome::Forked(slot) => Outcome::Tried(Tried::Forked(slot)),
            Outcome::Refused(reason) => Outcome::Tried(Tried::refused(reason)),
            Outcome::Known(_) | Outcome::Tried(_) | Outcome::Taken => Outcome::Taken,
        };
        Self { node: attempt.node, outcome }
    }

    /// Asks this child alone to stop: counts one request on its task and wakes it. Its siblings and
    /// the scope are not touched (R1). Nothing happens if it was never started or has ended.
    #[track_caller]
    pub fn cancel(&self) {
        let location = Location::caller();
        if let Some(node) = &self.node {
            node.cancel(|| Reason::at(Kind::Explicit, location));
        }
    }

    /// How many requests were addressed to this child: the cancel count of its task.
    #[must_use]
    pub fn cancel_count(&self) -> u64 {
        self.node.as_ref().map_or(0, |node| node.peek().own())
    }

    /// Whether the child has ended: its future is dropped, and so is all that it started.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.node.as_ref().is_none_or(|node| node.peek().is_closed())
    }

    /// The name that the child was given.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'static, str>> {
        self.node.as_ref().and_then(NodeRef::name)
    }

    /// The id of the child's task. Nothing if it was never started.
    #[must_use]
    pub fn id(&self) -> Option<TaskId> {
        match (&self.outcome, &self.node) {
            (Outcome::Spawned(handle), _) => Some(handle.id()),
            (Outcome::Tried(Tried::Spawned(handle)), _) => Some(handle.id()),
            (Outcome::Forked(_) | Outcome::Tried(Tried::Forked(_)), Some(node)) => {
                Some(TaskId::forked(node.index()))
            }
            _ => None,
        }
    }

    /// A handle to the child's task as a scope: cancelling it is [`cancel`](Self::cancel). Nothing if
    /// the child was never started.
    #[must_use]
    pub fn handle(&self) -> Option<CancelScope> {
        self.node.clone().map(CancelScope)
    }

    fn cancelled(&self) -> Cancelled {
        let reason = self.node.as_ref().and_then(NodeRef::reason);
        // A task that its runtime dropped while nobody had cancelled it.
        Cancelled::new(reason.unwrap_or_else(|| Reason::bare(Kind::Shutdown)))
    }
}

impl<T> Child<T> {
    fn poll_tried(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Cancelled>> {
        let Outcome::Tried(tried) = &mut self.outcome else { return Poll::Pending };
        let value = ready!(tried.poll(cx));
        self.outcome = Outcome::Taken;
        Poll::Ready(value.map_err(|reason| reason.map_or_else(|| self.cancelled(), Cancelled::new)))
    }
}

impl<T> Unpin for Child<T> {}

impl<T> Future for Child<T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let value = match &mut self.outcome {
            Outcome::Spawned(handle) => Pin::new(handle).poll(cx).map(Option::flatten),
            Outcome::Forked(slot) => slot.poll(cx),
            Outcome::Refused(reason) => return Poll::Ready(Err(Cancelled::new(reason.clone()))),
            Outcome::Known(_) => {
                let Outcome::Known(outcome) = std::mem::replace(&mut self.outcome, Outcome::Taken)
                else {
                    unreachable!("looked at just before");
                };
                return Poll::Ready(outcome);
            }
            Outcome::Tried(_) => return self.poll_tried(cx),
            Outcome::Taken => panic!("a `Child` was polled after it had given its outcome"),
        };
        let Poll::Ready(value) = value else { return Poll::Pending };
        self.outcome = Outcome::Taken;
        Poll::Ready(value.ok_or_else(|| self.cancelled()))
    }
}

impl<T> fmt::Debug for Child<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .field("cancel_count", &self.cancel_count())
            .finish_non_exhaustive()
    }
}
