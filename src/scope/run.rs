//! The running scope, apart from its body: its place in the tree, its waker, its timer, its outcome.

use std::task::Context;

use super::wake_key::WakeKey;
use crate::context::stack::{self, Mark, Place};
use crate::context::time::{self, Timer};
use crate::ground::reason::Reason;
use crate::ground::seeded;
use crate::tree::{NodeRef, Role, Site, TRUNK, Tree};

/// How the body ended.
pub(super) enum Outcome<T> {
    Value(T),
    /// Dropped unfinished.
    Stopped(Reason),
}

/// The part that does not depend on where the future is pinned.
pub(super) struct Run<T> {
    /// It has been polled.
    pub(super) is_open: bool,
    /// Where the scope stands; nothing before the first poll and after the last.
    pub(super) place: Option<Place>,
    /// The place this scope is usually polled in.
    pub(super) beneath: Mark,
    /// The waker that the node has.
    pub(super) key: WakeKey,
    pub(super) timer: Option<Timer>,
    pub(super) outcome: Option<Outcome<T>>,
    /// This scope's own deadline was the first cause.
    pub(super) fired: bool,
    /// Cancelled, and the forks that are not shielded have been dropped.
    pub(super) culled: bool,
    /// A scope, or a shield.
    pub(super) role: Role,
}

impl<T> Run<T> {
    pub(super) fn new(role: Role) -> Self {
        Self {
            is_open: false,
            place: None,
            beneath: Mark::OUTSIDE,
            key: WakeKey::NONE,
            timer: None,
            outcome: None,
            fired: false,
            culled: false,
            role,
        }
    }

    /// The node of a scope that is addressed before its first poll, when it has no parent yet: in a
    /// tree of its own, that joins the parent's later.
    pub(super) fn early(&mut self, site: Site) -> &NodeRef {
        let place = self.place.get_or_insert_with(|| {
            let (owner, _handle) = Tree::early().open(TRUNK, self.role, site);
            Place::of(owner)
        });
        place.node()
    }

    #[inline]
    pub(super) fn node(&self) -> &NodeRef {
        self.place.as_ref().expect("a scope was polled after it had returned").scope()
    }

    /// Has the node wake whoever polls this future now (I5).
    #[inline]
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        let key = WakeKey::of(cx.waker());
        if self.key != key {
            drop(self.node().register(cx.waker()));
            self.key = key;
        }
    }

    /// Polled in the place that `beneath` marks, usually the same as ever.
    #[inline]
    pub(super) fn look_around(&mut self, beneath: Mark) {
        if self.beneath != beneath {
            self.find_place(beneath);
        }
    }

    /// As [`look_around`](Self::look_around), for a scope whose body is over.
    #[cold]
    pub(super) fn look_around_again(&mut self) {
        self.look_around(stack::beneath());
    }

    /// Polled in another place than before: unless its parent is what polls this future, nobody may
    /// come by to drop it when an ancestor is cancelled, and it has to be woken by itself (R23).
    #[cold]
    pub(super) fn find_place(&mut self, beneath: Mark) {
        self.beneath = beneath;
        let adrift = !stack::is_in_place(self.node());
        if self.node().peek().is_adrift() != adrift {
            self.node().set_adrift(adrift);
            if adrift {
                // Somebody above may have stayed for the sake of a shield that is here now, or was until
                // this very poll.
                self.node().wake_protected();
            }
        }
    }

    /// Arms the timer if this scope's deadline is nearer than those above (R20).
    pub(super) fn retime(&mut self) {
        let nearest = self.node().own_nearest_deadline();
        let wanted = nearest.filter(|_| !self.node().peek().is_cancelled());
        self.timer = wanted.map(Timer::at);
    }

    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) {
        let Some(timer) = &mut self.timer else { return };
        // With its waker in place a timer needs no poll, only a look.
        let elapsed = if self.key == WakeKey::of(cx.waker()) {
            timer.is_elapsed()
        } else {
            timer.poll(cx).is_ready()
        };
        if elapsed {
            self.timer = None;
            if self.node().peek().is_cancelled() {
                // What it was for is over: this very poll goes on to look.
                return;
            }
            // This very poll goes on to look: nobody need be woken. Unless a shield may keep the body: what
            // is beside it there has had its turn already, and needs another one to end (I14).
            self.key = WakeKey::NONE;
            if !self.node().may_have_shields() {
                drop(self.node().unregister());
            }
            self.fired = self.node().come_due(time::now(), time::after) || seeded!(ElapsedAnyway);
            // Softened: the grace has an end of its own.
            self.retime();
        }
    }
}
