//! Ending: scopes close, children finish, owners leave early, and what was owed is settled.
//!
//! An obligation never moves. A scope whose owner is gone while children of it live stays in its
//! place as a zombie, counted by its parent, and the last thing below it to end closes it and goes on
//! upwards. So the transfer of R18 is one step under one lock (I19), and a scope cannot close while
//! anything below it lives (I18).

use std::sync::Arc;
use std::task::Waker;

use super::aftermath::Aftermath;
use super::fail::take_panic;
use super::node::{Branch, NONE, NOWHERE, State};
use super::owed::{has_finalizers, is_tended};
use super::word::{Role, Word};
use super::{Attachment, Finalizer, NodeRef, Shelf, TRUNK, Tree, orphans};
use crate::ground::panics::{self, Payload};
use crate::ground::reason::{Kind, Reason};
use crate::ground::seeded;

/// What came of an owner's wish to close.
#[must_use]
pub(crate) enum Closing {
    /// Nothing is left below; the node is closed. A child's panic is the owner's to resume.
    Closed(Option<Payload>),
    /// Nothing lives below, and this is to be run before the node can close. The owner asks again
    /// when it has been.
    Finalize(Finalizer),
    /// Something below still lives; the owner is woken when the last of it has ended.
    Waiting,
}

/// What a node that is not a leaf has to do before it can close.
enum Step {
    Close(Option<Payload>),
    Finalize(Finalizer),
    EndServices,
    Wait,
}

/// What to do after a node has closed, outside its tree's lock. Usually nothing.
#[derive(Default)]
pub(super) struct Upwards {
    /// This tree's last orphan has ended.
    pub(super) unregister: Option<usize>,
    /// Something to be closed in turn: the node above that stands for this tree, or a zombie in it that
    /// has values to be dropped first.
    pub(super) close: Option<NodeRef>,
}

impl Upwards {
    /// Wakes and drops what is left to, and carries on above, tree by tree.
    #[inline]
    pub(super) fn go(self, aftermath: Aftermath) {
        aftermath.run();
        if self.unregister.is_some() || self.close.is_some() {
            self.go_on();
        }
    }

    #[cold]
    fn go_on(self) {
        let mut upwards = self;
        loop {
            orphans::unregister(upwards.unregister.take());
            let Some(node) = upwards.close.take() else { return };
            let mut aftermath = Aftermath::default();
            let mut state = node.tree().state.lock();
            let values = take_values(&mut state, node.index());
            if let Some(values) = values {
                // Before it is counted down: whoever waits for this node waits for its values (I18).
                drop(state);
                panics::drop_quietly(values);
                state = node.tree().state.lock();
            }
            if !node.word().is_closed() && !is_busy_again(&node, &state) {
                upwards = node.tree().close(&mut state, node.index(), &mut aftermath);
            }
            drop(state);
            aftermath.run();
        }
    }
}

/// Whether something has come to a zombie while the lock was let go of: a survivor below it was dropped,
/// and has something to be waited for, or a finalizer was registered. Then the last of that closes it.
fn is_busy_again(node: &NodeRef, state: &State) -> bool {
    let is_busy = state.live(node.index()) > 0 || is_tended(state, node.index());
    node.word().role().is_scope() && is_busy
}

/// The values that are visible below a node: to be dropped with no lock held.
fn take_values(state: &mut State, index: u32) -> Option<Attachment> {
    state.known_mut(index)?.rare.as_mut()?.attachments[Shelf::Locals as usize].take()
}

fn has_values(state: &State, index: u32) -> bool {
    let rare = state.below(index).and_then(Branch::rare);
    rare.is_some_and(|rare| rare.attachments[Shelf::Locals as usize].is_some())
}

impl NodeRef {
    /// The body is over. Closes the node if nothing below lives (I20: from then on nothing is
    /// admitted), else registers `waker`. When only services are left they are ended.
    #[inline]
    pub(crate) fn try_close(&self, waker: &Waker) -> Closing {
        match self.close_if_idle() {
            Closing::Waiting => self.wait_to_close(waker),
            closing => closing,
        }
    }

    #[cold]
    fn wait_to_close(&self, waker: &Waker) -> Closing {
        let _old = self.register(waker);
        if seeded!(LostRecheck) {
            return Closing::Waiting;
        }
        // Looked at again, now that the waker is there to be found.
        self.close_if_idle()
    }

    #[inline]
    fn close_if_idle(&self) -> Closing {
        let tree = self.tree();
        let mut aftermath = Aftermath::default();
        let mut state = tree.state.lock();
        let mut panic = None;
        if !state.is_leaf(self.index()) {
            match self.step_to_close(&mut state) {
                Step::Close(first) => panic = first,
                Step::Finalize(finalizer) => return Closing::Finalize(finalizer),
                Step::Wait => return Closing::Waiting,
                Step::EndServices => {
                    drop(state);
                    self.end_services();
                    return Closing::Waiting;
                }
            }
        }
        let upwards = tree.close(&mut state, self.index(), &mut aftermath);
        drop(state);
        upwards.go(aftermath);
        Closing::Closed(panic)
    }

    fn step_to_close(&self, state: &mut State) -> Step {
        let Some(branch) = state.known_mut(self.index()) else { return Step::Close(None) };
        let live = branch.live;
        if live == 0 {
            let Some(rare) = &mut branch.rare else { return Step::Close(None) };
            return match rare.finalizers.pop() {
                Some(finalizer) => {
                    // The services have ended: what a finalizer starts is admitted as ever.
                    rare.terms.is_winding_down = false;
                    Step::Finalize(finalizer)
                }
                None => Step::Close(rare.panic.take()),
            };
        }
        let is_winding_down = branch.rare().is_some_and(|rare| rare.terms.is_winding_down);
        let only_services = live == branch.services;
        // Of a cancelled scope they are cancelled already, and for its reason (R8).
        let must_end = only_services && !is_winding_down && !self.word().is_cancelled();
        self.slot().begin_closing();
        if must_end { Step::EndServices } else { Step::Wait }
    }

    /// The owner leaves for good, its body dropped: closes the node, or leaves it as a zombie that
    /// its parent waits for (R18). [`abandon`](Self::abandon) came first.
    ///
    /// Returns whether there are finalizers to be run, or one `is_running`. Then the zombie is *tended*: it
    /// does not close by itself, and the caller finds somebody who asks for the
    /// [`next_finalizer`](Self::next_finalizer) until there is none.
    #[must_use]
    pub(crate) fn release_scope(&self, is_running: bool) -> bool {
        let tree = self.tree();
        // An abandoned scope is offered no more panics, so this is the last.
        let panic = take_panic(&mut tree.state.lock(), self.index());
        if let Some(panic) = panic {
            self.fail_above(Kind::ChildPanicked, Some(panic));
        }
        let mut expected = is_running;
        loop {
            // Before this node may turn into a zombie: its last child could end at once.
            let key = tree.prepare_for_zombie(self.index(), expected);
            let mut state = tree.state.lock();
            let live = state.live(self.index());
            let tended = is_running || has_finalizers(&state, self.index());
            if seeded!(TornRelease) {
                drop(state);
                state = tree.state.lock();
            }
            if tended && live == 0 && !expected {
                // Nothing was prepared, because nothing seemed to be left to wait for.
                drop(state);
                orphans::unregister(key);
                expected = true;
                continue;
            }
            let mut aftermath = Aftermath::default();
            let mut surplus = key;
            let upwards = if live == 0 && !tended {
                tree.close(&mut state, self.index(), &mut aftermath)
            } else {
                self.slot().forsake();
                if tended {
                    state.below_mut(self.index()).rare_mut().tended = true;
                }
                let parent = state.node(self.index()).parent;
                surplus = count_zombie(&mut state, parent, key);
                Upwards::default()
            };
            drop(state);
            orphans::unregister(surplus);
            upwards.go(aftermath);
            return tended;
        }
    }

    /// A child has ended and its body is dropped. What it left behind (zombies in its own tree or
    /// below it) is waited for in its place; what it lent away is cancelled (R23).
    #[inline]
    pub(crate) fn finish(&self) {
        let tree = self.tree();
        let mut state = tree.state.lock();
        if !state.is_leaf(self.index()) {
            // From here on it may be closed by somebody else.
            self.slot().forsake();
            let sub = state.below(self.index()).and_then(|branch| branch.sub.clone());
            if let Some(sub) = sub {
                drop(state);
                let ended = || Reason::at(Kind::ScopeEnded, self.site());
                if sub.end_trunk(self.reason().unwrap_or_else(ended)) {
                    return;
                }
                state = tree.state.lock();
            }
            if state.live(self.index()) > 0 {
                return;
            }
        }
        let mut aftermath = Aftermath::default();
        let upwards = tree.close(&mut state, self.index(), &mut aftermath);
        drop(state);
        upwards.go(aftermath);
    }

    /// Whether anything that must be waited for lives below.
    pub(crate) fn is_busy(&self) -> bool {
        self.tree().state.lock().live(self.index()) > 0
    }

    /// Has `waker` woken from now on. Gives back the one before, to be dropped with no lock held.
    pub(crate) fn register(&self, waker: &Waker) -> Option<Waker> {
        let waker = waker.clone();
        let mut state = self.tree().state.lock();
        let old = state.node_mut(self.index()).waker.replace(waker);
        if seeded!(DropUnderLock) {
            drop(old);
            return None;
        }
        old
    }

    /// Has nobody woken.
    pub(crate) fn unregister(&self) -> Option<Waker> {
        self.tree().state.lock().node_mut(self.index()).waker.take()
    }
}

impl NodeRef {
    /// What this graft stands for has to be waited for from now on, as a zombie is: once.
    fn count_graft(&self, key: Option<usize>) {
        let mut state = self.tree().state.lock();
        let mut surplus = key;
        if !self.word().is_forsaken() && !self.word().is_closed() {
            self.slot().forsake();
            let parent = state.node(self.index()).parent;
            surplus = count_zombie(&mut state, parent, key);
        }
        drop(state);
        orphans::unregister(surplus);
    }
}

/// Counts a new zombie at its parent. Gives the registration back if it is not needed.
fn count_zombie(state: &mut State, parent: u32, key: Option<usize>) -> Option<usize> {
    state.below_mut(parent).live += 1;
    if parent != TRUNK || state.orphaned.is_some() {
        return key;
    }
    state.orphaned = key;
    None
}

impl Tree {
    /// Closes a node, and every zombie above that waited for nothing else.
    #[inline]
    fn close(
        self: &Arc<Self>,
        state: &mut State,
        index: u32,
        aftermath: &mut Aftermath,
    ) -> Upwards {
        let mut index = index;
        loop {
            let parent = state.node(index).parent;
            let word = self.close_one(state, index, aftermath);
            if !word.is_counted() {
                return Upwards { unregister: None, close: self.above_trunk(state, parent) };
            }
            let branch = state.below_mut(parent);
            branch.live -= if seeded!(DoubleDecrement) { branch.live.min(2) } else { 1 };
            if word.role() == Role::Service {
                branch.services -= 1;
            }
            if branch.live > 0 {
                let only_services = branch.live == branch.services;
                if only_services && word.role() != Role::Service && !seeded!(ForgottenServices) {
                    self.wake_closing(state, parent, aftermath);
                }
                return Upwards::default();
            }
            if parent == TRUNK {
                let unregister = state.orphaned.take();
                return Upwards { unregister, close: self.above_trunk(state, parent) };
            }
            if !self.table.word(parent).examine().is_zombie()
                || is_tended(state, parent) && !seeded!(UntendedZombie)
            {
                self.wake_closing(state, parent, aftermath);
                return Upwards::default();
            }
            if has_values(state, parent) {
                self.table.word(parent).add_reference();
                let zombie = NodeRef::counted(Arc::clone(self), parent);
                return Upwards { unregister: None, close: Some(zombie) };
            }
            index = parent;
        }
    }

    /// What its owner waited for has ended.
    #[inline]
    fn wake_closing(&self, state: &mut State, index: u32, aftermath: &mut Aftermath) {
        if index != TRUNK
            && self.table.word(index).examine().is_closing()
            && !seeded!(ForgottenWake)
        {
            aftermath.wake(state.node_mut(index).waker.take());
        }
    }

    /// The node that stands for this tree, if it has nothing left to wait for now.
    fn above_trunk(&self, state: &mut State, parent: u32) -> Option<NodeRef> {
        if parent != TRUNK || state.trunk.live > 0 {
            return None;
        }
        let up = self.up()?;
        let done = match up.word().role() {
            // A grafted scope's place goes with the last node in its tree.
            Role::Graft => state.trunk.first() == NONE || up.word().is_forsaken(),
            _ => std::mem::take(&mut state.trunk_is_zombie),
        };
        (done && !up.word().is_closed()).then(|| up.clone())
    }

    #[inline]
    fn close_one(
        self: &Arc<Self>,
        state: &mut State,
        index: u32,
        aftermath: &mut Aftermath,
    ) -> Word {
        if !state.is_leaf(index) {
            self.hand_over_survivors(state, index, aftermath);
        }
        state.unlink(index);
        let (word, last) = self.table.word(index).close();
        if matches!(word.role(), Role::Shield | Role::Graft) {
            state.shields -= 1;
            state.unshieldings = state.unshieldings.wrapping_add(1);
        }
        if last {
            aftermath.drop_node(state.remove(index));
        } else {
            self.keep_for_handles(state, index, word, aftermath);
        }
        word
    }

    /// Handles are left, and they keep what they may ask for: the first cause, the stop that was asked
    /// for, and the name.
    fn keep_for_handles(
        &self,
        state: &mut State,
        index: u32,
        word: Word,
        aftermath: &mut Aftermath,
    ) {
        if word.is_cancelled() {
            // Where the cause came from may be gone by the time somebody asks.
            let cause = self.cause(state, index);
            state.below_mut(index).reason = cause;
        }
        let node = state.node_mut(index);
        node.parent = NOWHERE;
        aftermath.drop_waker(node.waker.take());
        let Some(branch) = state.known_mut(index) else { return };
        if let Some(sub) = branch.sub.take() {
            aftermath.drop_tree(sub);
        }
        branch.deadline = None;
        let mut keep = branch.reason.is_some();
        if let Some(rare) = &mut branch.rare {
            keep |= rare.name.is_some() || rare.terms.stop.is_some();
            for attachment in rare.attachments.iter_mut().filter_map(Option::take) {
                aftermath.drop_attachment(attachment);
            }
            debug_assert!(rare.finalizers.is_empty(), "a node closes when all have been run");
            aftermath.wake_all(rare.watchers.take());
            aftermath.wake_all(rare.stop_watchers.take());
        }
        if !keep {
            aftermath.drop_branch(state.prune(index));
        }
    }

    /// The first cause at the nearest cancelled node on the way up, this one included (I24).
    ///
    /// The one place where two trees are locked at once: a lower one, and then one above it.
    fn cause(&self, state: &State, index: u32) -> Option<Reason> {
        let mut index = index;
        loop {
            let reason = state.below(index).and_then(|branch| branch.reason.clone());
            if reason.is_some() {
                return reason;
            }
            if index == TRUNK {
                return self.up().and_then(NodeRef::reason);
            }
            index = state.node(index).parent;
        }
    }

    /// Scopes first polled below this node whose futures live on elsewhere (R23): handed to the next
    /// node up if this one ended by itself; cancelled with it if it was cancelled; cancelled if it
    /// was a whole task.
    fn hand_over_survivors(
        self: &Arc<Self>,
        state: &mut State,
        index: u32,
        aftermath: &mut Aftermath,
    ) {
        let parent = state.node(index).parent;
        loop {
            let child = state.first(index);
            if child == NONE {
                return;
            }
            let word = self.table.word(index).examine();
            let shielded = self.table.word(child).examine().role() == Role::Shield;
            let cause = if shielded {
                // It goes on to its own end: what happens above does not reach it.
                None
            } else if word.is_cancelled() {
                self.cause(state, index)
            } else if word.role().is_scope() || word.role() == Role::Graft {
                None
            } else {
                Some(Reason::at(Kind::ScopeEnded, state.node(index).site))
            };
            state.unlink(child);
            state.relink(child, parent);
            state.unshieldings = state.unshieldings.wrapping_add(1);
            // Whoever polls it next finds out anew where it stands.
            self.table.word(child).ask_attention();
            match cause {
                Some(cause) => {
                    state.below_mut(child).reason.get_or_insert(cause);
                    aftermath.mark(self, state, child);
                    // It may wait for an ancestor to drop it, which will not come any more.
                    aftermath.wake(state.node_mut(child).waker.take());
                }
                None => {
                    self.retime(state, child, aftermath);
                }
            }
        }
    }

    /// The task of this tree has ended: whatever still hangs here belongs to nobody and is cancelled.
    /// Returns whether obligations are left; then the last of them closes the node above.
    fn end_trunk(self: &Arc<Self>, reason: Reason) -> bool {
        let mut aftermath = Aftermath::default();
        let mut state = self.state.lock();
        state.trunk.reason.get_or_insert(reason);
        aftermath.mark_below(self, &mut state, TRUNK);
        let busy = state.trunk.live > 0;
        state.trunk_is_zombie = busy;
        drop(state);
        aftermath.run();
        busy
    }

    /// Nobody above this tree waits for what comes to hang on its trunk.
    fn is_masterless(&self, state: &State) -> bool {
        state.trunk.reason.is_some() || self.up().is_none_or(|up| up.word().is_closed())
    }

    /// Before a node with something alive below turns into a zombie: sees to it that what is counted
    /// on the trunk is waited for by somebody. Gives the key of a registration among the orphans.
    fn prepare_for_zombie(self: &Arc<Self>, index: u32, tended: bool) -> Option<usize> {
        let state = self.state.lock();
        if state.live(index) == 0 && !tended || state.node(index).parent != TRUNK {
            return None;
        }
        drop(state);
        // Trees that were made early hang in others by grafts, and a graft may have come to hang on a
        // trunk in turn, its parent gone. The outermost is counted first (I18).
        let mut grafts: Vec<NodeRef> = Vec::new();
        let mut tree = Arc::clone(self);
        let mut key = loop {
            match tree.up() {
                Some(up) if up.word().role() == Role::Graft && !up.word().is_closed() => {
                    grafts.push(up.clone());
                    let above = Arc::clone(up.tree());
                    if above.state.lock().node(up.index()).parent != TRUNK {
                        break None;
                    }
                    tree = above;
                }
                _ => {
                    let is_masterless =
                        tree.is_masterless(&tree.state.lock()) && !seeded!(UncountedOrphan);
                    break is_masterless.then(|| orphans::register(&tree));
                }
            }
        };
        while let Some(graft) = grafts.pop() {
            graft.count_graft(key.take());
        }
        key
    }

    /// The last reference to a closed node is gone.
    pub(super) fn recycle(&self, index: u32) {
        let mut aftermath = Aftermath::default();
        aftermath.drop_node(self.state.lock().remove(index));
        aftermath.run();
    }
}
