//! Scopes and tokio-util's `CancellationToken`, in both directions.
//!
//! * From a scope to a token: a *relay* waits on the scope's node as whoever awaits `cancelled()` does,
//!   and its waker cancels a token. Cancellers wake waiters before they return, so no task has to run.
//! * From a token to a scope: a service awaits the token. (A waker would do here too, and need no
//!   runtime. But then the token would cancel a scope from within its own `cancel`, and so call into
//!   whatever that scope's waiters are, under whatever locks the token's owner holds.)

use std::panic::Location;
use std::sync::Arc;
use std::task::{Wake, Waker};

use tokio_util::sync::CancellationToken;

use crate::ground::reason::Reason;
use crate::ground::sync::Lock;
use crate::ground::waiters::Ticket;
use crate::scope::{CancelScope, spawn};
use crate::tree::{Attachment, NodeRef, Role, Shelf};

/// Needs the feature `cancellation-token`.
impl CancelScope {
    /// A token that is cancelled when this scope is: by a request, by a deadline, from above, by being
    /// dropped. For code that takes a [`CancellationToken`]; code inside the scope needs none.
    ///
    /// The token follows the scope, not the other way round: cancelling it cancels nothing but itself
    /// and what was made from it. If the scope ends uncancelled, the token stays uncancelled.
    ///
    /// The token is cancelled by whoever cancels the scope, before their call returns (R7). If several
    /// do at once, that is the first of them, and the others may return a moment earlier.
    ///
    /// Works from any thread, before the scope's first poll, and after its end (R24). Every call gives a
    /// token of its own, and a token that is dropped leaves nothing behind. The scope keeps one small
    /// record for all of them until it is cancelled or has ended; a token keeps nothing of the scope
    /// alive (I31).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use tokio_util::sync::CancellationToken;
    ///
    /// async fn other_peoples_code(token: CancellationToken) -> &'static str {
    ///     token.cancelled().await;
    ///     "stopped"
    /// }
    ///
    /// let mut elsewhere = None;
    /// let outcome = umbel::scope(async |s| {
    ///     elsewhere = Some(tokio::spawn(other_peoples_code(s.token())));
    ///     s.cancel();
    ///     std::future::pending::<()>().await
    /// })
    /// .await;
    /// assert!(outcome.is_err());
    /// assert_eq!(elsewhere.unwrap().await.unwrap(), "stopped");
    /// # }
    /// ```
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        let make = || -> Attachment { Arc::new(Relay::new()) };
        match self.0.attachment(Shelf::Token, make) {
            Some(relay) => relay_of(&relay).follow(&self.0),
            // It has ended.
            None => settled(self.is_cancelled()),
        }
    }

    /// Has this scope cancelled when `token` is, as by [`cancel_with`](Self::cancel_with): one request
    /// to it, softened if the scope has a [grace](crate::ScopeFuture::grace).
    ///
    /// If the token is cancelled already, the request is made within this call. Otherwise a
    /// [service](crate::Scope::service) of the scope waits for the token, and makes it when it has its
    /// turn. It ends with the scope, so the token need not ever be cancelled (R15).
    ///
    /// # Outcomes
    ///
    /// Nothing is linked to a scope that takes no children: one that has ended, is cancelled, or was asked
    /// to stop. The service runs on the scope's runtime, and before the scope's first poll on the
    /// caller's. Without one the scope is cancelled with [`Kind::Shutdown`](crate::Kind::Shutdown), as by
    /// any child that cannot be spawned (R13).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let (work, handle) = umbel::scope(async |_| std::future::pending::<()>().await).with_handle();
    /// handle.link(&token);
    /// token.cancel();
    /// let cancelled = work.await.unwrap_err();
    /// assert_eq!(cancelled.reason().message(), Some("its cancellation token was cancelled"));
    /// # }
    /// ```
    #[track_caller]
    pub fn link(&self, token: &CancellationToken) {
        let reason = Reason::new("its cancellation token was cancelled");
        if token.is_cancelled() {
            return self.cancel_with(reason);
        }
        let (scope, token) = (self.clone(), token.clone());
        let waiting = async move {
            token.cancelled_owned().await;
            scope.cancel_with(reason);
        };
        let name = Some("linked token".into());
        // Whether it is refused makes no difference: then there is nothing to cancel.
        drop(spawn::spawn(&self.0, Role::Service, name, Location::caller(), waiting));
    }
}

/// A token for a scope that has ended.
fn settled(is_cancelled: bool) -> CancellationToken {
    let token = CancellationToken::new();
    if is_cancelled {
        token.cancel();
    }
    token
}

/// What a scope keeps for all its tokens: they are children of this one, which nobody else has, and
/// tokio-util forgets them when they are dropped.
struct Relay {
    root: CancellationToken,
    /// That the node wakes us.
    ticket: Lock<Option<Ticket>>,
}

impl Relay {
    fn new() -> Self {
        Self { root: CancellationToken::new(), ticket: Lock::new(None) }
    }

    /// A token that follows `node`.
    fn follow(&self, node: &NodeRef) -> CancellationToken {
        let token = self.root.child_token();
        {
            // Whoever comes first has to have registered before the next one returns.
            let mut ticket = self.ticket.lock();
            if ticket.is_none() {
                let wire = Wire { node: node.clone(), root: self.root.clone() };
                node.watch(&mut ticket, &Waker::from(Arc::new(wire)));
            }
        }
        // I5: whoever cancels after the registration finds the waker; whoever did before it is seen here.
        if node.word().is_cancelled() {
            self.root.cancel();
        }
        token
    }
}

fn relay_of(any: &Attachment) -> &Relay {
    // INVARIANT: nothing else is put on this shelf.
    any.downcast_ref().expect("what hangs there is the relay of the scope's tokens")
}

/// The waker that waits on the node. It holds the node, which holds it: until the node is cancelled or
/// closes, which both let go of it.
struct Wire {
    node: NodeRef,
    root: CancellationToken,
}

impl Wake for Wire {
    fn wake(self: Arc<Self>) {
        // Woken too when the scope has ended.
        if self.node.word().is_cancelled() {
            self.root.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use crate::scope::scope;
    use crate::tree::Tree;

    use super::*;

    /// I31: when the scope has ended, no token keeps its tree, whatever became of the scope.
    #[tokio::test]
    async fn a_token_keeps_no_tree() {
        for cancel in [false, true] {
            let (work, handle) = scope(async |_| tokio::task::yield_now().await).with_handle();
            let tree: Weak<Tree> = Arc::downgrade(handle.0.tree());
            let tokens = [handle.token(), handle.token()];
            if cancel {
                handle.cancel();
            }
            assert_eq!(work.await.is_err(), cancel);
            assert!(tree.upgrade().is_some());
            drop(handle);
            assert!(tree.upgrade().is_none());
            assert!(tokens.iter().all(|token| token.is_cancelled() == cancel));
        }
    }

    /// However many tokens there were, the scope keeps one record for them.
    #[tokio::test]
    async fn many_tokens_are_one_waiter() {
        scope(async |s| {
            let relay = |scope: &CancelScope| scope.0.known_attachment(Shelf::Token);
            assert!(relay(&s).is_none());
            for _ in 0..3 {
                drop(s.token());
                let any = relay(&s).expect("made at the first call");
                let first = relay_of(&any).ticket.lock().expect("the node wakes it");
                let _token = s.token();
                assert_eq!(*relay_of(&any).ticket.lock(), Some(first));
            }
        })
        .await
        .expect("nobody cancels it");
    }
}
