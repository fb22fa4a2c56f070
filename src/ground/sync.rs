//! The one file that names a backend: std, or loom or shuttle when models run.
//!
//! `Arc` is std's in all of them: loom's would multiply the states to explore by the reference counts,
//! and no protocol of ours rests on an `Arc`'s count.

#[cfg(all(umbel_shuttle, any(umbel_loom, loom)))]
compile_error!("one backend at a time: `umbel_loom` or `umbel_shuttle`");

#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
mod backend {
    pub(crate) use std::sync::MutexGuard;
    pub(crate) use std::sync::atomic::AtomicU64;

    #[expect(clippy::disallowed_types, reason = "the permitted caller")]
    pub(crate) type Mutex<T> = std::sync::Mutex<T>;
}

#[cfg(any(umbel_loom, loom))]
mod backend {
    pub(crate) use loom::sync::atomic::AtomicU64;
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}

#[cfg(umbel_shuttle)]
mod backend {
    pub(crate) use shuttle::sync::atomic::AtomicU64;
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
}

pub(crate) use backend::AtomicU64;
use std::fmt;
use std::sync::PoisonError;
pub(crate) use std::sync::atomic::Ordering;

/// A mutex for our own plain data.
///
/// It has no poison: nothing of the user's runs while one is held, so a panic under it could only
/// be a defect of ours, which the panic itself reports.
pub(crate) struct Lock<T>(backend::Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(backend::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> backend::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock(..)")
    }
}

/// A mutex in a static, made at its first use: in models, at the first use in each execution.
macro_rules! static_lock {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        #[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
        $(#[$meta])*
        static $name: std::sync::LazyLock<$crate::ground::sync::Lock<$ty>> =
            std::sync::LazyLock::new(|| $crate::ground::sync::Lock::new($init));
        #[cfg(any(umbel_loom, loom))]
        loom::lazy_static! {
            $(#[$meta])*
            static ref $name: $crate::ground::sync::Lock<$ty> =
                $crate::ground::sync::Lock::new($init);
        }
        #[cfg(umbel_shuttle)]
        shuttle::lazy_static! {
            $(#[$meta])*
            static ref $name: $crate::ground::sync::Lock<$ty> =
                $crate::ground::sync::Lock::new($init);
        }
    };
}
pub(crate) use static_lock;

/// A thread-local. The backend's, in models: its threads are coroutines on one thread of the system.
macro_rules! static_local {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        #[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
        std::thread_local! { $(#[$meta])* static $name: $ty = const { $init }; }
        #[cfg(any(umbel_loom, loom))]
        loom::thread_local! { $(#[$meta])* static $name: $ty = $init; }
        #[cfg(umbel_shuttle)]
        shuttle::thread_local! { $(#[$meta])* static $name: $ty = $init; }
    };
}
pub(crate) use static_local;

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_shown_without_being_taken() {
        let lock = Lock::new(7);
        let _held = lock.lock();
        assert_eq!(format!("{lock:?}"), "Lock(..)");
    }
}
