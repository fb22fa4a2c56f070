//! Who takes part: where candidates come from, and how one becomes an attempt.

use std::future::Future;
use std::iter::{Enumerate, Fuse};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream::Stream;
use pin_project_lite::pin_project;

use super::attempt::{Attempt, Ticket};
use super::stagger::Supply;

/// What a race is about.
pub trait Entrants {
    /// What the report calls a candidate.
    type Label;
    type Value;
    type Error;
    type Attempt: Future<Output = Result<Self::Value, Self::Error>>;

    /// What can be had at `now`. `errors` is for why there is less than there might be.
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        now: Instant,
        errors: &mut Vec<Self::Error>,
    ) -> Supply;

    /// The best candidate's attempt, not polled yet. There is one when the last poll said `Ready`.
    fn launch(self: Pin<&mut Self>, ticket: Ticket<'_>) -> Option<(Self::Label, Self::Attempt)>;

    /// All candidates that are known and had no turn.
    fn rest(self: Pin<&mut Self>) -> Vec<Self::Label>;

    /// Whether an error is no fault of the candidate's.
    fn is_ours(&self, _error: &Self::Error) -> bool {
        false
    }
}

/// How many of those that had no turn are taken from an iterator, for the report. There may be more than
/// fit into memory.
const UNTRIED: usize = 1000;

/// An iterator, one item ahead.
struct Ahead<I: Iterator> {
    items: Fuse<I>,
    next: Option<I::Item>,
}

impl<I: Iterator> Ahead<I> {
    fn new(items: I) -> Self {
        Self { items: items.fuse(), next: None }
    }

    fn look(&mut self) -> Supply {
        if self.next.is_none() {
            self.next = self.items.next();
        }
        if self.next.is_some() { Supply::Ready } else { Supply::End }
    }

    /// Those that are left. An iterator that does not say that it ends is not asked for its end.
    fn rest(&mut self) -> Vec<I::Item> {
        let mut rest = Vec::from_iter(self.next.take());
        if self.items.size_hint().1.is_some() {
            rest.extend(self.items.by_ref().take(UNTRIED));
        }
        rest
    }
}

/// Futures, each with its place in the list.
pub struct Futures<I: Iterator>(Ahead<Enumerate<I>>);

impl<I: Iterator> Futures<I> {
    pub(super) fn new(futures: I) -> Self {
        Self(Ahead::new(futures.enumerate()))
    }
}

/// What is in here is only ever moved.
impl<I: Iterator> Unpin for Futures<I> {}

impl<I, T, E> Entrants for Futures<I>
where
    I: Iterator<Item: Future<Output = Result<T, E>>>,
{
    type Label = usize;
    type Value = T;
    type Error = E;
    type Attempt = I::Item;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: Instant, _: &mut Vec<E>) -> Supply {
        self.0.look()
    }

    fn launch(mut self: Pin<&mut Self>, _: Ticket<'_>) -> Option<(usize, I::Item)> {
        self.0.next.take()
    }

    fn rest(mut self: Pin<&mut Self>) -> Vec<usize> {
        self.0.rest().into_iter().map(|(place, _)| place).collect()
    }
}

/// The items of an iterator, and a closure that makes attempts of them.
pub struct Listed<I: Iterator, A> {
    candidates: Ahead<I>,
    attempt: A,
}

impl<I: Iterator, A> Listed<I, A> {
    pub(super) fn new(candidates: I, attempt: A) -> Self {
        Self { candidates: Ahead::new(candidates), attempt }
    }
}

/// What is in here is only ever moved.
impl<I: Iterator, A> Unpin for Listed<I, A> {}

impl<I, A, F, T, E> Entrants for Listed<I, A>
where
    I: Iterator<Item: Clone>,
    A: FnMut(Attempt, I::Item) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Label = I::Item;
    type Value = T;
    type Error = E;
    type Attempt = F;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: Instant, _: &mut Vec<E>) -> Supply {
        self.candidates.look()
    }

    fn launch(mut self: Pin<&mut Self>, mut ticket: Ticket<'_>) -> Option<(I::Item, F)> {
        let candidate = self.candidates.next.take()?;
        Some((candidate.clone(), (self.attempt)(ticket.attempt(), candidate)))
    }

    fn rest(mut self: Pin<&mut Self>) -> Vec<I::Item> {
        self.candidates.rest()
    }
}

pin_project! {
    /// The items of a stream, as they come, and a closure that makes attempts of them.
    pub struct Streamed<S, T, A> {
        // Nothing after its end.
        #[pin]
        candidates: Option<S>,
        next: Option<T>,
        attempt: A,
    }
}

impl<S, T, A> Streamed<S, T, A> {
    pub(super) fn new(candidates: S, attempt: A) -> Self {
        Self { candidates: Some(candidates), next: None, attempt }
    }
}

impl<S, A, F, C, T, E> Entrants for Streamed<S, C, A>
where
    S: Stream<Item = Result<C, E>>,
    C: Clone,
    A: FnMut(Attempt, C) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Label = C;
    type Value = T;
    type Error = E;
    type Attempt = F;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, _: Instant, errors: &mut Vec<E>) -> Supply {
        let mut this = self.project();
        while this.next.is_none() {
            let Some(candidates) = this.candidates.as_mut().as_pin_mut() else {
                return Supply::End;
            };
            match candidates.poll_next(cx) {
                Poll::Ready(Some(Ok(candidate))) => *this.next = Some(candidate),
                Poll::Ready(Some(Err(error))) => errors.push(error),
                Poll::Ready(None) => this.candidates.set(None),
                Poll::Pending => return Supply::Later,
            }
        }
        Supply::Ready
    }

    fn launch(self: Pin<&mut Self>, mut ticket: Ticket<'_>) -> Option<(C, F)> {
        let this = self.project();
        let candidate = this.next.take()?;
        Some((candidate.clone(), (this.attempt)(ticket.attempt(), candidate)))
    }

    fn rest(self: Pin<&mut Self>) -> Vec<C> {
        Vec::from_iter(self.project().next.take())
    }
}
