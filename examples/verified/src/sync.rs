//! The one lock of this crate. Where models run it is loom's, so that they see who is first.

#[cfg(umbel_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(umbel_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks it. Nothing that could panic runs while it is locked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
