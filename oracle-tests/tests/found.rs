//! Scripts on which the two have differed once: each was a defect of the library, or something that the
//! rules had not said.

use oracle_tests::check::compare;
use oracle_tests::script::{GROUND, Held, How, Number, Op, Open, Script, Step};

const SCOPE: Op = Op::Open(Open {
    fallible: false,
    timeout: None,
    grace: None,
    early: false,
    listens: false,
    held: Held { apart: false, passes: false },
});
const SECTION: Op = Op::Shield { limit: None, held: Held { apart: false, passes: false } };

fn defer(on: Number) -> Op {
    Op::Defer { on, limit: None, at_once: false }
}

fn start(how: How, on: Number) -> Op {
    Op::Start { on, how, listens: false }
}

fn cancel(what: Number) -> Op {
    Op::Cancel { what, said: true }
}

fn stop(what: Number) -> Op {
    Op::Stop { what, grace: 1 }
}

/// Runs a script of one operation a step; no body stands for time that passes.
#[track_caller]
fn agree(steps: &[(Option<Number>, &[Op])]) {
    let steps = steps.iter().map(|&(by, ops)| match by {
        Some(by) => Step::Turn { by, ops: ops.to_vec() },
        None => Step::Wait(1),
    });
    let outcome = compare(&Script { steps: steps.collect() });
    assert!(outcome.is_ok(), "{}", outcome.err().map_or_else(String::new, |it| it.to_string()));
}

const WAIT: (Option<Number>, &[Op]) = (None, &[]);
const ROOT: (Option<Number>, &[Op]) = (Some(GROUND), &[SCOPE]);

/// I14: a scope whose own time passes, and what is beside a shield in it.
#[test]
fn time_passes_beside_a_shield() {
    agree(&[ROOT, (Some(1), &[SECTION, SCOPE]), (Some(GROUND), &[stop(1)]), WAIT]);
    let until = Op::Deadline { what: 1, after: Some(1) };
    agree(&[ROOT, (Some(1), &[SECTION, SCOPE]), (Some(GROUND), &[until]), WAIT]);
    agree(&[ROOT, (Some(1), &[SCOPE, SECTION]), (Some(GROUND), &[until]), WAIT]);
}

/// R1: a request after the end of a scope that has a grace and was asked to stop.
#[test]
fn a_request_after_the_end() {
    let graceful = Op::Open(Open { grace: Some(1), ..Open::default() });
    agree(&[
        (Some(GROUND), &[graceful]),
        (Some(1), &[stop(1)]),
        (Some(1), &[Op::Return]),
        (Some(GROUND), &[cancel(1)]),
    ]);
}

/// R13: a finalizer that a janitor runs starts a fork further out.
#[test]
fn a_janitor_is_not_polled_by_the_scope_around() {
    agree(&[
        ROOT,
        (Some(1), &[SCOPE]),
        (Some(2), &[defer(2)]),
        (Some(1), &[Op::Drop(2)]),
        (Some(3), &[start(How::Fork, 1)]),
    ]);
}

/// R16, R18: a finalizer for a scope that was dropped and whose children live.
#[test]
fn a_finalizer_for_a_dropped_scope() {
    agree(&[
        ROOT,
        (Some(1), &[start(How::Spawn, 1)]),
        (Some(2), &[SECTION]),
        (Some(GROUND), &[Op::Drop(1)]),
        (Some(3), &[defer(1)]),
        (Some(3), &[Op::Return]),
        (Some(4), &[Op::Return]),
    ]);
}

/// R16: a finalizer that is registered just after the scope was dropped in the middle of another.
#[test]
fn a_finalizer_is_not_overtaken() {
    agree(&[
        ROOT,
        (Some(1), &[defer(1)]),
        (Some(1), &[Op::Return]),
        (Some(GROUND), &[Op::Drop(1), defer(1)]),
        (Some(2), &[Op::Return]),
        (Some(3), &[Op::Return]),
    ]);
}

/// R17: requests that were softened, and a scope that is cancelled otherwise before they count.
#[test]
fn a_failure_in_the_middle_of_a_grace() {
    agree(&[ROOT, (Some(1), &[stop(1)]), (Some(1), &[defer(1)]), (Some(1), &[cancel(1)]), WAIT]);
}

/// R4: what is held with a waker of its own has no turn in the poll in which the body is cancelled.
#[test]
fn a_scope_apart_that_ends_too_late() {
    let apart = Op::Open(Open { held: Held { apart: true, passes: false }, ..Open::default() });
    agree(&[
        ROOT,
        (Some(1), &[apart]),
        (Some(2), &[start(How::Fork, 2)]),
        (Some(2), &[Op::Return]),
        (Some(1), &[cancel(1)]),
    ]);
}
