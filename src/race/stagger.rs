//! When an attempt starts, and when one is given up: the pure machine of a staggered race. It knows
//! attempts by their numbers, the clock by an argument, and nothing of futures or sockets.
//!
//! ```text
//!             fails, newest or last one in flight
//!          ┌───────────────────────────────────────┐
//!          ▼                                       │
//!        OPEN ──── a candidate starts ────▶ AT(start + delay) ──── that moment passes ──▶ open
//!                                           SHUT, without a delay
//! ```
//!
//! | rule | source |
//! |---|---|
//! | the next attempt starts when the delay has passed | RFC 8305, section 5 |
//! | a failure of the newest attempt, or of the last one in flight, starts the next at once | ours: RFC 8305 is silent about failures |
//! | a failure of an older attempt starts nothing: its successor has been given its time | the lower bound on the delay, RFC 8305, section 5 |
//! | progress of an attempt holds the next one back | draft-ietf-happy-happyeyeballs-v3, section 6.2 |
//! | a candidate that comes late does not move the timer | the same draft, section 7 |
//! | a fault of our own (no descriptors left) starts nothing while others are in flight | ours |
//! | the cap, and what happens when it is reached | ours; RFC 8305 knows none |

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// From one start to the next, unless something else is set. Source: RFC 8305, section 5.
pub(crate) const DELAY: Duration = Duration::from_millis(250);

/// What may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From one start to the next; without one, the next waits for a failure.
    pub(crate) delay: Option<Duration>,
    pub(crate) max_in_flight: Option<NonZeroUsize>,
    pub(crate) when_full: WhenFull,
    pub(crate) attempt_timeout: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            delay: Some(Duration::ZERO),
            max_in_flight: None,
            when_full: WhenFull::Hold,
            attempt_timeout: None,
        }
    }
}

/// What a race does when as many attempts are in flight as may be, and it is the next one's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The next one waits until one in flight has failed.
    Hold,
    /// The oldest in flight is given up. So dead candidates at the head of a list do not keep the
    /// rest of it from its turn; the last ones of a list are never given up.
    EvictOldest,
}

/// What the source of candidates has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// A candidate.
    Ready,
    /// One that may be had at that moment, or before if something happens.
    At(Instant),
    /// None just now; it says when.
    Later,
    /// None any more.
    End,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Step {
    /// The best candidate starts, as the attempt of that number. It is to be polled before the next step
    /// is asked for.
    Start(usize),
    /// This attempt is given up.
    GiveUp(usize, Verdict),
    /// Nothing is in flight, and nothing will come.
    Exhausted,
    /// The deadline of the race has passed.
    Late,
    /// Nothing, before something happens or that moment comes.
    Wait(Option<Instant>),
}

/// Why an attempt is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    TimedOut,
    Evicted,
    /// Another one has won.
    Lost,
    /// The time of the race is over.
    Late,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The candidate's: on to the next.
    Candidate,
    /// Our own: the next one would fare no better just now.
    Ours,
}

#[derive(Clone, Copy, Debug)]
enum Gate {
    Open,
    At(Instant),
    Shut,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    number: usize,
    started: Instant,
    /// Its progress holds back others until then.
    holds: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Stagger {
    pace: Pace,
    deadline: Option<Instant>,
    gate: Gate,
    /// The last to start, while it is in flight. By itself, so that a single attempt needs no list.
    newest: Option<Flight>,
    /// By number, which is the order in which they started.
    older: BTreeMap<usize, Flight>,
    /// Until when progress holds others back, and whose: that of attempts in flight.
    holds: BTreeSet<(Instant, usize)>,
    begun: usize,
}

impl Stagger {
    pub(crate) fn new(pace: Pace, deadline: Option<Instant>) -> Self {
        Self {
            pace,
            deadline,
            gate: Gate::Open,
            newest: None,
            older: BTreeMap::new(),
            holds: BTreeSet::new(),
            begun: 0,
        }
    }

    /// An attempt has failed.
    pub(crate) fn failed(&mut self, number: usize, fault: Fault) {
        let was_newest = self.remove(number);
        if self.is_idle() || (was_newest && fault == Fault::Candidate) {
            self.gate = Gate::Open;
        }
    }

    /// An attempt has got further: nothing starts before `until`, as long as it is in flight.
    pub(crate) fn progressed(&mut self, number: usize, until: Instant) {
        let newest = self.newest.as_mut().filter(|flight| flight.number == number);
        let Some(flight) = newest.or_else(|| self.older.get_mut(&number)) else { return };
        let until = flight.holds.map_or(until, |before| before.max(until));
        if let Some(before) = flight.holds.replace(until) {
            self.holds.remove(&(before, number));
        }
        self.holds.insert((until, number));
    }

    /// What to do at `now`, when everything that has happened by then has been told.
    pub(crate) fn step(&mut self, supply: Supply, now: Instant) -> Step {
        if self.deadline.is_some_and(|at| at <= now) {
            return Step::Late;
        }
        if let Some(number) = self.timed_out(now) {
            self.failed(number, Fault::Candidate);
            return Step::GiveUp(number, Verdict::TimedOut);
        }
        match supply {
            Supply::End if self.is_idle() => Step::Exhausted,
            Supply::Ready if self.is_open(now) => self.admit(now),
            _ => Step::Wait(self.wake_at(supply)),
        }
    }

    /// The gate is open, and a candidate stands before it.
    fn admit(&mut self, now: Instant) -> Step {
        if !self.is_full() {
            return Step::Start(self.start(now));
        }
        match self.oldest() {
            Some(Flight { number, .. }) if self.pace.when_full == WhenFull::EvictOldest => {
                self.remove(number);
                Step::GiveUp(number, Verdict::Evicted)
            }
            _ => Step::Wait(self.wake_at(Supply::Later)),
        }
    }

    fn start(&mut self, now: Instant) -> usize {
        let number = self.begun;
        self.begun += 1;
        self.older.extend(self.newest.take().map(|flight| (flight.number, flight)));
        self.newest = Some(Flight { number, started: now, holds: None });
        let next = self.pace.delay.and_then(|delay| now.checked_add(delay));
        self.gate = next.map_or(Gate::Shut, Gate::At);
        number
    }

    fn is_open(&self, now: Instant) -> bool {
        !matches!(self.gate, Gate::Shut) && self.opens(None).is_none_or(|at| at <= now)
    }

    /// When the gate opens for a candidate that is there at `from`; nothing if it is open, or does not by
    /// itself.
    fn opens(&self, from: Option<Instant>) -> Option<Instant> {
        match self.gate {
            Gate::Open => from.max(self.held_until()),
            Gate::At(at) => from.max(self.held_until()).max(Some(at)),
            Gate::Shut => None,
        }
    }

    /// Until when the progress of those in flight holds others back.
    fn held_until(&self) -> Option<Instant> {
        self.holds.last().map(|(until, _)| *until)
    }

    /// The earliest moment at which there may be something to do.
    fn wake_at(&self, supply: Supply) -> Option<Instant> {
        let start = match supply {
            Supply::Ready if self.is_full() && self.pace.when_full == WhenFull::Hold => None,
            Supply::Ready => self.opens(None),
            Supply::At(at) => self.opens(Some(at)),
            Supply::Later | Supply::End => None,
        };
        [start, self.times_out(), self.deadline].into_iter().flatten().min()
    }

    fn timed_out(&self, now: Instant) -> Option<usize> {
        let is_late = self.times_out().is_some_and(|at| at <= now);
        self.oldest().filter(|_| is_late).map(|flight| flight.number)
    }

    /// When the limit of an attempt has passed. All have the same, so it is that of the oldest.
    fn times_out(&self) -> Option<Instant> {
        self.oldest()?.started.checked_add(self.pace.attempt_timeout?)
    }

    fn is_full(&self) -> bool {
        let in_flight = self.older.len() + usize::from(self.newest.is_some());
        self.pace.max_in_flight.is_some_and(|max| in_flight >= max.get())
    }

    fn is_idle(&self) -> bool {
        self.newest.is_none() && self.older.is_empty()
    }

    fn oldest(&self) -> Option<Flight> {
        self.older.values().next().copied().or(self.newest)
    }

    /// Whether it was the newest.
    fn remove(&mut self, number: usize) -> bool {
        let newest = self.newest.take_if(|flight| flight.number == number);
        let flight = newest.or_else(|| self.older.remove(&number));
        if let Some(until) = flight.and_then(|flight| flight.holds) {
            self.holds.remove(&(until, number));
        }
        newest.is_some()
    }
}
