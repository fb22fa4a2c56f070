//! What the candidates of a race write down themselves.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use umbel::task::{self, Task};
use umbel::{CancelScope, Reason};

#[derive(Default)]
pub(crate) struct Journal(Mutex<Vec<Line>>);

impl Journal {
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum What {
    Start,
    Win,
    Fail(ErrorKind),
    Cancelled,
}

/// An attempt that has started. Its end is written down when it is dropped, and that is by a
/// cancellation if it has not ended before.
pub(crate) struct Attempt<'a> {
    journal: &'a Journal,
    who: &'static str,
    began: Instant,
    candidate: Option<CancelScope>,
    task: Task,
    what: What,
}

impl<'a> Attempt<'a> {
    pub(crate) fn start(who: &'static str, began: Instant, journal: &'a Journal) -> Self {
        let mut attempt = Self {
            journal,
            who,
            began,
            candidate: CancelScope::current(),
            task: task::current(),
            what: What::Start,
        };
        attempt.write();
        attempt.what = What::Cancelled;
        attempt
    }

    pub(crate) fn end<T>(mut self, outcome: &io::Result<T>) {
        self.what = match outcome {
            Ok(_) => What::Win,
            Err(error) => What::Fail(error.kind()),
        };
    }

    fn write(&self) {
        let candidate = self.candidate.as_ref();
        self.journal.lines().push(Line {
            who: self.who,
            what: self.what,
            at: self.began.elapsed(),
            reason: candidate.and_then(CancelScope::reason),
            on_candidate: candidate.map_or(0, CancelScope::cancel_count),
            on_task: self.task.cancel_count(),
        });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.write();
    }
}
