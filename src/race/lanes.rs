//! The attempts in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::attempt::{Bell, Ticket, Turn};
use super::stagger::Verdict;
use crate::ground::error::Cancelled;
use crate::ground::reason::Reason;
use crate::scope::{Plain, ScopeFuture, around_as};
use crate::tree::{Role, Site};

/// What is known of an attempt.
pub(super) struct Entry<T> {
    pub(super) number: usize,
    pub(super) label: T,
    pub(super) started: Instant,
    /// It was given up, and is to end.
    pub(super) verdict: Option<Verdict>,
}

pin_project! {
    /// One attempt, in a scope of its own.
    pub(super) struct Lane<F: Future, T> {
        #[pin]
        scope: ScopeFuture<'static, Plain<F>, F>,
        entry: Option<Entry<T>>,
    }
}

impl<F: Future, T> Lane<F, T> {
    pub(super) fn new(attempt: F, entry: Entry<T>, grace: Option<Duration>, site: Site) -> Self {
        let mut scope = around_as(Role::Attempt, attempt, site);
        if let Some(grace) = grace {
            scope = scope.grace(grace);
        }
        Self { scope, entry: Some(entry) }
    }

    /// Whether it had not been given up before.
    fn give_up(self: Pin<&mut Self>, verdict: Verdict) -> bool {
        let this = self.project();
        let in_flight = this.entry.as_mut().filter(|entry| entry.verdict.is_none());
        let Some(entry) = in_flight else { return false };
        entry.verdict = Some(verdict);
        this.scope.cancel(Reason::new(match verdict {
            Verdict::TimedOut => "the attempt took too long",
            Verdict::Evicted => "a newer attempt takes its place",
            Verdict::Lost => "another candidate has won",
            Verdict::Late => "the time of the race is over",
        }));
        true
    }
}

impl<F: Future, T> Future for Lane<F, T> {
    type Output = (Entry<T>, Result<F::Output, Cancelled>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.scope.poll(cx));
        let entry = this.entry.take().expect("a lane is not polled after its end");
        Poll::Ready((entry, outcome))
    }
}

/// An attempt that is not the only one, with a waker of its own.
struct Member<F: Future, T> {
    lane: Pin<Box<Lane<F, T>>>,
    waker: Waker,
}

pin_project! {
    /// All of them. One has its place in here and costs no allocation: in most races there is no other.
    pub(super) struct Lanes<F: Future, T> {
        // Started before all others. It is woken with the race, and polled whenever that is.
        #[pin]
        first: Option<Lane<F, T>>,
        others: BTreeMap<usize, Member<F, T>>,
        bell: Option<Arc<Bell>>,
        // Whether the first, and which of the others, are to be polled in this poll of the race. One that
        // wakes itself meanwhile has its turn in the next.
        is_first_due: bool,
        due: BTreeSet<usize>,
    }

    impl<F: Future, T> PinnedDrop for Lanes<F, T> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(bell) = this.project().bell {
                bell.close();
            }
        }
    }
}

impl<F: Future, T> Lanes<F, T> {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            others: BTreeMap::new(),
            bell: None,
            is_first_due: false,
            due: BTreeSet::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// Where attempts reach the race.
    pub(super) fn ticket(self: Pin<&mut Self>, number: usize) -> Ticket<'_> {
        Ticket { number, bell: self.project().bell }
    }

    /// The next attempt; it is polled by the next [`poll_next`](Self::poll_next).
    pub(super) fn push(self: Pin<&mut Self>, lane: Lane<F, T>, number: usize) {
        let mut this = self.project();
        if this.first.is_none() && this.others.is_empty() {
            this.first.set(Some(lane));
            *this.is_first_due = true;
        } else {
            let bell = Arc::clone(this.bell.get_or_insert_default());
            let waker = Waker::from(Arc::new(Turn { number, bell }));
            this.others.insert(number, Member { lane: Box::pin(lane), waker });
            this.due.insert(number);
        }
    }

    /// A poll of the race begins: whoever was woken is due.
    pub(super) fn begin(self: Pin<&mut Self>) {
        let this = self.project();
        *this.is_first_due = true;
        if let Some(bell) = this.bell {
            this.due.append(&mut bell.woken());
        }
    }

    /// What attempts have told of their progress.
    pub(super) fn progress(&self) -> Vec<(usize, Duration)> {
        self.bell.as_ref().map(|bell| bell.progress()).unwrap_or_default()
    }

    /// The poll ends: has whoever polls now woken when an attempt is, or has something to tell. Wakes
    /// at once if one has been by now.
    pub(super) fn listen(self: Pin<&mut Self>, cx: &Context<'_>) {
        let this = self.project();
        let Some(bell) = this.bell else { return };
        if !bell.listen(cx, |number| !this.others.contains_key(&number)) {
            cx.waker().wake_by_ref();
        }
    }

    /// The next that has ended: of those that are due, in the order in which they started.
    pub(super) fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<<Lane<F, T> as Future>::Output> {
        let mut this = self.project();
        if mem::take(this.is_first_due) {
            let first = this.first.as_mut().as_pin_mut().map(|first| first.poll(cx));
            if let Some(Poll::Ready(output)) = first {
                this.first.set(None);
                return Some(output);
            }
        }
        while let Some(number) = this.due.pop_first() {
            let Some(Member { lane, waker }) = this.others.get_mut(&number) else { continue };
            if let Poll::Ready(output) = lane.as_mut().poll(&mut Context::from_waker(waker)) {
                this.others.remove(&number);
                return Some(output);
            }
        }
        None
    }

    /// Gives up the attempt of that number, if it has not been given up before. It is polled by the next
    /// [`poll_next`](Self::poll_next).
    pub(super) fn give_up(self: Pin<&mut Self>, number: usize, verdict: Verdict) {
        let mut this = self.project();
        if let Some(Member { lane, .. }) = this.others.get_mut(&number) {
            if lane.as_mut().give_up(verdict) {
                this.due.insert(number);
            }
        } else if let Some(first) = this.first.as_mut().as_pin_mut() {
            // Who is in flight and not among the others is the first.
            *this.is_first_due |= first.give_up(verdict);
        }
    }

    /// As [`give_up`](Self::give_up), of all attempts.
    pub(super) fn give_up_all(self: Pin<&mut Self>, verdict: Verdict) {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut() {
            *this.is_first_due |= first.give_up(verdict);
        }
        for (number, Member { lane, .. }) in this.others {
            if lane.as_mut().give_up(verdict) {
                this.due.insert(*number);
            }
        }
    }

    /// The candidate of the attempt of that number, if it is in flight.
    pub(super) fn label_of(self: Pin<&mut Self>, number: usize) -> Option<&T> {
        let this = self.into_ref().get_ref();
        let other = this.others.get(&number).map(|member| &*member.lane);
        let entry = this.first.iter().chain(other).filter_map(|lane| lane.entry.as_ref());
        let mut in_flight = entry.filter(|entry| entry.verdict.is_none());
        in_flight.find(|entry| entry.number == number).map(|entry| &entry.label)
    }
}
