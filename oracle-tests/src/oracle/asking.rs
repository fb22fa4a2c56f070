//! What the operations of a script ask for.

use umbel::Kind;

use super::{Node, Oracle};
use crate::clock;
use crate::script::{How, Number, Op, Thing};
use crate::view::{Answer, Body, Cause, Drained, Place};

impl Oracle {
    /// One operation of a body's turn. What does not exist is passed over.
    pub(super) fn act(&mut self, by: Number, nth: usize, op: Op, given: Option<Number>) {
        self.has_changed = true;
        match (op, given) {
            (Op::Open(open), Some(number)) => {
                self.hold(by, number, nth);
                self.node_mut(number).has_handle = open.early;
            }
            (Op::Shield { .. }, Some(number)) => self.hold(by, number, nth),
            (Op::Start { on, how, .. }, Some(number)) => self.start(on, how, number),
            (Op::Defer { on, .. }, Some(number)) => self.defer(on, number, nth),
            (Op::Drop(number), _) => self.drop_limb(by, number),
            (Op::Cancel { what, said }, _) if self.can_address(what) => {
                let message = said.then(|| format!("step {}", self.step));
                self.cancel(what, Cause { message, ..Cause::new(Kind::Explicit) });
            }
            (Op::Stop { what, grace }, _) if self.can_address(what) => {
                let at = self.now + clock::span(grace, nth);
                self.stop(what, Cause::new(Kind::Stopped), at);
            }
            (Op::Deadline { what, after }, _) if self.can_address(what) => {
                let at = after.map(|after| self.now + clock::span(after, nth));
                self.set_deadline(what, at);
            }
            (Op::Forget(child), _) if self.exists(child) => {
                self.node_mut(child).is_forgotten = true;
            }
            (Op::Check, _) => self.check(by),
            (Op::Drain, _) => self.drain_orphans(),
            (Op::Fail, _) if self.fallible[by] => self.body_ends(by, Body::Failed, by),
            (Op::Return | Op::Fail, _) => self.body_ends(by, Body::Returned, by),
            (Op::Panic, _) => self.body_ends(by, Body::Panicked, by),
            _ => {}
        }
    }

    /// A body holds a scope or a shield that it is about to poll.
    fn hold(&mut self, by: Number, number: Number, nth: usize) {
        self.nodes[number] = Some(Node { nth, ..Node::new(None) });
        self.node_mut(by).limbs.push(number);
    }

    fn can_address(&self, number: Number) -> bool {
        self.exists(number) && self.node(number).has_handle
    }

    fn can_start(&self, number: Number) -> bool {
        self.exists(number) && self.node(number).has_starter
    }

    /// R13: a child is admitted, or refused.
    fn start(&mut self, on: Number, how: How, number: Number) {
        if !self.can_start(on) {
            return;
        }
        let refused = self.refusal(on);
        let mut node = Node::new(Some(on));
        node.has_handle = refused.is_none();
        node.has_ended = refused.is_some();
        if refused.is_some() {
            node.body = Body::Unpolled;
        }
        node.refused = refused;
        self.nodes[number] = Some(node);
        debug_assert_eq!(self.sort(number), Some(how));
    }

    /// R13: an ended scope, "always with kind `ScopeEnded`"; a cancelled one, with its reason; one that
    /// was asked to stop, with that reason; one that ends its services.
    fn refusal(&self, scope: Number) -> Option<Cause> {
        let node = self.node(scope);
        if node.has_ended {
            Some(Cause::new(Kind::ScopeEnded))
        } else if self.is_cancelled(scope) {
            self.reason(scope)
        } else if let Some(stop) = &node.stop {
            Some(stop.cause.clone())
        } else {
            node.is_ending_services.then(|| Cause::new(Kind::ScopeEnded))
        }
    }

    /// R16: kept for the end of the scope; if that has passed, it is run at once, as an orphan.
    fn defer(&mut self, on: Number, number: Number, nth: usize) {
        if !self.can_start(on) {
            return;
        }
        let is_late = !self.lives(on);
        let node = Node { nth, is_late, ..Node::new(None) };
        self.nodes[number] = Some(node);
        if !is_late {
            let scope = self.node_mut(on);
            scope.deferred.push(number);
            scope.is_tended |= scope.is_abandoned;
        }
    }

    fn drop_limb(&mut self, by: Number, number: Number) {
        let limbs = &mut self.node_mut(by).limbs;
        let held = limbs.len();
        limbs.retain(|&limb| limb != number);
        if limbs.len() < held {
            self.drop_future(number);
        }
    }

    /// R20: "the last one set replaces the one before". After the end it does nothing.
    fn set_deadline(&mut self, number: Number, at: Option<u64>) {
        if self.lives(number) {
            self.node_mut(number).deadline = at;
        }
    }

    /// R9: `check()` is about the place, a shield too; R22: `current()` gives the scope around that.
    fn check(&mut self, by: Number) {
        let place = Some(by).filter(|&by| by != crate::script::GROUND);
        let check = place.and_then(|place| self.reason(place));
        let way: Vec<Number> = place.into_iter().flat_map(|place| self.way_up(place)).collect();
        let current = way.iter().find_map(|&at| match self.things[at] {
            Thing::Shield { .. } => None,
            Thing::Finalizer { .. } => self.node(at).is_late.then_some(Place::Unnamed),
            _ => Some(Place::In(at)),
        });
        let task = way.iter().find(|&&at| self.is_child(at));
        let task_count = task.map_or(0, |&task| self.node(task).count);
        let current = current.unwrap_or(Place::Nowhere);
        self.answers.push(Answer::Place { check, current, task_count });
    }

    /// R18: `drain()` is ready when there are no orphans, and resumes their first panic.
    fn drain_orphans(&mut self) {
        let drained = if self.is_anything_left() {
            Drained::OrphansAreLeft
        } else {
            self.orphans_panic.take().map_or(Drained::Clean, Drained::Panicked)
        };
        self.answers.push(Answer::Drained(drained));
    }
}
