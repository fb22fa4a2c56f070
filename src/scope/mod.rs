//! Floor 3: scopes as futures, and everything a scope owns.

mod begin;
mod bound;
mod child;
mod child_body;
mod drain;
mod erased;
mod finalize;
mod fork;
mod future;
mod handle;
mod options;
mod picture;
mod results;
mod run;
mod scope_handle;
mod shield;
pub(crate) mod spawn;
mod start;
mod timeout;
mod wake_key;

pub use bound::{Full, Slot};
pub use child::Child;
pub use drain::{Drain, drain, orphans};
pub(crate) use future::{Plain, around};
pub use future::{ScopeFuture, scope};
pub use handle::{CancelScope, Stopped, WaitCancelled, WaitStopping, cancelled, stopping};
pub use picture::Picture;
pub use results::{Next, Results};
pub use scope_handle::{Named, Scope, Spawner};
pub use shield::{Shield, ShieldUnbounded, shield, shield_unbounded};
pub use start::{Ready, StartError, Started, Starting};
pub use timeout::{Timeout, timeout};
