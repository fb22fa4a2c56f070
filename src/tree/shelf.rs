//! What the floors above hang on a node: kept, handed out, and never looked into.

use std::sync::Arc;

use super::{Attachment, NodeRef, Shelf};

impl NodeRef {
    /// The attachment, made at the first call. Nothing if the node has closed.
    pub(crate) fn attachment(
        &self,
        place: Shelf,
        make: impl FnOnce() -> Attachment,
    ) -> Option<Attachment> {
        let mut state = self.tree().state.lock();
        if self.word().is_closed() {
            return None;
        }
        let slot = &mut state.below_mut(self.index()).rare_mut().attachments[place as usize];
        Some(Arc::clone(slot.get_or_insert_with(make)))
    }

    /// The attachment, if there is one.
    pub(crate) fn known_attachment(&self, place: Shelf) -> Option<Attachment> {
        let state = self.tree().state.lock();
        state.below(self.index())?.rare()?.attachments[place as usize].clone()
    }

    /// Hangs something on the node, in place of what hung there.
    pub(crate) fn attach(&self, place: Shelf, attachment: Attachment) {
        let mut state = self.tree().state.lock();
        let slot = &mut state.below_mut(self.index()).rare_mut().attachments[place as usize];
        let before = slot.replace(attachment);
        drop(state);
        drop(before);
    }

    /// Hangs something on the node that admission has to look at.
    pub(crate) fn guard_with(&self, place: Shelf, attachment: Attachment) {
        let before = {
            let mut state = self.tree().state.lock();
            self.slot().guard();
            state.below_mut(self.index()).rare_mut().attachments[place as usize].replace(attachment)
        };
        drop(before);
    }
}
