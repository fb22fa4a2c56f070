//! Shields: what keeps a cancelled body from being dropped (R10).
//!
//! A shield is a scope that cancellers pass over. Nothing is written down above it: whoever finds
//! itself cancelled looks below, in the tree, whether what it polls leads to a shield. Nobody asks
//! that who is not cancelled, so shields cost nothing where there is no cancellation, and what is
//! looked up cannot go stale.

use std::sync::Arc;
use std::task::Waker;

use super::aftermath::Aftermath;
use super::node::{NONE, State};
use super::word::{Role, Word};
use super::{NodeRef, TRUNK, Tree};
use crate::ground::seeded;

/// Which futures an owner asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All that it polls.
    Whole,
    /// A scope's body, and not the forks beside it, which look after themselves.
    Body,
}

impl NodeRef {
    /// Whether a shield is active in what the owner of this node polls (I12, I13): below it, in the
    /// same task, and not carried away to be polled by somebody else.
    ///
    /// Answers for the owner, in its own poll or drop: there, no shield comes or goes meanwhile.
    pub(crate) fn is_shielded(&self, part: Part) -> bool {
        self.tree().has_shields() && !seeded!(BrokenShield) && self.find_shield(part)
    }

    /// Whether there may be shields in this tree at all.
    pub(crate) fn may_have_shields(&self) -> bool {
        self.tree().has_shields()
    }

    #[cold]
    fn find_shield(&self, part: Part) -> bool {
        self.visit_polled(part, |_, _, word| word.role() == Role::Shield)
    }

    /// Has every scope and fork woken that is polled below this node in the same task, is cancelled, and
    /// has another waker than `waker`, which is what its owner is polled with: whoever polls them polls
    /// only those that were woken. (Whoever passes his own waker on has polled them by now.)
    ///
    /// Cancellers do not wake them, because their owner would drop them. It cannot when a shield beside
    /// them keeps it; and they may hold what that shield waits for (I14).
    #[cold]
    pub(crate) fn rouse(&self, waker: &Waker) {
        let mut aftermath = Aftermath::default();
        self.visit_polled(Part::Whole, |state, index, word| {
            let slot = &mut state.node_mut(index).waker;
            let is_foreign = slot.as_ref().is_some_and(|other| !other.will_wake(waker));
            if is_foreign && word.is_cancelled() {
                aftermath.wake(slot.take());
            }
            false
        });
        aftermath.run();
    }

    /// Looks at every node that is polled below this one in the same task, as far as the first shields,
    /// until `wanted` finds what it wants. Says whether it has.
    fn visit_polled(
        &self,
        part: Part,
        mut wanted: impl FnMut(&mut State, u32, Word) -> bool,
    ) -> bool {
        let mut trees = vec![(Arc::clone(self.tree()), self.index())];
        let mut skips_forks = part == Part::Body;
        while let Some((tree, start)) = trees.pop() {
            if tree.visit_polled_below(start, skips_forks, &mut trees, &mut wanted) {
                return true;
            }
            skips_forks = false;
        }
        false
    }
}

impl Tree {
    fn has_shields(&self) -> bool {
        self.state.lock().shields > 0
    }

    /// Looks below `start`, and notes the trees of grafts. With an explicit stack (R26).
    fn visit_polled_below(
        &self,
        start: u32,
        skips_forks: bool,
        grafts: &mut Vec<(Arc<Tree>, u32)>,
        wanted: &mut impl FnMut(&mut State, u32, Word) -> bool,
    ) -> bool {
        let mut state = self.state.lock();
        let mut stack = vec![start];
        while let Some(above) = stack.pop() {
            let mut index = state.first(above);
            while index != NONE {
                let word = self.table.word(index).examine();
                // What is polled elsewhere, or by nobody any more, is not dropped with the body.
                let is_polled = !(word.is_adrift() || word.is_forsaken() || word.is_abandoned());
                if is_polled && !(skips_forks && above == start && word.role() == Role::Fork) {
                    if wanted(&mut state, index, word) {
                        return true;
                    }
                    match word.role() {
                        Role::Scope | Role::Fork => stack.push(index),
                        Role::Graft => {
                            let sub = state.below(index).and_then(|branch| branch.sub.clone());
                            grafts.extend(sub.map(|sub| (sub, TRUNK)));
                        }
                        // A shield looks after what is in it, and a task is polled by its runtime.
                        Role::Shield | Role::Task | Role::Service => {}
                    }
                }
                index = state.next(index);
            }
        }
        false
    }
}
