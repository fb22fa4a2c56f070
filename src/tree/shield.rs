//! Shields: what keeps a cancelled body from being dropped (R10).
//!
//! A shield is a scope that cancellers pass over. Nothing is written down above it: whoever finds
//! itself cancelled looks below, in the tree, whether what it polls leads to a shield. Nobody asks
//! that who is not cancelled, so shields cost nothing where there is no cancellation, and what is
//! looked up cannot go stale.

use std::sync::Arc;

use super::node::NONE;
use super::word::Role;
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
        let mut trees = vec![(Arc::clone(self.tree()), self.index())];
        let mut skips_forks = part == Part::Body;
        while let Some((tree, start)) = trees.pop() {
            if tree.find_shield_below(start, skips_forks, &mut trees) {
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
    fn find_shield_below(
        &self,
        start: u32,
        skips_forks: bool,
        grafts: &mut Vec<(Arc<Tree>, u32)>,
    ) -> bool {
        let state = self.state.lock();
        if state.shields == 0 {
            return false;
        }
        let mut stack = vec![start];
        while let Some(above) = stack.pop() {
            let mut index = state.first(above);
            while index != NONE {
                let word = self.table.word(index).examine();
                // What is polled elsewhere, or by nobody any more, is not dropped with the body.
                if !word.is_adrift() && !word.is_forsaken() {
                    match word.role() {
                        Role::Shield => return true,
                        Role::Fork if skips_forks && above == start => {}
                        Role::Scope | Role::Fork => stack.push(index),
                        Role::Graft => {
                            let sub = state.below(index).and_then(|branch| branch.sub.clone());
                            grafts.extend(sub.map(|sub| (sub, TRUNK)));
                        }
                        // Polled by its runtime: it asks for itself.
                        Role::Task | Role::Service => {}
                    }
                }
                index = state.next(index);
            }
        }
        false
    }
}
