//! A kit for testing code that is written with scopes.

#[cfg(not(any(umbel_loom, loom)))]
mod leaks;
#[cfg(any(umbel_loom, loom))]
mod model;

#[cfg(not(any(umbel_loom, loom)))]
pub use leaks::{assert_no_leaks, assert_no_leaks_within};
#[cfg(any(umbel_loom, loom))]
pub use model::{Explored, Model};
