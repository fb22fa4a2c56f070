//! Cancelling: mark downwards, everywhere, and only then wake.
//!
//! INVARIANT: under a tree's lock, if a node is cancelled then everything below it in that tree is
//! marked. So a walk may stop at a node that is cancelled already, unless a canceller is still on
//! its way from here to the trees below (`in_flight`): then the second canceller walks the whole way
//! itself, because when its `cancel` returns every mark must be there (R7).

use std::sync::Arc;
use std::time::Instant;

use super::aftermath::{Aftermath, Visit};
use super::node::{NONE, State};
use super::word::{Role, Word};
use super::{NodeRef, TRUNK, Tree};
use crate::ground::reason::{Kind, Reason};
use crate::ground::seeded;

impl Aftermath {
    /// Has a tree marked from its trunk.
    pub(super) fn enter(&mut self, tree: Arc<Tree>) {
        self.rest().frontier.push(tree);
    }

    /// A node has been cancelled that was in state `before`: tells whoever watches it, and marks what is
    /// below it, unless that has been done.
    fn spread_from(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32, before: Word) {
        if !before.is_cancelled() {
            self.wake_watchers(state, index);
        }
        if !before.is_cancelled() || state.is_propagating() {
            self.mark_below(tree, state, index);
        }
    }

    /// Marks the node itself as cancelled from above, and what is below it.
    pub(super) fn mark(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32) {
        self.mark_list(tree, state, index, false);
    }

    /// Marks all that hangs below `index` in this tree, and notes the trees further down.
    pub(super) fn mark_below(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32) {
        self.note_sub(tree, state, index);
        let first = state.first(index);
        if first != NONE {
            self.mark_list(tree, state, first, true);
        }
    }

    /// Marks a node, and its siblings if asked, and all below, with an explicit stack (R26).
    fn mark_list(&mut self, tree: &Arc<Tree>, state: &mut State, first: u32, siblings: bool) {
        let thorough = state.is_propagating();
        let mut stack = Vec::new();
        let mut index = first;
        loop {
            while index != NONE {
                let word = tree.table.word(index);
                if word.examine().role() == Role::Shield && !seeded!(IgnoredShield) {
                    // R10: neither it nor what is below it.
                    index = if siblings || index != first { state.next(index) } else { NONE };
                    continue;
                }
                let before = word.inherit();
                if !before.is_cancelled() {
                    // A task is polled by its runtime and a node adrift by a stranger: nobody above
                    // will come by and drop them (I6: one wake for each).
                    let must_wake = before.role().is_task() || before.is_adrift();
                    if must_wake && !seeded!(SleepingTask) {
                        self.wake(state.node_mut(index).waker.take());
                    }
                    self.wake_watchers(state, index);
                }
                if !before.is_cancelled() || thorough {
                    self.note_sub(tree, state, index);
                    if state.first(index) != NONE {
                        stack.push(state.first(index));
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

    fn wake_watchers(&mut self, state: &mut State, index: u32) {
        if let Some(rare) = state.known_mut(index).and_then(|branch| branch.rare.as_mut()) {
            self.wake_all(rare.watchers.take());
            self.wake_all(rare.stop_watchers.take());
        }
    }

    fn note_sub(&mut self, tree: &Arc<Tree>, state: &mut State, index: u32) {
        let sub = state.below(index).and_then(|branch| branch.sub.clone());
        let Some(sub) = sub.filter(|_| !seeded!(MissedTree)) else { return };
        let rest = self.rest();
        if !rest.left.last().is_some_and(|last| Arc::ptr_eq(last, tree)) {
            state.in_flight += 1;
            rest.left.push(Arc::clone(tree));
        }
        rest.frontier.push(sub);
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
        let mut aftermath = Aftermath::default();
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
            if !before.is_cancelled() && !seeded!(ForgottenWake) {
                aftermath.wake(state.node_mut(self.index()).waker.take());
            }
            aftermath.spread_from(tree, &mut state, self.index(), before);
        }
        if seeded!(WakeUnderLock) {
            std::mem::take(&mut aftermath).run();
        }
        drop(state);
        aftermath.run();
        drop(reason);
        is_first
    }

    /// The owner is being dropped: this node and all below it are cancelled. The own count does not
    /// change (I1).
    ///
    /// The cause is written down here in any case, so that whoever is dropped further in finds it one
    /// step up.
    ///
    /// Returns whether there may be shields in the tree.
    pub(crate) fn abandon(&self) -> bool {
        let reason = self.reason().unwrap_or_else(|| Reason::at(Kind::Abandoned, self.site()));
        let tree = self.tree();
        let mut aftermath = Aftermath::default();
        let mut state = tree.state.lock();
        let mut reason = Some(reason);
        let slot = &mut state.below_mut(self.index()).reason;
        if slot.is_none() {
            std::mem::swap(slot, &mut reason);
        }
        let before = self.slot().abandon();
        state.unshieldings = state.unshieldings.wrapping_add(1);
        aftermath.spread_from(tree, &mut state, self.index(), before);
        let may_have_shields = state.shields > 0;
        drop(state);
        aftermath.run();
        drop(reason);
        may_have_shields
    }

    /// Sets this scope's own deadline; `None` lifts it. Scopes below that hold a deadline of their own
    /// look again whether theirs is now the nearest.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        let mut aftermath = Aftermath::default();
        let mut state = self.tree().state.lock();
        if self.word().is_closed() {
            return;
        }
        state.below_mut(self.index()).deadline = deadline;
        self.tree().ask_owner(&mut state, self.index(), &mut aftermath);
        aftermath.visit(self.tree(), &mut state, self.index(), Visit::Retime);
        drop(state);
        aftermath.run();
    }
}

impl Tree {
    /// Asks a node's owner to look again, and wakes it.
    pub(super) fn ask_owner(&self, state: &mut State, index: u32, aftermath: &mut Aftermath) {
        self.table.word(index).ask_attention();
        aftermath.wake(state.node_mut(index).waker.take());
    }

    /// Asks a node, and every scope below, to look again whether its deadline is now the nearest.
    pub(super) fn retime(
        self: &Arc<Self>,
        state: &mut State,
        index: u32,
        aftermath: &mut Aftermath,
    ) {
        if state.below(index).is_some_and(|branch| branch.due().is_some()) {
            self.ask_owner(state, index, aftermath);
        }
        aftermath.visit(self, state, index, Visit::Retime);
    }
}

impl Aftermath {
    /// Tells every node below `index`, as far as the next shields, which look no further up; and
    /// notes the trees further down. With an explicit stack (R26).
    pub(super) fn visit(&mut self, tree: &Tree, state: &mut State, index: u32, visit: Visit) {
        let mut stack = vec![index];
        while let Some(index) = stack.pop() {
            let Some(branch) = state.below(index) else { continue };
            if let Some(sub) = &branch.sub {
                self.rest().visits.push((Arc::clone(sub), visit));
            }
            let mut child = branch.first();
            while child != NONE {
                if tree.table.word(child).examine().role() != Role::Shield {
                    if state.below(child).is_some_and(|branch| branch.due().is_some()) {
                        tree.ask_owner(state, child, self);
                    }
                    if visit == Visit::Both && !seeded!(UnannouncedStop) {
                        self.announce_stop(state, child);
                    }
                    stack.push(child);
                }
                child = state.next(child);
            }
        }
    }

    /// Wakes whoever waits for this node to be asked to stop.
    pub(super) fn announce_stop(&mut self, state: &mut State, index: u32) {
        if let Some(rare) = state.known_mut(index).and_then(|branch| branch.rare.as_mut()) {
            self.wake_all(rare.stop_watchers.take());
        }
    }
}
