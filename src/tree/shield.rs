//! Shields: what keeps a cancelled body from being dropped (R10).
//!
//! A shield is a scope that cancellers pass over. Nothing is written down above it: whoever finds
//! itself cancelled looks below, in the tree, whether what it polls leads to a shield. Nobody asks
//! that who is not cancelled, so shields cost nothing where there is no cancellation, and what is
//! looked up cannot go stale. (An answer is remembered until a shield may have gone.)

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::aftermath::Aftermath;
use super::node::{Branch, Kept, NONE, State};
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

/// A shield keeps a cancelled body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shielding {
    /// When that shield's limit passes, if it has one.
    pub(crate) until: Option<Instant>,
}

impl NodeRef {
    /// Whether a shield is active in what the owner of this node polls (I12, I13): below it, in the
    /// same task, not carried away to be polled by somebody else, and with a limit, if it has one, that
    /// is not before `overdue` (I32: one that nobody polls would never notice).
    ///
    /// Answers for the owner, in its own poll or drop: there, no shield comes or goes meanwhile.
    pub(crate) fn shielding(&self, part: Part, overdue: Option<Instant>) -> Option<Shielding> {
        let tree = self.tree();
        let state = tree.state.lock();
        if state.shields == 0 || seeded!(BrokenShield) {
            return None;
        }
        let kept = state.below(self.index()).and_then(Branch::rare).and_then(|rare| rare.kept);
        let is_fresh = |kept: &Kept| kept.at == state.unshieldings && lasts(kept.until, overdue);
        if let Some(kept) = kept.filter(is_fresh) {
            return Some(Shielding { until: kept.until });
        }
        drop(state);
        self.find_shield(part, overdue)
    }

    /// Whether there may be shields in this tree at all.
    pub(crate) fn may_have_shields(&self) -> bool {
        self.tree().state.lock().shields > 0
    }

    #[cold]
    fn find_shield(&self, part: Part, overdue: Option<Instant>) -> Option<Shielding> {
        let mut found = None;
        self.visit_polled(part, |tree, state, index, word| {
            let until = state.below(index).and_then(Branch::due);
            if word.role() != Role::Shield || !lasts(until, overdue) {
                return false;
            }
            found = Some(Shielding { until });
            if Arc::ptr_eq(tree, self.tree()) {
                tree.note_kept(state, index, self.index(), until);
            }
            true
        });
        found
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
        self.visit_polled(Part::Whole, |_, state, index, word| {
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
        mut wanted: impl FnMut(&Arc<Tree>, &mut State, u32, Word) -> bool,
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
    /// Writes down at every node on the way from a shield up to `top` that it is kept. So of many
    /// scopes in each other that are all cancelled, the outermost looks for the shield, and the
    /// others find the answer (R26).
    fn note_kept(&self, state: &mut State, shield: u32, top: u32, until: Option<Instant>) {
        let kept = Some(Kept { at: state.unshieldings, until });
        let mut below = shield;
        while below != top && below != TRUNK {
            let parent = state.node(below).parent;
            // A scope's body is not kept by the shield of a fork beside it.
            let is_fork = self.table.word(below).examine().role() == Role::Fork;
            if !is_fork && parent != TRUNK {
                state.below_mut(parent).rare_mut().kept = kept;
            }
            below = parent;
        }
    }

    /// Looks below `start`, and notes the trees of grafts. With an explicit stack (R26).
    fn visit_polled_below(
        self: &Arc<Self>,
        start: u32,
        skips_forks: bool,
        grafts: &mut Vec<(Arc<Tree>, u32)>,
        wanted: &mut impl FnMut(&Arc<Tree>, &mut State, u32, Word) -> bool,
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
                    if wanted(self, &mut state, index, word) {
                        return true;
                    }
                    match word.role() {
                        Role::Scope | Role::Race | Role::Attempt | Role::Fork => stack.push(index),
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

/// Whether a limit still holds.
fn lasts(until: Option<Instant>, overdue: Option<Instant>) -> bool {
    match (until, overdue) {
        (Some(until), Some(overdue)) => until >= overdue,
        _ => true,
    }
}
