//! How bodies end, and what comes of that.

use umbel::Kind;

use super::{Mistake, Oracle, Verdict};
use crate::script::{GROUND, Number, Thing};
use crate::view::{Body, Cause, Outcome, Report};

impl Oracle {
    /// A body comes to its end, with an error or a panic that was that of `of`. Like all locals of an
    /// `async` block, what it had opened is dropped before anybody hears of that.
    pub(super) fn body_ends(&mut self, number: Number, how: Body, of: Number) {
        if number == GROUND || self.node(number).body != Body::Running {
            return;
        }
        self.has_changed = true;
        self.node_mut(number).body = how;
        self.drop_limbs(number);
        match how {
            Body::Failed => self.fail(number, of),
            Body::Panicked => self.panic_of(number, of),
            _ => {}
        }
        if self.is_child(number) {
            self.node_mut(number).is_owned = false;
        } else if how == Body::Panicked {
            self.give_verdict(number);
        } else {
            // R3: a value wins.
            let loses = self.has_mistaken(Mistake::ValueLoses) && self.is_cancelled(number);
            let reason = self.reason(number).filter(|_| loses);
            let verdict = reason.map_or(Verdict::Over, Verdict::Stopped);
            self.node_mut(number).verdict = Some(verdict);
        }
    }

    /// R2: a cancelled body is dropped where it stands.
    pub(super) fn drop_body(&mut self, number: Number) {
        self.has_changed = true;
        let node = self.node_mut(number);
        node.body = if node.body == Body::Running { Body::Dropped } else { Body::Unpolled };
        self.drop_limbs(number);
        if self.is_child(number) {
            self.node_mut(number).is_owned = false;
        } else {
            self.give_verdict(number);
        }
    }

    fn drop_limbs(&mut self, number: Number) {
        for limb in std::mem::take(&mut self.node_mut(number).limbs) {
            self.drop_future(limb);
        }
    }

    /// R18: the future of a scope or a shield is dropped, by whoever holds it: the body and the forks with
    /// it, whatever is shielded there.
    pub(super) fn drop_future(&mut self, number: Number) {
        self.has_changed = true;
        let cause = self.reason(number).unwrap_or_else(|| Cause::new(Kind::Abandoned));
        let drop_counts = self.has_mistaken(Mistake::DropCounts);
        let node = self.node_mut(number);
        node.is_abandoned = true;
        node.is_owned = false;
        node.count += u64::from(drop_counts);
        node.cause.get_or_insert(cause);
        for fork in self.forks(number) {
            self.drop_fork(fork);
        }
        match self.node(number).body {
            Body::Running => self.node_mut(number).body = Body::Dropped,
            Body::Waiting => self.node_mut(number).body = Body::Unpolled,
            _ => {}
        }
        self.drop_limbs(number);
        let node = self.node_mut(number);
        node.is_tended = node.finalizer.is_some() || !node.deferred.is_empty();
        let (panic, errors) = (node.panic.take(), std::mem::take(&mut node.errors));
        self.reports.extend(errors.into_iter().map(Report::Error));
        if let Some(of) = panic {
            self.panic_above(number, of);
        }
        if !self.node(number).is_tended && !self.has_living(number) {
            self.end(number);
        }
    }

    fn drop_fork(&mut self, fork: Number) {
        let node = self.node_mut(fork);
        if !node.is_owned {
            return;
        }
        node.is_owned = false;
        node.body = if node.body == Body::Running { Body::Dropped } else { Body::Unpolled };
        self.drop_limbs(fork);
        if !self.has_living(fork) {
            self.end(fork);
        }
    }

    /// R14: an error goes to the `try_scope`, as a request: never a soft one. It is returned, or, if that
    /// scope's future was dropped, reported.
    fn fail(&mut self, number: Number, of: Number) {
        let scope = match self.things[number] {
            Thing::Child { on, .. } | Thing::Finalizer { on, .. } => on,
            _ => number,
        };
        let node = self.node_mut(scope);
        if node.is_owned {
            node.errors.push(of);
        } else {
            self.reports.push(Report::Error(of));
        }
        self.request(scope, Cause::new(Kind::ChildFailed));
    }

    /// R14: the panic of a body goes to its scope, that of a child to the scope of the child.
    fn panic_of(&mut self, number: Number, of: Number) {
        if self.is_child(number) {
            self.panic_above(number, of);
        } else {
            self.panic_at(number, of);
        }
    }

    /// R14: if the scope's future was dropped, to the nearest whose future was not; where there is none,
    /// to `drain()`.
    fn panic_above(&mut self, number: Number, of: Number) {
        let answers = |&at: &Number| !self.is_child(at) && !self.node(at).is_abandoned;
        let scope = self.way_up(number).skip(1).find(answers);
        match scope {
            Some(scope) => self.panic_at(scope, of),
            None if self.has_mistaken(Mistake::LostPanic) => {}
            None => _ = self.orphans_panic.get_or_insert(of),
        }
    }

    /// A panic has come to a scope: a request of its own, and the first one is kept.
    pub(super) fn panic_at(&mut self, scope: Number, of: Number) {
        if self.node(scope).is_abandoned {
            self.panic_above(scope, of);
            return;
        }
        let is_lost = self.has_mistaken(Mistake::LostPanic);
        let node = self.node_mut(scope);
        if !is_lost {
            node.panic.get_or_insert(of);
        }
        self.request(scope, Cause::new(Kind::ChildPanicked));
    }

    /// R12: what has to have ended before this can: its children, and scopes that were dropped in it.
    pub(super) fn living(&self, number: Number) -> Vec<Number> {
        let forgets = self.has_mistaken(Mistake::ForgottenOrphans);
        let is_left = |&below: &Number| {
            let node = self.node(below);
            let counts = self.is_child(below) || node.is_abandoned && !forgets;
            counts && node.up == Some(number) && self.lives(below)
        };
        self.numbers().into_iter().filter(is_left).collect()
    }

    pub(super) fn has_living(&self, number: Number) -> bool {
        !self.living(number).is_empty()
    }

    /// It is over, and keeps what may be asked of it.
    pub(super) fn end(&mut self, number: Number) {
        self.has_changed = true;
        let (was_cancelled, reason) = (self.is_cancelled(number), self.reason(number));
        let node = self.node_mut(number);
        node.was_cancelled = was_cancelled;
        node.cause = reason;
        node.has_ended = true;
    }

    /// A scope returns. R14: a panic beats all errors, an error beats everything else, and the errors that
    /// are not returned are reported.
    pub(super) fn close(&mut self, number: Number) {
        self.end(number);
        let node = self.node_mut(number);
        node.is_owned = false;
        let mut errors = std::mem::take(&mut node.errors);
        let outcome = if let Some(of) = node.panic {
            Outcome::Panicked(of)
        } else if !errors.is_empty() {
            Outcome::Failed(errors.remove(0))
        } else {
            match node.verdict.clone() {
                // Only its limit can have cancelled a section.
                Some(Verdict::Stopped(_)) if !self.things[number].is_scope() => Outcome::Elapsed,
                Some(Verdict::Stopped(cause)) => Outcome::Cancelled(cause),
                _ => Outcome::Value,
            }
        };
        self.node_mut(number).outcome = Some(outcome);
        self.reports.extend(errors.into_iter().map(Report::Error));
        let node = self.node(number);
        if node.is_late {
            self.late_finalizer_ends(number);
        }
    }

    /// R16: nobody is around for what comes of it.
    fn late_finalizer_ends(&mut self, number: Number) {
        match self.node(number).outcome {
            Some(Outcome::Panicked(of)) => _ = self.orphans_panic.get_or_insert(of),
            Some(Outcome::Elapsed) => self.reports.push(Report::FinalizerCut),
            _ => {}
        }
    }
}
