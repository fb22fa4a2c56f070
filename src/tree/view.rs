//! Questions to the tree, and waiting for an answer.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::node::{NONE, State};
use super::word::Word;
use super::{NodeRef, Site, TRUNK, Tree};
use crate::ground::reason::Reason;
use crate::ground::waiters::Ticket;

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

    /// The deadline of this very node, and the nearest one above it (R20).
    pub(crate) fn deadlines(&self) -> (Option<Instant>, Option<Instant>) {
        let mut own = None;
        let mut inherited: Option<Instant> = None;
        let mut first = true;
        self.ascend::<()>(|_, state, index| {
            let found = state.below(index).and_then(|branch| branch.deadline);
            if std::mem::take(&mut first) {
                own = found;
            } else {
                inherited = inherited.into_iter().chain(found).min();
            }
            ControlFlow::Continue(())
        });
        (own, inherited)
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
            }
            drop(state);
            let up = tree.up()?;
            index = up.index();
            let above = Arc::clone(up.tree());
            tree = above;
        }
    }

    /// Whether this node is cancelled or has closed; if neither, `waker` waits for either.
    pub(crate) fn watch(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.tree().state.lock();
        let word = self.word();
        let over = word.is_cancelled() || word.is_closed();
        let watchers = &mut state.below_mut(self.index()).rare_mut().watchers;
        let unused = if over {
            ticket.take().and_then(|ticket| watchers.remove(ticket))
        } else {
            watchers.wait(ticket, waker)
        };
        drop(state);
        drop(unused);
        over
    }

    pub(crate) fn stop_watching(&self, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        let mut state = self.tree().state.lock();
        let rare = state.known_mut(self.index()).and_then(|branch| branch.rare.as_mut());
        let waker = rare.and_then(|rare| rare.watchers.remove(ticket));
        drop(state);
        drop(waker);
    }

    /// Marks the node as polled outside its parent, so that a cancellation from above wakes it by
    /// itself.
    pub(crate) fn set_adrift(&self) {
        let _state = self.tree().state.lock();
        self.slot().set_adrift();
    }

    /// The owner has come to look at what it was asked to.
    pub(crate) fn attended(&self) {
        self.slot().attended();
    }

    /// Whether `above` is an ancestor of this node.
    pub(crate) fn is_below(&self, above: &NodeRef) -> bool {
        let mut first = true;
        self.ascend(|tree, _, index| {
            let here = index == above.index() && Arc::ptr_eq(tree, above.tree());
            if here && !std::mem::take(&mut first) {
                return ControlFlow::Break(());
            }
            first = false;
            ControlFlow::Continue(())
        })
        .is_some()
    }
}

/// One line of a picture of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) depth: usize,
    pub(crate) word: Word,
    pub(crate) site: Site,
    pub(crate) name: Option<Cow<'static, str>>,
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

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let (node, depth) = self.stack.pop()?;
        let row = Row { depth, word: node.word(), site: node.site(), name: node.name() };
        let sub = {
            let state = node.tree().state.lock();
            state.below(node.index()).and_then(|branch| branch.sub.clone())
        };
        match sub {
            Some(sub) => self.push_children(&sub, TRUNK, depth + 1),
            None => self.push_children(node.tree(), node.index(), depth + 1),
        }
        Some(row)
    }
}
