//! Floor 2: where code runs. The stack of scopes being polled on this thread, what is set on them, time,
//! and the points at which running code meets its cancellation.

pub(crate) mod checkpoint;
#[cfg(any(umbel_loom, loom, umbel_shuttle))]
pub(crate) mod clock;
pub(crate) mod local;
pub(crate) mod stack;
pub(crate) mod task;
pub(crate) mod time;
