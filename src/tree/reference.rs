//! Counted references to nodes.

use std::fmt;
use std::sync::Arc;

use super::word::{AtomicWord, Word};
use super::{TRUNK, Tree};

/// A node, held: as long as one of these exists the slot is not given to another node, and the
/// node's word and first cause can be read, even long after the node has closed.
///
/// The owner of a node (the future of a scope, the wrapper of a child) holds no reference of its
/// own: the node's place in the tree does, from birth until `close`, and ownership keeps the place.
/// That makes the owner's last step one write: closed, and one reference less.
///
/// A reference to [`TRUNK`] stands for a tree as a whole, and is not counted either.
///
/// Two words of equal size, so that it moves through registers: it is moved on every poll.
pub(crate) struct NodeRef {
    tree: Arc<Tree>,
    /// The index, and above it whether this reference is counted.
    key: u64,
}

const COUNTED: u64 = 1 << 32;
/// This is the reference of a child's one handle, through which its value can be asked for.
const ASKS: u64 = 1 << 33;

/// What whoever holds this very reference has noted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Note {
    /// The node has its owner's waker.
    Registered = 1 << 34,
    /// What a shield does not keep has been woken.
    Roused = 1 << 35,
    /// A child's handle: its scope had terms when it was admitted.
    Guarded = 1 << 36,
    /// Something of the owner's stands on a shelf of the node.
    Aside = 1 << 37,
}

impl NodeRef {
    /// A mark on this reference, which means what its holder wants it to. Clones do not have it.
    #[inline]
    pub(crate) fn note(&mut self, note: Note) {
        self.key |= note as u64;
    }

    #[inline]
    pub(crate) fn is_noted(&self, note: Note) -> bool {
        self.key & note as u64 != 0
    }

    /// Takes over a reference that was counted at birth.
    pub(super) fn counted(tree: Arc<Tree>, index: u32) -> Self {
        Self { tree, key: COUNTED | u64::from(index) }
    }

    /// As [`counted`](Self::counted); when this one is dropped, nobody wants the child's value any
    /// more. Its clones do not ask.
    pub(super) fn asking(tree: Arc<Tree>, index: u32) -> Self {
        Self { tree, key: COUNTED | ASKS | u64::from(index) }
    }

    /// The owner's: stands for the place in the tree.
    pub(super) fn owning(tree: Arc<Tree>, index: u32) -> Self {
        Self { tree, key: u64::from(index) }
    }

    /// Stands for a whole tree.
    pub(crate) fn trunk(tree: Arc<Tree>) -> Self {
        Self::owning(tree, TRUNK)
    }

    #[inline]
    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the index")]
    pub(crate) fn index(&self) -> u32 {
        self.key as u32
    }

    #[inline]
    pub(super) fn slot(&self) -> &AtomicWord {
        self.tree.table.word(self.index())
    }

    /// The node's state now, without a lock, for a mere look.
    #[inline]
    pub(crate) fn peek(&self) -> Word {
        self.slot().load()
    }

    /// The node's state now, without a lock, for somebody who may change it afterwards.
    #[inline]
    pub(crate) fn word(&self) -> Word {
        self.slot().examine()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.index() == other.index() && Arc::ptr_eq(&self.tree, &other.tree)
    }

    /// Drops this reference. Returns the tree if that was the tree's last.
    pub(super) fn release(mut self) -> Option<Tree> {
        self.let_go();
        let tree = Arc::clone(&self.tree);
        // `let_go` has done all that the destructor does but dropping the tree.
        self.key &= !COUNTED;
        drop(self);
        Arc::into_inner(tree)
    }

    #[inline]
    fn let_go(&mut self) {
        if self.key & COUNTED != 0 && self.slot().drop_reference(self.key & ASKS != 0) {
            self.tree.recycle(self.index());
        }
    }
}

impl Clone for NodeRef {
    #[inline]
    fn clone(&self) -> Self {
        self.slot().add_reference();
        Self::counted(Arc::clone(&self.tree), self.index())
    }
}

impl Drop for NodeRef {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeRef({})", self.index())
    }
}
