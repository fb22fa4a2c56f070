//! How long the machine has kept somebody waiting who wanted to run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// He wants to so often.
const TICK: Duration = Duration::from_millis(1);
/// So much later he may come on any machine, with a timer that counts in milliseconds.
const USUAL: Duration = Duration::from_millis(4);

/// What somebody has noticed of it by himself: he looks at the clock, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Stalls(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    last: Instant,
    sum: Duration,
}

impl Seen {
    /// With the time since he last looked.
    fn until(&self, now: Instant) -> Duration {
        self.sum + now.saturating_duration_since(self.last).saturating_sub(TICK + USUAL)
    }
}

impl Stalls {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Seen { last: Instant::now(), sum: Duration::ZERO })))
    }

    /// He is a task of this runtime: what stops him stops all that its thread does.
    pub(crate) fn of_this_runtime(&self) {
        let stalls = self.clone();
        tokio::spawn(async move {
            loop {
                stalls.look();
                tokio::time::sleep(TICK).await;
            }
        });
    }

    /// He is a thread, as others are. He stays until the process ends.
    pub(crate) fn of_a_thread(&self) {
        let stalls = self.clone();
        std::thread::spawn(move || {
            loop {
                stalls.look();
                std::thread::sleep(TICK);
            }
        });
    }

    /// All of them together, up to now.
    pub(crate) fn so_far(&self) -> Duration {
        self.lock().until(Instant::now())
    }

    fn look(&self) {
        let (mut seen, now) = (self.lock(), Instant::now());
        *seen = Seen { last: now, sum: seen.until(now) };
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_usual_is_counted() {
        let last = Instant::now();
        let seen = Seen { last, sum: Duration::from_millis(7) };
        let after = |millis| seen.until(last + Duration::from_millis(millis)).as_millis();
        assert_eq!([after(0), after(5), after(25)], [7, 7, 27]);
    }
}
