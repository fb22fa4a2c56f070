//! Who takes part: where candidates come from, and how one becomes an attempt.
//!
//! What a user's closure, iterator or stream can do is kept beside it as a pointer to a function. Asked of its
//! type instead (`A: FnMut(Attempt, T) -> F`, on the structs here) it would have to be proved again wherever a
//! race is asked whether it is `Send`, and with candidates that borrow the compiler cannot: it finds the
//! closure "not general enough" (rust-lang/rust#110338).

use std::future::Future;
use std::iter;
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

    /// The time of the race is over: why there are no more of them, if that has not been said.
    fn excuse(&self, _errors: &mut Vec<Self::Error>) {}

    /// Whether an error is no fault of the candidate's.
    fn is_ours(&self, _error: &Self::Error) -> bool {
        false
    }
}

/// How many of those that had no turn are taken from an iterator, for the report. There may be more than
/// fit into memory.
const UNTRIED: usize = 1000;

/// An iterator, one item ahead.
struct Ahead<I, T> {
    items: I,
    next: fn(&mut I) -> Option<T>,
    ends: fn(&I) -> bool,
    item: Option<T>,
    is_over: bool,
}

impl<I, T> Ahead<I, T> {
    fn new(items: I) -> Self
    where
        I: Iterator<Item = T>,
    {
        let ends = |items: &I| items.size_hint().1.is_some();
        Self { items, next: I::next, ends, item: None, is_over: false }
    }

    fn look(&mut self) -> Supply {
        if self.item.is_none() && !self.is_over {
            self.item = (self.next)(&mut self.items);
            self.is_over = self.item.is_none();
        }
        if self.item.is_some() { Supply::Ready } else { Supply::End }
    }

    /// Those that are left. An iterator that does not say that it ends is not asked for its end.
    fn rest(&mut self) -> Vec<T> {
        let mut rest = Vec::from_iter(self.item.take());
        if !self.is_over && (self.ends)(&self.items) {
            rest.extend(iter::from_fn(|| (self.next)(&mut self.items)).take(UNTRIED));
        }
        rest
    }
}

/// Futures, each with its place in the list.
pub struct Futures<I, F> {
    futures: Ahead<I, F>,
    place: usize,
}

impl<I, F> Futures<I, F> {
    pub(super) fn new(futures: I) -> Self
    where
        I: Iterator<Item = F>,
    {
        Self { futures: Ahead::new(futures), place: 0 }
    }
}

/// What is in here is only ever moved.
impl<I, F> Unpin for Futures<I, F> {}

impl<I, F, T, E> Entrants for Futures<I, F>
where
    F: Future<Output = Result<T, E>>,
{
    type Label = usize;
    type Value = T;
    type Error = E;
    type Attempt = F;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: Instant, _: &mut Vec<E>) -> Supply {
        self.futures.look()
    }

    fn launch(mut self: Pin<&mut Self>, _: Ticket<'_>) -> Option<(usize, F)> {
        let future = self.futures.item.take()?;
        self.place += 1;
        Some((self.place - 1, future))
    }

    fn rest(mut self: Pin<&mut Self>) -> Vec<usize> {
        let count = self.futures.rest().len();
        (self.place..).take(count).collect()
    }
}

/// A closure that makes attempts of candidates.
struct Maker<A, T, F> {
    closure: A,
    call: fn(&mut A, Attempt, T) -> F,
}

impl<A, T, F> Maker<A, T, F> {
    fn new(closure: A) -> Self
    where
        A: FnMut(Attempt, T) -> F,
    {
        Self { closure, call: |closure, attempt, candidate| closure(attempt, candidate) }
    }

    /// The attempt, with what the report calls it.
    fn launch(&mut self, mut ticket: Ticket<'_>, candidate: T) -> (T, F)
    where
        T: Clone,
    {
        let attempt = (self.call)(&mut self.closure, ticket.attempt(), candidate.clone());
        (candidate, attempt)
    }
}

/// The items of an iterator, and a closure that makes attempts of them.
pub struct Listed<I, A, T, F> {
    candidates: Ahead<I, T>,
    maker: Maker<A, T, F>,
}

impl<I, A, T, F> Listed<I, A, T, F> {
    pub(super) fn new(candidates: I, attempt: A) -> Self
    where
        I: Iterator<Item = T>,
        A: FnMut(Attempt, T) -> F,
    {
        Self { candidates: Ahead::new(candidates), maker: Maker::new(attempt) }
    }
}

/// What is in here is only ever moved.
impl<I, A, T, F> Unpin for Listed<I, A, T, F> {}

impl<I, A, T, F, V, E> Entrants for Listed<I, A, T, F>
where
    T: Clone,
    F: Future<Output = Result<V, E>>,
{
    type Label = T;
    type Value = V;
    type Error = E;
    type Attempt = F;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: Instant, _: &mut Vec<E>) -> Supply {
        self.candidates.look()
    }

    fn launch(mut self: Pin<&mut Self>, ticket: Ticket<'_>) -> Option<(T, F)> {
        let candidate = self.candidates.item.take()?;
        Some(self.maker.launch(ticket, candidate))
    }

    fn rest(mut self: Pin<&mut Self>) -> Vec<T> {
        self.candidates.rest()
    }
}

/// How many errors of a stream are taken in one poll. If it has nothing else, others have their turn.
const ERRORS: usize = 64;

/// A future of a `Result`, with a name for the type of its error. So a [`Streamed`] has the one type for the
/// errors of its stream and of its attempts: two would be two to the compiler, where they borrow.
pub trait Try: Future<Output = Result<<Self as Try>::Value, <Self as Try>::Error>> {
    type Value;
    type Error;
}

impl<F, V, E> Try for F
where
    F: Future<Output = Result<V, E>>,
{
    type Value = V;
    type Error = E;
}

/// Polls a stream of candidates.
type PollNext<S, T, F> =
    fn(Pin<&mut S>, &mut Context<'_>) -> Poll<Option<Result<T, <F as Try>::Error>>>;

pin_project! {
    /// The items of a stream, as they come, and a closure that makes attempts of them.
    pub struct Streamed<S, A, T, F: Try> {
        // Nothing after its end.
        #[pin]
        candidates: Option<S>,
        poll_next: PollNext<S, T, F>,
        next: Option<T>,
        maker: Maker<A, T, F>,
    }
}

impl<S, A, T, F: Try> Streamed<S, A, T, F> {
    pub(super) fn new(candidates: S, attempt: A) -> Self
    where
        S: Stream<Item = Result<T, F::Error>>,
        A: FnMut(Attempt, T) -> F,
    {
        let (candidates, maker) = (Some(candidates), Maker::new(attempt));
        Self { candidates, poll_next: S::poll_next, next: None, maker }
    }
}

impl<S, A, T, F> Entrants for Streamed<S, A, T, F>
where
    T: Clone,
    F: Try,
{
    type Label = T;
    type Value = F::Value;
    type Error = F::Error;
    type Attempt = F;

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: Instant,
        errors: &mut Vec<F::Error>,
    ) -> Supply {
        let mut this = self.project();
        for _ in 0..ERRORS {
            if this.next.is_some() {
                return Supply::Ready;
            }
            let Some(candidates) = this.candidates.as_mut().as_pin_mut() else {
                return Supply::End;
            };
            match (this.poll_next)(candidates, cx) {
                Poll::Ready(Some(Ok(candidate))) => *this.next = Some(candidate),
                Poll::Ready(Some(Err(error))) => errors.push(error),
                Poll::Ready(None) => this.candidates.set(None),
                Poll::Pending => return Supply::Later,
            }
        }
        cx.waker().wake_by_ref();
        Supply::Later
    }

    fn launch(self: Pin<&mut Self>, ticket: Ticket<'_>) -> Option<(T, F)> {
        let this = self.project();
        let candidate = this.next.take()?;
        Some(this.maker.launch(ticket, candidate))
    }

    fn rest(self: Pin<&mut Self>) -> Vec<T> {
        Vec::from_iter(self.project().next.take())
    }
}
