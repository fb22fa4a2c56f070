//! Floor 3: scopes as futures, and everything a scope owns.

mod begin;
mod blocking;
mod child;
mod child_body;
mod drain;
mod erased;
mod finalize;
mod fork;
mod future;
mod handle;
mod local;
mod options;
mod picture;
mod pinned;
mod run;
mod scope_handle;
mod shield;
mod spawn;
mod timeout;
mod wake_key;

pub use blocking::Blocking;
pub use child::Child;
pub use drain::{Drain, drain, orphans};
pub(crate) use future::{Plain, around};
pub use future::{ScopeFuture, scope};
pub use handle::{CancelScope, Stopped, WaitCancelled, WaitStopping, cancelled, stopping};
pub use local::{LocalNamed, LocalScope, local_scope};
pub use picture::Picture;
pub use scope_handle::{Named, Scope, Spawner};
pub use shield::{Shield, ShieldUnbounded, shield, shield_unbounded};
pub use timeout::{Timeout, timeout};
