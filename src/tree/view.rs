//! Questions to the tree, and waiting for an answer.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::aftermath::Aftermath;
use super::node::{Branch, NONE, NOWHERE, Rare, State};
use super::word::{Role, Word};
use super::{Attachment, NodeRef, Shelf, Site, TRUNK, Tree};
use crate::ground::reason::{Reason, Unfinished};
use crate::ground::seeded;
use crate::ground::waiters::{Ticket, Waiters};

impl NodeRef {
    pub(crate) fn site(&self) -> Site {
        self.tree().state.lock().node(self.index()).site
    }

    pub(crate) fn name(&self) -> Option<Cow<'static, str>> {
        let state = self.tree().state.lock();
        state.below(self.index())?.rare.as_ref()?.name.clone()
    }

    pub(crate) fn set_name(&self, name: Cow<'static, str>) {
        let mut state = self.tree().state.lock();
        let before = state.below_mut(self.index()).rare_mut().name.replace(name);
        drop(state);
        drop(before);
    }

    /// The first cause at the nearest cancelled node on the way up (I24). Computed, never cached:
    /// what a node was told earlier by one ancestor may not be the nearest cause any more.
    pub(crate) fn reason(&self) -> Option<Reason> {
        if !self.word().is_cancelled() {
            return None;
        }
        self.ascend(|_, state, index| {
            match state.below(index).and_then(|branch| branch.reason.clone()) {
                Some(reason) => ControlFlow::Break(reason),
                None => ControlFlow::Continue(()),
            }
        })
    }

    /// When the first deadline or the first grace of this node and those above it is over (R20).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.word().is_closed() {
            return None;
        }
        let mut nearest: Option<Instant> = None;
        self.ascend_to_shield::<()>(|_, state, index| {
            let found = state.below(index).and_then(Branch::due);
            nearest = nearest.into_iter().chain(found).min();
            ControlFlow::Continue(())
        });
        nearest
    }

    /// This node's own deadline, if it is nearer than all above it (R20).
    ///
    /// The walk ends at the first node above that settles the question: one with a deadline no later
    /// than this, or one whose own was the nearest when it was asked. If that is not so any more, a
    /// timer too many is armed, never one too few: whoever moves a deadline has all below ask again.
    pub(crate) fn own_nearest_deadline(&self) -> Option<Instant> {
        let mut own: Option<Instant> = None;
        let mut first = true;
        let nearer_above = self.ascend_to_shield(|_, state, index| {
            let branch = state.below(index);
            let found = branch.and_then(Branch::due);
            if std::mem::take(&mut first) {
                own = found;
                return if own.is_some() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(true)
                };
            }
            match found {
                Some(above) if own.is_some_and(|own| above <= own) => ControlFlow::Break(true),
                Some(_) if branch.is_some_and(|branch| branch.is_nearest) => {
                    ControlFlow::Break(false)
                }
                _ => ControlFlow::Continue(()),
            }
        });
        let nearest = own.filter(|_| nearer_above != Some(true));
        if own.is_some() {
            self.tree().state.lock().below_mut(self.index()).is_nearest = nearest.is_some();
        }
        nearest
    }

    /// Walks from this node to the root of the outermost tree, one lock at a time (R26).
    fn ascend<T>(
        &self,
        mut visit: impl FnMut(&Arc<Tree>, &State, u32) -> ControlFlow<T>,
    ) -> Option<T> {
        let mut tree = Arc::clone(self.tree());
        let mut index = self.index();
        loop {
            let state = tree.state.lock();
            loop {
                if let ControlFlow::Break(found) = visit(&tree, &state, index) {
                    return Some(found);
                }
                if index == TRUNK {
                    break;
                }
                index = state.node(index).parent;
                if index == NOWHERE {
                    return None;
                }
            }
            drop(state);
            let up = tree.up()?;
            index = up.index();
            let above = Arc::clone(up.tree());
            tree = above;
        }
    }

    /// As [`ascend`](Self::ascend), as far as a shield: what is above that does not reach this node.
    pub(super) fn ascend_to_shield<T>(
        &self,
        mut visit: impl FnMut(&Arc<Tree>, &State, u32) -> ControlFlow<T>,
    ) -> Option<T> {
        let climbed = self.ascend(|tree, state, index| match visit(tree, state, index) {
            ControlFlow::Break(found) => ControlFlow::Break(Some(found)),
            ControlFlow::Continue(()) if tree.is_shield(index) => ControlFlow::Break(None),
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
        });
        climbed.flatten()
    }

    /// The nearest of what this node and those above it have on that shelf for which `pick` finds
    /// something. `pick` runs under a lock, and must run nothing of the user's.
    pub(crate) fn pick<T>(
        &self,
        place: Shelf,
        mut pick: impl FnMut(&Attachment) -> Option<T>,
    ) -> Option<T> {
        self.ascend(|_, state, index| {
            let rare = state.below(index).and_then(Branch::rare);
            match rare.and_then(|rare| pick(rare.attachments[place as usize].as_ref()?)) {
                Some(found) => ControlFlow::Break(found),
                None => ControlFlow::Continue(()),
            }
        })
    }

    /// Wakes every owner that is cancelled and, up to the root of the task, above this node: a shield
    /// that was below may have gone elsewhere.
    pub(crate) fn wake_protected(&self) {
        let mut aftermath = Aftermath::default();
        let mut above = self.parent();
        while let Some(node) = above {
            let word = node.word();
            if word.is_cancelled() && !word.is_closed() {
                aftermath.wake(node.unregister());
            }
            above = if word.role().is_task() { None } else { node.parent() };
        }
        aftermath.run();
    }

    /// Whether this node is cancelled or has closed; if neither, `waker` waits for either.
    pub(crate) fn watch(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        let is_over = |word: Word| word.is_cancelled() || word.is_closed();
        self.wait_on(|rare| &mut rare.watchers, is_over, ticket, waker)
    }

    pub(crate) fn stop_watching(&self, ticket: Option<Ticket>) {
        self.leave(|rare| &mut rare.watchers, ticket);
    }

    /// Has `waker` wait in that list, unless what it waits for has happened. Returns whether it has.
    pub(super) fn wait_on(
        &self,
        list: fn(&mut Rare) -> &mut Waiters,
        is_over: impl FnOnce(Word) -> bool,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
    ) -> bool {
        let waker = waker.clone();
        let mut state = self.tree().state.lock();
        let over = is_over(self.word());
        if seeded!(TornWait) {
            drop(state);
            state = self.tree().state.lock();
        }
        let waiters = list(state.below_mut(self.index()).rare_mut());
        let unused = if over {
            ticket.take().and_then(|ticket| waiters.remove(ticket))
        } else {
            waiters.wait(ticket, waker)
        };
        drop(state);
        drop(unused);
        over
    }

    /// Waits in that list no more.
    pub(super) fn leave(&self, list: fn(&mut Rare) -> &mut Waiters, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        let mut state = self.tree().state.lock();
        let rare = state.known_mut(self.index()).and_then(|branch| branch.rare.as_mut());
        let waker = rare.and_then(|rare| list(rare).remove(ticket));
        drop(state);
        drop(waker);
    }

    /// Notes whether this node is polled outside its parent: then a cancellation from above must wake
    /// it by itself.
    pub(crate) fn set_adrift(&self, adrift: bool) {
        let mut state = self.tree().state.lock();
        state.unshieldings = state.unshieldings.wrapping_add(1);
        self.slot().set_adrift(adrift);
    }

    /// The owner has come to look at what it was asked to.
    pub(crate) fn attended(&self) {
        self.slot().attended();
    }

    /// Whether `above` is an ancestor of this node.
    pub(crate) fn is_below(&self, above: &NodeRef) -> bool {
        !self.is_same(above) && self.find(|node| node.is_same(above)).is_some()
    }

    /// Whether `parent` is what this node hangs on: across trees, the place of a task or a graft.
    pub(crate) fn has_parent(&self, parent: &NodeRef) -> bool {
        let mut above = self.parent();
        while let Some(node) = above {
            if node.peek().role() != Role::Graft {
                return node.is_same(parent);
            }
            above = node.parent();
        }
        false
    }

    /// The nearest of this node and those above it, in this task and outwards, that is wanted.
    pub(crate) fn nearest(self, wanted: impl Fn(Word) -> bool) -> Option<NodeRef> {
        self.find(|node| wanted(node.peek()))
    }

    /// Whether a poll of `outer` is what this node, which is being polled, is polled by.
    pub(crate) fn is_polled_by(&self, outer: &NodeRef) -> bool {
        self.polled().any(|node| node.is_same(outer))
    }

    /// Whether one of the nodes that are being polled, of which this is the innermost, is cancelled
    /// and above `node`.
    pub(crate) fn polls_cancelled_ancestor_of(&self, node: &NodeRef) -> bool {
        let mut above = HashSet::new();
        node.ascend_to_shield::<()>(|tree, _, index| {
            above.insert((Arc::as_ptr(tree).addr(), index));
            ControlFlow::Continue(())
        });
        let is_above =
            |polled: &NodeRef| above.contains(&(Arc::as_ptr(polled.tree()).addr(), polled.index()));
        self.polled().any(|polled| {
            polled.peek().is_cancelled() && is_above(&polled) && !polled.is_same(node)
        })
    }

    /// This node and those in whose polls it is polled: up to one that is polled by a stranger, or
    /// by a runtime, be it as a task or, without an owner, by a janitor.
    fn polled(&self) -> impl Iterator<Item = NodeRef> + use<> {
        std::iter::successors(Some(self.clone()), |node| {
            let word = node.peek();
            let is_outermost = word.is_adrift() || word.is_forsaken() || word.role().is_task();
            if is_outermost { None } else { node.parent() }
        })
    }

    fn find(&self, mut wanted: impl FnMut(&NodeRef) -> bool) -> Option<NodeRef> {
        let mut node = self.clone();
        while !wanted(&node) {
            node = node.parent()?;
        }
        Some(node)
    }

    /// The node above, in this tree or in the one above it.
    pub(crate) fn parent(&self) -> Option<NodeRef> {
        let tree = self.tree();
        let state = tree.state.lock();
        let parent = state.node(self.index()).parent;
        if parent == TRUNK {
            drop(state);
            return tree.up().cloned();
        }
        if parent == NOWHERE {
            return None;
        }
        tree.table.word(parent).add_reference();
        Some(NodeRef::counted(Arc::clone(tree), parent))
    }
}

impl Tree {
    fn is_shield(&self, index: u32) -> bool {
        index != TRUNK && self.table.word(index).examine().role() == Role::Shield
    }
}

/// One line of a picture of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) depth: usize,
    pub(crate) word: Word,
    pub(crate) site: Site,
    pub(crate) name: Option<Cow<'static, str>>,
    /// A scope without an owner whose finalizers are being run.
    pub(crate) is_tended: bool,
}

/// What hangs below some nodes, parents before children, older siblings first. Each tree is looked
/// at under its own lock, one after another: a picture of a tree in motion may be blurred.
pub(crate) struct Rows {
    stack: Vec<(NodeRef, usize)>,
}

impl Rows {
    pub(crate) fn below(node: NodeRef) -> Self {
        Self { stack: vec![(node, 0)] }
    }

    /// All that hangs on a tree's trunk.
    pub(crate) fn of_tree(tree: &Arc<Tree>) -> Self {
        let mut rows = Self { stack: Vec::new() };
        rows.push_children(tree, TRUNK, 0);
        rows
    }

    /// The newest child is the first in its list, so the oldest comes to lie on top.
    fn push_children(&mut self, tree: &Arc<Tree>, index: u32, depth: usize) {
        let state = tree.state.lock();
        let Some(branch) = state.below(index) else { return };
        let mut child = branch.first();
        while child != NONE {
            tree.table.word(child).add_reference();
            self.stack.push((NodeRef::counted(Arc::clone(tree), child), depth));
            child = state.next(child);
        }
    }
}

impl NodeRef {
    /// The children that live below this node, for whoever has to say what was cut.
    pub(super) fn unfinished(&self) -> Vec<Unfinished> {
        Rows::below(self.clone())
            .filter(|row| row.depth > 0 && row.word.role().is_child() && !row.word.is_closed())
            .map(|row| Unfinished::new(row.name, row.site))
            .collect()
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let (node, depth) = self.stack.pop()?;
        let (word, site, name) = (node.word(), node.site(), node.name());
        let (sub, is_tended) = {
            let state = node.tree().state.lock();
            let branch = state.below(node.index());
            let is_tended = branch.and_then(Branch::rare).is_some_and(|rare| rare.tended);
            (branch.and_then(|branch| branch.sub.clone()), is_tended)
        };
        let row = Row { depth, word, site, name, is_tended };
        match sub {
            Some(sub) => self.push_children(&sub, TRUNK, depth + 1),
            None => self.push_children(node.tree(), node.index(), depth + 1),
        }
        Some(row)
    }
}
