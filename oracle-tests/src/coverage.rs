//! What a number of scripts have shown: so that nobody takes an agreement about nothing for one.

use std::collections::BTreeMap;

use crate::check::Agreed;
use crate::script::{GROUND, How, Op, Script, Step, Thing};
use crate::view::{Answer, Body, Drained, Outcome, Report, Seen, State, View};

/// How many scripts have shown each of the things that have a name here.
#[derive(Debug, Default)]
pub struct Coverage {
    scripts: usize,
    by_name: BTreeMap<String, usize>,
}

impl Coverage {
    /// Adds what one script has shown.
    pub fn add(&mut self, script: &Script, agreed: &Agreed) {
        let mut shown: Vec<String> = Vec::new();
        if agreed.is_a_race {
            shown.push("a race".into());
        }
        note_ops(script, &agreed.views, &mut shown);
        let things = script.things();
        for view in &agreed.views {
            note_view(view, &mut shown);
            for (&number, seen) in &view.things {
                note_thing(things[number], seen, &mut shown);
            }
        }
        shown.sort_unstable();
        shown.dedup();
        for name in shown {
            *self.by_name.entry(name).or_default() += 1;
        }
        self.scripts += 1;
    }

    #[must_use]
    pub fn scripts(&self) -> usize {
        self.scripts
    }

    /// In how many scripts that was seen.
    #[must_use]
    pub fn of(&self, name: &str) -> usize {
        self.by_name.get(name).copied().unwrap_or(0)
    }

    /// All names, with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_name.iter().map(|(name, &count)| (name.as_str(), count))
    }
}

/// Operations, of bodies that were there to do them.
fn note_ops(script: &Script, views: &[View], shown: &mut Vec<String>) {
    for (n, step) in script.steps.iter().enumerate() {
        let Step::Turn { by, ops } = step else {
            shown.push("op: wait".into());
            continue;
        };
        let before = n.checked_sub(1).and_then(|before| views[before].things.get(by));
        if *by == GROUND || before.is_some_and(|seen| seen.body == Body::Running) {
            shown.extend(ops.iter().map(|&op| format!("op: {}", name_of(op))));
            if ops.len() > 1 {
                shown.push("op: several at once".into());
            }
        }
    }
}

fn name_of(op: Op) -> &'static str {
    match op {
        Op::Open(open) if open.early => "open early",
        Op::Open(open) if open.fallible => "open fallible",
        Op::Open(_) => "open",
        Op::Shield { limit: None, .. } => "shield unbounded",
        Op::Shield { .. } => "shield",
        Op::Start { how: How::Spawn, .. } => "spawn",
        Op::Start { how: How::Fork, .. } => "fork",
        Op::Start { how: How::Service, .. } => "service",
        Op::Defer { .. } => "defer",
        Op::Drop(_) => "drop",
        Op::Cancel { .. } => "cancel",
        Op::Stop { .. } => "stop",
        Op::Deadline { after: None, .. } => "lift the deadline",
        Op::Deadline { .. } => "set a deadline",
        Op::Forget(_) => "forget",
        Op::Check => "check",
        Op::Drain => "drain",
        Op::Return => "return",
        Op::Fail => "fail",
        Op::Panic => "panic",
    }
}

fn note_view(view: &View, shown: &mut Vec<String>) {
    if view.orphans > 0 {
        shown.push("orphans".into());
    }
    if view.finalizers.values().any(|run| run.len() > 1) {
        shown.push("several finalizers of a scope".into());
    }
    shown.extend(view.reports.iter().map(|report| match report {
        Report::Error(_) => "reported: an error".into(),
        Report::FinalizerCut => "reported: a finalizer cut".into(),
        Report::FinalizerLost => "reported: a finalizer lost".into(),
    }));
    shown.extend(view.answers.iter().map(|answer| match answer {
        Answer::Place { check: Some(_), .. } => "answer: cancelled".into(),
        Answer::Place { check: None, .. } => "answer: not cancelled".into(),
        Answer::Drained(Drained::Panicked(_)) => "answer: an orphan's panic".into(),
        Answer::Drained(drained) => format!("answer: {drained:?}"),
    }));
}

fn note_thing(thing: Thing, seen: &Seen, shown: &mut Vec<String>) {
    let sort = sort(thing);
    shown.push(format!("{sort}: {:?}", seen.body));
    if let Some(outcome) = &seen.outcome {
        shown.push(format!("{sort} gives: {}", outcome_of(outcome)));
    }
    if seen.told {
        shown.push("told to stop".into());
    }
    let Some(state) = &seen.state else { return };
    note_state(sort, seen.body, state, shown);
}

fn note_state(sort: &str, body: Body, state: &State, shown: &mut Vec<String>) {
    if let Some(reason) = &state.reason {
        shown.push(format!("{sort} cancelled: {:?}", reason.kind));
        if !reason.unfinished.is_empty() {
            shown.push("unfinished children named".into());
        }
    }
    if state.is_cancelled && body == Body::Running {
        shown.push(format!("{sort}: kept by a shield"));
    }
    if state.is_cancelled && body == Body::Returned {
        shown.push(format!("{sort}: returned and cancelled"));
    }
    let is_over = matches!(body, Body::Returned | Body::Dropped | Body::Failed | Body::Panicked);
    if is_over && !state.is_finished {
        shown.push(format!("{sort}: waits for what is left"));
    }
    if state.is_stopping && !state.is_cancelled {
        shown.push(format!("{sort}: asked to stop"));
    }
    if state.count > 1 {
        shown.push(format!("{sort}: several requests"));
    }
}

fn outcome_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Cancelled(cause) => format!("cancelled, {:?}", cause.kind),
        Outcome::Failed(_) => "an error".into(),
        Outcome::Panicked(_) => "a panic".into(),
        Outcome::Value => "a value".into(),
        Outcome::Elapsed => "elapsed".into(),
    }
}

fn sort(thing: Thing) -> &'static str {
    match thing {
        Thing::Ground => "ground",
        Thing::Scope { .. } => "scope",
        Thing::Shield { .. } => "shield",
        Thing::Child { how: How::Spawn, .. } => "child",
        Thing::Child { how: How::Fork, .. } => "fork",
        Thing::Child { how: How::Service, .. } => "service",
        Thing::Finalizer { .. } => "finalizer",
    }
}
