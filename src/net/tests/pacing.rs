//! A [`Stagger`] that is told, and asked, in milliseconds.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{Millis, at, ms};
use crate::race::stagger::{Fault, Pace, Stagger, Step, Supply, WhenFull};

pub(super) struct Pacing(Stagger);

/// RFC 8305, section 8.
pub(super) fn pace() -> Pace {
    Pace { delay: Some(ms(250)), ..Pace::default() }
}

pub(super) fn full(max: usize, when_full: WhenFull) -> Pace {
    Pace { max_in_flight: NonZeroUsize::new(max), when_full, ..pace() }
}

impl Pacing {
    pub(super) fn new(pace: Pace) -> Self {
        Self(Stagger::new(pace, None))
    }

    pub(super) fn until(deadline: Millis) -> Self {
        Self(Stagger::new(pace(), Some(at(deadline))))
    }

    /// As many as that start, one after another, as fast as they may.
    #[track_caller]
    pub(super) fn with(pace: Pace, starts: &[Millis]) -> Self {
        let mut pacing = Self::new(pace);
        for (number, millis) in starts.iter().enumerate() {
            assert_eq!(pacing.ready(*millis), Step::Start(number));
        }
        pacing
    }

    pub(super) fn step(&mut self, supply: Supply, now: Millis) -> Step {
        self.0.step(supply, at(now))
    }

    /// A candidate is ready.
    pub(super) fn ready(&mut self, now: Millis) -> Step {
        self.step(Supply::Ready, now)
    }

    /// There are no candidates any more.
    pub(super) fn ended(&mut self, now: Millis) -> Step {
        self.step(Supply::End, now)
    }

    pub(super) fn fails(&mut self, number: usize) {
        self.0.failed(number, Fault::Candidate);
    }

    pub(super) fn fails_by_us(&mut self, number: usize) {
        self.0.failed(number, Fault::Ours);
    }

    pub(super) fn gets_further(&mut self, number: usize, now: Millis, extension: Duration) {
        self.0.progressed(number, at(now) + extension);
    }
}

pub(super) fn wait(until: Millis) -> Step {
    Step::Wait(Some(at(until)))
}

pub(super) const WAIT: Step = Step::Wait(None);
