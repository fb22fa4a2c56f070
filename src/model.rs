//! For models only: the bare machine of the tree, and the ways to run under loom and under shuttle.
//!
//! Not part of the public interface: it exists only under `--cfg umbel_loom` or `--cfg umbel_shuttle`.
#![expect(clippy::must_use_candidate, reason = "models ask for effects as often as for answers")]

use std::task::{Poll, Waker};

use crate::ground::reason::Reason;
use crate::ground::runtime::Host;
use crate::tree::{Closing, Keeper, NodeRef, Role, TRUNK, Tree};

pub use crate::ground::defects::{Defect, with as with_defect};
pub use crate::ground::runtime::block_on;
#[cfg(umbel_shuttle)]
pub use crate::ground::runtime::tasks;

/// A node of the tree, without any future around it.
#[derive(Debug, Clone)]
pub struct Node(NodeRef);

/// The owner's reference to a node.
#[derive(Debug)]
pub struct Owner(NodeRef);

impl Owner {
    /// A scope in a tree of its own.
    pub fn root() -> (Self, Node) {
        let (owner, handle) =
            Tree::unowned(Host::current()).open(TRUNK, Role::Scope, std::panic::Location::caller());
        (Self(owner), Node(handle))
    }

    /// A task's first scope: in a tree of its own below this node.
    pub fn open_in_task(&self) -> (Self, Node) {
        let (owner, handle) =
            self.0.sprout().open(TRUNK, Role::Scope, std::panic::Location::caller());
        (Self(owner), Node(handle))
    }

    /// A scope below this one.
    pub fn open_below(&self) -> (Self, Node) {
        let (owner, handle) =
            self.0.tree().open(self.0.index(), Role::Scope, std::panic::Location::caller());
        (Self(owner), Node(handle))
    }

    /// A shield below this node.
    pub fn shield_below(&self) -> (Self, Node) {
        let (owner, handle) =
            self.0.tree().open(self.0.index(), Role::Shield, std::panic::Location::caller());
        (Self(owner), Node(handle))
    }

    /// Leaves something to be run when nothing lives below any more.
    pub fn defer(&self) {
        let deferred = self.0.defer(Box::new(()));
        assert!(matches!(deferred, Ok(Keeper::There)), "the owner is there, so it is open");
    }

    /// Leaves, and tends what is left.
    #[must_use]
    pub fn leave(self) -> Self {
        let _ = self.0.abandon();
        assert!(self.0.release_scope(false), "there is something to be run");
        self
    }

    /// Whether there was a finalizer to be run, when nothing lives below.
    pub fn next_finalizer(&self, waker: &Waker) -> Poll<bool> {
        self.0.next_finalizer(waker).map(|finalizer| finalizer.is_some())
    }

    pub fn register(&self, waker: &Waker) {
        drop(self.0.register(waker));
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.peek().is_cancelled()
    }

    /// Whether it has closed; if not, `waker` is registered.
    pub fn try_close(&self, waker: &Waker) -> bool {
        matches!(self.0.try_close(waker), Closing::Closed(_))
    }

    pub fn finish(self) {
        self.0.finish();
    }

    pub fn drop_early(self) {
        let _ = self.0.abandon();
        let _ = self.0.release_scope(false);
    }
}

impl Node {
    pub fn open(&self) -> (Owner, Node) {
        let (owner, handle) =
            self.0.tree().open(self.0.index(), Role::Scope, std::panic::Location::caller());
        (Owner(owner), Node(handle))
    }

    pub fn admit(&self) -> Option<(Owner, Node)> {
        let (owner, handle) = self.0.admit(Role::Task, std::panic::Location::caller()).ok()?;
        Some((Owner(owner), Node(handle)))
    }

    pub fn admit_service(&self) -> Option<(Owner, Node)> {
        let (owner, handle) = self.0.admit(Role::Service, std::panic::Location::caller()).ok()?;
        Some((Owner(owner), Node(handle)))
    }

    /// Asks the scope to stop, with a grace that nobody sees the end of.
    pub fn stop(&self) {
        let at = crate::context::time::after(std::time::Duration::from_secs(60));
        let _ = self.0.stop(Reason::new("stop"), at);
    }

    /// Waits to be cancelled.
    pub fn cancelled(&self) -> crate::WaitCancelled {
        crate::CancelScope(self.0.clone()).cancelled()
    }

    /// Leaves something to be run when nothing lives below any more. Whether it was taken; and who has
    /// to tend it, if nobody does by now.
    pub fn defer(&self) -> (bool, Option<Owner>) {
        match self.0.defer(Box::new(())) {
            Ok(Keeper::There) => (true, None),
            Ok(Keeper::Wanted) => (true, Some(Owner(self.0.clone()))),
            Err(_) => (false, None),
        }
    }

    /// Waits to be asked to stop.
    pub fn stopping(&self) -> crate::WaitStopping {
        crate::WaitStopping::of(self.0.clone())
    }

    pub fn cancel(&self, message: &'static str) -> bool {
        self.0.cancel(|| Reason::new(message))
    }

    pub fn count(&self) -> u64 {
        self.0.peek().own()
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.peek().is_cancelled()
    }

    pub fn is_closed(&self) -> bool {
        self.0.peek().is_closed()
    }

    pub fn reason(&self) -> Option<String> {
        self.0.reason().and_then(|reason| reason.message().map(ToOwned::to_owned))
    }

    /// The slot in the tree: equal for two nodes of one tree if the slot was used again.
    pub fn slot(&self) -> u32 {
        self.0.index()
    }
}

/// What a scope's owner does when its timer has gone off, done by somebody else: whatever the clock says.
pub fn come_due(scope: &crate::CancelScope) {
    scope.node().come_due(crate::context::time::now(), crate::context::time::after);
}

/// Time stands still in a model. Here a day passes: timers that are due by then go off.
pub fn pass_a_day() {
    crate::context::clock::pass_a_day();
}

/// A model of loom's has started a thread of its own.
#[cfg(any(umbel_loom, loom))]
pub fn thread_started() {
    crate::ground::runtime::threads::started();
}
