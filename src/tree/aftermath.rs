//! What a transition leaves to be done once no lock is held: wakers to wake, things to drop (R25).

use std::sync::Arc;
use std::task::Waker;

use super::node::{Branch, Node};
use super::{Attachment, Tree};
use crate::ground::panics;

/// Wakers are the user's code, and so are the destructors of what a node held. Transitions collect
/// both here; the caller lets go of the lock and then of this.
///
/// Marks are made first, everywhere; wakes come after (I4): a woken task sees the whole mark.
#[derive(Default)]
#[must_use = "dropped under the lock, it would run code of the user's there"]
pub(crate) struct Aftermath {
    /// Most transitions wake one or none.
    first: Option<Waker>,
    wakers: Vec<Waker>,
    trash: Vec<Trash>,
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
        let Some(waker) = waker else { return };
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.wakers.push(waker);
        }
    }

    pub(super) fn wake_all(&mut self, wakers: impl Iterator<Item = Waker>) {
        self.wakers.extend(wakers);
    }

    pub(super) fn drop_waker(&mut self, waker: Option<Waker>) {
        self.trash.extend(waker.map(Trash::Waker));
    }

    pub(super) fn drop_branch(&mut self, branch: Option<Branch>) {
        // Nearly every branch is plain data by now, and is dropped where it stands.
        self.trash.extend(branch.filter(Branch::holds_user_values).map(Trash::Branch));
    }

    pub(super) fn drop_tree(&mut self, tree: Option<Arc<Tree>>) {
        self.trash.extend(tree.map(Trash::Tree));
    }

    pub(super) fn drop_attachment(&mut self, attachment: Option<Attachment>) {
        self.trash.extend(attachment.map(Trash::Attachment));
    }

    pub(super) fn drop_node(&mut self, (node, branch): (Node, Option<Branch>)) {
        self.drop_waker(node.waker);
        self.drop_branch(branch);
    }

    /// Does it. No lock of ours may be held. Never unwinds: transitions are left in order whatever a
    /// waker or a destructor does; the panic hook has reported it.
    #[inline]
    pub(crate) fn run(self) {
        self.first.into_iter().for_each(panics::wake);
        self.wakers.into_iter().for_each(panics::wake);
        for trash in self.trash {
            if let Err(payload) = panics::catch(|| drop(trash)) {
                panics::discard(payload);
            }
        }
    }
}
