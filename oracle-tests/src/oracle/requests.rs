//! Who is cancelled, why, and when.

use umbel::Kind;

use super::{LATE, Mistake, Node, Oracle, Stop};
use crate::script::Number;
use crate::view::Cause;

impl Oracle {
    /// "Effectively cancelled": requested, dropped, or below what is, with no shield between.
    pub(super) fn is_cancelled(&self, number: Number) -> bool {
        let node = self.node(number);
        node.count > 0 || node.is_abandoned || node.was_cancelled || self.inherits(number)
    }

    /// R10: nothing from above reaches into a shield. What has ended is below nothing.
    pub(super) fn inherits(&self, number: Number) -> bool {
        if self.node(number).has_ended
            || self.is_shield(number) && !self.has_mistaken(Mistake::IgnoredShield)
        {
            return false;
        }
        self.node(number).up.is_some_and(|up| self.is_cancelled(up))
    }

    /// I24: its own, or else the one found first on the way up.
    pub(super) fn reason(&self, number: Number) -> Option<Cause> {
        let mut at = Some(number).filter(|&number| self.is_cancelled(number));
        while let Some(number) = at {
            let node = self.node(number);
            if node.cause.is_some() {
                return node.cause.clone();
            }
            at = node.up;
        }
        None
    }

    /// R1: one request, on this one. R8: the first cause is kept.
    pub(super) fn request(&mut self, number: Number, cause: Cause) {
        self.has_changed = true;
        let last_wins = self.has_mistaken(Mistake::LastCause);
        let node = self.node_mut(number);
        node.count += 1;
        if node.cause.is_none() || last_wins {
            node.cause = Some(cause);
        }
        let up = self.node(number).up;
        if let Some(up) = up.filter(|_| self.has_mistaken(Mistake::ChargedAbove)) {
            self.node_mut(up).count += 1;
        }
        if self.has_mistaken(Mistake::SpreadsBeside) {
            let beside = |&other: &Number| up.is_some() && self.node(other).up == up;
            for other in self.numbers().into_iter().filter(beside).collect::<Vec<_>>() {
                self.node_mut(other).was_cancelled = true;
            }
        }
    }

    /// A `cancel`: R17 if there is a grace, as long as there is something to be softened. After the end
    /// requests go on being counted (R1).
    pub(super) fn cancel(&mut self, number: Number, cause: Cause) {
        let is_soft = self.lives(number) && !self.is_cancelled(number);
        match self.node(number).grace.filter(|_| is_soft) {
            Some(grace) => self.stop(number, cause, self.now + grace),
            None => self.request(number, cause),
        }
    }

    /// R17: the first reason, the earliest end. "On a cancelled scope a stop is one more request; on one
    /// that has ended, nothing."
    pub(super) fn stop(&mut self, number: Number, cause: Cause, at: u64) {
        if self.node(number).has_ended {
            return;
        }
        if self.is_cancelled(number) || self.has_mistaken(Mistake::HardStop) {
            self.request(number, cause);
            return;
        }
        let node = self.node_mut(number);
        match &mut node.stop {
            Some(stop) => {
                stop.at = stop.at.min(at);
                stop.requests += 1;
            }
            None => node.stop = Some(Stop { cause, at, requests: 1 }),
        }
        if at == self.now {
            self.end_grace(number);
        }
    }

    /// R17: "softened requests count when the grace is over, each of them", and what is unfinished is
    /// named. "If it has been cancelled otherwise by then, they do not count."
    fn end_grace(&mut self, number: Number) {
        if self.is_cancelled(number) {
            return;
        }
        let unfinished = self.children_below(number);
        let Some(stop) = &mut self.node_mut(number).stop else { return };
        let requests = std::mem::take(&mut stop.requests);
        let cause = Cause { unfinished, ..stop.cause.clone() };
        for _ in 0..requests {
            self.request(number, cause.clone());
        }
    }

    /// The children that have not ended, at any depth.
    fn children_below(&self, number: Number) -> Vec<Number> {
        let mut children = self.numbers();
        children.retain(|&child| {
            self.is_child(child) && self.lives(child) && self.is_below(child, number)
        });
        children
    }

    fn is_below(&self, number: Number, above: Number) -> bool {
        self.way_up(number).skip(1).any(|at| at == above)
    }

    /// It, and all above it.
    pub(super) fn way_up(&self, number: Number) -> impl Iterator<Item = Number> {
        std::iter::successors(Some(number), |&at| self.node(at).up)
    }

    /// As [`way_up`](Self::way_up), as far as a shield, that included.
    fn way_to_shield(&self, number: Number) -> Vec<Number> {
        let mut way = Vec::new();
        for at in self.way_up(number) {
            way.push(at);
            if self.is_shield(at) {
                break;
            }
        }
        way
    }

    /// R17: asked to stop, here or above; R10: as far as a shield. What has ended is below nothing.
    pub(super) fn is_stopping(&self, number: Number) -> bool {
        let has_stop = |at: &Number| self.node(*at).stop.is_some();
        self.is_cancelled(number)
            || has_stop(&number)
            || self.lives(number) && self.way_to_shield(number).iter().any(has_stop)
    }

    /// R20: the nearest on the way up, as far as a shield. After the end there is none.
    pub(super) fn deadline(&self, number: Number) -> Option<u64> {
        if !self.lives(number) {
            return None;
        }
        let way = self.way_to_shield(number);
        let due = way.into_iter().filter_map(|at| self.node(at).due());
        if self.has_mistaken(Mistake::FarthestDeadline) { due.max() } else { due.min() }
    }

    /// When the next thing is due; or when it is over that a passed limit keeps bodies.
    pub(super) fn next_moment(&self) -> Option<u64> {
        let living = self.numbers().into_iter().filter(|&number| self.lives(number));
        let moments = living.flat_map(|number| {
            let node = self.node(number);
            let lapse = node.deadline.filter(|_| self.is_shield(number)).map(|at| at + LATE);
            [node.deadline, node.stop.as_ref().map(|stop| stop.at), lapse]
        });
        moments.flatten().filter(|&moment| moment > self.now).min()
    }

    /// What is due now.
    pub(super) fn come_due(&mut self) {
        for number in self.time_keepers() {
            if self.node(number).is_due_to_be_cut(self.now) {
                self.end_grace(number);
            }
            if self.node(number).deadline == Some(self.now) {
                self.pass_deadline(number);
            }
        }
    }

    /// A child whose body is over, and that waits for what was dropped in it, has nothing left that a
    /// deadline could end.
    fn time_keepers(&self) -> Vec<Number> {
        let keeps = |&number: &Number| {
            self.lives(number) && (self.node(number).is_owned || !self.is_child(number))
        };
        self.numbers().into_iter().filter(keeps).collect()
    }

    /// R20: on what is cancelled already a deadline has no more effect. R17: with a grace it begins that,
    /// once.
    fn pass_deadline(&mut self, number: Number) {
        if self.is_cancelled(number) {
            return;
        }
        if self.node(number).grace.is_some() {
            self.node_mut(number).deadline = None;
        }
        self.cancel(number, Cause::new(Kind::Deadline));
    }
}

impl Node {
    fn is_due_to_be_cut(&self, now: u64) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.at == now)
    }
}
