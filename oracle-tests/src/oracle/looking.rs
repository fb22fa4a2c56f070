//! What can be seen.

use umbel::Kind;

use super::{Node, Oracle};
use crate::script::{Number, Thing};
use crate::view::{Body, Cause, Outcome, Seen, State, View};

impl Oracle {
    /// All that can be seen after a step.
    pub(super) fn look(&mut self) -> View {
        self.ask_children();
        let things = self.numbers().into_iter().map(|number| (number, self.seen(number)));
        let things = things.collect();
        let mut reports = std::mem::take(&mut self.reports);
        reports.sort_unstable();
        View {
            things,
            orphans: self.orphans(),
            finalizers: self.finalizers.clone(),
            reports,
            answers: std::mem::take(&mut self.answers),
        }
    }

    /// Asks for the outcomes of children that have ended.
    fn ask_children(&mut self) {
        for number in self.numbers() {
            let node = self.node(number);
            if self.is_child(number) && node.outcome.is_none() && !node.is_forgotten {
                self.node_mut(number).outcome = self.outcome_of_child(number);
            }
        }
    }

    /// R13, R14: a value; or why there is none.
    fn outcome_of_child(&self, number: Number) -> Option<Outcome> {
        let node = self.node(number);
        if let Some(refused) = &node.refused {
            return Some(Outcome::Cancelled(refused.clone()));
        }
        match node.body {
            Body::Waiting | Body::Running => None,
            Body::Returned => Some(Outcome::Value),
            _ => {
                let reason = self.reason(number);
                Some(Outcome::Cancelled(reason.unwrap_or_else(|| Cause::new(Kind::Shutdown))))
            }
        }
    }

    fn seen(&self, number: Number) -> Seen {
        let node = self.node(number);
        let state = node.has_handle.then(|| State {
            count: node.count,
            is_cancelled: self.is_cancelled(number),
            reason: self.reason(number),
            is_finished: node.has_ended,
            is_stopping: self.is_stopping(number),
            deadline: self.deadline(number),
        });
        // What comes of a finalizer is for its scope alone.
        let is_awaited = !matches!(self.things[number], Thing::Finalizer { .. });
        let outcome = node.outcome.clone().filter(|_| is_awaited);
        Seen { body: node.body, told: node.told, state, outcome }
    }

    /// R18: children without an owner, with all that they started, and scopes without an owner whose
    /// finalizers are run.
    fn orphans(&self) -> usize {
        let counts = |&number: &Number| {
            let node = self.node(number);
            self.lives(number)
                && (self.is_child(number) || node.is_tended || node.is_late)
                && self.is_orphaned(number)
        };
        self.numbers().iter().filter(|number| counts(number)).count()
    }

    /// Whether something lives that nobody waits for.
    pub(super) fn is_anything_left(&self) -> bool {
        self.numbers().into_iter().any(|number| self.lives(number) && self.is_orphaned(number))
    }

    /// Nobody around is left to wait for it.
    fn is_orphaned(&self, number: Number) -> bool {
        let root = self.way_up(number).last().map(|root| self.node(root));
        root.is_some_and(Node::is_without_owner)
    }
}

impl Node {
    fn is_without_owner(&self) -> bool {
        !self.has_ended && (self.is_abandoned || self.is_late)
    }
}
