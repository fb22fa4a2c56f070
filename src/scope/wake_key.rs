//! Which waker is registered, as two numbers: compared on every poll, at no cost.

use std::task::Waker;

/// Recognizes the waker that a node holds for its owner.
///
/// While the node holds a clone, the address cannot belong to another waker. Whoever takes the clone
/// out leaves a mark in the node's word, or the owner is waiting to close and registers anew each
/// time; either way the owner forgets this key before it trusts it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WakeKey(usize, usize);

impl WakeKey {
    pub(super) const NONE: Self = Self(0, 0);

    #[inline]
    pub(super) fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
    }
}
