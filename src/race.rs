//! A race: the first success wins, and what it leaves behind is nothing.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::StreamExt as _;
use pin_project_lite::pin_project;

use crate::ground::error::Cancelled;
use crate::ground::reason::Reason;
use crate::ground::set::Set;
use crate::scope::{Plain, ScopeFuture, around};

/// Runs all candidates at once; the first to succeed wins.
///
/// Each candidate runs in a child scope of its own, in place: no `'static`, no `Send` is asked for.
/// When one has won, the others are cancelled, each counted on its own scope and nowhere else (R1),
/// and this returns when they have ended. If several succeed in the same poll, the first in that poll's
/// order wins and the other values are dropped before this returns.
///
/// The candidates start together. For a staggered start let each sleep first.
///
/// # Errors
///
/// [`RaceError`]: no candidates, or none succeeded; then every candidate's error is in it, in the order
/// in which they failed.
///
/// # Panics
///
/// If a candidate panics, the others are cancelled and ended, and the panic goes on (R14).
///
/// # Cancel safety
///
/// Dropping it drops all candidates. A winner that has not been returned is dropped with them.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
///
/// let mirrors = [("slow", 300), ("dead", 10), ("good", 40)];
/// let winner = umbel::race(mirrors.map(async |(name, ms)| {
///     tokio::time::sleep(Duration::from_millis(ms)).await;
///     if name == "dead" { Err("refused") } else { Ok(name) }
/// }))
/// .await;
/// assert_eq!(winner.unwrap(), "good");
/// # }
/// ```
#[track_caller]
pub fn race<I, T, E>(candidates: I) -> Race<I::Item, T, E>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    let site = Location::caller();
    let contest = Contest {
        running: candidates
            .into_iter()
            .map(|candidate| Box::pin(around(candidate, site).name("candidate")))
            .collect(),
        winner: None,
        failures: Vec::new(),
    };
    Race { scope: around(contest, site).name("race") }
}

/// One candidate, in a scope of its own.
type Candidate<F> = Pin<Box<ScopeFuture<'static, Plain<F>, F>>>;

pin_project! {
    /// The future of [`race`].
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Race<F: Future<Output = Result<T, E>>, T, E> {
        #[pin]
        scope: ScopeFuture<'static, Plain<Contest<F, T, E>>, Contest<F, T, E>>,
    }
}

impl<F, T, E> Future for Race<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, RaceError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.project().scope.poll(cx));
        Poll::Ready(outcome.unwrap_or_else(|cancelled| Err(RaceError::Cancelled(cancelled))))
    }
}

impl<F, T, E> fmt::Debug for Race<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Race(..)")
    }
}

/// The body of a race.
struct Contest<F: Future<Output = Result<T, E>>, T, E> {
    running: Set<Candidate<F>>,
    winner: Option<T>,
    failures: Vec<Failure<E>>,
}

/// The winner's value is only ever moved.
impl<F: Future<Output = Result<T, E>>, T, E> Unpin for Contest<F, T, E> {}

impl<F, T, E> Future for Contest<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, RaceError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some(outcome) = ready!(this.running.poll_next_unpin(cx)) {
            match outcome {
                // The others have been cancelled. A second winner's value is dropped here.
                _ if this.winner.is_some() => {}
                Ok(Ok(value)) => {
                    this.winner = Some(value);
                    for candidate in &mut this.running {
                        candidate.as_mut().cancel(Reason::new("another candidate has won"));
                    }
                }
                Ok(Err(error)) => this.failures.push(Failure::Error(error)),
                Err(cancelled) => this.failures.push(Failure::Cancelled(cancelled)),
            }
        }
        // All have ended, each with its children.
        let failures = std::mem::take(&mut this.failures);
        Poll::Ready(match this.winner.take() {
            Some(value) => Ok(value),
            None if failures.is_empty() => Err(RaceError::NoCandidates),
            None => Err(RaceError::AllFailed(failures)),
        })
    }
}

/// Why one candidate of a race did not win.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// It failed by itself.
    Error(E),
    /// It was cancelled, by itself or through a handle of its scope, before anybody had won.
    Cancelled(Cancelled),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

/// Why a race has no winner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RaceError<E> {
    /// There was nobody to race.
    NoCandidates,
    /// Every candidate failed: all of them, in the order in which they did.
    AllFailed(Vec<Failure<E>>),
    /// The race itself was cancelled, and no enclosing scope was left to absorb that (R23).
    Cancelled(Cancelled),
}

impl<E> RaceError<E> {
    /// The candidates' failures; empty if there were no candidates.
    #[must_use]
    pub fn failures(&self) -> &[Failure<E>] {
        match self {
            Self::AllFailed(failures) => failures,
            _ => &[],
        }
    }
}

impl<E: fmt::Display> fmt::Display for RaceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCandidates => f.write_str("a race without candidates"),
            Self::AllFailed(failures) => {
                write!(f, "all {} candidates failed", failures.len())?;
                for (n, failure) in failures.iter().enumerate() {
                    write!(f, "{} {failure}", if n == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for RaceError<E> {}
