//! When things happen. Every step has a moment of its own, and so has every deadline: so never do two
//! things come due at one time, between which nobody could say which is first.

use std::time::Duration;

/// A step takes so long, in milliseconds.
pub const STEP: u64 = 64;

/// The operations of one turn are so far apart. Further than it takes until somebody notices that a
/// limit has passed that nobody looks at.
const APART: u64 = 16;

/// The grace of a scope is longer by so much than what is asked for in the turn in which it begins.
const LONGER: u64 = 8;

/// What scripts count time in. Longer than all steps of the longest script together.
const UNIT: u64 = 10_000;

/// So many units; what the `nth` operation of a turn asks for ends a little later. Zero is zero.
#[must_use]
pub fn span(units: u8, nth: usize) -> u64 {
    if units == 0 { 0 } else { u64::from(units) * UNIT + nth as u64 * APART }
}

/// The grace that a scope has for every request to it.
#[must_use]
pub fn grace(units: u8) -> u64 {
    span(units, 0) + LONGER
}

/// How long the step takes in which so many units pass.
#[must_use]
pub fn step(units: u8) -> u64 {
    STEP + u64::from(units) * UNIT
}

#[must_use]
pub fn millis(span: u64) -> Duration {
    Duration::from_millis(span)
}
