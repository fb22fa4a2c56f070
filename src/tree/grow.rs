//! Growing the tree: scopes open, children are admitted, early scopes are grafted in.

use std::sync::{Arc, OnceLock};

use super::aftermath::Aftermath;
use super::node::{Branch, NONE, State};
use super::word::{Role, Word};
use super::{NodeRef, Note, Site, TRUNK, Tree};
use crate::ground::seeded;

/// Why a child was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The scope is cancelled: what is not started cannot be late (I21).
    Cancelled,
    /// The scope has ended, or it is ending its services, after which it ends.
    Closed,
    /// The scope was asked to stop.
    Stopping,
    /// The task's tree has no slot left (four billion).
    Full,
}

impl Tree {
    /// Opens a scope or a shield below `parent`, a node of this tree or [`TRUNK`]. Gives the owner's
    /// reference and one for the handle.
    ///
    /// INVARIANT I4: the parent's state is read under the lock that a canceller takes to mark what
    /// hangs below the parent. If the mark is not seen here, the canceller finds the new node.
    #[inline]
    pub(crate) fn open(
        self: &Arc<Self>,
        parent: u32,
        role: Role,
        site: Site,
    ) -> (NodeRef, NodeRef) {
        let mut state = self.state.lock();
        let index = self.place(&mut state, parent, site, role, 2);
        if role == Role::Shield {
            state.shields += 1;
        }
        drop(state);
        let index = index.expect("a task does not open four billion scopes at once");
        (NodeRef::owning(Arc::clone(self), index), NodeRef::counted(Arc::clone(self), index))
    }

    /// Inserts a node that inherits from its parent, unless it is a shield (I12).
    #[inline]
    fn place(
        &self,
        state: &mut State,
        parent: u32,
        site: Site,
        role: Role,
        references: u32,
    ) -> Option<u32> {
        let inherited =
            role != Role::Shield && self.is_effective(state, parent) && !seeded!(MissedAttach);
        let index = state.insert(parent, site)?;
        self.table.reserve(index).init(Word::born(role, inherited, references));
        Some(index)
    }

    /// Whether what hangs below `parent` is cancelled.
    #[inline]
    fn is_effective(&self, state: &State, parent: u32) -> bool {
        if parent == TRUNK {
            // The task ended, or the node that stands for it is cancelled. A canceller marks that
            // node before it comes to this tree's lock.
            state.trunk.reason.is_some() || self.up().is_some_and(|up| up.word().is_cancelled())
        } else {
            self.table.word(parent).examine().is_cancelled()
        }
    }

    /// Hangs an unowned tree, made before its scope was first polled, below `parent` in this one.
    pub(crate) fn graft(self: &Arc<Self>, parent: u32, site: Site, below: &Arc<Tree>) -> Aftermath {
        let mut state = self.state.lock();
        let index = self.place(&mut state, parent, site, Role::Graft, 2);
        let index = index.expect("a task does not open four billion scopes at once");
        let fresh = below.up.set(NodeRef::counted(Arc::clone(self), index)).is_ok();
        debug_assert!(fresh, "a scope is polled for the first time once");
        state.shields += 1;
        // From here on a canceller finds the tree below; and who is marked there finds the cause.
        state.below_mut(index).sub = Some(Arc::clone(below));
        drop(state);
        let mut aftermath = Aftermath::default();
        if self.table.word(index).examine().is_cancelled() && !seeded!(MissedGraft) {
            // The parent was cancelled before.
            aftermath.enter(Arc::clone(below));
        }
        // Or asked to stop: whoever waits for that on a handle looks again, from the new place.
        let mut state = below.state.lock();
        let scope = state.first(TRUNK);
        if scope != NONE {
            aftermath.announce_stop(&mut state, scope);
        }
        drop(state);
        aftermath
    }
}

/// Why a scope in this state takes no child, if it does not.
#[cold]
fn refusal(word: Word, state: &State, index: u32) -> Result<(), Refusal> {
    // First the flag that is final.
    if word.is_closed() && !seeded!(LateAdmission) {
        return Err(Refusal::Closed);
    }
    if word.is_cancelled() {
        return Err(Refusal::Cancelled);
    }
    match state.below(index).and_then(Branch::rare).map(|rare| &rare.terms) {
        Some(terms) if terms.stop.is_some() && !seeded!(AdmittedWhileStopping) => {
            Err(Refusal::Stopping)
        }
        Some(terms) if terms.is_winding_down => Err(Refusal::Closed),
        _ => Ok(()),
    }
}

impl NodeRef {
    /// Admits a child to this scope (I20): it is counted from here on, or refused. Gives the owner's
    /// reference and one for the handle.
    #[inline]
    pub(crate) fn admit(&self, role: Role, site: Site) -> Result<(NodeRef, NodeRef), Refusal> {
        let tree = self.tree();
        let mut state = tree.state.lock();
        let word = self.word();
        if seeded!(TornAdmission) {
            drop(state);
            state = tree.state.lock();
        }
        if !word.admits() {
            refusal(word, &state, self.index())?;
        }
        let index = tree.place(&mut state, self.index(), site, role, 2).ok_or(Refusal::Full)?;
        let branch = state.below_mut(self.index());
        branch.live += 1;
        if role == Role::Service {
            branch.services += 1;
        }
        drop(state);
        let mut handle = NodeRef::asking(Arc::clone(tree), index);
        if !word.admits() {
            handle.note(Note::Guarded);
        }
        Ok((NodeRef::owning(Arc::clone(tree), index), handle))
    }

    /// Why a child would not be admitted now, if so.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let state = self.tree().state.lock();
        refusal(self.word(), &state, self.index()).err()
    }

    /// The tree for what this task opens: made now, at its first scope.
    pub(crate) fn sprout(&self) -> Arc<Tree> {
        let tree = Tree::made(OnceLock::from(self.clone()), self.tree().host.clone());
        let mut state = self.tree().state.lock();
        let before = state.below_mut(self.index()).sub.replace(Arc::clone(&tree));
        drop(state);
        debug_assert!(before.is_none(), "a task has one tree");
        tree
    }

    /// Asks the owner to look again at its next poll, and wakes it unless it is being polled by the
    /// caller.
    pub(crate) fn notify_owner(&self, wake: bool) -> Aftermath {
        let mut aftermath = Aftermath::default();
        let mut state = self.tree().state.lock();
        if !self.word().is_closed() {
            if wake {
                self.tree().ask_owner(&mut state, self.index(), &mut aftermath);
            } else {
                self.slot().ask_attention();
            }
        }
        drop(state);
        aftermath
    }
}
