//! Checks for tests of code that is written with scopes. With the feature `testing`.
//!
//! * [`assert_no_leaks`]: a test leaves no task, no error and no panic behind.
//! * [`cancel_at_every_await`]: a function bears to be stopped at each of its awaits.
//! * [`Model`]: what several tasks do to each other, in every order.
//!
//! The page [`docs::testing`](crate::docs) teaches them. The first two are absent in a build with
//! `--cfg umbel_loom`, in which only models run.

mod model;

#[cfg(not(any(umbel_loom, loom)))]
mod capture;
#[cfg(not(any(umbel_loom, loom)))]
mod every_await;
#[cfg(any(umbel_loom, loom))]
mod explore;
#[cfg(not(any(umbel_loom, loom)))]
mod leaks;
#[cfg(not(any(umbel_loom, loom)))]
mod once;
#[cfg(not(any(umbel_loom, loom)))]
mod places;
#[cfg(not(any(umbel_loom, loom)))]
mod played;

#[cfg(not(any(umbel_loom, loom)))]
pub use every_await::{CancelAtEveryAwait, Outcome, Summary, cancel_at_every_await};
#[cfg(not(any(umbel_loom, loom)))]
pub use leaks::{assert_no_leaks, assert_no_leaks_within};
pub use model::{Explored, Model};
