//! Random schedules of whole scopes with tens of tasks.
//!
//! `cargo shuttle` at the root of the repository runs them. loom explores every schedule of a few
//! threads; here a few thousand schedules of many tasks are drawn, from fixed seeds. Under shuttle
//! everything is sequentially consistent: orderings are loom's business.
#![cfg_attr(umbel_shuttle, expect(missing_docs, reason = "for the tests of one repository"))]

#[cfg(umbel_shuttle)]
pub mod puppet;
#[cfg(umbel_shuttle)]
mod schedules;
#[cfg(umbel_shuttle)]
pub mod world;

#[cfg(umbel_shuttle)]
pub use schedules::Schedules;

#[cfg(not(umbel_shuttle))]
#[test]
fn schedules_run_only_under_their_cfg() {
    panic!("no schedule was run: run `cargo shuttle`, with no RUSTFLAGS in the environment");
}
