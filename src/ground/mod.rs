//! Floor 0: what everything stands on. The backend of synchronization, the runtime, reasons,
//! errors, panics. Nothing here knows of scopes.

#[cfg(any(umbel_loom, loom, umbel_shuttle))]
pub(crate) mod defects;
pub(crate) mod error;
pub(crate) mod panics;
pub(crate) mod reason;
pub(crate) mod runtime;
pub(crate) mod set;
pub(crate) mod sync;
pub(crate) mod unhandled;
pub(crate) mod waiters;
#[cfg(all(feature = "testing", not(any(umbel_loom, loom, umbel_shuttle))))]
pub(crate) mod watch;
#[cfg(not(all(feature = "testing", not(any(umbel_loom, loom, umbel_shuttle)))))]
#[path = "unwatched.rs"]
pub(crate) mod watch;

/// Whether a seeded defect is switched on: a constant `false` outside the models.
#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
macro_rules! seeded {
    ($defect:ident) => {
        false
    };
}
#[cfg(any(umbel_loom, loom, umbel_shuttle))]
macro_rules! seeded {
    ($defect:ident) => {
        $crate::ground::defects::is($crate::ground::defects::Defect::$defect)
    };
}
pub(crate) use seeded;
