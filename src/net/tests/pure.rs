//! A race without a clock, a future or a socket: what the two machines say when they are told, in order,
//! what happens.

use std::collections::VecDeque;
use std::time::Instant;

use super::row::{End, Label, Lookup, Row, Script, Source, Told};
use super::seen::{Ending, Seen};
use super::{Millis, address, at, label};
use crate::net::family::{Both, Family};
use crate::net::order::Order;
use crate::race::stagger::{Fault, Stagger, Step, Supply, Verdict};

/// More turns than any race takes that goes on.
const TURNS: usize = 10_000;

pub(super) fn seen(row: &Row) -> Seen {
    let mut simulation = Simulation::new(row);
    for _ in 0..TURNS {
        simulation.turn();
        if simulation.settings().cancel == Some(simulation.now) {
            simulation.end(Ending::Cancelled);
        }
        if let Some(result) = simulation.result.take() {
            return simulation.seen(result);
        }
        simulation.now = simulation.next();
    }
    panic!("no end: {}", row.line)
}

struct Simulation<'a> {
    row: &'a Row,
    now: Millis,
    candidates: Candidates,
    stagger: Stagger,
    /// In the order of their starts.
    flights: Vec<Flight<'a>>,
    /// Until when the machine would have us wait.
    until: Option<Instant>,
    starts: Vec<(Label, Millis)>,
    /// With the attempt's number.
    ends: Vec<(usize, Label, String, Millis)>,
    source_errors: Vec<String>,
    result: Option<Ending>,
}

struct Flight<'a> {
    number: usize,
    label: Label,
    began: Millis,
    script: &'a Script,
    /// How often it has said that it got further.
    told: usize,
}

impl Flight<'_> {
    fn end_by(&self, now: Millis) -> Option<&End> {
        let (after, end) = self.script.end.as_ref()?;
        (self.began + after <= now).then_some(end)
    }

    /// When something happens to it, after `now`.
    fn next(&self, now: Millis) -> Option<Millis> {
        let ends = self.script.end.iter().map(|(after, _)| after);
        let further = self.script.further.iter().map(|(after, _)| after);
        ends.chain(further).map(|after| self.began + after).filter(|at| *at > now).min()
    }
}

impl<'a> Simulation<'a> {
    fn new(row: &'a Row) -> Self {
        Self {
            row,
            now: 0,
            candidates: Candidates::new(row),
            stagger: Stagger::new(row.settings.pace, row.settings.deadline.map(at)),
            flights: Vec::new(),
            until: None,
            starts: Vec::new(),
            ends: Vec::new(),
            source_errors: Vec::new(),
            result: None,
        }
    }

    fn settings(&self) -> &'a super::row::Settings {
        &self.row.settings
    }

    /// Everything that happens now.
    fn turn(&mut self) {
        for _ in 0..TURNS {
            self.collect();
            if self.result.is_some() {
                return;
            }
            let supply = self.candidates.supply(self.now, &mut self.source_errors);
            self.tell_progress();
            match self.stagger.step(supply, at(self.now)) {
                Step::Start(number) => self.start(number),
                Step::GiveUp(number, Verdict::TimedOut) => self.gone(number, "timed out"),
                Step::GiveUp(number, Verdict::Evicted) => self.gone(number, "evicted"),
                Step::GiveUp(_, Verdict::Lost | Verdict::Late) => panic!("it is not over"),
                Step::Exhausted if self.starts.is_empty() => self.end(Ending::Nobody),
                Step::Exhausted => self.end(Ending::AllFailed),
                Step::Late => {
                    self.source_errors.extend(self.candidates.unanswered());
                    self.end(Ending::Late);
                }
                Step::Wait(until) => {
                    assert!(until.is_none_or(|until| until > at(self.now)), "a wait for the past");
                    self.until = until;
                    return;
                }
            }
        }
        panic!("no rest: {}", self.row.line)
    }

    /// Attempts that have ended by now, in the order of their starts. The first success decides.
    fn collect(&mut self) {
        while let Some(flight) =
            self.flights.iter().find(|flight| flight.end_by(self.now).is_some())
        {
            let (number, label) = (flight.number, flight.label.clone());
            match flight.script.end.as_ref().map(|(_, end)| end) {
                Some(End::Fails(error)) => {
                    let is_ours = self.candidates.is_ours(error);
                    let fault = if is_ours { Fault::Ours } else { Fault::Candidate };
                    self.stagger.failed(number, fault);
                    self.gone(number, error);
                }
                Some(End::Panics) => {
                    self.gone(number, "panicked");
                    return self.end(Ending::Panicked(label));
                }
                _ => {
                    self.flights.retain(|flight| flight.number != number);
                    return self.end(Ending::Won(label));
                }
            }
        }
    }

    fn tell_progress(&mut self) {
        for flight in &mut self.flights {
            while let Some((after, held)) = flight.script.further.get(flight.told) {
                if flight.began + after > self.now {
                    break;
                }
                self.stagger.progressed(flight.number, at(self.now + held));
                flight.told += 1;
            }
        }
    }

    fn start(&mut self, number: usize) {
        let label = self.candidates.take().expect("a candidate is ready");
        let script = self.row.scripts.get(&label);
        let script = script.unwrap_or_else(|| panic!("{label} starts without a script"));
        self.starts.push((label.clone(), self.now));
        self.flights.push(Flight { number, label, began: self.now, script, told: 0 });
    }

    fn gone(&mut self, number: usize, how: &str) {
        let place = self.flights.iter().position(|flight| flight.number == number);
        let flight = self.flights.remove(place.expect("it is in flight"));
        self.ends.push((number, flight.label, how.to_owned(), self.now));
    }

    fn end(&mut self, result: Ending) {
        let is_dropped = matches!(result, Ending::Panicked(_) | Ending::Cancelled);
        while let Some(flight) = self.flights.first() {
            self.gone(flight.number, if is_dropped { "dropped" } else { "lost" });
        }
        self.result.get_or_insert(result);
    }

    /// The next moment at which something happens.
    fn next(&self) -> Millis {
        let flights = self.flights.iter().filter_map(|flight| flight.next(self.now));
        let until = self.until.map(|until| (until - at(0)).as_millis());
        let until = until.and_then(|until| Millis::try_from(until).ok());
        let others = [until, self.candidates.next(), self.settings().cancel];
        let next = flights.chain(others.into_iter().flatten()).filter(|at| *at > self.now).min();
        next.unwrap_or_else(|| panic!("nothing will ever happen: {}", self.row.line))
    }

    fn seen(mut self, result: Ending) -> Seen {
        self.ends.sort_by_key(|(number, ..)| *number);
        let has_report = !matches!(result, Ending::Panicked(_) | Ending::Cancelled);
        let ends = self.ends.into_iter().map(|(_, label, how, at)| (label, how, at)).collect();
        let untried = if has_report { self.candidates.rest() } else { Vec::new() };
        let source_errors = if has_report { self.source_errors } else { Vec::new() };
        Seen { starts: self.starts, result, at: self.now, ends, source_errors, untried }
    }
}

/// Where candidates come from.
enum Candidates {
    Addresses { order: Box<Order>, coming: Both<Coming<Vec<Label>>> },
    Others { next: Option<Label>, is_iterator: bool, coming: Coming<Label> },
}

/// What has not been told yet.
struct Coming<T> {
    items: VecDeque<(Millis, Result<T, String>)>,
    is_open: bool,
}

impl<T: Clone> Coming<T> {
    fn new(Told { items, is_open }: &Told<T>) -> Self {
        Self { items: items.iter().cloned().collect(), is_open: *is_open }
    }

    fn pop(&mut self, now: Millis) -> Option<Result<T, String>> {
        let is_due = self.items.front().is_some_and(|(at, _)| *at <= now);
        if is_due { self.items.pop_front().map(|(_, item)| item) } else { None }
    }

    fn is_over(&self) -> bool {
        self.items.is_empty() && !self.is_open
    }

    fn next(&self) -> Option<Millis> {
        self.items.front().map(|(at, _)| *at)
    }
}

impl Candidates {
    fn new(row: &Row) -> Self {
        let super::row::Settings { preference, ways, .. } = row.settings;
        match &row.source {
            Source::List(labels) => Self::Addresses {
                order: {
                    let addresses = labels.iter().map(|label| address(label));
                    Box::new(Order::of_list(addresses, preference, ways))
                },
                coming: Both {
                    v4: Coming::new(&Lookup::default()),
                    v6: Coming::new(&Lookup::default()),
                },
            },
            Source::Dns(Both { v4, v6 }) => Self::Addresses {
                order: Box::new(Order::of_answers(preference, ways)),
                coming: Both { v4: Coming::new(v4), v6: Coming::new(v6) },
            },
            Source::Items(labels) => {
                let items = labels.iter().map(|label| (0, Ok(label.clone()))).collect();
                let coming = Coming { items, is_open: false };
                Self::Others { next: None, is_iterator: true, coming }
            }
            Source::Stream(told) => {
                Self::Others { next: None, is_iterator: false, coming: Coming::new(told) }
            }
        }
    }

    fn supply(&mut self, now: Millis, errors: &mut Vec<String>) -> Supply {
        match self {
            Self::Addresses { order, coming } => {
                for (family, name) in [(Family::V6, "AAAA"), (Family::V4, "A")] {
                    Self::answer(order, family, name, coming.of_mut(family), now, errors);
                }
                order.supply(at(now))
            }
            Self::Others { next, coming, .. } => {
                while next.is_none() {
                    match coming.pop(now) {
                        Some(Ok(label)) => *next = Some(label),
                        Some(Err(error)) => errors.push(error),
                        None if coming.is_over() => return Supply::End,
                        None => return Supply::Later,
                    }
                }
                Supply::Ready
            }
        }
    }

    fn answer(
        order: &mut Order,
        family: Family,
        name: &str,
        coming: &mut Coming<Vec<Label>>,
        now: Millis,
        errors: &mut Vec<String>,
    ) {
        while let Some(answer) = coming.pop(now) {
            match answer {
                Ok(labels) => {
                    order.answer(family, labels.iter().map(|label| address(label)), at(now));
                }
                Err(error) => {
                    order.failed(family);
                    errors.push(format!("{name} {error}"));
                }
            }
        }
        if coming.is_over() {
            order.finished(family);
        }
    }

    fn unanswered(&self) -> Vec<String> {
        let Self::Addresses { order, .. } = self else { return Vec::new() };
        let lookups = [(Family::V6, "AAAA"), (Family::V4, "A")].into_iter();
        let silent = lookups.filter(|(family, _)| !order.has_answered(*family));
        silent.map(|(_, name)| format!("{name} no answer")).collect()
    }

    fn take(&mut self) -> Option<Label> {
        match self {
            Self::Addresses { order, .. } => order.take().map(label),
            Self::Others { next, .. } => next.take(),
        }
    }

    fn is_ours(&self, error: &str) -> bool {
        matches!(self, Self::Addresses { .. }) && error == "emfile"
    }

    /// When something more comes.
    fn next(&self) -> Option<Millis> {
        match self {
            Self::Addresses { coming: Both { v4, v6 }, .. } => {
                v4.next().into_iter().chain(v6.next()).min()
            }
            Self::Others { next: None, coming, .. } => coming.next(),
            Self::Others { .. } => None,
        }
    }

    fn rest(&mut self) -> Vec<Label> {
        match self {
            Self::Addresses { order, .. } => order.rest().into_iter().map(label).collect(),
            Self::Others { next, is_iterator, coming } => {
                let further = coming.items.drain(..).filter(|_| *is_iterator);
                next.take().into_iter().chain(further.filter_map(|(_, item)| item.ok())).collect()
            }
        }
    }
}
