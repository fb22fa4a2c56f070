//! The body of a race: gives the pure machine what happened, and does what it says.
//!
//! In one poll, as often as there is something to do:
//!
//! 1. the attempts that were woken are polled, in the order in which they started, so that a success comes
//!    before a timer of the same moment. The first success decides: the others are not polled any more,
//!    but to end, and what they were about to take is still where it was;
//! 2. the source of candidates, and what attempts have told, are looked at;
//! 3. the machine says what to do: start, give up, wait, end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::entrants::Entrants;
use super::lanes::{Entry, Lane, Lanes};
use super::report::{AttemptOutcome, AttemptReport, RaceEvent, RaceEventKind, RaceReport};
use super::stagger::{Fault, Pace, Stagger, Step, Verdict};
use crate::context::time::{self, Limit, Timer};
use crate::ground::error::Cancelled;
use crate::tree::Site;

/// So many attempts start in one poll; if all fail at once, the others have to wait for the next, so that
/// a race does not keep its thread for itself.
const STARTS: usize = 64;

/// How many errors of the source of candidates are kept. It may have no end of them.
const SOURCE_ERRORS: usize = 1000;

/// What can be set before the first poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) pace: Pace,
    /// When the race is over, won or not.
    pub(crate) limit: Limit,
    pub(crate) grace: Option<Duration>,
    /// Somebody reads the report of a race that was won.
    pub(crate) wants_report: bool,
    pub(crate) site: Site,
}

impl Settings {
    pub(crate) fn new(pace: Pace, site: Site) -> Self {
        Self { pace, limit: Limit::None, grace: None, wants_report: false, site }
    }
}

/// What a race has come to.
pub(super) struct Finish<T, O, E> {
    /// Of the winner.
    pub(super) value: Option<O>,
    /// The time of the race was over before anybody had won.
    pub(super) is_late: bool,
    pub(super) report: RaceReport<T, E>,
}

/// How the race goes on.
enum Phase<O> {
    Running,
    /// Those in flight are to end.
    Ending {
        value: Option<O>,
        is_late: bool,
    },
}

/// Tells a user's closure what happens. A pointer, for the reason in `entrants`.
pub(crate) type Tell<C, H> =
    fn(&mut H, &RaceEvent<'_, <C as Entrants>::Label, <C as Entrants>::Error>);

pin_project! {
    /// The future in the scope of a race.
    pub(super) struct Contest<C: Entrants, H> {
        #[pin]
        lanes: Lanes<C::Attempt, C::Label>,
        // Nothing once the race is decided.
        #[pin]
        entrants: Option<C>,
        // Somebody who listens, and how he is told, if he is there.
        hook: H,
        tell: Option<Tell<C, H>>,
        pub(super) settings: Settings,
        // Since the first poll.
        clock: Option<Clock>,
        phase: Phase<C::Value>,
        report: RaceReport<C::Label, C::Error>,
    }
}

struct Clock {
    began: Instant,
    stagger: Stagger,
    timer: Option<(Instant, Timer)>,
}

impl Clock {
    fn started(began: Instant, settings: &Settings) -> Self {
        let deadline = match settings.limit {
            Limit::None => None,
            Limit::After(limit) => began.checked_add(limit),
            Limit::At(at) => Some(at),
        };
        Self { began, stagger: Stagger::new(settings.pace, deadline), timer: None }
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

impl<C: Entrants, H> Contest<C, H> {
    pub(super) fn new(entrants: C, hook: H, tell: Option<Tell<C, H>>, settings: Settings) -> Self {
        Self {
            lanes: Lanes::new(),
            entrants: Some(entrants),
            hook,
            tell,
            settings,
            clock: None,
            phase: Phase::Running,
            report: RaceReport::new(),
        }
    }

    /// Before the first poll.
    pub(super) fn with_hook<G>(self, hook: G, tell: Tell<C, G>) -> Contest<C, G> {
        let Self { lanes, entrants, settings, clock, phase, report, .. } = self;
        Contest { lanes, entrants, hook, tell: Some(tell), settings, clock, phase, report }
    }
}

impl<C: Entrants, H> Future for Contest<C, H> {
    type Output = Finish<C::Label, C::Value, C::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_mut().project().lanes.begin();
        let mut starts = 0;
        loop {
            self.as_mut().collect(cx);
            if let Phase::Ending { .. } = self.phase {
                if self.lanes.is_empty() {
                    return Poll::Ready(self.finish());
                }
                // Nobody is held back any more.
                drop(self.lanes.progress());
                break;
            }
            // Not asked for when an attempt has won, which is most of the time; and anew each time, since what
            // attempts and destructors do meanwhile takes some.
            let now = time::now();
            match self.as_mut().step(cx, now) {
                Step::Start(number) => {
                    self.as_mut().start(number, now);
                    starts += 1;
                    if starts == STARTS {
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Step::GiveUp(number, verdict) => {
                    self.as_mut().project().lanes.give_up(number, verdict);
                }
                Step::Exhausted => self.as_mut().end(None, false),
                Step::Late => self.as_mut().end(None, true),
                Step::Wait(until) => {
                    if self.as_mut().wait(cx, until).is_pending() {
                        break;
                    }
                }
            }
        }
        self.project().lanes.listen(cx);
        Poll::Pending
    }
}

impl<C: Entrants, H> Contest<C, H> {
    /// Everything that has ended by now.
    fn collect(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        while let Some((entry, outcome)) = self.as_mut().project().lanes.poll_next(cx) {
            self.as_mut().ended(entry, outcome);
        }
    }

    fn ended(
        mut self: Pin<&mut Self>,
        entry: Entry<C::Label>,
        outcome: Result<Result<C::Value, C::Error>, Cancelled>,
    ) {
        let outcome = match (entry.verdict, outcome) {
            (None, Ok(Ok(value))) => {
                self.as_mut().record(entry, AttemptOutcome::Won);
                return self.end(Some(value), false);
            }
            (None, Ok(Err(error))) => {
                self.as_mut().failed(entry.number, Some(&error));
                AttemptOutcome::Failed(error)
            }
            (None, Err(cancelled)) => {
                self.as_mut().failed(entry.number, None);
                AttemptOutcome::Cancelled(cancelled)
            }
            (Some(Verdict::TimedOut), _) => AttemptOutcome::TimedOut,
            (Some(Verdict::Evicted), _) => AttemptOutcome::Evicted,
            // A value that comes too late is dropped here.
            (Some(Verdict::Lost | Verdict::Late), outcome) => {
                AttemptOutcome::Lost { succeeded: matches!(outcome, Ok(Ok(_))) }
            }
        };
        self.record(entry, outcome);
    }

    fn failed(self: Pin<&mut Self>, number: usize, error: Option<&C::Error>) {
        let this = self.project();
        let entrants = this.entrants.as_ref().get_ref().as_ref();
        let is_ours = entrants.zip(error).is_some_and(|(entrants, error)| entrants.is_ours(error));
        if let Some(clock) = this.clock {
            clock.stagger.failed(number, if is_ours { Fault::Ours } else { Fault::Candidate });
        }
    }

    /// Tells the hook, and keeps it for the report, if there may be one.
    fn record(self: Pin<&mut Self>, entry: Entry<C::Label>, outcome: AttemptOutcome<C::Error>) {
        let this = self.project();
        let is_won = matches!(outcome, AttemptOutcome::Won)
            || matches!(this.phase, Phase::Ending { value: Some(_), .. });
        let is_kept = this.settings.wants_report || !is_won;
        let Some(clock) = this.clock.as_ref().filter(|_| is_kept || this.tell.is_some()) else {
            return;
        };
        let Entry { number, label: candidate, started, .. } = entry;
        // The clock goes on while attempts are polled.
        let (started, ended) = (clock.since(started), clock.since(time::now()));
        let kind = RaceEventKind::Ended(&outcome);
        if let Some(tell) = this.tell {
            tell(this.hook, &RaceEvent { at: ended, number, candidate: &candidate, kind });
        }
        if is_kept {
            let attempt = AttemptReport { candidate, number, started, ended, outcome };
            this.report.attempts.push(attempt);
        }
    }

    /// The race is decided: no candidate is asked for any more, and those in flight are to end.
    fn end(self: Pin<&mut Self>, value: Option<C::Value>, is_late: bool) {
        let mut this = self.project();
        let verdict = if value.is_some() { Verdict::Lost } else { Verdict::Late };
        let reads_report = value.is_none() || this.settings.wants_report;
        *this.phase = Phase::Ending { value, is_late };
        if let Some(entrants) = this.entrants.as_mut().as_pin_mut().filter(|_| reads_report) {
            if is_late {
                entrants.excuse(&mut this.report.source_errors);
            }
            this.report.untried = entrants.rest();
        }
        this.entrants.set(None);
        if let Some(clock) = this.clock {
            clock.timer = None;
        }
        this.lanes.give_up_all(verdict);
    }

    /// What the machine says, when it has been told what there is.
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>, now: Instant) -> Step {
        let mut this = self.project();
        let Some(entrants) = this.entrants.as_pin_mut() else { return Step::Exhausted };
        let clock = this.clock.get_or_insert_with(|| Clock::started(now, this.settings));
        let errors = &mut this.report.source_errors;
        let supply = entrants.poll(cx, now, errors);
        errors.truncate(SOURCE_ERRORS);
        for (number, extension) in this.lanes.progress() {
            let Some(candidate) = this.lanes.as_mut().label_of(number) else { continue };
            let (at, kind) = (clock.since(now), RaceEventKind::Progress(extension));
            if let Some(tell) = this.tell {
                tell(this.hook, &RaceEvent { at, number, candidate, kind });
            }
            clock.stagger.progressed(number, time::after(extension));
        }
        clock.stagger.step(supply, now)
    }

    fn start(self: Pin<&mut Self>, number: usize, now: Instant) {
        let mut this = self.project();
        let Some(entrants) = this.entrants.as_pin_mut() else { return };
        let ticket = this.lanes.as_mut().ticket(number);
        let Some((label, attempt)) = entrants.launch(ticket) else { return };
        let Settings { grace, site, .. } = *this.settings;
        if let Some((clock, tell)) = this.clock.as_ref().zip(this.tell.as_ref()) {
            let (at, kind) = (clock.since(now), RaceEventKind::Started);
            tell(this.hook, &RaceEvent { at, number, candidate: &label, kind });
        }
        let entry = Entry { number, label, started: now, verdict: None };
        this.lanes.push(Lane::new(attempt, entry, grace, site), number);
    }

    /// Until something happens, or that moment comes. Ready if there is something to do.
    fn wait(self: Pin<&mut Self>, cx: &mut Context<'_>, until: Option<Instant>) -> Poll<()> {
        let this = self.project();
        let Some(Clock { timer, .. }) = this.clock else { return Poll::Pending };
        if timer.as_ref().map(|(at, _)| *at) != until {
            *timer = until.map(|at| (at, Timer::at(at)));
        }
        let Some((_, armed)) = timer else { return Poll::Pending };
        if armed.poll(cx).is_pending() {
            return Poll::Pending;
        }
        *timer = None;
        Poll::Ready(())
    }

    fn finish(self: Pin<&mut Self>) -> Finish<C::Label, C::Value, C::Error> {
        let this = self.project();
        let mut report = std::mem::replace(this.report, RaceReport::new());
        report.attempts.sort_by_key(|attempt| attempt.number);
        let (value, is_late) = match std::mem::replace(this.phase, Phase::Running) {
            Phase::Ending { value, is_late } => (value, is_late),
            Phase::Running => (None, false),
        };
        if value.is_none() || this.settings.wants_report {
            let elapsed = this.clock.as_ref().map(|clock| clock.since(time::now()));
            report.elapsed = elapsed.unwrap_or_default();
        }
        Finish { value, is_late, report }
    }
}
