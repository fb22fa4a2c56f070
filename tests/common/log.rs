//! A log that destructors write to.

use std::sync::{Arc, Mutex, PoisonError};

/// What happened, in order. Clones write to the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&self, what: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Writes `what` to the log when it is dropped.
    pub fn guard(&self, what: &'static str) -> Guard {
        Guard { log: self.clone(), what }
    }

    /// All that was written.
    pub fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often `what` was written.
    pub fn count(&self, what: &str) -> usize {
        self.all().into_iter().filter(|entry| *entry == what).count()
    }

    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// How many logs, clones and guards share this one: 1 when all others are gone.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// Records its drop.
#[derive(Debug)]
#[must_use = "dropped at once it records at once"]
pub struct Guard {
    log: Log,
    what: &'static str,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.log.add(self.what);
    }
}
