//! What the bodies of one script share, and what is seen of them.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::coop::unconstrained;
use umbel::{CancelScope, Child, Scope, TryScope, UnhandledKind};

use super::ending::{self, Failure};
use crate::script::{Number, Numbered, Op, Script, Thing, is_fallible};
use crate::view::{Answer, Body, Outcome, Place, Report, Seen, State, View};

/// What a body is to do in one poll.
pub(super) struct Turn {
    pub(super) step: usize,
    pub(super) ops: Vec<Numbered>,
}

/// One of the operations of a turn.
#[derive(Clone, Copy)]
pub(super) struct Act {
    pub(super) step: usize,
    pub(super) nth: usize,
    pub(super) op: Op,
    /// The number of what it brings.
    pub(super) given: Option<Number>,
}

impl Turn {
    pub(super) fn each(self, act: impl FnMut(Act)) {
        self.acts().for_each(act);
    }

    pub(super) fn acts(self) -> impl Iterator<Item = Act> {
        let step = self.step;
        let numbered = self.ops.into_iter().enumerate();
        numbered.map(move |(nth, (op, given))| Act { step, nth, op, given })
    }
}

/// A scope, as one that can start children.
#[derive(Clone)]
pub(super) enum Starter {
    Plain(Scope<'static>),
    Fallible(TryScope<'static, Failure>),
}

impl Starter {
    pub(super) fn handle(&self) -> CancelScope {
        match self {
            Self::Plain(scope) => scope.handle(),
            Self::Fallible(scope) => scope.handle(),
        }
    }
}

/// What is known of one number.
#[derive(Default)]
struct Record {
    body: Option<Body>,
    told: bool,
    handle: Option<CancelScope>,
    starter: Option<Starter>,
    child: Option<Child<()>>,
    outcome: Option<Outcome>,
    turns: VecDeque<Turn>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Shared {
    start: Option<Instant>,
    records: Vec<Record>,
    finalizers: BTreeMap<Number, Vec<Number>>,
    answers: Vec<Answer>,
}

/// Clones show the same one.
#[derive(Clone)]
pub(super) struct World {
    things: Arc<[Thing]>,
    fallible: Arc<[bool]>,
    shared: Arc<Mutex<Shared>>,
}

/// What the hook was told since it was last asked.
static REPORTS: Mutex<Vec<Report>> = Mutex::new(Vec::new());

pub(super) fn listen_to_the_hook() {
    lock(&REPORTS).clear();
    umbel::set_unhandled_hook(|unhandled| {
        let report = match unhandled.kind() {
            UnhandledKind::FinalizerCut => Report::FinalizerCut,
            UnhandledKind::FinalizerLost => Report::FinalizerLost,
            _ => Report::Error(ending::number_in(unhandled.debug())),
        };
        lock(&REPORTS).push(report);
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(script: &Script) -> Self {
        let things = script.things();
        let numbers = 0..things.len();
        let fallible = numbers.clone().map(|number| is_fallible(&things, number)).collect();
        let records = numbers.map(|_| Record::default()).collect();
        let shared = Shared { records, ..Shared::default() };
        Self { things: things.into(), fallible, shared: Arc::new(Mutex::new(shared)) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(super) fn start_the_clock(&self) {
        self.lock().start = Some(tokio::time::Instant::now().into_std());
    }

    pub(super) fn thing(&self, number: Number) -> Thing {
        self.things[number]
    }

    pub(super) fn is_fallible(&self, number: Number) -> bool {
        self.fallible[number]
    }

    /// Has a body take a turn, if it runs.
    pub(super) fn give(&self, to: Number, turn: Turn) {
        let mut shared = self.lock();
        let record = &mut shared.records[to];
        if record.body == Some(Body::Running) {
            record.turns.push_back(turn);
            let waker = record.waker.take();
            drop(shared);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// The next turn of a body; if there is none, it is woken for it.
    pub(super) fn take_turn(&self, body: Number, waker: &Waker) -> Option<Turn> {
        let mut shared = self.lock();
        let record = &mut shared.records[body];
        record.waker = Some(waker.clone());
        record.turns.pop_front()
    }

    pub(super) fn body(&self, number: Number) -> Option<Body> {
        self.lock().records[number].body
    }

    pub(super) fn set_body(&self, number: Number, body: Body) {
        let mut shared = self.lock();
        shared.records[number].body = Some(body);
        if let (Thing::Finalizer { on, .. }, Body::Running) = (self.things[number], body) {
            shared.finalizers.entry(on).or_default().push(number);
        }
    }

    pub(super) fn tell(&self, number: Number) {
        self.lock().records[number].told = true;
    }

    pub(super) fn note_handle(&self, number: Number, handle: CancelScope) {
        self.lock().records[number].handle = Some(handle);
    }

    pub(super) fn note_starter(&self, number: Number, starter: Starter) {
        self.note_handle(number, starter.handle());
        self.lock().records[number].starter = Some(starter);
    }

    pub(super) fn note_child(&self, number: Number, child: Child<()>) {
        let mut shared = self.lock();
        let record = &mut shared.records[number];
        record.handle = child.handle();
        record.child = Some(child);
    }

    pub(super) fn note_outcome(&self, number: Number, outcome: Outcome) {
        self.lock().records[number].outcome = Some(outcome);
    }

    pub(super) fn answer(&self, answer: Answer) {
        self.lock().answers.push(answer);
    }

    pub(super) fn handle(&self, number: Number) -> Option<CancelScope> {
        self.lock().records[number].handle.clone()
    }

    pub(super) fn starter(&self, number: Number) -> Option<Starter> {
        self.lock().records[number].starter.clone()
    }

    pub(super) fn take_child(&self, number: Number) -> Option<Child<()>> {
        self.lock().records[number].child.take()
    }

    /// The number of a scope or a child.
    pub(super) fn place_of(&self, current: Option<&CancelScope>) -> Place {
        let Some(current) = current else { return Place::Nowhere };
        let shared = self.lock();
        let found =
            shared.records.iter().position(|record| record.handle.as_ref() == Some(current));
        found.map_or(Place::Unnamed, Place::In)
    }

    /// Bodies that exist and are not over.
    pub(super) fn running(&self) -> Vec<Number> {
        let is_left = |body| matches!(body, Some(Body::Waiting | Body::Running));
        let shared = self.lock();
        let numbers = 0..shared.records.len();
        numbers.filter(|&number| is_left(shared.records[number].body)).collect()
    }

    /// Lets go of all handles.
    pub(super) fn hands_off(&self) {
        let count = self.lock().records.len();
        for number in 0..count {
            let (child, starter) = {
                let mut shared = self.lock();
                let record = &mut shared.records[number];
                (record.child.take(), record.starter.take())
            };
            drop((child, starter));
        }
    }

    /// All that can be seen now.
    pub(super) fn look(&self) -> View {
        self.ask_children();
        let mut shared = self.lock();
        let start = shared.start.expect("the clock has been started");
        let numbered = shared.records.iter().enumerate().skip(1);
        let things = numbered.filter_map(|(number, record)| Some((number, record.seen(start)?)));
        let mut reports = std::mem::take(&mut *lock(&REPORTS));
        reports.sort_unstable();
        View {
            things: things.collect(),
            orphans: umbel::orphans(),
            finalizers: shared.finalizers.clone(),
            reports,
            answers: std::mem::take(&mut shared.answers),
        }
    }

    /// Takes the outcomes of the children that have ended.
    fn ask_children(&self) {
        let count = self.things.len();
        for number in 0..count {
            let Some(mut child) = self.take_child(number) else { continue };
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut unconstrained(&mut child)).poll(&mut context) {
                Poll::Pending => self.lock().records[number].child = Some(child),
                Poll::Ready(outcome) => self.note_outcome(number, ending::of_child(outcome)),
            }
        }
    }
}

impl Record {
    fn seen(&self, start: Instant) -> Option<Seen> {
        let state = self.handle.as_ref().map(|handle| State {
            count: handle.cancel_count(),
            is_cancelled: handle.is_cancelled(),
            reason: handle.reason().map(|reason| ending::cause(&reason)),
            is_finished: handle.is_finished(),
            is_stopping: handle.is_stopping(),
            deadline: handle
                .deadline()
                .map(|at| u64::try_from((at - start).as_millis()).expect("a script is shorter")),
        });
        let outcome = self.outcome.clone();
        Some(Seen { body: self.body?, told: self.told, state, outcome })
    }
}
