//! The ambient scope: which scopes and children are being polled (or dropped) on this thread, the
//! innermost last (R22).
//!
//! A future lends its place to the stack while it polls its body and takes it back afterwards: a move
//! there and a move back, with no count touched.

use std::cell::RefCell;
use std::sync::Arc;

use crate::ground::runtime::Host;
use crate::ground::sync::static_local;
use crate::tree::{NodeRef, Role, Site, TRUNK, Tree};

/// Where somebody stands.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a scope, a forked child, or a task that has not opened a scope yet.
    Node(NodeRef),
    /// At the root of a task that has a tree of its own.
    Rooted(Arc<Tree>),
}

impl Place {
    /// The node that can be cancelled here.
    pub(crate) fn node(&self) -> &NodeRef {
        match self {
            Self::Node(node) => node,
            // INVARIANT: `Rooted` is made below, of a tree that a task's node has sprouted.
            Self::Rooted(tree) => tree.up().expect("a task's tree hangs on its node"),
        }
    }

    fn mark(&self) -> Mark {
        match self {
            Self::Node(node) => Mark(Arc::as_ptr(node.tree()).addr(), node.index()),
            Self::Rooted(tree) => Mark(Arc::as_ptr(tree).addr(), TRUNK),
        }
    }

    fn is(&self, node: &NodeRef) -> bool {
        self.node().is_same(node)
    }
}

/// A place as plain numbers, to be recognized by whoever was polled in it before. A node handed to
/// another parent is told to look again, so a number that was given out anew does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize, u32);

impl Mark {
    /// No scope at all.
    pub(crate) const OUTSIDE: Self = Self(0, TRUNK);
}

static_local! {
    static STACK: RefCell<Vec<Place>> = RefCell::new(Vec::new());
}

/// Runs `code` with `place` as the innermost, and gives the place back with what lay beneath it.
///
/// `code` must not unwind: whoever calls catches what the user's code throws, because the place has
/// to come back on every path.
#[inline]
pub(crate) fn within<T>(place: Place, code: impl FnOnce() -> T) -> (Place, Mark, T) {
    let beneath = match push(place) {
        Ok(beneath) => beneath,
        // The thread is being torn down, its locals are gone: the code runs without an ambient scope.
        Err(place) => return (place, Mark::OUTSIDE, code()),
    };
    let result = code();
    let place = STACK.with(|stack| stack.borrow_mut().pop());
    (place.expect("what was pushed is there"), beneath, result)
}

#[inline]
fn push(place: Place) -> Result<Mark, Place> {
    let mut place = Some(place);
    let pushed = STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        let beneath = stack.last().map_or(Mark::OUTSIDE, Place::mark);
        stack.extend(place.take());
        beneath
    });
    match (pushed, place) {
        (Err(_), Some(place)) => Err(place),
        (beneath, _) => Ok(beneath.unwrap_or(Mark::OUTSIDE)),
    }
}

/// The node of the innermost place.
pub(crate) fn innermost() -> Option<NodeRef> {
    STACK
        .try_with(|stack| stack.borrow().last().map(|place| place.node().clone()))
        .ok()
        .flatten()
}

/// Whether the innermost place is cancelled; `false` outside every scope. No lock, no count.
pub(crate) fn is_cancelled() -> bool {
    STACK
        .try_with(|stack| {
            stack.borrow().last().is_some_and(|place| place.node().peek().is_cancelled())
        })
        .unwrap_or(false)
}

/// The node of the task that is being polled: the innermost child, spawned or forked.
pub(crate) fn task() -> Option<NodeRef> {
    STACK
        .try_with(|stack| {
            let stack = stack.borrow();
            let is_task = |node: &&NodeRef| matches!(node.word().role(), Role::Task | Role::Fork);
            stack.iter().rev().map(Place::node).find(is_task).cloned()
        })
        .ok()
        .flatten()
}

/// Whether the caller is polled by `node`, directly or not.
pub(crate) fn is_within(node: &NodeRef) -> bool {
    STACK
        .try_with(|stack| stack.borrow().iter().rev().any(|place| place.is(node)))
        .unwrap_or(false)
}

/// Whether a cancelled ancestor of `node` is being polled on this thread: then it will drop the
/// caller, and absorb (R4, R23).
pub(crate) fn has_cancelled_ancestor(node: &NodeRef) -> bool {
    any_ancestor(node, |above| above.word().is_cancelled())
}

/// Whether any ancestor of `node` is being polled on this thread.
pub(crate) fn has_ancestor(node: &NodeRef) -> bool {
    any_ancestor(node, |_| true)
}

fn any_ancestor(node: &NodeRef, wanted: impl Fn(&NodeRef) -> bool) -> bool {
    STACK
        .try_with(|stack| {
            let stack = stack.borrow();
            // The nearest first: nearly always it is the parent.
            stack.iter().rev().any(|place| wanted(place.node()) && node.is_below(place.node()))
        })
        .unwrap_or(false)
}

/// Opens a scope in the innermost place; outside every scope, in a tree that nobody owns. Gives the
/// owner's reference, one for the handle, and the mark of the place.
pub(crate) fn open(site: Site) -> (NodeRef, NodeRef, Mark) {
    match at_home(|tree, parent| tree.open(parent, site)) {
        Some(((owner, handle), mark)) => (owner, handle, mark),
        None => {
            let (owner, handle) = Tree::unowned(Host::current()).open(TRUNK, site);
            (owner, handle, Mark::OUTSIDE)
        }
    }
}

/// Hangs a tree that was made before its scope was polled into the innermost place.
pub(crate) fn graft(site: Site, below: &Arc<Tree>) -> Mark {
    match at_home(|tree, parent| tree.graft(parent, site, below)) {
        Some((aftermath, mark)) => {
            aftermath.run();
            mark
        }
        None => Mark::OUTSIDE,
    }
}

/// Calls `code` with the tree and the node under which the innermost place opens scopes.
fn at_home<T>(code: impl FnOnce(&Arc<Tree>, u32) -> T) -> Option<(T, Mark)> {
    STACK
        .try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let place = stack.last_mut()?;
            if let Place::Node(node) = place {
                if node.word().role() == Role::Task {
                    // The first scope of this task: now it needs a tree.
                    *place = Place::Rooted(node.sprout());
                }
            }
            // Nothing of the user's runs in here: the stack is borrowed.
            let result = match place {
                Place::Node(node) => code(node.tree(), node.index()),
                Place::Rooted(tree) => code(tree, TRUNK),
            };
            Some((result, place.mark()))
        })
        .ok()
        .flatten()
}
