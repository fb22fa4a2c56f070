//! A race: the first success wins, and what it leaves behind is nothing.

use std::error::Error;
use std::fmt;
use std::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::ground::error::Cancelled;
use crate::ground::reason::Reason;
use crate::scope::{Scope, ScopeFuture, scope};

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
pub fn race<I, T, E>(candidates: I) -> impl Future<Output = Result<T, RaceError<E>>>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    let scopes: Vec<_> = candidates
        .into_iter()
        .map(|candidate| scope(move |_: Scope<'static>| candidate).name("candidate"))
        .collect();
    let whole = scope(move |_: Scope<'static>| run(scopes)).name("race");
    async move { whole.await.unwrap_or_else(|cancelled| Err(RaceError::Cancelled(cancelled))) }
}

async fn run<B, F, T, E>(scopes: Vec<ScopeFuture<'static, B, F>>) -> Result<T, RaceError<E>>
where
    B: FnOnce(Scope<'static>) -> F,
    F: Future<Output = Result<T, E>>,
{
    if scopes.is_empty() {
        return Err(RaceError::NoCandidates);
    }
    let mut running: FuturesUnordered<_> = scopes.into_iter().map(Box::pin).collect();
    let mut failures = Vec::new();
    while let Some(outcome) = running.next().await {
        match outcome {
            Ok(Ok(value)) => {
                for candidate in &mut running {
                    candidate.as_mut().cancel(Reason::new("another candidate has won"));
                }
                // Each ends by itself, its children first; a second winner's value is dropped here.
                while running.next().await.is_some() {}
                return Ok(value);
            }
            Ok(Err(error)) => failures.push(Failure::Error(error)),
            Err(cancelled) => failures.push(Failure::Cancelled(cancelled)),
        }
    }
    Err(RaceError::AllFailed(failures))
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
