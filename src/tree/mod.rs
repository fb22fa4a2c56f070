//! Floor 1: the scope tree, a pure machine. No futures, no runtime, no clock.
//!
//! One [`Tree`] per task. Its nodes are plain records in a slab under one lock; beside the slab
//! stands a table of atomic words, one per node, that anybody may read without the lock. A child
//! task is a node in its *parent's* tree: that node is the root of the child's own tree, which
//! appears when the child first opens a scope.
//!
//! ```text
//!   task A's tree                     task B's tree
//!   ┌ trunk ──────────────┐           ┌ trunk ─────────────┐
//!   │  └ scope "page"     │   up      │  └ scope "inner"   │
//!   │     ├ task B ◄──────┼───────────┤     └ task C       │
//!   │     │    └──────────┼── sub ──► │                    │
//!   │     └ scope "db"    │           └────────────────────┘
//!   └─────────────────────┘
//! ```
//!
//! The files: [`word`] the packed state of a node, [`table`] the words of a tree, [`node`] the plain
//! records and the links among them, [`aftermath`] what is left to do once the lock is released,
//! [`reference`](mod@reference) counted references to nodes, and the transitions: [`grow`] (open, admit, graft),
//! [`cancel`] (marks and wakes), [`settle`] (close, finish, leave early), [`owed`] (services, finalizers),
//! [`shield`] (what keeps a cancelled body), [`stop`] (the soft stop), [`fail`] (panics on their way to a
//! scope), [`orphans`] (what nobody owns), [`shelf`] (what others keep here), [`view`] (questions),
//! `roots` (what a test has left behind).
//!
//! `docs/tree.md` tells the whole story: layout, orderings, races.

mod aftermath;
mod cancel;
mod fail;
mod grow;
mod node;
pub(crate) mod orphans;
mod owed;
mod reference;
#[cfg(all(feature = "testing", not(any(umbel_loom, loom, umbel_shuttle))))]
pub(crate) mod roots;
mod settle;
mod shelf;
mod shield;
mod stop;
mod table;
#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests;
mod view;
mod word;

use std::any::Any;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use crate::ground::runtime::Host;
use crate::ground::sync::Lock;
use crate::ground::watch;

pub(crate) use grow::Refusal;
use node::State;
pub(crate) use node::TRUNK;
pub(crate) use owed::Keeper;
pub(crate) use reference::{NodeRef, Note};
pub(crate) use settle::Closing;
pub(crate) use shield::{Part, Shielding};
use table::Table;
pub(crate) use view::{Row, Rows};
pub(crate) use word::{Role, Word};

/// Where a scope or a child was opened in the user's code.
pub(crate) type Site = &'static Location<'static>;

/// What the floors above hang on a node. The tree keeps it and hands it out, and never looks inside.
pub(crate) type Attachment = Arc<dyn Any + Send + Sync>;

/// Where on a node an [`Attachment`] hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// Forks on their way to the scope's future.
    Forks,
    /// Values that are visible below.
    Locals,
    /// What bounds the number of children.
    Bound,
    /// What few children have.
    Aside,
    /// What tells strangers that the node is cancelled.
    #[cfg(all(feature = "cancellation-token", not(any(umbel_loom, loom, umbel_shuttle))))]
    Token,
}

impl Shelf {
    const COUNT: usize = 5;
}

/// What the floors above have a node keep until nothing lives below it. As opaque as an attachment.
pub(crate) type Finalizer = Box<dyn Any + Send>;

/// The tree of one task.
pub(crate) struct Tree {
    /// The words of the nodes, readable without the lock.
    table: Table,
    /// The node in another tree that stands for this task, if another tree owns it.
    /// Set when the tree is made, or when a scope that was made early is first polled.
    up: OnceLock<NodeRef>,
    /// Where this tree's children run. The tree only carries it. Set when the tree is made, or at the
    /// first poll of a scope that was made early.
    host: OnceLock<Host>,
    state: Lock<State>,
}

impl Tree {
    /// A tree for a task that no scope of ours owns.
    pub(crate) fn unowned(host: Host) -> Arc<Self> {
        let tree = Self::made(OnceLock::new(), OnceLock::from(host));
        tree.note_birth();
        tree
    }

    /// A tree for a scope that is addressed before its first poll: what it hangs on and where it
    /// runs is decided then.
    pub(crate) fn early() -> Arc<Self> {
        Self::made(OnceLock::new(), OnceLock::new())
    }

    fn made(up: OnceLock<NodeRef>, host: OnceLock<Host>) -> Arc<Self> {
        Arc::new(Self { table: Table::new(), up, host, state: Lock::new(State::default()) })
    }

    pub(crate) fn host(&self) -> Option<&Host> {
        self.host.get()
    }

    pub(crate) fn set_host(self: &Arc<Self>, host: Host) {
        // Set once: a second poll does not come here.
        let _ = self.host.set(host);
        self.note_birth();
    }

    /// Nobody owns this tree, or it is not known yet who will.
    #[inline]
    fn note_birth(self: &Arc<Self>) {
        watch::born(|| self.host().and_then(Host::id), || Arc::clone(self) as watch::Root);
    }

    /// The node that stands for this tree's task, if another tree owns it.
    pub(crate) fn up(&self) -> Option<&NodeRef> {
        self.up.get()
    }
}

impl Drop for Tree {
    /// Trees hold their parents by `up`: a chain of ten thousand is let go one by one (R26).
    fn drop(&mut self) {
        let mut up = self.up.take();
        while let Some(node) = up {
            up = node.release().and_then(|mut tree| tree.up.take());
        }
    }
}
