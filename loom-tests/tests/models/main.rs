//! The models of the tree and of the scope's future. Each names the invariants it is about.
#![cfg(umbel_loom)]

mod cancel;
mod defects;
mod owed;
mod settle;
mod shields;
mod whole;
