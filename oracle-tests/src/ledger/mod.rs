//! What a program does, written down beside what the library keeps, and compared with it afterwards.
//!
//! For programs whose tasks interleave as they like: nothing is said about when something happens, and
//! everything about how often.

pub mod audit;
pub mod journal;
pub mod place;
pub mod tokens;
