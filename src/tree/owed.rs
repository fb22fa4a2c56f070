//! What a scope owes at its end, beyond waiting: its services are ended (R15), its finalizers are run
//! (R16).

use std::sync::Arc;
use std::task::{Poll, Waker};

use super::aftermath::Aftermath;
use super::node::{Branch, NONE, State};
use super::settle::Upwards;
use super::word::Role;
use super::{Finalizer, NodeRef};
use crate::ground::reason::{Kind, Reason};
use crate::ground::seeded;

/// Who runs what a node keeps.
#[must_use]
#[derive(Debug)]
pub(crate) enum Keeper {
    /// Its owner, or whoever tends it.
    There,
    /// Its owner had left, and nothing was to be run: the caller finds somebody who asks for the
    /// [`next_finalizer`](NodeRef::next_finalizer) until there is none.
    Wanted,
}

impl NodeRef {
    /// Only services are left: each is asked to end (R15). Nothing is admitted from here on, so that a
    /// service on its way out cannot start another.
    #[cold]
    pub(super) fn end_services(&self) {
        let tree = self.tree();
        let mut state = tree.state.lock();
        let branch = state.below_mut(self.index());
        if branch.live != branch.services || self.word().is_cancelled() {
            // Somebody was admitted meanwhile, or they have been cancelled with the scope.
            return;
        }
        branch.rare_mut().terms.is_winding_down = true;
        self.slot().guard();
        let mut services = Vec::new();
        let mut index = state.first(self.index());
        while index != NONE {
            if tree.table.word(index).examine().role() == Role::Service {
                tree.table.word(index).add_reference();
                services.push(NodeRef::counted(Arc::clone(tree), index));
            }
            index = state.next(index);
        }
        drop(state);
        let site = self.site();
        for service in services {
            service.cancel(|| Reason::at(Kind::ScopeEnded, site));
        }
    }

    /// Has the node keep something to be run when nothing lives below any more, the last one first.
    /// Gives it back if the node has closed (I30).
    pub(crate) fn defer(&self, finalizer: Finalizer) -> Result<Keeper, Finalizer> {
        let mut state = self.tree().state.lock();
        let word = self.word();
        if word.is_closed() && !seeded!(LateFinalizer) {
            return Err(finalizer);
        }
        let rare = state.below_mut(self.index()).rare_mut();
        rare.finalizers.push(finalizer);
        if word.is_forsaken() && !rare.tended {
            // A common zombie so far: from here on it does not close by itself.
            rare.tended = true;
            return Ok(Keeper::Wanted);
        }
        Ok(Keeper::There)
    }

    /// Whoever tends the node asks for the next finalizer (I30: each is given out once), or is woken
    /// when nothing lives below any more. When none is left the node is untended in the same step, so
    /// that nobody can add one in between, and closes.
    pub(crate) fn next_finalizer(&self, waker: &Waker) -> Poll<Option<Finalizer>> {
        let waker = waker.clone();
        let mut state = self.tree().state.lock();
        if state.live(self.index()) > 0 {
            let old = state.node_mut(self.index()).waker.replace(waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let finalizer = state.below_mut(self.index()).rare_mut().finalizers.pop();
        let mut upwards = Upwards::default();
        if finalizer.is_none() {
            if seeded!(TornUntend) {
                drop(state);
                state = self.tree().state.lock();
            }
            state.below_mut(self.index()).rare_mut().tended = false;
            upwards.close = Some(self.clone());
        }
        drop(state);
        upwards.go(Aftermath::default());
        Poll::Ready(finalizer)
    }

    /// Nobody can tend the node any more. Gives what has not been run, to be dropped by the caller, who
    /// asks again afterwards. When that is nothing the node closes now, or, a common zombie, with the
    /// last thing below it.
    pub(crate) fn leave_untended(&self) -> Vec<Finalizer> {
        let mut state = self.tree().state.lock();
        let rare = state.below_mut(self.index()).rare_mut();
        let left = std::mem::take(&mut rare.finalizers);
        if !left.is_empty() {
            return left;
        }
        rare.tended = false;
        let close = (state.live(self.index()) == 0).then(|| self.clone());
        drop(state);
        Upwards { unregister: None, close }.go(Aftermath::default());
        left
    }
}

pub(super) fn has_finalizers(state: &State, index: u32) -> bool {
    state.below(index).and_then(Branch::rare).is_some_and(|rare| !rare.finalizers.is_empty())
}

/// Whether somebody settles this zombie: it does not close by itself.
pub(super) fn is_tended(state: &State, index: u32) -> bool {
    state.below(index).and_then(Branch::rare).is_some_and(|rare| rare.tended)
}
