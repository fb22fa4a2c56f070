//! What a race tells: while it runs, and at its end.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::ground::error::Cancelled;

/// Everything that is known of a race. All times are counted from its first poll.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RaceReport<T, E> {
    /// The attempts, in the order in which they started.
    pub attempts: Vec<AttemptReport<T, E>>,
    /// The candidates that were known and had no turn. Of an iterator, about a thousand of them; of one that
    /// does not say that it ends ([`size_hint`](Iterator::size_hint)), and of a stream, no more than one.
    pub untried: Vec<T>,
    /// What the source of the candidates failed with: the first thousand errors.
    pub source_errors: Vec<E>,
    /// How long the race took.
    pub elapsed: Duration,
}

impl<T, E> RaceReport<T, E> {
    pub(super) fn new() -> Self {
        Self {
            attempts: Vec::new(),
            untried: Vec::new(),
            source_errors: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// The attempt that won.
    #[must_use]
    pub fn winner(&self) -> Option<&AttemptReport<T, E>> {
        self.attempts.iter().find(|attempt| matches!(attempt.outcome, AttemptOutcome::Won))
    }

    /// The errors of the attempts, in the order in which these started.
    pub fn errors(&self) -> impl Iterator<Item = &E> {
        self.attempts.iter().filter_map(|attempt| match &attempt.outcome {
            AttemptOutcome::Failed(error) => Some(error),
            _ => None,
        })
    }
}

/// One attempt, and how it ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptReport<T, E> {
    /// Its candidate. In a [`race`](fn@crate::race), its place in the list, from 0.
    pub candidate: T,
    /// Its number, from 0: the how manieth to start.
    pub number: usize,
    /// When it started.
    pub started: Duration,
    /// When it ended: clean-up included, for one that was given up.
    pub ended: Duration,
    /// How it ended.
    pub outcome: AttemptOutcome<E>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AttemptOutcome<E> {
    /// Its value is what the race gave.
    Won,
    /// It failed by itself.
    Failed(E),
    /// It was given up after its own limit.
    TimedOut,
    /// It was given up for a newer one, because too many were in flight.
    Evicted,
    /// It was given up because another one had won, or because the race was over.
    #[non_exhaustive]
    Lost {
        /// It succeeded all the same, in the same moment or while it was being stopped. Its value was
        /// dropped.
        succeeded: bool,
    },
    /// It was cancelled, by itself or through a handle of its scope, before anybody had won.
    Cancelled(Cancelled),
}

impl<E: fmt::Display> fmt::Display for AttemptOutcome<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Won => f.write_str("won"),
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
            Self::Evicted => f.write_str("given up for a newer attempt"),
            Self::Lost { succeeded: true } => f.write_str("succeeded too late"),
            Self::Lost { .. } => f.write_str("given up"),
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

/// How many of those that had no turn are shown; there may be a thousand.
const SHOWN: usize = 16;

/// `a: refused (after 12.3ms); b: timed out (after 1.0s); not tried: [c]`
impl<T: fmt::Debug, E: fmt::Display> fmt::Display for RaceReport<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for AttemptReport { candidate, started, ended, outcome, .. } in &self.attempts {
            let took = ended.saturating_sub(*started);
            write!(f, "{separator}{candidate:?}: {outcome} (after {took:.1?})")?;
            separator = "; ";
        }
        for error in &self.source_errors {
            write!(f, "{separator}{error}")?;
            separator = "; ";
        }
        if !self.untried.is_empty() {
            let (shown, others) = self.untried.split_at(self.untried.len().min(SHOWN));
            write!(f, "{separator}not tried: {shown:?}")?;
            if !others.is_empty() {
                write!(f, " and {} more", others.len())?;
            }
        }
        Ok(())
    }
}

/// Why a race has no winner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RaceError<T, E> {
    /// There was nobody to race. If that is because the source of the candidates failed, its errors are in
    /// the report.
    NoCandidates(RaceReport<T, E>),
    /// Every attempt failed.
    AllFailed(RaceReport<T, E>),
    /// The time of the race was over: [`Race::timeout`](crate::Race::timeout).
    TimedOut(RaceReport<T, E>),
    /// The race itself was cancelled, and no enclosing scope was left to absorb that (R23).
    Cancelled(Cancelled),
}

impl<T, E> RaceError<T, E> {
    /// What is known of the race; nothing if it was cancelled.
    #[must_use]
    pub fn report(&self) -> Option<&RaceReport<T, E>> {
        match self {
            Self::NoCandidates(report) | Self::AllFailed(report) | Self::TimedOut(report) => {
                Some(report)
            }
            Self::Cancelled(_) => None,
        }
    }

    /// As [`report`](Self::report), by value.
    #[must_use]
    pub fn into_report(self) -> Option<RaceReport<T, E>> {
        match self {
            Self::NoCandidates(report) | Self::AllFailed(report) | Self::TimedOut(report) => {
                Some(report)
            }
            Self::Cancelled(_) => None,
        }
    }
}

impl<T: fmt::Debug, E: fmt::Display> fmt::Display for RaceError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCandidates(report) if report.source_errors.is_empty() => {
                f.write_str("a race without candidates")
            }
            Self::NoCandidates(report) => write!(f, "a race without candidates: {report}"),
            Self::AllFailed(report) => match report.attempts.len() {
                1 => write!(f, "the only candidate failed: {report}"),
                count => write!(f, "all {count} candidates failed: {report}"),
            },
            Self::TimedOut(report) => {
                write!(f, "no winner after {:.1?}: {report}", report.elapsed)
            }
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl<T: fmt::Debug, E: fmt::Debug + fmt::Display> Error for RaceError<T, E> {}

/// Something that happened to an attempt, told to [`Race::on_event`](crate::Race::on_event) at that moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct RaceEvent<'a, T, E> {
    /// When, counted from the first poll of the race.
    pub at: Duration,
    /// The attempt's number, from 0.
    pub number: usize,
    /// Its candidate.
    pub candidate: &'a T,
    /// What happened.
    pub kind: RaceEventKind<'a, E>,
}

/// What happened to an attempt.
#[derive(Debug)]
#[non_exhaustive]
pub enum RaceEventKind<'a, E> {
    /// It starts now.
    Started,
    /// It has got further, and holds back the next one for so long.
    Progress(Duration),
    /// It has ended, and with it everything that was started in it. For the winner: it has won, and the
    /// others are to be stopped next.
    Ended(&'a AttemptOutcome<E>),
}

// Not derived: nothing is asked of what is only referred to.
impl<T, E> Copy for RaceEvent<'_, T, E> {}
impl<E> Copy for RaceEventKind<'_, E> {}

impl<T, E> Clone for RaceEvent<'_, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Clone for RaceEventKind<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}
