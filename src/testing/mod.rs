//! A kit for testing code that is written with scopes.

#[cfg(any(umbel_loom, loom))]
mod model;

#[cfg(any(umbel_loom, loom))]
pub use model::{Explored, Model};
