//! The model: what the rules say (`docs/rules.md`), in the simplest words. A list of records, one for
//! each number. Whether one is cancelled is found out anew each time, by walking up. Nobody is woken:
//! everything is polled, again and again, until nothing changes.
//!
//! | file        | rules                                                                  |
//! |-------------|------------------------------------------------------------------------|
//! | `requests`  | who is cancelled, why, since when: R1, R5, R7 to R9, R17, R20           |
//! | `polling`   | what a poll does: R2 to R4, R6, R10, R11, R15, R16, R22                 |
//! | `ending`    | what is dropped, fails and closes: R12, R14, R18                        |
//! | `asking`    | what a turn asks for: R13, R16, R17                                     |
//! | `looking`   | what can be seen: R24                                                   |

mod asking;
mod ending;
mod looking;
mod polling;
mod requests;

use std::collections::BTreeMap;

use crate::clock;
use crate::script::{GROUND, How, Number, Numbered, Script, Step, Thing, is_fallible, number};
use crate::view::{Answer, Body, Cause, Outcome, Report, View};

/// A rule that is deliberately got wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// R1: a request is charged to the scope above, too.
    ChargedAbove,
    /// R1: a request reaches the scopes beside it.
    SpreadsBeside,
    /// R1, R18: being dropped is counted as a request.
    DropCounts,
    /// R3: a cancellation beats a value of the same poll.
    ValueLoses,
    /// R4: an inner scope absorbs what an outer one is cancelled for.
    InnerAbsorbs,
    /// R8: the last cause is kept.
    LastCause,
    /// R10: shields are passed over.
    IgnoredShield,
    /// R12: a scope does not wait for what a dropped one has left.
    ForgottenOrphans,
    /// R14: a panic stays where it was.
    LostPanic,
    /// R15: services are waited for, and not ended.
    EndlessServices,
    /// R16: the first finalizer is run first.
    FinalizersInOrder,
    /// R17: a stop is a cancel.
    HardStop,
    /// R20: the farthest deadline is in force.
    FarthestDeadline,
}

/// What there is of one number.
#[expect(clippy::struct_excessive_bools, reason = "plain facts, each by itself")]
#[derive(Clone, Debug)]
struct Node {
    /// The place that it is in (R22). Nothing at the root.
    up: Option<Number>,
    body: Body,
    /// What its body has opened and still holds, in order.
    limbs: Vec<Number>,
    /// Somebody has a future of it, to poll or to drop.
    is_owned: bool,
    /// It has been polled.
    is_open: bool,
    /// Its place in the turn in which it was asked for.
    nth: usize,
    has_ended: bool,

    /// Requests addressed to it (R1).
    count: u64,
    /// The first cause that it has itself (R8).
    cause: Option<Cause>,
    /// Its future was dropped (R18).
    is_abandoned: bool,
    /// What it was when it ended.
    was_cancelled: bool,
    deadline: Option<u64>,
    grace: Option<u64>,
    stop: Option<Stop>,

    /// How its body ended; nothing while it runs, or if it waits to be dropped (R4).
    verdict: Option<Verdict>,
    /// It has dropped its body, and waits to be dropped (R4).
    is_suspended: bool,
    panic: Option<Number>,
    errors: Vec<Number>,
    /// Finalizers that have not begun, the last one last.
    deferred: Vec<Number>,
    /// The finalizer that runs.
    finalizer: Option<Number>,
    /// Somebody runs its finalizers, although its future was dropped (R18).
    is_tended: bool,
    is_ending_services: bool,

    has_handle: bool,
    has_starter: bool,
    /// A child that was not admitted: why.
    refused: Option<Cause>,
    /// Nobody asks for the child's outcome any more.
    is_forgotten: bool,
    outcome: Option<Outcome>,
    told: bool,
    /// A finalizer whose scope had ended (R16): it runs in a place of its own.
    is_late: bool,
}

/// A soft stop (R17).
#[derive(Clone, Debug)]
struct Stop {
    cause: Cause,
    at: u64,
    /// Requests that were softened and have not been counted.
    requests: u64,
}

/// How the body of a scope ended.
#[derive(Clone, Debug)]
enum Verdict {
    /// It came to its end, with a value or an error.
    Over,
    /// It was dropped unfinished (R3).
    Stopped(Cause),
}

/// A limit that has passed keeps bodies for so long, in milliseconds (R10: "a few").
const LATE: u64 = 4;

pub struct Oracle {
    things: Vec<Thing>,
    fallible: Vec<bool>,
    nodes: Vec<Option<Node>>,
    now: u64,
    mistake: Option<Mistake>,
    /// What a body is to do when it is polled next, each operation with its place in the turn.
    turn: Option<(Number, Vec<Numbered>)>,
    step: usize,
    /// Something has happened in this round of polls.
    has_changed: bool,
    orphans_panic: Option<Number>,
    finalizers: BTreeMap<Number, Vec<Number>>,
    reports: Vec<Report>,
    answers: Vec<Answer>,
    /// Tasks have their turns in the opposite order. It must not matter.
    is_reversed: bool,
}

impl Oracle {
    #[must_use]
    pub fn new(script: &Script, mistake: Option<Mistake>) -> Self {
        let things = script.things();
        let numbers = 0..things.len();
        let fallible = numbers.clone().map(|number| is_fallible(&things, number)).collect();
        let mut nodes: Vec<Option<Node>> = numbers.map(|_| None).collect();
        let mut ground = Node::new(None);
        ground.body = Body::Running;
        nodes[GROUND] = Some(ground);
        Self {
            things,
            fallible,
            nodes,
            now: 0,
            mistake,
            turn: None,
            step: 0,
            has_changed: false,
            orphans_panic: None,
            finalizers: BTreeMap::new(),
            reports: Vec::new(),
            answers: Vec::new(),
            is_reversed: false,
        }
    }

    /// Says what must be seen after each step.
    #[must_use]
    pub fn run(script: &Script, mistake: Option<Mistake>) -> Vec<View> {
        Self::new(script, mistake).views(script)
    }

    /// As [`run`](Self::run), with the tasks in another order.
    #[must_use]
    pub fn run_reversed(script: &Script) -> Vec<View> {
        let mut oracle = Self::new(script, None);
        oracle.is_reversed = true;
        oracle.views(script)
    }

    fn views(mut self, script: &Script) -> Vec<View> {
        let mut next = GROUND + 1;
        let steps = script.steps.iter().enumerate();
        let views = steps.map(|(n, step)| {
            self.step = n;
            match step {
                Step::Wait(units) => self.pass(clock::step(*units)),
                Step::Turn { by, ops } => {
                    self.take_turn(*by, number(*by, ops, &mut next));
                    self.pass(clock::step(0));
                }
            }
            self.look()
        });
        views.collect()
    }

    /// Has a body take a turn, if it runs, and everything else whatever follows from it.
    fn take_turn(&mut self, by: Number, ops: Vec<Numbered>) {
        if self.exists(by) && self.node(by).body == Body::Running {
            self.turn = Some((by, ops));
        }
        self.settle();
        assert!(self.turn.is_none(), "a body that runs is polled by somebody");
    }

    /// Time passes: from one moment at which something is due to the next.
    fn pass(&mut self, span: u64) {
        let end = self.now + span;
        while let Some(moment) = self.next_moment().filter(|&moment| moment <= end) {
            self.now = moment;
            self.come_due();
            self.settle();
        }
        self.now = end;
    }

    fn exists(&self, number: Number) -> bool {
        self.nodes[number].is_some()
    }

    fn node(&self, number: Number) -> &Node {
        self.nodes[number].as_ref().expect("it exists")
    }

    fn node_mut(&mut self, number: Number) -> &mut Node {
        self.nodes[number].as_mut().expect("it exists")
    }

    /// All that exist.
    fn numbers(&self) -> Vec<Number> {
        (1..self.nodes.len()).filter(|&number| self.exists(number)).collect()
    }

    /// A shield, or a finalizer, which is one (R16).
    fn is_shield(&self, number: Number) -> bool {
        matches!(self.things[number], Thing::Shield { .. } | Thing::Finalizer { .. })
    }

    fn is_child(&self, number: Number) -> bool {
        matches!(self.things[number], Thing::Child { .. })
    }

    fn sort(&self, number: Number) -> Option<How> {
        match self.things[number] {
            Thing::Child { how, .. } => Some(how),
            _ => None,
        }
    }

    /// The children that were admitted to a scope and have not ended.
    fn children(&self, scope: Number) -> Vec<Number> {
        let is_one = |&number: &Number| {
            self.is_child(number) && self.node(number).up == Some(scope) && self.lives(number)
        };
        self.numbers().into_iter().filter(is_one).collect()
    }

    fn forks(&self, scope: Number) -> Vec<Number> {
        let mut children = self.children(scope);
        children.retain(|&child| self.sort(child) == Some(How::Fork));
        children
    }

    fn lives(&self, number: Number) -> bool {
        !self.node(number).has_ended
    }

    fn has_mistaken(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }
}

impl Node {
    fn new(up: Option<Number>) -> Self {
        Self {
            up,
            body: Body::Waiting,
            limbs: Vec::new(),
            is_owned: true,
            is_open: false,
            nth: 0,
            has_ended: false,
            count: 0,
            cause: None,
            is_abandoned: false,
            was_cancelled: false,
            deadline: None,
            grace: None,
            stop: None,
            verdict: None,
            is_suspended: false,
            panic: None,
            errors: Vec::new(),
            deferred: Vec::new(),
            finalizer: None,
            is_tended: false,
            is_ending_services: false,
            has_handle: false,
            has_starter: false,
            refused: None,
            is_forgotten: false,
            outcome: None,
            told: false,
            is_late: false,
        }
    }

    /// When something happens to it by itself (R20).
    fn due(&self) -> Option<u64> {
        self.deadline.into_iter().chain(self.stop.as_ref().map(|stop| stop.at)).min()
    }
}
