//! How the handle of a `try_scope`'s child comes to its outcome.
//!
//! Such a child that fails has no value: its error goes to the scope. If its handle said so at once,
//! whoever awaits it inside that scope would make an error of the cancellation, by `child.await?`,
//! although the scope has the true one. So whoever is cancelled himself is told nothing: he is about to
//! be dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::fork::Slot;
use super::handle::Stopped;
use crate::context::stack;
use crate::ground::reason::Reason;
use crate::ground::runtime::JoinHandle;

/// Where the value comes from, if there is one.
pub(super) enum Tried<T> {
    #[expect(clippy::option_option, reason = "the wrapper's nothing around the attempt's")]
    Spawned(JoinHandle<Option<Option<T>>>),
    Forked(Arc<Slot<Option<T>>>),
    Lost(Box<Lost>),
}

/// There is no value, and nobody has been told yet.
#[derive(Default)]
pub(super) struct Lost {
    /// The child was not started, for this reason.
    refused: Option<Reason>,
    /// The cancelled scope in which it was asked for: when that has ended, whoever asked is gone, or he
    /// has been carried away, and is told.
    asked_in: Option<Stopped>,
}

impl<T> Tried<T> {
    pub(super) fn refused(reason: Reason) -> Self {
        Self::Lost(Box::new(Lost { refused: Some(reason), asked_in: None }))
    }

    /// The value; or that there is none, and the reason, if it is not the one in the tree.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Option<Reason>>> {
        let value = match self {
            Self::Spawned(handle) => ready!(Pin::new(handle).poll(cx)).flatten().flatten(),
            Self::Forked(slot) => ready!(slot.poll(cx)).flatten(),
            Self::Lost(lost) => return lost.poll(cx).map(Err),
        };
        if let Some(value) = value {
            return Poll::Ready(Ok(value));
        }
        let mut lost = Lost::default();
        let polled = lost.poll(cx);
        *self = Self::Lost(Box::new(lost));
        polled.map(Err)
    }
}

impl Lost {
    #[cold]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        if stack::is_cancelled() {
            if let Some(place) = stack::innermost() {
                let mut end = Stopped::of(place);
                let ended = Pin::new(&mut end).poll(cx);
                self.asked_in = Some(end);
                if ended.is_pending() {
                    return Poll::Pending;
                }
            }
        }
        self.asked_in = None;
        Poll::Ready(self.refused.take())
    }
}
