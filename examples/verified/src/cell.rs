//! A value that is asked for once, however many want it.

use std::future::{Future, poll_fn};
use std::mem;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, lock};

/// A value that is asked for once, however many want it: the first asks, the others wait for what he
/// gets. If he gives up, or fails, one of them is the next to ask.
#[derive(Debug)]
pub struct Cell<T> {
    state: Mutex<State<T>>,
    mistake: Option<Mistake>,
}

/// What one might get wrong here. Only tests make mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Whoever has seen that somebody asks waits, and does not look again.
    LooksOnce,
    /// Whoever is stopped while he asks does not say so.
    LeavesInSilence,
    /// What is fetched ahead is fetched in tasks that nobody waits for.
    Detached,
}

#[derive(Debug)]
enum State<T> {
    /// Nobody has asked.
    Empty,
    /// Somebody asks, and these wait for him.
    Asked(Vec<Waker>),
    Known(T),
}

/// What one finds in a cell.
enum Found<'a, T: Clone> {
    Value(T),
    /// Nothing: it is for the finder to ask.
    Turn(Turn<'a, T>),
}

impl<T: Clone> Cell<T> {
    /// An empty cell.
    #[must_use]
    pub fn new(mistake: Option<Mistake>) -> Self {
        Self { state: Mutex::new(State::Empty), mistake }
    }

    /// The value: the one that is there, or that somebody is asking for, or, failing that, what `ask` gives.
    pub async fn find<E>(&self, ask: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        match poll_fn(|cx| self.look(cx)).await {
            Found::Value(value) => Ok(value),
            Found::Turn(turn) => {
                let value = ask.await?;
                turn.answer(value.clone());
                Ok(value)
            }
        }
    }

    fn look(&self, cx: &mut Context<'_>) -> Poll<Found<'_, T>> {
        let mut state = lock(&self.state);
        if self.mistake == Some(Mistake::LooksOnce) && matches!(*state, State::Asked(_)) {
            // The lock is let go of and taken again: what was true may not be.
            drop(state);
            state = lock(&self.state);
            if let State::Asked(waiting) = &mut *state {
                waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        match &mut *state {
            State::Known(value) => Poll::Ready(Found::Value(value.clone())),
            State::Asked(waiting) => {
                waiting.push(cx.waker().clone());
                Poll::Pending
            }
            State::Empty => {
                *state = State::Asked(Vec::new());
                Poll::Ready(Found::Turn(Turn(self)))
            }
        }
    }

    fn settle(&self, settled: State<T>) {
        let before = mem::replace(&mut *lock(&self.state), settled);
        if let State::Asked(waiting) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// It is for the holder to ask. When he lets go of it without an answer it is for another one.
struct Turn<'a, T: Clone>(&'a Cell<T>);

impl<T: Clone> Turn<'_, T> {
    fn answer(self, value: T) {
        self.0.settle(State::Known(value));
        mem::forget(self);
    }
}

impl<T: Clone> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        if self.0.mistake != Some(Mistake::LeavesInSilence) {
            self.0.settle(State::Empty);
        }
    }
}
