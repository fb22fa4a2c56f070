//! Floor 3: scopes as futures, and everything a scope owns.

mod begin;
mod child;
mod child_body;
mod drain;
mod erased;
mod errors;
mod finalize;
mod fork;
mod future;
mod handle;
mod options;
mod picture;
mod run;
mod scope_handle;
mod shield;
mod spawn;
mod timeout;
mod try_child;
mod try_handle;
mod try_scope;
mod wake_key;

pub use child::Child;
pub use drain::{Drain, drain, orphans};
pub use errors::Errors;
pub(crate) use future::{Plain, around};
pub use future::{ScopeFuture, scope};
pub use handle::{CancelScope, Stopped, WaitCancelled, WaitStopping, cancelled, stopping};
pub use picture::Picture;
pub use scope_handle::{Named, Scope, Spawner};
pub use shield::{Shield, ShieldUnbounded, shield, shield_unbounded};
pub use timeout::{Timeout, timeout};
pub use try_handle::{TryNamed, TryScope, TrySpawner};
pub use try_scope::{CollectErrors, TryScopeFuture, try_scope};
