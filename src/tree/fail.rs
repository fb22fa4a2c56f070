//! Failures: a panic, or a child that was lost, on its way to the scope that has to answer for it.

use std::sync::Arc;

use super::node::{NOWHERE, State};
use super::{NodeRef, TRUNK, orphans};
use crate::ground::panics::{self, Payload};
use crate::ground::reason::{Kind, Reason};
use crate::ground::runtime::Host;

impl NodeRef {
    /// The body of this scope panicked: its own failure policy cancels it, and the first panic is
    /// kept for its owner to resume.
    pub(crate) fn fail(&self, panic: Payload) {
        let mut state = self.tree().state.lock();
        let later = panics::keep_first(&mut state.below_mut(self.index()).rare_mut().panic, panic);
        drop(state);
        self.cancel(|| Reason::at(Kind::ChildPanicked, self.site()));
        later.into_iter().for_each(panics::discard);
    }

    /// A child panicked, or was lost, or a destructor panicked. It goes to the nearest scope above
    /// that has an owner to resume it; that scope is cancelled, by its own failure policy (I1).
    pub(crate) fn fail_above(&self, kind: Kind, panic: Option<Payload>) {
        let mut panic = panic;
        let mut next = Some(self.clone());
        while let Some(node) = next {
            match node.offer(&mut panic) {
                Offer::Taken { scope, later } => {
                    scope.cancel(|| Reason::at(kind, self.site()));
                    later.into_iter().for_each(panics::discard);
                    return;
                }
                Offer::Ask(above) => next = above,
            }
        }
        if let Some(panic) = panic {
            orphans::panicked(panic, self.tree().host().and_then(Host::id));
        }
    }

    /// Looks for a scope with an owner above this node, within this tree, and leaves the panic there
    /// in the same step.
    fn offer(&self, panic: &mut Option<Payload>) -> Offer {
        let tree = self.tree();
        let mut state = tree.state.lock();
        let mut index = state.node(self.index()).parent;
        while index != TRUNK {
            if index == NOWHERE {
                return Offer::Ask(None);
            }
            let word = tree.table.word(index).examine();
            if word.role().is_scope() && !word.is_abandoned() {
                let later = panic.take().and_then(|panic| {
                    panics::keep_first(&mut state.below_mut(index).rare_mut().panic, panic)
                });
                tree.table.word(index).add_reference();
                return Offer::Taken { scope: NodeRef::counted(Arc::clone(tree), index), later };
            }
            index = state.node(index).parent;
        }
        Offer::Ask(tree.up().cloned())
    }
}

/// Where a failure goes.
enum Offer {
    /// This scope has it. A panic that came too late is to be discarded with no lock held.
    Taken { scope: NodeRef, later: Option<Payload> },
    /// Nobody in this tree; the node above it may know.
    Ask(Option<NodeRef>),
}

/// The panic that the owner of a node has to resume.
pub(super) fn take_panic(state: &mut State, index: u32) -> Option<Payload> {
    state.known_mut(index)?.rare.as_mut()?.panic.take()
}
