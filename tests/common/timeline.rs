//! What happened, and when, on a paused clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Entries with their times in whole milliseconds, in order. Clones write to the same one.
#[derive(Clone, Debug)]
pub struct Timeline {
    began: Instant,
    entries: Arc<Mutex<Vec<(&'static str, u128)>>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { began: Instant::now(), entries: Arc::default() }
    }
}

impl Timeline {
    /// It begins now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Milliseconds since it began.
    pub fn now(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    pub fn add(&self, what: &'static str) {
        let entry = (what, self.now());
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Adds `what` when it is dropped.
    pub fn guard(&self, what: &'static str) -> Mark {
        Mark { timeline: self.clone(), what }
    }

    /// All that was added since this was last asked.
    pub fn take(&self) -> Vec<(&'static str, u128)> {
        std::mem::take(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Records its drop.
#[derive(Debug)]
#[must_use = "dropped at once it records at once"]
pub struct Mark {
    timeline: Timeline,
    what: &'static str,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.timeline.add(self.what);
    }
}

/// Milliseconds, for scenarios on a paused clock.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
