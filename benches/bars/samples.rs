//! Many short times: counted by length, because there are too many to keep.

use std::time::Duration;

/// Steps of ten nanoseconds, up to a millisecond.
const STEPS: usize = 100_000;
const STEP: u128 = 10;

pub(crate) struct Samples {
    counts: Vec<u32>,
    /// Those beyond the last step.
    long: Vec<Duration>,
    worst: Duration,
    len: u32,
}

impl Default for Samples {
    fn default() -> Self {
        Self { counts: vec![0; STEPS], long: Vec::new(), worst: Duration::ZERO, len: 0 }
    }
}

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        let step = usize::try_from(time.as_nanos() / STEP).ok();
        match step.and_then(|step| self.counts.get_mut(step)) {
            Some(count) => *count += 1,
            None => self.long.push(time),
        }
        self.worst = self.worst.max(time);
        self.len += 1;
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.long.extend(&other.long);
        self.worst = self.worst.max(other.worst);
        self.len += other.len;
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn worst(&self) -> Duration {
        self.worst
    }

    /// How many are longer than `limit`.
    pub(crate) fn over(&self, limit: Duration) -> u32 {
        self.len - self.counts[..step(limit)].iter().sum::<u32>()
    }

    /// The time that this share of all is not longer than.
    pub(crate) fn at_share(&self, share: f64) -> Duration {
        let mut below = 0;
        for (step, count) in (1_u32..).zip(&self.counts) {
            below += count;
            if f64::from(below) >= share * f64::from(self.len) {
                return step * Duration::from_nanos(10);
            }
        }
        self.worst
    }
}

fn step(time: Duration) -> usize {
    usize::try_from(time.as_nanos() / STEP).map_or(STEPS, |step| step.min(STEPS))
}
