//! The soft stop (R17): a scope is asked to end, and cancelled only if it has not when the grace is
//! over.
//!
//! That a stop was asked for is written at the scope that was asked, and found by climbing. Only
//! whoever waits for it has to be told.

use std::ops::ControlFlow;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::NodeRef;
use super::aftermath::{Aftermath, Visit};
use super::node::{Branch, Stop};
use super::word::Word;
use crate::ground::reason::{Kind, Reason, Unfinished};
use crate::ground::seeded;
use crate::ground::waiters::Ticket;

impl NodeRef {
    /// Makes every request to this scope a soft one first.
    pub(crate) fn set_grace(&self, grace: Duration) {
        let mut state = self.tree().state.lock();
        state.below_mut(self.index()).rare_mut().terms.grace = Some(grace);
        self.slot().guard();
    }

    /// For how long a request to this scope is a soft one. Nothing if it is cancelled already, or has
    /// ended.
    pub(crate) fn grace(&self) -> Option<Duration> {
        let word = self.word();
        if !word.is_guarded() || word.is_cancelled() || word.is_closed() {
            return None;
        }
        let state = self.tree().state.lock();
        state.below(self.index())?.rare()?.terms.grace
    }

    /// Asks this scope to stop by itself until `at`. Gives the reason back if it is cancelled already,
    /// so that nothing can be softened any more. Of several such requests the first says why, and
    /// the earliest when.
    pub(crate) fn stop(&self, reason: Reason, at: Instant) -> Result<(), Reason> {
        let tree = self.tree();
        let mut aftermath = Aftermath::default();
        let mut state = tree.state.lock();
        let word = self.word();
        if word.is_closed() {
            return Ok(());
        }
        if word.is_cancelled() {
            return Err(reason);
        }
        let terms = &mut state.below_mut(self.index()).rare_mut().terms;
        let mut unused = None;
        match &mut terms.stop {
            Some(stop) => {
                stop.at = stop.at.min(at);
                stop.requests += 1;
                unused = Some(reason);
            }
            stop @ None => *stop = Some(Stop { reason, at, requests: 1 }),
        }
        // From here on nobody is admitted, and the owner arms its timer.
        if !seeded!(LateGuard) {
            self.slot().guard();
        }
        tree.ask_owner(&mut state, self.index(), &mut aftermath);
        aftermath.visit(tree, &mut state, self.index(), Visit::Both);
        aftermath.announce_stop(&mut state, self.index());
        drop(state);
        if seeded!(LateGuard) {
            self.slot().guard();
        }
        aftermath.run();
        drop(unused);
        Ok(())
    }

    /// The time has come for which this node's owner had armed its timer. Returns whether the
    /// deadline has become the first cause of a cancellation.
    ///
    /// | what is due             | then                                           |
    /// |-------------------------|------------------------------------------------|
    /// | the end of a grace      | the hard cancel, with what is unfinished named |
    /// | a deadline, no grace    | the hard cancel                                |
    /// | a deadline, and a grace | a soft stop, with the grace counted from `now` |
    pub(crate) fn come_due(&self, now: Instant, after: impl FnOnce(Duration) -> Instant) -> bool {
        let mut state = self.tree().state.lock();
        let branch = state.below_mut(self.index());
        let is_over = branch.stop().is_some_and(|stop| stop.at <= now);
        if !is_over {
            let grace = branch.rare().and_then(|rare| rare.terms.grace);
            if grace.is_some() {
                // It acts once: from now on the end of the grace does.
                branch.deadline = None;
            }
            drop(state);
            let reason = Reason::at(Kind::Deadline, self.site());
            return match grace.map(|grace| self.stop(reason.clone(), after(grace))) {
                Some(Ok(())) => false,
                Some(Err(_)) | None => self.cancel(|| reason),
            };
        }
        drop(state);
        self.end_grace();
        false
    }

    /// The grace is over: every request that was softened is counted now.
    pub(crate) fn end_grace(&self) {
        let unfinished: Vec<Unfinished> = self.unfinished();
        let mut state = self.tree().state.lock();
        if self.word().is_closed() {
            // It was done in time: nothing is counted.
            return;
        }
        let Some(stop) = state
            .known_mut(self.index())
            .and_then(|branch| branch.rare.as_mut())
            .and_then(|rare| rare.terms.stop.as_mut())
        else {
            return;
        };
        let reason = stop.reason.clone();
        let requests = std::mem::take(&mut stop.requests);
        drop(state);
        if requests == 0 {
            // Somebody else has come to the end of the same grace.
            return;
        }
        let mut reason = Some(reason.with_unfinished(unfinished));
        for _ in 0..requests {
            let cause = reason.take();
            self.cancel(|| cause.unwrap_or_else(|| Reason::bare(Kind::Stopped)));
        }
    }

    /// Why this node, or one above it with no shield between, was asked to stop, softly or not.
    pub(crate) fn stop_reason(&self) -> Option<Reason> {
        self.reason().or_else(|| {
            self.ascend_to_shield(|_, state, index| {
                match state.below(index).and_then(Branch::stop) {
                    Some(stop) => ControlFlow::Break(stop.reason.clone()),
                    None => ControlFlow::Continue(()),
                }
            })
        })
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.word().is_cancelled() || self.stop_reason().is_some()
    }

    /// Whether this node is asked to stop, is cancelled or has closed; if none of them, `waker` waits.
    ///
    /// RACE: registered first, looked at afterwards. A stop is written before it is announced below,
    /// so either it is seen here or its announcement finds the waker.
    pub(crate) fn watch_stop(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        let is_over = self.watch_end(ticket, waker) || self.is_stopping();
        if is_over {
            self.stop_watching_stop(ticket.take());
        }
        is_over
    }

    pub(crate) fn stop_watching_stop(&self, ticket: Option<Ticket>) {
        self.leave(|rare| &mut rare.stop_watchers, ticket);
    }

    /// Whether this node has closed; if not, `waker` waits for that (and is woken at other turns too).
    pub(crate) fn watch_end(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        self.wait_on(|rare| &mut rare.stop_watchers, Word::is_closed, ticket, waker)
    }
}
