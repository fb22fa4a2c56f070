//! The machine by itself: what a transition leaves behind, looked at in the records. The models explore
//! the same transitions under every schedule; the tests in `tests/` see them from the outside.

mod ends;
mod marks;
mod questions;

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::{NodeRef, Role, TRUNK, Tree};
use crate::ground::reason::{Kind, Reason};
use crate::ground::runtime::Host;

/// The outermost scope of a tree that nobody owns: the owner's reference, and a handle.
fn root() -> (NodeRef, NodeRef) {
    Tree::unowned(Host::current()).open(TRUNK, Role::Scope, Location::caller())
}

/// A scope or a shield below a node of the same tree.
fn open(above: &NodeRef, role: Role) -> (NodeRef, NodeRef) {
    above.tree().open(above.index(), role, Location::caller())
}

fn admit(scope: &NodeRef, role: Role) -> (NodeRef, NodeRef) {
    scope.admit(role, Location::caller()).expect("the scope is open")
}

/// The first scope of a child: in a tree of its own.
fn open_in_task(task: &NodeRef) -> (NodeRef, NodeRef) {
    task.sprout().open(TRUNK, Role::Scope, Location::caller())
}

/// What the owner of a scope does when its future is dropped.
fn drop_early(owner: &NodeRef) {
    let _ = owner.abandon();
    assert!(!owner.release_scope(false), "there is no finalizer");
}

fn cancel(node: &NodeRef) {
    node.cancel(|| Reason::at(Kind::Explicit, Location::caller()));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
