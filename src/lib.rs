//! [rules]: docs::rules
//! [guide]: docs::guide
//! [tree]: docs::tree
//! [limits]: docs::limits
//! [behaviours]: docs::behaviours
//! [rationale]: docs::rationale
//! [connecting]: docs::connecting
//! [testing]: docs::testing
//! [verification]: docs::verification
//!
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

// In floor order: a file uses the floors below its own.
mod ground;
mod tree;

mod context;

mod scope;

mod race;
#[cfg(all(feature = "cancellation-token", not(any(umbel_loom, loom, umbel_shuttle))))]
mod token;

mod root;

#[cfg(all(feature = "net", not(any(umbel_loom, loom, umbel_shuttle))))]
pub mod net;

#[cfg(all(feature = "testing", not(umbel_shuttle)))]
pub mod testing;

pub use context::checkpoint::{check, checkpoint};
pub use context::local::ScopeLocal;
pub use ground::error::{Cancelled, Elapsed, TimeoutError};
pub use ground::reason::{Kind, Reason, Unfinished};
pub use ground::unhandled::{Unhandled, UnhandledKind, set_unhandled_hook};
pub use race::attempt::Attempt;
pub use race::report::{
    AttemptOutcome, AttemptReport, RaceError, RaceEvent, RaceEventKind, RaceReport,
};
pub use race::stagger::WhenFull;
pub use race::{Race, Reported, race};
pub use root::{block_on, block_on_with};
pub use scope::{
    Blocking, CancelScope, Child, CollectErrors, Drain, Errors, Full, LocalNamed, LocalScope,
    Named, Next, Picture, Ready, Results, Scope, ScopeFuture, Shield, ShieldUnbounded, Slot,
    Spawner, StartError, Started, Starting, Stopped, Timeout, TryNamed, TryScope, TryScopeFuture,
    TrySlot, TrySpawner, TryStarting, WaitCancelled, WaitStopping, cancelled, drain, local_scope,
    orphans, scope, shield, shield_unbounded, stopping, timeout, try_scope,
};

/// The running task. See [`task::current`].
pub mod task {
    pub use crate::context::task::{Task, TaskId, current};
}

#[cfg(any(doc, doctest))]
pub mod docs;

#[cfg(any(umbel_loom, loom, umbel_shuttle))]
#[doc(hidden)]
pub mod model;
