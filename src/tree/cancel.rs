//! Cancelling: mark downwards, everywhere, and only then wake.
//!
//! INVARIANT: under a tree's lock, if a node is cancelled then everything below it in that tree is
//! marked. So a walk may stop at a node that is cancelled already, unless a canceller is still on
//! its way from here to the trees below (`in_flight`): then the second canceller walks the whole way
//! itself, because when its `cancel` returns every mark must be there (R7).

use std::sync::Arc;
use std::time::Instant;

use super::aftermath::Aftermath;
use super::node::{NONE, State};
use super::word::Role;
use super::{NodeRef, TRUNK, Tree};
use crate::ground::reason::Reason;
use crate::ground::seeded;

/// A canceller on its way down through the trees, with no lock held between two of them.
#[derive(Default)]
pub(super) struct Walk {
    /// Trees that hang below what has been marked, and are not marked yet.
    frontier: Vec<Arc<Tree>>,
    /// Trees that were left with a frontier below them.
    left: Vec<Arc<Tree>>,
    /// Trees in which deadlines must be looked at again.
    pub(super) retime: Vec<Arc<Tree>>,
    pub(super) aftermath: Aftermath,
}

impl Walk {
    pub(super) fn enter(&mut self, tree: Arc<Tree>) {
        self.frontier.push(tree);
    }

    /// Marks the node itself as cancelled from above, and what is below it.
    pub(super) fn mark(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32) {
        self.mark_list(tree, state, index, false);
    }

    /// Marks all that hangs below `index` in this tree, and notes the trees further down.
    pub(super) fn mark_below(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32) {
        let first = state.below(index).map_or(NONE, |branch| branch.first());
        self.note_sub(tree, state, index);
        self.mark_list(tree, state, first, true);
    }

    /// Marks a node, and its siblings if asked, and all below, with an explicit stack (R26).
    fn mark_list(&mut self, tree: &Arc<Tree>, state: &mut State, first: u32, siblings: bool) {
        let thorough = state.in_flight > 0 && !seeded!(EarlyReturn);
        let mut stack = Vec::new();
        let mut index = first;
        loop {
            while index != NONE {
                let before = tree.table.word(index).inherit();
                if !before.is_cancelled() {
                    // A task is polled by its runtime and a node adrift by a stranger: nobody above
                    // will come by and drop them (I6: one wake for each).
                    if before.role() == Role::Task || before.is_adrift() {
                        self.aftermath.wake(state.node_mut(index).waker.take());
                    }
                    self.wake_watchers(state, index);
                }
                if !before.is_cancelled() || thorough {
                    self.note_sub(tree, state, index);
                    if let Some(branch) = state.below(index) {
                        if branch.first() != NONE {
                            stack.push(branch.first());
                        }
                    }
                }
                index = if siblings || index != first { state.next(index) } else { NONE };
            }
            match stack.pop() {
                Some(next) => index = next,
                None => break,
            }
        }
    }

    pub(super) fn wake_watchers(&mut self, state: &mut State, index: u32) {
        if let Some(rare) = state.known_mut(index).and_then(|branch| branch.rare.as_mut()) {
            self.aftermath.wake_all(rare.watchers.take());
        }
    }

    fn note_sub(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32) {
        let sub = state.below(index).and_then(|branch| branch.sub.clone());
        let Some(sub) = sub else { return };
        if !self.left.last().is_some_and(|last| Arc::ptr_eq(last, tree)) {
            state.in_flight += 1;
            self.left.push(Arc::clone(tree));
        }
        self.frontier.push(sub);
    }

    /// Carries the mark into every tree below. Call with no lock held; then run the aftermath.
    pub(super) fn run(mut self) -> Aftermath {
        while let Some(tree) = self.frontier.pop() {
            let mut state = tree.state.lock();
            self.mark_below(&tree, &mut state, TRUNK);
        }
        for tree in &self.left {
            tree.state.lock().in_flight -= 1;
        }
        while let Some(tree) = self.retime.pop() {
            let mut state = tree.state.lock();
            tree.retime_below(&mut state, TRUNK, &mut self.aftermath, &mut self.retime);
        }
        self.aftermath
    }
}

impl NodeRef {
    /// Counts a request addressed to this node (I1) and makes it and all below it cancelled. Returns
    /// whether this was the first cause (I23).
    ///
    /// When the node has closed the request is counted, and nothing else happens.
    pub(crate) fn cancel(&self, reason: impl FnOnce() -> Reason) -> bool {
        // A count above zero never goes back (I2), and means that a cause is on record.
        let mut reason = (self.word().own() == 0 || seeded!(LastCause)).then(reason);
        let tree = self.tree();
        let mut walk = Walk::default();
        let mut state = tree.state.lock();
        let before = self.word();
        let branch = state.below_mut(self.index());
        let is_first = before.own() == 0 && branch.reason.is_none();
        if is_first || seeded!(LastCause) {
            // Before the flag, under the lock: who sees the flag finds the cause (R8).
            std::mem::swap(&mut branch.reason, &mut reason);
        }
        self.slot().count_cancel();
        let parent = state.node(self.index()).parent;
        if seeded!(ChargedToParent) && parent != TRUNK {
            tree.table.word(parent).count_cancel();
        }
        if !before.is_closed() {
            if !before.is_cancelled() {
                if !seeded!(ForgottenWake) {
                    walk.aftermath.wake(state.node_mut(self.index()).waker.take());
                }
                walk.wake_watchers(&mut state, self.index());
            }
            if !before.is_cancelled() || (state.in_flight > 0 && !seeded!(EarlyReturn)) {
                walk.mark_below(tree, &mut state, self.index());
            }
        }
        drop(state);
        walk.run().run();
        drop(reason);
        is_first
    }

    /// The owner is being dropped: this node and all below it are cancelled. The own count does not
    /// change (I1).
    pub(crate) fn abandon(&self) {
        let site = self.site();
        let reason = (!self.word().is_cancelled())
            .then(|| Reason::at(crate::ground::reason::Kind::Abandoned, site));
        let tree = self.tree();
        let mut walk = Walk::default();
        let mut state = tree.state.lock();
        let before = self.word();
        if !before.is_cancelled() {
            if let Some(reason) = reason {
                state.below_mut(self.index()).reason.get_or_insert(reason);
            }
        }
        self.slot().abandon();
        if !before.is_cancelled() {
            walk.wake_watchers(&mut state, self.index());
        }
        if !before.is_cancelled() || (state.in_flight > 0 && !seeded!(EarlyReturn)) {
            walk.mark_below(tree, &mut state, self.index());
        }
        drop(state);
        walk.run().run();
    }

    /// Sets this scope's own deadline; `None` lifts it. Scopes below that hold a deadline of their own
    /// look again whether theirs is now the nearest.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        let mut walk = Walk::default();
        let mut state = self.tree().state.lock();
        if self.word().is_closed() {
            return;
        }
        state.below_mut(self.index()).deadline = deadline;
        self.slot().ask_attention();
        walk.aftermath.wake(state.node_mut(self.index()).waker.take());
        let Walk { aftermath, retime, .. } = &mut walk;
        self.tree().retime_below(&mut state, self.index(), aftermath, retime);
        drop(state);
        walk.run().run();
    }
}

impl Tree {
    fn ask_to_retime(&self, state: &mut State, index: u32, aftermath: &mut Aftermath) {
        if state.below(index).is_some_and(|branch| branch.deadline.is_some()) {
            self.table.word(index).ask_attention();
            aftermath.wake(state.node_mut(index).waker.take());
        }
    }

    /// Asks a node, and every scope below that holds a deadline, to look again.
    pub(super) fn retime(
        &self,
        state: &mut State,
        index: u32,
        aftermath: &mut Aftermath,
        frontier: &mut Vec<Arc<Tree>>,
    ) {
        self.ask_to_retime(state, index, aftermath);
        self.retime_below(state, index, aftermath, frontier);
    }

    /// Asks every scope below that holds a deadline to look again.
    pub(super) fn retime_below(
        &self,
        state: &mut State,
        index: u32,
        aftermath: &mut Aftermath,
        frontier: &mut Vec<Arc<Tree>>,
    ) {
        let mut stack = vec![index];
        while let Some(index) = stack.pop() {
            let Some(branch) = state.below(index) else { continue };
            frontier.extend(branch.sub.clone());
            let mut child = branch.first();
            while child != NONE {
                self.ask_to_retime(state, child, aftermath);
                stack.push(child);
                child = state.next(child);
            }
        }
    }
}
