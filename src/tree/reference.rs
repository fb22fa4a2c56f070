//! Counted references to nodes.

use std::fmt;
use std::sync::Arc;

use super::Tree;
use super::word::{AtomicWord, Word};

/// A node, held: as long as one of these exists the slot is not given to another node, and the
/// node's word and first cause can be read, even long after the node has closed.
///
/// The owner of a node (the future of a scope, the wrapper of a child) holds no reference of its
/// own: the node's place in the tree does, from birth until `close`, and ownership keeps the place.
/// That makes the owner's last step one write: closed, and one reference less.
pub(crate) struct NodeRef {
    tree: Arc<Tree>,
    index: u32,
    /// An owner's reference is not counted: it stands for the place.
    counted: bool,
}

impl NodeRef {
    /// Takes over a reference that was counted at birth.
    pub(super) fn counted(tree: Arc<Tree>, index: u32) -> Self {
        Self { tree, index, counted: true }
    }

    /// The owner's: stands for the place in the tree.
    pub(super) fn owning(tree: Arc<Tree>, index: u32) -> Self {
        Self { tree, index, counted: false }
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    #[inline]
    pub(super) fn slot(&self) -> &AtomicWord {
        self.tree.table.word(self.index)
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
        self.index == other.index && Arc::ptr_eq(&self.tree, &other.tree)
    }

    /// Whether anybody but the owner could look at this node once it has closed.
    pub(crate) fn is_shared(&self) -> bool {
        self.word().references() > 1
    }

    /// Drops this reference. Returns the tree if that was the tree's last.
    pub(super) fn release(mut self) -> Option<Tree> {
        self.let_go();
        let tree = Arc::clone(&self.tree);
        // `let_go` has done all that the destructor does but dropping the tree.
        self.counted = false;
        drop(self);
        Arc::into_inner(tree)
    }

    fn let_go(&mut self) {
        if self.counted && self.slot().drop_reference() {
            self.tree.recycle(self.index);
        }
    }
}

impl Clone for NodeRef {
    fn clone(&self) -> Self {
        self.slot().add_reference();
        Self::counted(Arc::clone(&self.tree), self.index)
    }
}

impl Drop for NodeRef {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeRef({}, {:?})", self.index, self.word())
    }
}
