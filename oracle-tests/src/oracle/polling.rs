//! What a poll does. Futures poll each other from the outside to the inside, as in the library; but
//! nobody waits to be woken.

use umbel::Kind;

use super::{LATE, Mistake, Oracle, Verdict};
use crate::clock;
use crate::script::{GROUND, Held, How, Number, Thing};
use crate::view::{Body, Cause, Outcome, Report};

impl Oracle {
    /// Polls everything until nothing changes.
    pub(super) fn settle(&mut self) {
        loop {
            self.has_changed = false;
            let mut numbers = self.numbers();
            numbers.insert(0, GROUND);
            if self.is_reversed {
                numbers.reverse();
            }
            for number in numbers {
                self.poll_task(number);
                self.poll_newborn();
            }
            if !self.has_changed {
                return;
            }
        }
    }

    /// Who was started has a turn before those who hear what came of the turn in which that was.
    fn poll_newborn(&mut self) {
        for number in self.numbers() {
            if self.node(number).body == Body::Waiting && self.is_child(number) {
                self.poll_task(number);
            }
        }
    }

    /// Whatever is polled by the runtime, and whatever is polled by nobody and closes by itself.
    fn poll_task(&mut self, number: Number) {
        let node = self.node(number);
        match self.things[number] {
            _ if node.has_ended => {}
            Thing::Ground => self.poll_body(GROUND),
            Thing::Child { how: How::Fork, .. } if node.is_owned => {}
            Thing::Child { .. } => self.poll_child(number),
            Thing::Scope { .. } | Thing::Shield { .. } if node.is_abandoned => self.tend(number),
            Thing::Finalizer { .. } if node.is_late => self.poll_scope(number),
            _ => {}
        }
    }

    /// A body has its turn, and polls what it has opened, in order.
    fn poll_body(&mut self, number: Number) {
        if let Some((_, ops)) = self.turn.take_if(|(by, _)| *by == number) {
            for (nth, (op, given)) in ops.into_iter().enumerate() {
                self.act(number, nth, op, given);
            }
        }
        for limb in self.node(number).limbs.clone() {
            if self.node(number).body != Body::Running {
                return;
            }
            self.poll_scope(limb);
            if !self.lives(limb) {
                self.deliver(limb, number);
            }
        }
        if self.node(number).body == Body::Running && self.listens(number) {
            self.node_mut(number).told |= self.is_stopping(number);
        }
        if matches!(self.things[number], Thing::Finalizer { at_once: true, .. }) {
            self.body_ends(number, Body::Returned, number);
        }
    }

    fn listens(&self, number: Number) -> bool {
        match self.things[number] {
            Thing::Scope { open, .. } => open.listens,
            Thing::Child { listens, .. } => listens,
            _ => false,
        }
    }

    /// What came of a scope is given to the body that awaits it.
    fn deliver(&mut self, limb: Number, to: Number) {
        self.node_mut(to).limbs.retain(|&number| number != limb);
        let held = match self.things[limb] {
            Thing::Scope { open, .. } => open.held,
            Thing::Shield { held, .. } => held,
            _ => Held::default(),
        };
        match self.node(limb).outcome {
            Some(Outcome::Panicked(of)) if held.passes && to != GROUND => {
                self.body_ends(to, Body::Panicked, of);
            }
            Some(Outcome::Failed(of)) if held.passes && self.fallible[to] => {
                self.body_ends(to, Body::Failed, of);
            }
            _ => {}
        }
    }

    /// A spawned child, a fork or a service.
    fn poll_child(&mut self, number: Number) {
        self.poll_running(number);
        let is_over = !matches!(self.node(number).body, Body::Waiting | Body::Running);
        if is_over && !self.has_living(number) {
            self.end(number);
        }
    }

    /// R2, R6: what is cancelled and not kept is dropped, before it is polled and when it suspends. In
    /// between, it may return (R3).
    fn poll_running(&mut self, number: Number) {
        self.drop_if_cancelled(number);
        if self.node(number).body == Body::Waiting {
            self.begin(number);
        }
        if self.node(number).body == Body::Running {
            self.poll_body(number);
        }
        self.drop_if_cancelled(number);
    }

    fn drop_if_cancelled(&mut self, number: Number) {
        let runs = matches!(self.node(number).body, Body::Waiting | Body::Running);
        if runs && self.is_cancelled(number) && !self.is_kept(number) {
            self.drop_body(number);
        }
    }

    fn begin(&mut self, number: Number) {
        self.has_changed = true;
        let node = self.node_mut(number);
        node.body = Body::Running;
        if let Thing::Scope { .. } = self.things[number] {
            let node = self.node_mut(number);
            (node.has_handle, node.has_starter) = (true, true);
        }
        if let Thing::Finalizer { on, .. } = self.things[number] {
            self.finalizers.entry(on).or_default().push(number);
        }
    }

    /// R10: whether a shield that is polled in the body is active. It keeps that body.
    fn is_kept(&self, number: Number) -> bool {
        !self.has_mistaken(Mistake::IgnoredShield)
            && self.node(number).limbs.iter().any(|&limb| self.keeps(limb))
    }

    /// Whether a shield is active in what is polled with a scope, or is that scope.
    fn keeps(&self, number: Number) -> bool {
        let node = self.node(number);
        if node.has_ended || !node.is_open {
            return false;
        }
        if self.is_shield(number) {
            return node.deadline.is_none_or(|limit| self.now < limit + LATE);
        }
        self.is_kept(number)
            || self.forks(number).into_iter().any(|fork| self.is_kept(fork))
            || node.finalizer.is_some_and(|finalizer| self.keeps(finalizer))
    }

    /// The future of a scope, a shield or a finalizer is polled.
    fn poll_scope(&mut self, number: Number) {
        if !self.node(number).is_open {
            self.open(number);
        }
        let node = self.node(number);
        if node.verdict.is_none() && !node.is_suspended {
            self.poll_running(number);
        }
        self.poll_forks(number);
        // One of them may have cancelled the scope.
        self.drop_if_cancelled(number);
        if self.node(number).verdict.is_some() {
            self.drain(number);
        }
    }

    fn poll_forks(&mut self, number: Number) {
        for fork in self.forks(number) {
            if self.node(fork).is_owned {
                self.poll_child(fork);
            }
        }
    }

    /// R22: its place is where it is first polled; from then on its limit counts (R20).
    fn open(&mut self, number: Number) {
        let (up, limit, grace) = match self.things[number] {
            Thing::Scope { in_body, open } => (Some(in_body), open.timeout, open.grace),
            Thing::Shield { in_body, limit, .. } => (Some(in_body), limit, None),
            Thing::Finalizer { on, limit, .. } => (Some(on), limit, None),
            _ => (None, None, None),
        };
        let (now, nth) = (self.now, self.node(number).nth);
        let node = self.node_mut(number);
        node.is_open = true;
        node.up = up.filter(|&up| up != GROUND && !node.is_late);
        let limit = limit.map(|limit| now + clock::span(limit, nth));
        node.deadline = limit.or(node.deadline);
        node.grace = grace.map(clock::grace);
    }

    /// The body is over: R15 and R16, and then the end (R12).
    fn drain(&mut self, number: Number) {
        loop {
            self.poll_forks(number);
            if self.is_finalizing(number) {
                return;
            }
            if self.has_living(number) {
                self.end_services(number);
                return;
            }
            let Some(next) = self.next_finalizer(number) else { break };
            self.node_mut(number).finalizer = Some(next);
        }
        self.close(number);
    }

    /// Polls the finalizer that runs, if one does. Whether it goes on.
    fn is_finalizing(&mut self, number: Number) -> bool {
        let Some(finalizer) = self.node(number).finalizer else { return false };
        self.poll_scope(finalizer);
        if self.lives(finalizer) {
            return true;
        }
        self.finalizer_ends(finalizer, number);
        false
    }

    /// R16: the last one first.
    fn next_finalizer(&mut self, number: Number) -> Option<Number> {
        let in_order = self.has_mistaken(Mistake::FinalizersInOrder);
        let node = self.node_mut(number);
        node.is_ending_services = false;
        if in_order && !node.deferred.is_empty() {
            return Some(node.deferred.remove(0));
        }
        node.deferred.pop()
    }

    /// What a finalizer leaves to its scope: a panic (R14), or word that its limit has cut it.
    fn finalizer_ends(&mut self, finalizer: Number, scope: Number) {
        self.has_changed = true;
        self.node_mut(scope).finalizer = None;
        match self.node(finalizer).outcome {
            Some(Outcome::Panicked(of)) => self.panic_at(scope, of),
            Some(Outcome::Elapsed) => self.reports.push(Report::FinalizerCut),
            _ => {}
        }
    }

    /// R15: when nothing lives but services. Those of a cancelled scope are cancelled already.
    fn end_services(&mut self, number: Number) {
        let living = self.living(number);
        let only_services = living.iter().all(|&child| self.sort(child) == Some(How::Service));
        if !only_services
            || self.is_cancelled(number)
            || self.node(number).is_ending_services
            || self.has_mistaken(Mistake::EndlessServices)
        {
            return;
        }
        self.node_mut(number).is_ending_services = true;
        for service in living {
            self.request(service, Cause::new(Kind::ScopeEnded));
        }
    }

    /// R18: a scope without its future. It ends when nothing lives below; before that, a janitor runs
    /// its finalizers.
    fn tend(&mut self, number: Number) {
        loop {
            if self.is_finalizing(number) {
                return;
            }
            if self.has_living(number) {
                return;
            }
            let Some(next) = self.next_finalizer(number) else { break };
            self.node_mut(number).finalizer = Some(next);
        }
        self.end(number);
    }

    /// R3, R4: what a scope makes of a body that was dropped, or has panicked. One that inherits its
    /// cancellation waits to be dropped.
    pub(super) fn give_verdict(&mut self, number: Number) {
        let absorbs = !self.inherits(number) || self.has_mistaken(Mistake::InnerAbsorbs);
        let reason = self.reason(number);
        let node = self.node_mut(number);
        match reason.filter(|_| absorbs) {
            Some(reason) => node.verdict = Some(Verdict::Stopped(reason)),
            None => node.is_suspended = true,
        }
    }
}
