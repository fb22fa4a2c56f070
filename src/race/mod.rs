//! A race: the first success wins, and what it leaves behind is nothing.
//!
//! The files: [`stagger`] the pure machine, [`entrants`] where candidates come from and how one becomes an
//! attempt, [`attempt`] what it tells, [`lanes`] those in flight, [`contest`] the future that drives them
//! all, [`report`] what is told of it.

pub(crate) mod attempt;
mod contest;
pub(crate) mod entrants;
mod lanes;
pub(crate) mod report;
pub(crate) mod stagger;

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::stream::Stream;
use pin_project_lite::pin_project;

use crate::context::time::Limit;
use crate::scope::{Plain, ScopeFuture, around_as};
use crate::tree::{Role, Site};
use attempt::Attempt;
use contest::{Contest, Finish};
pub(crate) use contest::{Settings, Tell};
use entrants::{Entrants, Futures, Listed, Streamed};
use report::{RaceError, RaceEvent, RaceReport};
use stagger::{DELAY, Pace, WhenFull};

/// Runs all candidates at once; the first to succeed wins.
///
/// Each candidate runs in a child scope of its own, in place: no `'static`, no `Send` is asked for.
/// When one has won, the others are cancelled, each counted on its own scope and nowhere else (R1),
/// and this returns when they have ended. If several could succeed in the same poll, the first of the list
/// does; the others are not polled any more, and what they were about to take is still where it was.
///
/// For candidates that start one after another, see [`Race`]; its options can be set on this too.
///
/// # Errors
///
/// [`RaceError`]: no candidates, or none succeeded; then every candidate's error is in it.
///
/// # Panics
///
/// If a candidate panics, the others are cancelled and ended, and the panic goes on (R14). Panics when polled
/// again after it has returned.
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
pub fn race<I, T, E>(candidates: I) -> Race<Futures<I::IntoIter, I::Item>>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    Race::of(Futures::new(candidates.into_iter()), Pace::default(), Location::caller())
}

pin_project! {
    /// A staggered race: attempts start one after another, and the first to succeed wins.
    ///
    /// `candidates` are what can be tried, the best first: addresses, mirrors, replicas. `attempt` tries
    /// one of them. The first starts at once, the next when the [`delay`](Self::delay) has passed and
    /// nobody has won, or as soon as the newest attempt has failed. An older attempt that fails starts
    /// nothing: the one after it is still within its time.
    ///
    /// Attempts run in the caller's task, each in a scope of its own: no `'static` and no `Send` is asked
    /// for. When one has won, the others are cancelled, each counted on its own scope and nowhere else
    /// (R1), and this returns when they have ended, with their children and finalizers (R12). If several
    /// could succeed in the same poll, the one that started first does; the others are not polled any more,
    /// but to end. A value that comes all the same, in a [`grace`](Self::grace), is dropped before this
    /// returns.
    ///
    /// `attempt` is an async closure, or one that returns a future. Attempts overlap, so what it owns it
    /// cannot lend to them: have it capture references, or clone (`move |attempt, address| { let tls =
    /// tls.clone(); async move { .. } }`).
    ///
    /// A race is a future. Options are set on it before it is awaited. Its type cannot be written down, as it has
    /// the closure's in it: what gives one gives an `impl Future<Output = Result<V, RaceError<T, E>>>`.
    ///
    /// # Outcomes
    ///
    /// The winner's value. [`with_report`](Self::with_report) adds what became of every attempt.
    ///
    /// # Errors
    ///
    /// [`RaceError`]: no candidates, or no attempt succeeded, or the race's [`timeout`](Self::timeout) has
    /// passed; with a [`RaceReport`] of every attempt.
    ///
    /// # Panics
    ///
    /// If an attempt, the closure, the source of the candidates or a listener panics, the others are cancelled
    /// and ended, and the panic goes on (R14). With a delay or a limit it needs tokio's timer, as
    /// [`timeout`](crate::timeout) does. Panics when polled again after it has returned.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops all attempts. A winner that has not been returned is dropped with them.
    ///
    /// # Examples
    ///
    /// A hedged request: if the first replica has not answered in 50 ms, the second is asked too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use umbel::Race;
    ///
    /// # async fn ask(replica: &str) -> Result<String, &'static str> {
    /// #     let takes = if replica == "near" { 900 } else { 20 };
    /// #     tokio::time::sleep(Duration::from_millis(takes)).await;
    /// #     Ok(format!("{replica} says 7"))
    /// # }
    /// let start = tokio::time::Instant::now();
    /// let answer = Race::new(["near", "far"], async |_, replica| ask(replica).await)
    ///     .delay(Duration::from_millis(50))
    ///     .await;
    /// assert_eq!(answer.unwrap(), "far says 7");
    /// assert_eq!(start.elapsed(), Duration::from_millis(70));
    /// # }
    /// ```
    #[must_use = "a race does nothing until it is awaited"]
    pub struct Race<C: Entrants, H = ()> {
        #[pin]
        scope: ScopeFuture<'static, Plain<Contest<C, H>>, Contest<C, H>>,
    }
}

impl<I, A, T, F, V, E> Race<Listed<I, A, T, F>>
where
    I: Iterator<Item = T>,
    T: Clone,
    A: FnMut(Attempt, T) -> F,
    F: Future<Output = Result<V, E>>,
{
    /// A race of the candidates in `candidates`, with 250 ms from one start to the next (what RFC 8305
    /// recommends for connections).
    ///
    /// The iterator may be endless: it is asked for the next candidate when it is that one's turn, or
    /// about to be. A candidate is cloned when its attempt starts: the attempt has the one, the report the
    /// other.
    #[track_caller]
    pub fn new(candidates: impl IntoIterator<IntoIter = I>, attempt: A) -> Self {
        let pace = Pace { delay: Some(DELAY), ..Pace::default() };
        Self::of(Listed::new(candidates.into_iter(), attempt), pace, Location::caller())
    }
}

impl<S, A, T, F, V, E> Race<Streamed<S, A, T, F>>
where
    S: Stream<Item = Result<T, E>>,
    T: Clone,
    A: FnMut(Attempt, T) -> F,
    F: Future<Output = Result<V, E>>,
{
    /// As [`new`](Self::new), with candidates that come as they are found. One that comes late waits for
    /// its turn like any other, and one that everybody waits for starts when it comes.
    ///
    /// An `Err` of the stream is a candidate that could not be found: it is kept for the report, and ends
    /// nothing. The stream is dropped when somebody has won.
    #[track_caller]
    pub fn from_stream(candidates: S, attempt: A) -> Self {
        let pace = Pace { delay: Some(DELAY), ..Pace::default() };
        Self::of(Streamed::new(candidates, attempt), pace, Location::caller())
    }
}

impl<C: Entrants> Race<C> {
    fn of(entrants: C, pace: Pace, site: Site) -> Self {
        Self::made(entrants, (), None, Settings::new(pace, site))
    }

    /// Has `hook` told what happens, as it happens: an attempt starts, gets further, ends. It runs within
    /// the poll of the race. It can be set once.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use umbel::Race;
    ///
    /// let mut log = Vec::new();
    /// let won = Race::new(["a", "b"], async |_, name| if name == "a" { Err("no") } else { Ok(7) })
    ///     .on_event(|event| log.push(format!("{} {:?}", event.candidate, event.kind)))
    ///     .await;
    /// assert_eq!(won.unwrap(), 7);
    /// assert_eq!(log, ["a Started", "a Ended(Failed(\"no\"))", "b Started", "b Ended(Won)"]);
    /// # }
    /// ```
    pub fn on_event<H>(self, hook: H) -> Race<C, H>
    where
        H: FnMut(&RaceEvent<'_, C::Label, C::Error>),
    {
        let tell: Tell<C, H> = |hook, event| hook(event);
        Race { scope: self.scope.map_body(|contest| contest.with_hook(hook, tell)) }
    }
}

impl<C: Entrants, H> Race<C, H> {
    pub(crate) fn made(entrants: C, hook: H, tell: Option<Tell<C, H>>, settings: Settings) -> Self {
        let site = settings.site;
        Self { scope: around_as(Role::Race, Contest::new(entrants, hook, tell, settings), site) }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        if let Some(contest) = self.scope.body_mut() {
            set(&mut contest.settings);
        }
        self
    }

    /// From one start to the next. Zero: all start together. 250 ms by default, in a
    /// [`race`](fn@crate::race) zero.
    pub fn delay(self, delay: Duration) -> Self {
        self.set(|settings| settings.pace.delay = Some(delay))
    }

    /// One after another: the next starts when the one before has failed, and not earlier.
    pub fn sequential(self) -> Self {
        self.set(|settings| settings.pace.delay = None)
    }

    /// How many attempts may be in flight at the same time, and what happens when it is the turn of one
    /// more. Any number by default. Those that are given up, and have a [`grace`](Self::grace) to end in, do
    /// not count.
    ///
    /// # Panics
    ///
    /// If `max` is 0: nothing could ever start.
    #[track_caller]
    pub fn max_in_flight(self, max: usize, when_full: WhenFull) -> Self {
        let max = NonZeroUsize::new(max).expect("a race without attempts: `max_in_flight(0)`");
        self.set(|settings| {
            settings.pace.max_in_flight = Some(max);
            settings.pace.when_full = when_full;
        })
    }

    /// An attempt that takes longer is given up, which counts as a failure of it. None by default. Not to
    /// be confused with the [`delay`](Self::delay): a slow attempt may still win when others have started.
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.pace.attempt_timeout = Some(limit))
    }

    /// The time for the whole race, from its first poll. Without any, nobody starts. When it is over, the race gives
    /// [`RaceError::TimedOut`] with all that is known; a [`timeout`](crate::timeout) around the race would
    /// drop that. An attempt that succeeds in the same moment wins.
    pub fn timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.limit = Limit::After(limit))
    }

    /// As [`timeout`](Self::timeout), at a moment of tokio's clock. Replaces what was set before.
    pub fn deadline(self, at: impl Into<Instant>) -> Self {
        let at = at.into();
        self.set(|settings| settings.limit = Limit::At(at))
    }

    /// Those who are given up are asked to stop first, and cut off when `grace` has passed (R17): until
    /// then [`stopping`](crate::stopping) in them tells. The race waits for them. What such an attempt
    /// still returns is dropped. Without a grace they are dropped at once; finalizers run in any case.
    pub fn grace(self, grace: Duration) -> Self {
        self.set(|settings| settings.grace = Some(grace))
    }

    /// Has the race give a [`RaceReport`] with the winner's value.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use umbel::Race;
    ///
    /// let race = Race::new([1, 2, 3], async |_, n| if n == 2 { Ok("two") } else { Err("odd") });
    /// let (value, report) = race.with_report().await.unwrap();
    /// assert_eq!(value, "two");
    /// assert_eq!(report.winner().unwrap().candidate, 2);
    /// assert_eq!(report.errors().collect::<Vec<_>>(), [&"odd"]);
    /// assert_eq!(report.untried, [3]);
    /// # }
    /// ```
    pub fn with_report(self) -> Reported<C, H> {
        Reported { race: self.set(|settings| settings.wants_report = true) }
    }
}

/// What a race has come to, with the report.
type Told<C> = Result<
    (<C as Entrants>::Value, RaceReport<<C as Entrants>::Label, <C as Entrants>::Error>),
    RaceError<<C as Entrants>::Label, <C as Entrants>::Error>,
>;

impl<C: Entrants, H> Race<C, H> {
    fn poll_told(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Told<C>> {
        Poll::Ready(match ready!(self.project().scope.poll(cx)) {
            Ok(Finish { value: Some(value), report, .. }) => Ok((value, report)),
            Ok(Finish { is_late: true, report, .. }) => Err(RaceError::TimedOut(report)),
            Ok(Finish { report, .. }) if report.attempts.is_empty() => {
                Err(RaceError::NoCandidates(report))
            }
            Ok(Finish { report, .. }) => Err(RaceError::AllFailed(report)),
            Err(cancelled) => Err(RaceError::Cancelled(cancelled)),
        })
    }
}

impl<C: Entrants, H> Future for Race<C, H> {
    type Output = Result<C::Value, RaceError<C::Label, C::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_told(cx).map_ok(|(value, _)| value)
    }
}

impl<C: Entrants, H> fmt::Debug for Race<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Race(..)")
    }
}

pin_project! {
    /// The future of [`Race::with_report`].
    #[must_use = "a race does nothing until it is awaited"]
    pub struct Reported<C: Entrants, H = ()> {
        #[pin]
        race: Race<C, H>,
    }
}

impl<C: Entrants, H> Future for Reported<C, H> {
    type Output = Told<C>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().race.poll_told(cx)
    }
}

impl<C: Entrants, H> fmt::Debug for Reported<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reported(..)")
    }
}
