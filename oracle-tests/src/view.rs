//! What can be seen of a forest of scopes, from outside, at one time. The library and the model are
//! compared by this, and by nothing else.

use std::collections::BTreeMap;
use std::fmt;

use umbel::Kind;

use crate::script::Number;

/// All that can be seen after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Scopes, shields, children and finalizers that have come to be.
    pub things: BTreeMap<Number, Seen>,
    pub orphans: usize,
    /// The finalizers of each scope that have begun, in their order.
    pub finalizers: BTreeMap<Number, Vec<Number>>,
    /// What the step has told the hook, sorted: what happens in different tasks has no order.
    pub reports: Vec<Report>,
    /// What bodies have asked in this step, in order.
    pub answers: Vec<Answer>,
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub body: Body,
    /// A body that listens has been told to stop.
    pub told: bool,
    /// Nothing if there is no handle.
    pub state: Option<State>,
    pub outcome: Option<Outcome>,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It exists, and has not been polled.
    Waiting,
    Running,
    Returned,
    Failed,
    Panicked,
    /// It was dropped unfinished.
    Dropped,
    /// It was dropped without having been polled.
    Unpolled,
}

/// What a handle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub count: u64,
    pub is_cancelled: bool,
    pub reason: Option<Cause>,
    pub is_finished: bool,
    pub is_stopping: bool,
    /// In milliseconds from the start.
    pub deadline: Option<u64>,
}

/// What a reason says.
#[derive(Clone, PartialEq, Eq)]
pub struct Cause {
    pub kind: Kind,
    pub message: Option<String>,
    /// The children that a soft stop has cut, sorted.
    pub unfinished: Vec<Number>,
}

/// What whoever awaits a thing is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Value,
    /// `Err(Cancelled)`; from a `try_scope`, an error made of it.
    Cancelled(Cause),
    /// The error of that body.
    Failed(Number),
    /// The panic of that body.
    Panicked(Number),
    /// A section whose limit has passed.
    Elapsed,
}

/// What the hook is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    /// The error of that body.
    Error(Number),
    FinalizerCut,
    FinalizerLost,
}

/// What is said to whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Place {
        check: Option<Cause>,
        current: Place,
        /// The own count of the running task.
        task_count: u64,
    },
    Drained(Drained),
}

/// The scope or the child that a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Nowhere,
    In(Number),
    /// One that no number stands for: what a finalizer runs in that came too late for its scope.
    Unnamed,
}

/// What `drain()` says when it is polled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    OrphansAreLeft,
    Clean,
    /// Of that body.
    Panicked(Number),
}

impl Cause {
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, message: None, unfinished: Vec::new() }
    }
}

/// In one line, because there are many.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        if let Some(message) = &self.message {
            write!(f, "({message})")?;
        }
        if !self.unfinished.is_empty() {
            write!(f, "{:?}", self.unfinished)?;
        }
        Ok(())
    }
}

impl View {
    /// Where two views differ, a line for each difference.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let numbers = self.things.keys().chain(other.things.keys());
        let numbers: std::collections::BTreeSet<_> = numbers.collect();
        for number in numbers {
            let what = format!("{number}");
            differ(&mut lines, &what, &self.things.get(number), &other.things.get(number));
        }
        differ(&mut lines, "orphans", &self.orphans, &other.orphans);
        differ(&mut lines, "finalizers", &self.finalizers, &other.finalizers);
        differ(&mut lines, "reports", &self.reports, &other.reports);
        differ(&mut lines, "answers", &self.answers, &other.answers);
        lines
    }
}

fn differ<T: fmt::Debug + PartialEq>(lines: &mut Vec<String>, what: &str, one: &T, other: &T) {
    if one != other {
        lines.push(format!("{what}:\n    machine {one:?}\n    oracle  {other:?}"));
    }
}
