//! The ambient scope: the innermost scope or child that is being polled, or dropped, on this thread
//! (R22).
//!
//! A future lends its place to the thread while it polls its body, and takes it back afterwards; what
//! was there before waits in the frame of that poll. Two moves, with no count touched.
//!
//! What else is being polled further out need not be written down: the tree says it. A node is polled
//! inside its parent, unless it is *adrift*, and whether it is, it finds out on its own polls.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::Waker;

use super::time;
use crate::ground::runtime::Host;
use crate::ground::sync::static_local;
use crate::tree::{NodeRef, Note, Part, Role, Shielding, Site, TRUNK, Tree};

/// Where somebody stands: the node below which scopes are opened there. For a task that has a tree of
/// its own that is the trunk of the tree.
#[derive(Debug)]
pub(crate) struct Place(NodeRef);

impl Place {
    /// The place of whoever owns `node`.
    pub(crate) fn of(node: NodeRef) -> Self {
        Self(node)
    }

    /// The node that can be cancelled here.
    #[inline]
    pub(crate) fn node(&self) -> &NodeRef {
        if self.0.index() == TRUNK { self.root() } else { &self.0 }
    }

    /// Whether the owner has noted that its node has its waker.
    #[inline]
    pub(crate) fn is_registered(&self) -> bool {
        self.0.is_noted(Note::Registered)
    }

    #[inline]
    pub(crate) fn set_registered(&mut self) {
        self.0.note(Note::Registered);
    }

    /// Whether the owner has put something on a shelf of its node.
    #[inline]
    pub(crate) fn has_aside(&self) -> bool {
        self.0.is_noted(Note::Aside)
    }

    pub(crate) fn note_aside(&mut self) {
        self.0.note(Note::Aside);
    }

    /// Cancelled, and kept by a shield: has what is polled here and is not kept woken, once. Returns
    /// whether this was the time.
    #[cold]
    pub(crate) fn rouse(&mut self, waker: &Waker) -> bool {
        let is_first = !self.0.is_noted(Note::Roused);
        if is_first {
            self.0.note(Note::Roused);
            self.0.rouse(waker);
        }
        is_first
    }

    /// Whether a shield is active in what is polled here.
    pub(crate) fn shielding(&self) -> Option<Shielding> {
        let Self(at) = self;
        if at.index() != TRUNK && at.word().role().is_task() {
            // A task without a tree has opened nothing.
            return None;
        }
        self.0.shielding(Part::Whole, time::overdue())
    }

    /// The node of a scope's own place, which is never a trunk.
    #[inline]
    pub(crate) fn scope(&self) -> &NodeRef {
        debug_assert_ne!(self.0.index(), TRUNK, "a scope stands at its own node");
        &self.0
    }

    #[cold]
    fn root(&self) -> &NodeRef {
        // INVARIANT: a trunk becomes a place in `at_home`, when a task's node has sprouted its tree.
        self.0.tree().up().expect("a task's tree hangs on its node")
    }

    #[inline]
    fn mark(&self) -> Mark {
        Mark::of(&self.0)
    }
}

/// The node of a future that has a place: from its first poll to its last.
#[inline]
pub(crate) fn node(place: Option<&Place>) -> &NodeRef {
    place.expect("a scope or a child was polled after it had returned").node()
}

/// A place as plain numbers, to be recognized by whoever was polled in it before. A node handed to
/// another parent is told to look again, so a number that was given out anew does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize, u32);

impl Mark {
    /// No scope at all.
    pub(crate) const OUTSIDE: Self = Self(0, TRUNK);

    #[inline]
    pub(crate) fn of(node: &NodeRef) -> Self {
        Self(Arc::as_ptr(node.tree()).addr(), node.index())
    }
}

static_local! {
    // No destructor: whoever lends a place takes it back, so that a thread ends with none.
    static INNERMOST: Cell<ManuallyDrop<Option<Place>>> = Cell::new(ManuallyDrop::new(None));
}

static_local! {
    // The blocking child that runs on this thread.
    static GROUND: Cell<Mark> = Cell::new(Mark::OUTSIDE);
}

/// Runs `code` on a thread that is the blocking child's at `ground`. A function cannot be dropped half
/// way: what it polls, by a `block_on`, is dropped by nobody above, and so has to be woken, and to absorb,
/// by itself. Such a scope is *adrift* from the start.
pub(crate) fn aground<T>(ground: Mark, code: impl FnOnce() -> T) -> T {
    struct Back(Mark);
    impl Drop for Back {
        fn drop(&mut self) {
            GROUND.with(|ground| ground.set(self.0));
        }
    }
    let _back = Back(GROUND.with(|before| before.replace(ground)));
    code()
}

/// Whether a blocking child runs on this thread, directly around the caller or further out.
#[inline]
pub(crate) fn may_be_aground() -> bool {
    GROUND.with(Cell::get) != Mark::OUTSIDE
}

/// Whether this is the blocking child that runs on this thread.
fn is_ground(node: &NodeRef) -> bool {
    GROUND.with(Cell::get) == Mark::of(node)
}

/// Exchanges the innermost place. (On a thread that is being torn down this still works: a
/// thread-local without a destructor is never gone.)
#[inline]
fn exchange(place: Option<Place>) -> Option<Place> {
    let place = ManuallyDrop::new(place);
    ManuallyDrop::into_inner(INNERMOST.with(|innermost| innermost.replace(place)))
}

/// The mark of the innermost place.
pub(crate) fn beneath() -> Mark {
    look(|place| place.mark()).unwrap_or(Mark::OUTSIDE)
}

/// Runs `code` with the place in `lent` as the innermost. Gives the mark of the place beneath, which
/// waits in `lent` meanwhile.
///
/// `code` must not unwind: whoever calls catches what the user's code throws, because the place has
/// to come back on every path.
#[inline]
pub(crate) fn within<T>(lent: &mut Option<Place>, code: impl FnOnce() -> T) -> (Mark, T) {
    *lent = exchange(lent.take());
    let beneath = lent.as_ref().map_or(Mark::OUTSIDE, Place::mark);
    let result = code();
    // What was lent is there again. Asked for, it comes back in two words, as it was written; in one move
    // of sixteen bytes it would have to wait for both writes, if `code` was short.
    if let Some(place) = exchange(lent.take()) {
        *lent = Some(place);
    }
    (beneath, result)
}

/// Looks at the innermost place. Nothing of the user's may run in `look`.
#[inline]
fn look<T>(look: impl FnOnce(&mut Place) -> T) -> Option<T> {
    let mut place = exchange(None)?;
    let result = look(&mut place);
    let none = exchange(Some(place));
    debug_assert!(none.is_none(), "nothing was polled in between");
    Some(result)
}

/// The innermost scope, or the child, if that has not opened one. A shield is neither: what is in it
/// belongs to the scope around it.
pub(crate) fn scope() -> Option<NodeRef> {
    innermost()?.nearest(|word| word.role() != Role::Shield)
}

/// The node of the innermost place.
pub(crate) fn innermost() -> Option<NodeRef> {
    look(|place| place.node().clone())
}

/// Whether the innermost place is cancelled; `false` outside every scope. No lock, no count.
#[inline]
pub(crate) fn is_cancelled() -> bool {
    look(|place| place.node().peek().is_cancelled()).unwrap_or(false)
}

/// The node of the task that is being polled: the nearest child, spawned or forked.
pub(crate) fn task() -> Option<NodeRef> {
    innermost()?.nearest(|word| word.role().is_child())
}

/// Whether the caller is polled by `node`, directly or not.
pub(crate) fn is_within(node: &NodeRef) -> bool {
    innermost().is_some_and(|innermost| innermost.is_polled_by(node))
}

/// Whether the caller is polled by the parent of `node`, directly or not.
pub(crate) fn is_within_parent_of(node: &NodeRef) -> bool {
    node.parent().is_none_or(|parent| is_within(&parent))
}

/// Whether `node` is polled by its own parent right now, and dropped by it.
pub(crate) fn is_in_place(node: &NodeRef) -> bool {
    innermost().is_some_and(|innermost| !is_ground(&innermost) && node.has_parent(&innermost))
}

/// Whether a cancelled ancestor of `node` is being polled on this thread: then it will drop the
/// caller, and absorb (R4, R23).
pub(crate) fn has_cancelled_ancestor(node: &NodeRef) -> bool {
    let Some(innermost) = innermost() else { return false };
    if is_ground(&innermost) {
        return false;
    }
    // Nearly always the parent is the innermost; if it is cancelled no walk is needed.
    innermost.peek().is_cancelled() && node.is_below(&innermost)
        || innermost.polls_cancelled_ancestor_of(node)
}

/// Opens a scope in the innermost place; outside every scope, in a tree that nobody owns. Gives the
/// owner's reference, one for the handle, and the mark of the place.
#[inline]
pub(crate) fn open(role: Role, site: Site) -> (NodeRef, NodeRef, Mark) {
    match at_home(|tree, parent| tree.open(parent, role, site)) {
        Some(((owner, handle), mark)) => (owner, handle, mark),
        None => {
            let (owner, handle) = Tree::unowned(Host::current()).open(TRUNK, role, site);
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

/// Calls `code` with the tree and the node under which the innermost place opens scopes. Nothing of
/// the user's may run in `code`.
#[inline]
fn at_home<T>(code: impl FnOnce(&Arc<Tree>, u32) -> T) -> Option<(T, Mark)> {
    look(|place| {
        let Place(at) = place;
        if at.index() != TRUNK && at.word().role().is_task() {
            // The first scope of this task: now it needs a tree.
            let mut trunk = NodeRef::trunk(at.sprout());
            for note in [Note::Registered, Note::Roused, Note::Aside] {
                if at.is_noted(note) {
                    trunk.note(note);
                }
            }
            *at = trunk;
        }
        (code(at.tree(), at.index()), place.mark())
    })
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn ground_is_left_as_it_was_found() {
        let (one, other) = (Mark(1, 1), Mark(2, 2));
        assert!(!may_be_aground());
        aground(one, || {
            aground(other, || assert_eq!(GROUND.with(Cell::get), other));
            assert_eq!(GROUND.with(Cell::get), one);
            assert!(may_be_aground());
        });
        assert!(!may_be_aground());
    }
}
