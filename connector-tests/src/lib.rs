//! What the tests of the connector need: addresses on this machine, of which some hang or refuse, names for
//! them, servers, and an ear for what the connector tells.
//!
//! Linux only: it has a whole network of loopback addresses, and ignores who connects to a full queue.

#[cfg(target_os = "linux")]
mod doors;
mod heard;
mod names;
pub mod tls;
pub mod web;

#[cfg(target_os = "linux")]
pub use doors::{Closed, Door, Hole, doors};
pub use heard::Heard;
pub use names::{Names, names};
