//! Scripts: what is done to a forest of scopes, step by step, as plain data.
//!
//! Things are numbered in the order in which the script mentions them first: a number belongs to a scope,
//! a shield, a child or a finalizer, and to the body in it. Number 0 is the ground, a task in which no
//! scope is open: whatever it opens is a root. The numbers depend on the script alone, not on what comes
//! of it, so that a script means the same to whoever runs it, in whatever order its bodies have their
//! turns. What a script asks of a thing that does not exist (yet, or any more) is passed over.
//!
//! A body does nothing by itself: it waits for its next turn, and for what it has opened. The ground does
//! not end.

use std::fmt;

/// Names a thing and its body.
pub type Number = usize;

/// The task around all scopes.
pub const GROUND: Number = 0;

/// A whole program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub steps: Vec<Step>,
}

/// What happens at one time. Between two steps everything runs until nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The body of `by` does all of that in one poll. The ground stands for everybody who is in no
    /// scope: if it only asks something of handles, that need not be in a poll at all.
    Turn { by: Number, ops: Vec<Op> },
    /// Time passes, in units that are longer than a script has steps.
    Wait(u8),
}

/// One thing that a body does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opens a scope in the body, which polls it beside what it has opened already.
    Open(Open),
    /// Opens a shielded section likewise.
    Shield {
        limit: Option<u8>,
        held: Held,
    },
    /// Starts a child on a scope.
    Start {
        on: Number,
        how: How,
        listens: bool,
    },
    /// Leaves a finalizer to a scope.
    Defer {
        on: Number,
        limit: Option<u8>,
        at_once: bool,
    },
    /// Drops the future of a scope or a shield. By the body that has opened it.
    Drop(Number),
    /// Requests a scope or a child to end, with a message if it is `said`.
    Cancel {
        what: Number,
        said: bool,
    },
    /// Requests a scope or a child to stop softly.
    Stop {
        what: Number,
        grace: u8,
    },
    /// Sets or lifts the deadline of a scope or a child.
    Deadline {
        what: Number,
        after: Option<u8>,
    },
    /// Drops the handle of a child.
    Forget(Number),
    /// Asks whether the place of the body is cancelled.
    Check,
    /// Asks whether orphans are left, and for their panic if none are.
    Drain,
    Return,
    /// Returns an error; in a body that cannot, returns.
    Fail,
    Panic,
}

impl Op {
    /// Whether a body has to be polled for it.
    #[must_use]
    pub fn is_of_a_body(self) -> bool {
        matches!(
            self,
            Self::Open(_)
                | Self::Shield { .. }
                | Self::Drop(_)
                | Self::Check
                | Self::Return
                | Self::Fail
                | Self::Panic
        )
    }
}

/// How a scope is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// A `try_scope`.
    pub fallible: bool,
    pub timeout: Option<u8>,
    pub grace: Option<u8>,
    /// Its handle is taken before its first poll.
    pub early: bool,
    /// Its body waits to be told that it is asked to stop. It takes note, and goes on.
    pub listens: bool,
    pub held: Held,
}

/// How a body holds what it has opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// With a waker of its own, so that it is not polled with the rest of the body.
    pub apart: bool,
    /// Its panic, and its error if the body can fail, is the body's: as with `.await?`. Else the body
    /// takes note of it.
    pub passes: bool,
}

/// The sorts of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Spawn,
    Fork,
    Service,
}

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Ground,
    Scope { in_body: Number, open: Open },
    Shield { in_body: Number, limit: Option<u8>, held: Held },
    Child { on: Number, how: How, listens: bool },
    Finalizer { on: Number, limit: Option<u8>, at_once: bool },
}

impl Thing {
    /// The thing that a step brings into the script, if it brings one.
    #[must_use]
    pub fn of(by: Number, op: Op) -> Option<Self> {
        Some(match op {
            Op::Open(open) => Self::Scope { in_body: by, open },
            Op::Shield { limit, held } => Self::Shield { in_body: by, limit, held },
            Op::Start { on, how, listens } => Self::Child { on, how, listens },
            Op::Defer { on, limit, at_once } => Self::Finalizer { on, limit, at_once },
            _ => return None,
        })
    }

    #[must_use]
    pub fn is_scope(self) -> bool {
        matches!(self, Self::Scope { .. })
    }

    /// Whether there is a handle by which it can be addressed.
    #[must_use]
    pub fn has_handle(self) -> bool {
        matches!(self, Self::Scope { .. } | Self::Child { .. })
    }

    /// The body that polls it, if that is a body and no task of its own.
    #[must_use]
    pub fn holder(self) -> Option<Number> {
        match self {
            Self::Scope { in_body, .. } | Self::Shield { in_body, .. } => Some(in_body),
            _ => None,
        }
    }
}

impl Script {
    /// All that the script mentions, by number.
    #[must_use]
    pub fn things(&self) -> Vec<Thing> {
        let mut things = vec![Thing::Ground];
        things.extend(self.ops().filter_map(|(by, op)| Thing::of(by, op)));
        things
    }

    /// All operations in the order of the script, each with the body that does it.
    pub fn ops(&self) -> impl Iterator<Item = (Number, Op)> {
        self.steps.iter().flat_map(|step| {
            let (by, ops) = match step {
                Step::Turn { by, ops } => (*by, ops.as_slice()),
                Step::Wait(_) => (GROUND, &[][..]),
            };
            ops.iter().map(move |&op| (by, op))
        })
    }
}

/// Whether a thing can fail with an error: a `try_scope`, and what is started on one.
#[must_use]
pub fn is_fallible(things: &[Thing], number: Number) -> bool {
    match things[number] {
        Thing::Scope { open, .. } => open.fallible,
        Thing::Child { on, .. } | Thing::Finalizer { on, .. } => is_fallible(things, on),
        Thing::Ground | Thing::Shield { .. } => false,
    }
}

/// An operation, and the number of what it brings.
pub type Numbered = (Op, Option<Number>);

/// Says which number each operation of a turn gives.
pub fn number(by: Number, ops: &[Op], next: &mut Number) -> Vec<Numbered> {
    let mut numbered = |&op: &Op| {
        let given = Thing::of(by, op).map(|_| *next);
        *next += usize::from(given.is_some());
        (op, given)
    };
    ops.iter().map(&mut numbered).collect()
}

/// A line for each step, with the numbers that it gives.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = GROUND + 1;
        for (n, step) in self.steps.iter().enumerate() {
            match step {
                Step::Wait(units) => writeln!(f, "{n:3}  wait {units}")?,
                Step::Turn { by, ops } => {
                    let ops = number(*by, ops, &mut next).into_iter().map(|(op, given)| {
                        given.map_or_else(|| format!("{op:?}"), |given| format!("{given} = {op:?}"))
                    });
                    writeln!(f, "{n:3}  {by}: {}", ops.collect::<Vec<_>>().join("; "))?;
                }
            }
        }
        Ok(())
    }
}
