//! The real thing: a race on tokio's paused clock, with a resolver and attempts that follow a script.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, Location, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use super::row::{End, Label, Row, Script, Source, Told};
use super::seen::{Ending, Seen};
use super::{Millis, address, label, ms};
use crate::net::dialing::Dialing;
use crate::net::family::Family;
use crate::net::order::Order;
use crate::net::settings::Settings;
use crate::race::Race;
use crate::race::attempt::{Attempt, Ticket};
use crate::race::entrants::Entrants;
use crate::race::report::{AttemptOutcome, RaceError, RaceEvent, RaceEventKind, RaceReport};
use crate::race::stagger::Pace;

#[cfg(unix)]
const EMFILE: i32 = libc::EMFILE;
// WSAEMFILE.
#[cfg(not(unix))]
const EMFILE: i32 = 10_024;

/// Longer than any race takes that ends.
const FOREVER: Millis = 10_000_000;

/// Any port will do: it is the connection's, and not the resolver's.
const PORT: u16 = 443;

pub(super) fn seen(row: &Row) -> Seen {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime can be built");
    runtime.block_on(async {
        let world = World { began: Instant::now(), row: row.clone(), log: Rc::default() };
        let hook = |event: &RaceEvent<'_, _, _>| world.note(event, |address| label(*address));
        match &row.source {
            Source::List(labels) => {
                let settings = world.settings();
                let addresses = labels.iter().map(|label| address(label));
                let dialing = Dialing::of_list(addresses, &settings, world.dial());
                let race = Race::made(dialing, (), None, settings.race(Location::caller()));
                let race = race.on_event(hook);
                world.watch(race, |address| label(*address)).await
            }
            Source::Dns(lookups) => {
                let settings = world.settings();
                let ask = |family| match family {
                    Family::V6 => world.answers(&lookups.v6),
                    Family::V4 => world.answers(&lookups.v4),
                };
                let dialing = Dialing::of_answers(ask, PORT, &settings, world.dial());
                let dialing =
                    dialing.with_order(Order::of_answers(settings.preference, row.settings.ways));
                let race = Race::made(dialing, (), None, settings.race(Location::caller()));
                let race = race.on_event(hook);
                world.watch(race, |address| label(*address)).await
            }
            Source::Items(labels) => {
                let attempt = |attempt, label: Label| world.attempt(attempt, &label);
                let race = Race::new(labels.clone(), attempt);
                let race = race.on_event(|event| world.note(event, Label::clone));
                world.watch(world.set(race), Label::clone).await
            }
            Source::Stream(told) => {
                let stream = world.told(told).map(|item| item.map_err(io::Error::other));
                let attempt = |attempt, label: Label| world.attempt(attempt, &label);
                let race = Race::from_stream(stream, attempt);
                let race = race.on_event(|event| world.note(event, Label::clone));
                world.watch(world.set(race), Label::clone).await
            }
        }
    })
}

/// What happens around a race.
struct World {
    began: Instant,
    row: Row,
    log: Rc<RefCell<Log>>,
}

/// What was seen while it ran.
#[derive(Default)]
struct Log {
    starts: Vec<(Label, Millis)>,
    /// What attempts held when they were made, or won with, is dropped.
    closed: Vec<(Label, Millis)>,
    /// What listeners were told: starts, and ends with the attempt's number.
    told_starts: Vec<(Label, Millis)>,
    told_ends: Vec<(usize, Label, String, Millis)>,
}

/// What an attempt holds: it is closed when this is dropped.
struct Open {
    label: Label,
    began: Instant,
    log: Rc<RefCell<Log>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let closed = (self.label.clone(), since(self.began));
        self.log.borrow_mut().closed.push(closed);
    }
}

fn since(began: Instant) -> Millis {
    whole(began.elapsed())
}

fn whole(time: Duration) -> Millis {
    assert_eq!(time.subsec_nanos() % 1_000_000, 0, "a time between two milliseconds");
    Millis::try_from(time.as_millis()).expect("a short time")
}

impl World {
    fn settings(&self) -> Settings {
        let super::row::Settings { pace, preference, deadline, .. } = self.row.settings;
        Settings { pace, preference, timeout: deadline.map(ms), ..Settings::default() }
    }

    /// By the options that a user has.
    fn set<C: Entrants, H>(&self, mut race: Race<C, H>) -> Race<C, H> {
        let super::row::Settings { pace, deadline, .. } = self.row.settings;
        let Pace { delay, max_in_flight, when_full, attempt_timeout } = pace;
        race = match delay {
            Some(delay) => race.delay(delay),
            None => race.sequential(),
        };
        if let Some(max) = max_in_flight {
            race = race.max_in_flight(max.get(), when_full);
        }
        if let Some(limit) = attempt_timeout {
            race = race.attempt_timeout(limit);
        }
        match deadline {
            Some(at) => race.deadline(self.began + ms(at)),
            None => race,
        }
    }

    fn dial(&self) -> impl FnMut(Ticket<'_>, SocketAddr) -> Attempting {
        move |mut ticket, address| self.attempt(ticket.attempt(), &label(address))
    }

    fn attempt(&self, attempt: Attempt, label: &Label) -> Attempting {
        let (began, script) = (Instant::now(), self.row.scripts.get(label).cloned());
        let script = script.unwrap_or_else(|| panic!("{label} starts without a script"));
        self.log.borrow_mut().starts.push((label.clone(), since(self.began)));
        let open = Open { label: label.clone(), began: self.began, log: Rc::clone(&self.log) };
        Box::pin(follow(script, attempt, began, open))
    }

    fn answers(
        &self,
        lookup: &Told<Vec<Label>>,
    ) -> impl Stream<Item = io::Result<Vec<SocketAddr>>> {
        self.told(lookup).map(|answer| {
            let labels = answer.map_err(io::Error::other)?;
            Ok(labels.iter().map(|label| address(label)).collect())
        })
    }

    /// Each item in its time.
    fn told<T: Clone>(&self, told: &Told<T>) -> impl Stream<Item = Result<T, String>> {
        let began = self.began;
        let items = stream::iter(told.items.clone()).then(move |(at, item)| async move {
            until(began + ms(at)).await;
            item
        });
        let rest = told.is_open.then(stream::pending);
        Box::pin(items.chain(stream::iter(rest).flatten()))
    }

    fn note<T>(&self, event: &RaceEvent<'_, T, io::Error>, name: impl Fn(&T) -> Label) {
        let (label, at) = (name(event.candidate), whole(event.at));
        assert_eq!(at, since(self.began), "what is told is told at once");
        let mut log = self.log.borrow_mut();
        match event.kind {
            RaceEventKind::Started => log.told_starts.push((label, at)),
            RaceEventKind::Progress(_) => {}
            RaceEventKind::Ended(outcome) => {
                let how = how(outcome);
                log.told_ends.push((event.number, label, how, at));
            }
        }
    }

    /// Runs the race to its end.
    async fn watch<C, H>(&self, race: Race<C, H>, name: impl Fn(&C::Label) -> Label) -> Seen
    where
        C: Entrants<Value = Open, Error = io::Error>,
    {
        let race = AssertUnwindSafe(race.with_report()).catch_unwind();
        let cancel = self.row.settings.cancel;
        let limit = self.began + ms(cancel.unwrap_or(FOREVER));
        let outcome = tokio::time::timeout_at(limit, race).await.ok();
        assert!(outcome.is_some() || cancel.is_some(), "no end: {}", self.row.line);
        let at = since(self.began);
        let (result, report) = match outcome {
            None => (Ending::Cancelled, None),
            Some(Err(payload)) => {
                let label = payload.downcast::<Label>().expect("an attempt panics with its name");
                (Ending::Panicked(*label), None)
            }
            Some(Ok(Ok((open, report)))) => (self.won(&open, &report, &name), Some(report)),
            Some(Ok(Err(RaceError::AllFailed(report)))) => (Ending::AllFailed, Some(report)),
            Some(Ok(Err(RaceError::NoCandidates(report)))) => (Ending::Nobody, Some(report)),
            Some(Ok(Err(RaceError::TimedOut(report)))) => (Ending::Late, Some(report)),
            Some(Ok(Err(RaceError::Cancelled(cancelled)))) => panic!("{cancelled}"),
        };
        match report {
            Some(report) => self.reported(result, at, &report, name),
            None => self.unreported(result, at),
        }
    }

    /// What came out is what the winner held, and it is open.
    fn won<T>(
        &self,
        open: &Open,
        report: &RaceReport<T, io::Error>,
        name: impl Fn(&T) -> Label,
    ) -> Ending {
        let won = report.winner().map(|winner| name(&winner.candidate));
        assert_eq!(won.as_ref(), Some(&open.label), "the winner's value");
        let is_open = self.log.borrow().closed.iter().all(|(label, _)| *label != open.label);
        assert!(is_open, "the winner was closed");
        Ending::Won(open.label.clone())
    }

    /// By the report; with it has to agree what listeners were told, and when attempts were closed.
    fn reported<T>(
        &self,
        result: Ending,
        at: Millis,
        report: &RaceReport<T, io::Error>,
        name: impl Fn(&T) -> Label,
    ) -> Seen {
        let mut log = self.log.borrow_mut();
        assert_eq!(whole(report.elapsed), at, "how long it took");
        assert_eq!(log.starts, log.told_starts, "starts that were told");
        let starts = report.attempts.iter();
        let starts: Vec<_> = starts.map(|a| (name(&a.candidate), whole(a.started))).collect();
        assert_eq!(log.starts, starts, "starts in the report");
        let ends = report.attempts.iter();
        let mut ends: Vec<_> =
            ends.map(|a| (a.number, name(&a.candidate), how(&a.outcome), whole(a.ended))).collect();
        log.told_ends.sort_by_key(|(number, ..)| *number);
        assert_eq!(log.told_ends, ends, "ends that were told");
        let mut closed: Vec<_> =
            ends.iter().map(|(_, label, _, at)| (label.clone(), *at)).collect();
        closed.sort();
        log.closed.sort();
        assert_eq!(log.closed, closed, "each is closed when it ends, once");
        ends.retain(|(_, _, how, _)| how != "won");
        Seen {
            starts,
            result,
            at,
            ends: ends.into_iter().map(|(_, label, how, at)| (label, how, at)).collect(),
            source_errors: report.source_errors.iter().map(source_error).collect(),
            untried: report.untried.iter().map(name).collect(),
        }
    }

    /// By what was seen on the way.
    fn unreported(&self, result: Ending, at: Millis) -> Seen {
        let mut log = self.log.borrow_mut();
        assert_eq!(log.starts, log.told_starts, "starts that were told");
        let mut closed = std::mem::take(&mut log.closed);
        let of_starts = log.starts.iter().map(|(label, _)| {
            let place = closed.iter().position(|(closed, _)| closed == label);
            let (label, at) = closed.remove(place.expect("all that was opened is closed"));
            let told = log.told_ends.iter().find(|(_, ended, ..)| *ended == label);
            let how = told.map_or("dropped", |(_, _, how, _)| how);
            let how = if result == Ending::Panicked(label.clone()) { "panicked" } else { how };
            (label, how.to_owned(), at)
        });
        let ends = of_starts.collect();
        assert!(closed.is_empty(), "closed twice: {closed:?}");
        let (source_errors, untried) = (Vec::new(), Vec::new());
        Seen { starts: log.starts.clone(), result, at, ends, source_errors, untried }
    }
}

type Attempting = std::pin::Pin<Box<dyn Future<Output = io::Result<Open>>>>;

async fn follow(script: Script, attempt: Attempt, began: Instant, open: Open) -> io::Result<Open> {
    for (after, held) in script.further {
        until(began + ms(after)).await;
        attempt.progress(ms(held));
    }
    let Some((after, end)) = script.end else { return pending().await };
    until(began + ms(after)).await;
    match end {
        End::Succeeds => Ok(open),
        End::Fails(error) if error == "emfile" => Err(io::Error::from_raw_os_error(EMFILE)),
        End::Fails(error) => Err(io::Error::other(error)),
        End::Panics => resume_unwind(Box::new(open.label.clone())),
    }
}

/// Does not suspend if it is that time.
async fn until(at: Instant) {
    if at > Instant::now() {
        sleep_until(at).await;
    }
}

fn how(outcome: &AttemptOutcome<io::Error>) -> String {
    match outcome {
        AttemptOutcome::Won => "won".to_owned(),
        AttemptOutcome::Failed(error) if error.raw_os_error() == Some(EMFILE) => {
            "emfile".to_owned()
        }
        AttemptOutcome::Failed(error) => error.to_string(),
        AttemptOutcome::TimedOut => "timed out".to_owned(),
        AttemptOutcome::Evicted => "evicted".to_owned(),
        AttemptOutcome::Lost { succeeded: false } => "lost".to_owned(),
        AttemptOutcome::Lost { succeeded: true } => "lost with a value".to_owned(),
        AttemptOutcome::Cancelled(_) => "cancelled".to_owned(),
    }
}

/// With the name of the query, as a line has it.
fn source_error(error: &io::Error) -> String {
    let text = error.to_string();
    text.replace("IPv6 lookup: ", "AAAA ").replace("IPv4 lookup: ", "A ")
}
