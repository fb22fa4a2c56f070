//! What else a `try_scope` can start: children on threads, and children in a place that was waited for.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use super::blocking::Blocking;
use super::bound::{Full, Slot};
use super::child::Child;
use super::errors::Attempt;
use super::try_handle::TryScope;

impl<'env, E> TryScope<'env, E> {
    /// Runs a function on a thread that may block, as [`Scope::spawn_blocking`](crate::Scope::spawn_blocking)
    /// does. If it returns an error, that is the scope's.
    #[track_caller]
    pub fn spawn_blocking<W, U>(&self, work: W) -> Child<U>
    where
        W: FnOnce(Blocking) -> Result<U, E> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        let (failing, site) = (self.failing(), Location::caller());
        let work = move |cx: Blocking| work(cx).map_err(|error| failing.fail(error, site)).ok();
        Child::of_attempt(self.supervised().spawn_blocking(work))
    }

    /// Starts a child on a thread of its own, as [`Scope::spawn_pinned`](crate::Scope::spawn_pinned) does. If
    /// it returns an error, that is the scope's.
    #[track_caller]
    pub fn spawn_pinned<M, F, U>(&self, make: M) -> Child<U>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<U, E>> + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        let (failing, site) = (self.failing(), Location::caller());
        let make = move || Attempt::new(make(), failing, site);
        Child::of_attempt(self.supervised().spawn_pinned(make))
    }

    /// Waits until a child more can run, as [`Scope::reserve`](crate::Scope::reserve) does.
    ///
    /// # Cancel safety
    ///
    /// As that.
    pub async fn reserve(&self) -> TrySlot<'_, 'env, E> {
        TrySlot { scope: self, slot: self.supervised().reserve().await }
    }

    /// As [`reserve`](Self::reserve), without waiting.
    ///
    /// # Errors
    ///
    /// [`Full`] if as many children run as may.
    pub fn try_reserve(&self) -> Result<TrySlot<'_, 'env, E>, Full> {
        Ok(TrySlot { scope: self, slot: self.supervised().try_reserve()? })
    }
}

/// A place for one child in a [`try_scope`](fn@crate::try_scope) with a bound: see [`TryScope::reserve`].
/// Dropped unused, it is free for others.
#[must_use = "a place starts nothing: call `spawn` or `fork` on it"]
pub struct TrySlot<'s, 'env, E> {
    scope: &'s TryScope<'env, E>,
    slot: Slot<'s, 'env>,
}

impl<'env, E> TrySlot<'_, 'env, E> {
    /// As [`TryScope::spawn`], in this place.
    #[track_caller]
    pub fn spawn<F, U>(self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        let work = Attempt::new(future, self.scope.failing(), Location::caller());
        Child::of_attempt(self.slot.spawn(work))
    }

    /// As [`TryScope::fork`], in this place.
    #[track_caller]
    pub fn fork<F, U>(self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'env,
        U: Send + 'env,
        E: Send + 'env,
    {
        let work = Attempt::new(future, self.scope.failing(), Location::caller());
        Child::of_attempt(self.slot.fork(work))
    }
}

impl<E> fmt::Debug for TrySlot<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrySlot").field(&self.slot).finish()
    }
}
