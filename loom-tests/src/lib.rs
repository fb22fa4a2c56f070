//! What the models have in common.
//!
//! `cargo loom` at the root of the repository runs them all, and compares what they explored with
//! `docs/verification.md`. A model explores every schedule of its threads. loom can also explore fewer
//! and say nothing; so the driver, `umbel::testing::Model`, refuses the settings that would make it, and
//! asks of every model how many executions it must at least have seen, and which outcomes.
#![cfg(umbel_loom)]

mod bell;
mod case;
mod drive;
mod event;
pub mod page;
pub mod source;

pub use bell::{Bell, waker_that};
pub use case::Case;
pub use drive::{Drive, drives};
pub use event::Event;

/// A thread of the model, counted.
pub fn spawn<T: 'static>(work: impl FnOnce() -> T + Send + 'static) -> loom::thread::JoinHandle<T> {
    umbel::model::thread_started();
    loom::thread::spawn(work)
}
