//! Floor 3: scopes as futures, and everything a scope owns.

mod child;
mod child_body;
mod drain;
mod erased;
mod fork;
mod future;
mod handle;
mod picture;
mod run;
mod scope_handle;
mod spawn;
mod timeout;
mod wake_key;

pub use child::Child;
pub use drain::{Drain, drain, orphans};
pub(crate) use future::{Plain, around};
pub use future::{ScopeFuture, scope};
pub use handle::{CancelScope, WaitCancelled, cancelled};
pub use picture::Picture;
pub use scope_handle::{Named, Scope, Spawner};
pub use timeout::{Timeout, timeout};
