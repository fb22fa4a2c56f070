//! What the candidates of a race write down themselves.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use umbel::{CancelScope, Reason, task};

#[derive(Default)]
pub(crate) struct Journal(Mutex<Vec<Line>>);

/// What happened to a candidate, and when, counted from the start of its race.
pub(crate) struct Line {
    pub(crate) who: &'static str,
    pub(crate) what: What,
    pub(crate) at: Duration,
    pub(crate) reason: Option<Reason>,
    /// The cancel counts at that moment: of the candidate's own scope, and of the task it is in.
    pub(crate) on_candidate: u64,
    pub(crate) on_task: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Start,
    Win,
    Refused,
    Fail,
    Cancelled,
}

impl Journal {
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(
        &self,
        who: &'static str,
        began: Instant,
        candidate: Option<CancelScope>,
    ) -> Attempt<'_> {
        let attempt = Attempt {
            journal: self,
            who,
            began,
            candidate,
            what: What::Cancelled,
        };
        attempt.write(What::Start);
        attempt
    }
}

/// An attempt that has started. Its end is written down when it is dropped.
pub(crate) struct Attempt<'a> {
    journal: &'a Journal,
    who: &'static str,
    began: Instant,
    candidate: Option<CancelScope>,
    what: What,
}

impl Attempt<'_> {
    pub(crate) fn end<T>(mut self, outcome: &io::Result<T>) {
        self.what = match outcome {
            Ok(_) => What::Win,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => What::Refused,
            Err(_) => What::Fail,
        };
    }

    fn write(&self, what: What) {
        let candidate = self.candidate.as_ref();
        self.journal.lines().push(Line {
            who: self.who,
            what,
            at: self.began.elapsed(),
            reason: candidate.and_then(CancelScope::reason),
            on_candidate: candidate.map_or(0, CancelScope::cancel_count),
            on_task: task::current().cancel_count(),
        });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.write(self.what);
    }
}
