//! Wakers that wait for one event, each removable by its own ticket.

use std::collections::BTreeMap;
use std::task::Waker;

/// Names one waiter. Never used twice, so that a late removal cannot hit somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Default)]
pub(crate) struct Waiters {
    waiting: BTreeMap<Ticket, Waker>,
    issued: u64,
}

impl Waiters {
    /// Has `waker` wait under `ticket`, or under a new one. Gives back the waker it replaces, to be
    /// dropped with no lock held.
    #[must_use]
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: Waker) -> Option<Waker> {
        let ticket = *ticket.get_or_insert_with(|| {
            self.issued += 1;
            Ticket(self.issued)
        });
        self.waiting.insert(ticket, waker)
    }

    #[must_use]
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        self.waiting.remove(&ticket)
    }

    /// Takes all, to be woken with no lock held.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
