//! The driver of the models.
//!
//! `cargo loom` at the root of the repository runs them all. A model explores every schedule of its
//! threads. loom can also explore fewer and say nothing; so the driver refuses the settings that would
//! make it, and asks of every model how many executions it must at least have seen, and which outcomes.

#[cfg(umbel_loom)]
mod driver;
#[cfg(umbel_loom)]
pub use driver::{Bell, Model};

#[cfg(not(umbel_loom))]
#[test]
fn models_run_only_under_their_cfg() {
    panic!("nothing was model-checked: run `cargo loom`, with no RUSTFLAGS in the environment");
}
