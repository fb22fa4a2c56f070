//! What a transition leaves to be done once no lock is held: marks to carry into the trees below,
//! then wakers to wake, then things to drop (R25).

use std::sync::Arc;
use std::task::Waker;

use super::node::{Branch, Node};
use super::{Attachment, TRUNK, Tree};
use crate::ground::{panics, seeded};

/// Wakers are the user's code, and so are the destructors of what a node held. Transitions collect
/// both here; the caller lets go of the lock and then [`run`](Self::run)s this.
///
/// Marks are made first, everywhere; wakes come after (I4): a woken task sees the whole mark.
///
/// Most transitions leave one waker to wake or one to drop, and nothing else: that much needs no
/// allocation.
#[derive(Default)]
#[must_use = "dropped under the lock, it would run code of the user's there"]
pub(crate) struct Aftermath {
    wake: Option<Waker>,
    /// Not to be woken any more.
    spent: Option<Waker>,
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
pub(super) struct Rest {
    /// Trees that hang below what has been marked, and are not marked yet.
    pub(super) frontier: Vec<Arc<Tree>>,
    /// Trees that were left with a frontier below them.
    pub(super) left: Vec<Arc<Tree>>,
    /// Trees that hang below what has been visited, and for what.
    pub(super) visits: Vec<(Arc<Tree>, Visit)>,
    wakers: Vec<Waker>,
    trash: Vec<Trash>,
}

/// What a node and all below it are told, apart from being cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// A deadline above has moved: look again whether your own is the nearest.
    Retime,
    /// That, and a soft stop has been asked for.
    Both,
}

/// Something of the user's to be dropped.
#[expect(dead_code, reason = "held only to be dropped in the right place")]
enum Trash {
    Waker(Waker),
    Branch(Branch),
    Tree(Arc<Tree>),
    Attachment(Attachment),
}

impl Aftermath {
    #[inline]
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            if self.wake.is_none() {
                self.wake = Some(waker);
            } else {
                self.rest().wakers.push(waker);
            }
        }
    }

    pub(super) fn wake_all(&mut self, wakers: impl Iterator<Item = Waker>) {
        for waker in wakers {
            self.wake(Some(waker));
        }
    }

    /// Drops a closed node, and the branch it had.
    #[inline]
    pub(super) fn drop_node(&mut self, (node, branch): (Node, Option<Branch>)) {
        self.drop_waker(node.waker);
        self.drop_branch(branch);
    }

    #[inline]
    pub(super) fn drop_waker(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            if self.spent.is_none() {
                self.spent = Some(waker);
            } else {
                self.rest().trash.push(Trash::Waker(waker));
            }
        }
    }

    #[inline]
    pub(super) fn drop_branch(&mut self, branch: Option<Branch>) {
        // Nearly every branch is plain data by now, and is dropped where it stands.
        if let Some(branch) = branch {
            if branch.holds_user_values() {
                self.rest().trash.push(Trash::Branch(branch));
            }
        }
    }

    pub(super) fn drop_tree(&mut self, tree: Arc<Tree>) {
        self.rest().trash.push(Trash::Tree(tree));
    }

    pub(super) fn drop_attachment(&mut self, attachment: Attachment) {
        self.rest().trash.push(Trash::Attachment(attachment));
    }

    pub(super) fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// Does it. No lock of ours may be held. Never unwinds: transitions are left in order whatever a
    /// waker or a destructor does; the panic hook has reported it.
    #[inline]
    pub(crate) fn run(self) {
        if self.wake.is_some() || self.spent.is_some() || self.rest.is_some() {
            self.run_some();
        }
    }

    fn run_some(mut self) {
        if seeded!(EarlyWake) {
            self.wake.take().into_iter().for_each(panics::wake);
        }
        if self.rest.is_some() {
            self.spread();
        }
        if let Some(waker) = self.wake.take() {
            panics::wake(waker);
        }
        if let Some(waker) = self.spent.take() {
            panics::drop_quietly(waker);
        }
        if let Some(rest) = self.rest.take() {
            rest.wakers.into_iter().for_each(panics::wake);
            rest.trash.into_iter().for_each(panics::drop_quietly);
        }
    }

    /// Carries marks into every tree below, one lock at a time.
    #[cold]
    fn spread(&mut self) {
        while let Some(tree) = self.rest().frontier.pop() {
            self.mark_below(&tree, &mut tree.state.lock(), TRUNK);
        }
        while let Some(tree) = self.rest().left.pop() {
            tree.state.lock().in_flight -= 1;
        }
        while let Some((tree, visit)) = self.rest().visits.pop() {
            self.visit(&tree, &mut tree.state.lock(), TRUNK, visit);
        }
    }
}
