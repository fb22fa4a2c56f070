//! The plain records of a tree, all under its one lock, and the links among them.
//!
//! A node is forty bytes, because there may be one for each of a hundred thousand children. What only
//! some nodes need (what is below them, a reason, a name) stands in a *branch*, in a slab beside.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

use super::{Attachment, Finalizer, Shelf, Site, Tree};
use crate::ground::panics::Payload;
use crate::ground::reason::Reason;
use crate::ground::seeded;
use crate::ground::waiters::Waiters;

/// No node: the end of a list, or no branch.
pub(super) const NONE: u32 = u32::MAX;
/// The parent of a tree's outermost scopes: the task itself.
pub(crate) const TRUNK: u32 = u32::MAX;

/// The parent of a closed node whose record handles still hold: its own place is gone, and the one
/// above it may be somebody else's by now. Whoever climbs stops here.
pub(super) const NOWHERE: u32 = u32::MAX - 1;

/// One node. Its state is in the word of the same index.
pub(super) struct Node {
    /// What to wake when this node is cancelled, or when it waits and the last thing below it ends.
    pub(super) waker: Option<Waker>,
    pub(super) site: Site,
    pub(super) parent: u32,
    prev: u32,
    next: u32,
    branch: u32,
}

/// What only some nodes have.
#[derive(Default)]
pub(super) struct Branch {
    /// The first node below.
    first: Option<Link>,
    /// How many things below must be settled before this node can close: children and zombies.
    pub(super) live: u32,
    /// How many of those are services, which are ended when nothing else is left.
    pub(super) services: u32,
    /// The first cause of a cancellation addressed to this node, or handed down at a parent's end.
    pub(super) reason: Option<Reason>,
    pub(super) deadline: Option<Instant>,
    /// When this node was last asked, its deadline was nearer than all above it.
    pub(super) is_nearest: bool,
    /// The tree of the task this node stands for.
    pub(super) sub: Option<Arc<Tree>>,
    pub(super) rare: Option<Box<Rare>>,
}

/// What few nodes have.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) name: Option<Cow<'static, str>>,
    /// The first panic of a child, to be resumed in the owner.
    pub(super) panic: Option<Payload>,
    /// Who waits for this node to be cancelled, or to end.
    pub(super) watchers: Waiters,
    /// Who waits for this node to be asked to stop, or to be cancelled, or to end.
    pub(super) stop_watchers: Waiters,
    /// What the floors above keep here, by [`Shelf`].
    pub(super) attachments: [Option<Attachment>; Shelf::COUNT],
    pub(super) terms: Terms,
    /// What is to be run when nothing lives below any more, the last one first (R16).
    pub(super) finalizers: Vec<Finalizer>,
    /// The owner left somebody to run the finalizers: this zombie does not close by itself.
    pub(super) tended: bool,
    /// A shield was found below.
    pub(super) kept: Option<Kept>,
}

/// What is known of the shields below a node.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// Known when `unshieldings` was this.
    pub(super) at: u32,
    /// When that shield's limit passes, if it has one.
    pub(super) until: Option<Instant>,
}

/// What admission and cancellation have to ask a guarded node.
#[derive(Default)]
pub(super) struct Terms {
    /// For how long a request is a soft one first (R17).
    pub(super) grace: Option<Duration>,
    /// The soft stop that was asked for.
    pub(super) stop: Option<Stop>,
    /// The services are being ended: nothing is admitted any more.
    pub(super) is_winding_down: bool,
}

/// A soft stop on its way.
pub(super) struct Stop {
    /// Why: what the hard cancel will say.
    pub(super) reason: Reason,
    /// When the grace is over.
    pub(super) at: Instant,
    /// The requests that were softened, to be counted when the grace is over.
    pub(super) requests: u64,
}

/// An index in a list: never `NONE`.
#[derive(Clone, Copy)]
struct Link(std::num::NonZeroU32);

impl Link {
    fn new(index: u32) -> Option<Self> {
        // `NONE` wraps to zero.
        std::num::NonZeroU32::new(index.wrapping_add(1)).map(Self)
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }
}

impl Branch {
    #[inline]
    pub(super) fn first(&self) -> u32 {
        self.first.map_or(NONE, Link::index)
    }

    /// Whether dropping it would run code of the user's. (A reason is plain data. A tree below is never
    /// here by then: it holds on to this very node.)
    #[inline]
    pub(super) fn holds_user_values(&self) -> bool {
        self.rare.is_some()
    }

    pub(super) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// The soft stop that this node was asked for.
    pub(super) fn stop(&self) -> Option<&Stop> {
        self.rare()?.terms.stop.as_ref()
    }

    /// When something has to happen to this node by itself: its deadline, or the end of a grace.
    pub(super) fn due(&self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.stop().map(|stop| stop.at)).min()
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// All that a tree's lock protects.
#[derive(Default)]
pub(super) struct State {
    nodes: Slab<Node>,
    branches: Slab<Branch>,
    /// What hangs on the task itself.
    pub(super) trunk: Branch,
    /// The owner of the trunk's obligations is gone: whoever settles the last one goes on upwards.
    pub(super) trunk_is_zombie: bool,
    /// How many nodes of this tree are shields, or lead to trees in which there may be some. While it
    /// is zero nobody need look for shields.
    pub(super) shields: u32,
    /// Counts what may have taken a shield away from those above it: see `shield`.
    pub(super) unshieldings: u32,
    /// How many cancellers have marked nodes here and are still carrying the mark into trees below.
    pub(super) in_flight: u32,
    /// This tree's place in the register of orphans.
    pub(super) orphaned: Option<usize>,
}

impl State {
    /// Puts a node under `parent`. Nothing if the tree is full: four billion nodes.
    #[inline]
    pub(super) fn insert(&mut self, parent: u32, site: Site) -> Option<u32> {
        self.grow();
        let index = u32::try_from(self.nodes.vacant_key()).ok().filter(|&index| index < NOWHERE)?;
        let first = &mut self.below_mut(parent).first;
        let next = std::mem::replace(first, Link::new(index)).map_or(NONE, Link::index);
        self.nodes.insert(Node { waker: None, site, parent, prev: NONE, next, branch: NONE });
        if next != NONE {
            self.node_mut(next).prev = index;
        }
        Some(index)
    }

    /// Doubling would leave a large tree half empty; above a thousand nodes it grows by an eighth, and by
    /// no less than a thousand.
    /// (A block of that size is moved by remapping its pages, not by copying.)
    #[inline]
    fn grow(&mut self) {
        let capacity = self.nodes.capacity();
        if self.nodes.len() == capacity {
            self.nodes.reserve_exact((capacity / 8).max(capacity.min(1024)).max(4));
        }
    }

    /// Takes a node out of its parent's list. The record stays until [`remove`](Self::remove).
    #[inline]
    pub(super) fn unlink(&mut self, index: u32) {
        let node = self.node_mut(index);
        let (parent, prev, next) = (node.parent, node.prev, node.next);
        (node.prev, node.next) = (NONE, NONE);
        if next != NONE {
            self.node_mut(next).prev = prev;
        }
        if prev == NONE {
            self.below_mut(parent).first = Link::new(next);
        } else {
            self.node_mut(prev).next = next;
        }
    }

    /// Hangs an unlinked node under another parent.
    pub(super) fn relink(&mut self, index: u32, parent: u32) {
        let next = self.first(parent);
        let node = self.node_mut(index);
        (node.parent, node.next) = (parent, next);
        if next != NONE {
            self.node_mut(next).prev = index;
        }
        self.below_mut(parent).first = Link::new(index);
    }

    /// Frees the slot of a closed node.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) -> (Node, Option<Branch>) {
        let node = self.nodes.remove(index as usize);
        let branch = (node.branch != NONE).then(|| self.branches.remove(node.branch as usize));
        (node, branch)
    }

    #[inline]
    pub(super) fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    #[inline]
    pub(super) fn node_mut(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    /// Whether a canceller has marked nodes here and is still on its way below.
    pub(super) fn is_propagating(&self) -> bool {
        self.in_flight > 0 && !seeded!(EarlyReturn)
    }

    /// The first node below another, or `NONE`.
    #[inline]
    pub(super) fn first(&self, index: u32) -> u32 {
        self.below(index).map_or(NONE, Branch::first)
    }

    #[inline]
    pub(super) fn next(&self, index: u32) -> u32 {
        self.node(index).next
    }

    /// The branch of a node, or the trunk.
    #[inline]
    pub(super) fn below(&self, index: u32) -> Option<&Branch> {
        if index == TRUNK {
            return Some(&self.trunk);
        }
        self.branches.get(self.node(index).branch as usize)
    }

    /// The branch of a node, made if it has none, or the trunk.
    #[inline]
    pub(super) fn below_mut(&mut self, index: u32) -> &mut Branch {
        if index == TRUNK {
            return &mut self.trunk;
        }
        let node = &mut self.nodes[index as usize];
        if node.branch == NONE {
            let key = self.branches.insert(Branch::default());
            // There are never more branches than nodes, whose indices fit.
            node.branch = u32::try_from(key).expect("fewer branches than nodes");
        }
        &mut self.branches[node.branch as usize]
    }

    /// The branch of a node, if it has one: not made for a mere look.
    #[inline]
    pub(super) fn known_mut(&mut self, index: u32) -> Option<&mut Branch> {
        if index == TRUNK {
            return Some(&mut self.trunk);
        }
        self.branches.get_mut(self.node(index).branch as usize)
    }

    /// Whether nothing hangs below a node, and nothing else is known of it.
    #[inline]
    pub(super) fn is_leaf(&self, index: u32) -> bool {
        self.node(index).branch == NONE
    }

    #[inline]
    pub(super) fn live(&self, index: u32) -> u32 {
        self.below(index).map_or(0, |branch| branch.live)
    }

    /// Frees the branch of a node that keeps nothing in it any more.
    pub(super) fn prune(&mut self, index: u32) -> Option<Branch> {
        let node = self.node_mut(index);
        let key = std::mem::replace(&mut node.branch, NONE);
        (key != NONE).then(|| self.branches.remove(key as usize))
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;
    use std::panic::Location;

    fn children(state: &State, parent: u32) -> Vec<u32> {
        let first = state.first(parent);
        std::iter::successors((first != NONE).then_some(first), |&index| {
            Some(state.next(index)).filter(|&next| next != NONE)
        })
        .collect()
    }

    #[test]
    fn a_node_is_forty_bytes_in_its_slab() {
        // The bar on bytes per child rests on this. See `docs/rationale.md`.
        assert_eq!(size_of::<Node>(), 40);
    }

    #[test]
    fn lists_link_and_unlink_in_any_order() {
        let mut state = State::default();
        let site = Location::caller();
        let nodes: Vec<u32> =
            (0..4).map(|_| state.insert(TRUNK, site).expect("there is room")).collect();
        let under = state.insert(nodes[1], site).expect("there is room");
        assert_eq!(children(&state, TRUNK), [3, 2, 1, 0]);
        for (gone, left) in [(2, vec![3, 1, 0]), (3, vec![1, 0]), (0, vec![1])] {
            state.unlink(gone);
            assert_eq!(children(&state, TRUNK), left);
            state.remove(gone);
        }
        state.unlink(under);
        state.relink(under, TRUNK);
        assert_eq!(children(&state, TRUNK), [under, 1]);
        assert!(children(&state, nodes[1]).is_empty());
    }

    #[test]
    fn slots_and_branches_are_reused() {
        let mut state = State::default();
        let site = Location::caller();
        for _ in 0..100 {
            let index = state.insert(TRUNK, site).expect("there is room");
            state.below_mut(index).live = 1;
            state.unlink(index);
            state.remove(index);
        }
        assert!(state.nodes.capacity() <= 8 && state.branches.capacity() <= 8);
    }

    #[test]
    fn a_large_tree_grows_by_an_eighth() {
        let mut state = State::default();
        let mut capacities = vec![0];
        for _ in 0..12_000 {
            state.insert(TRUNK, Location::caller()).expect("there is room");
            capacities.push(state.nodes.capacity());
        }
        capacities.dedup();
        let doubled = [0, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];
        let by_a_thousand = [3072, 4096, 5120, 6144, 7168, 8192];
        let by_an_eighth = [9216, 10_368, 11_664, 13_122];
        assert_eq!(capacities, [&doubled[..], &by_a_thousand, &by_an_eighth].concat());
    }

    #[test]
    fn a_branch_that_keeps_nothing_is_given_back() {
        let mut state = State::default();
        let index = state.insert(TRUNK, Location::caller()).expect("there is room");
        assert!(state.is_leaf(index));
        state.below_mut(index).live = 3;
        assert_eq!(state.prune(index).map(|branch| branch.live), Some(3));
        assert!(state.is_leaf(index) && state.branches.is_empty());
        assert!(state.prune(index).is_none());
    }
}
