//! `TryScope<'env, E>`: what the body of a `try_scope` receives, a handle that can start children whose
//! errors are the scope's.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::child::Child;
use super::errors::{Attempt, Collector, Failing};
use super::handle::CancelScope;
use super::scope_handle::{Named, Scope, Spawner};
use crate::tree::Site;

/// A [`try_scope`](fn@crate::try_scope) as its body sees it: a [`CancelScope`] that can also start
/// children, whose errors are the scope's.
///
/// It is given to the body by value and can be cloned into children. For `'env` see
/// [`Scope`](crate::Scope).
///
/// What is started here gives a `Result<_, E>`. The handle of a child gives its value; if the child
/// failed, the error is the scope's, and the handle gives `Err(Cancelled)` with kind
/// [`ChildFailed`](crate::Kind::ChildFailed).
///
/// Where a handle has no value to give and whoever awaits it is cancelled himself, it gives nothing at
/// all: the `.await` does not return, and is dropped. So `child.await?` in the body makes no second
/// error of the first one.
pub struct TryScope<'env, E> {
    scope: Scope<'env>,
    errors: Arc<Collector<E>>,
}

impl<'env, E> TryScope<'env, E> {
    pub(super) fn new(scope: Scope<'env>, errors: Arc<Collector<E>>) -> Self {
        Self { scope, errors }
    }

    pub(super) fn failing(&self) -> Failing<E> {
        Failing::new(Arc::clone(&self.errors), self.scope.node().clone())
    }

    /// Something that may fail, and then fails this scope.
    fn attempt<F>(&self, future: F, site: Site) -> Attempt<F, E> {
        Attempt::new(future, self.failing(), site)
    }

    /// Starts a child that runs in parallel, as [`Scope::spawn`] does. If it returns an error, that is
    /// the scope's, and the body and the other children are cancelled.
    #[track_caller]
    pub fn spawn<F, U>(&self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        Child::of_attempt(self.scope.spawn(self.attempt(future, Location::caller())))
    }

    /// Starts a child that is polled in place and may borrow, as [`Scope::fork`] does. If it returns an
    /// error, that is the scope's, and the body and the other children are cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let text = String::from("7 eleven");
    /// let sum = umbel::try_scope(async |s| -> anyhow::Result<u32> {
    ///     let (left, right) = text.split_once(' ').unwrap();
    ///     let left = s.fork(async move { Ok(left.parse::<u32>()?) });
    ///     let right = s.fork(async move { Ok(right.parse::<u32>()?) });
    ///     Ok(left.await? + right.await?)
    /// })
    /// .await;
    /// assert!(sum.unwrap_err().is::<std::num::ParseIntError>());
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn fork<F, U>(&self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'env,
        U: Send + 'env,
        E: Send + 'env,
    {
        Child::of_attempt(self.scope.fork(self.attempt(future, Location::caller())))
    }

    /// Starts a child that serves the others, as [`Scope::service`] does. If it returns an error, that
    /// is the scope's.
    #[track_caller]
    pub fn service<F, U>(&self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        Child::of_attempt(self.scope.service(self.attempt(future, Location::caller())))
    }

    /// Has `cleanup` run at the end of the scope, as [`Scope::defer`] does. If it returns an error, that
    /// is the scope's, also when the scope is cancelled already.
    #[track_caller]
    pub fn defer<F>(&self, limit: Duration, cleanup: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Send + 'static,
    {
        self.scope.defer(limit, self.finalizer(cleanup, Location::caller()));
    }

    /// As [`defer`](Self::defer), for as long as it takes. If `cleanup` never ends, neither does the
    /// scope.
    #[track_caller]
    pub fn defer_unbounded<F>(&self, cleanup: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Send + 'static,
    {
        self.scope.defer_unbounded(self.finalizer(cleanup, Location::caller()));
    }

    fn finalizer<F>(&self, cleanup: F, site: Site) -> impl Future<Output = ()> + use<F, E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let attempt = self.attempt(cleanup, site);
        async move {
            // An error has gone its way.
            let (Some(()) | None) = attempt.await;
        }
    }

    /// Gives the next child a name, for pictures, reasons and logs.
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> TryNamed<'_, 'env, E> {
        TryNamed { scope: self, named: self.scope.named(name) }
    }

    /// The same scope as a plain one. What is started there gives its outcome to its handle alone: an
    /// `Err` is a value, and cancels nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::io;
    ///
    /// let outcome = umbel::try_scope(async |s| -> io::Result<u16> {
    ///     let first = s.supervised().spawn(async { Err::<u16, _>("this one is down") });
    ///     let second = s.spawn(async { Ok(80) });
    ///     match first.await? {
    ///         Ok(port) => Ok(port),
    ///         Err(_) => Ok(second.await?), // was not cancelled
    ///     }
    /// })
    /// .await;
    /// assert_eq!(outcome.unwrap(), 80);
    /// # }
    /// ```
    #[must_use]
    pub fn supervised(&self) -> &Scope<'env> {
        &self.scope
    }

    /// A handle to this scope that cannot start children, to be given away.
    #[must_use]
    pub fn handle(&self) -> CancelScope {
        self.scope.handle()
    }

    /// A handle that can spawn into this scope and is `'static`, to be moved into spawned children
    /// and threads when `'env` borrows.
    #[must_use]
    pub fn spawner(&self) -> TrySpawner<E> {
        TrySpawner { spawner: self.scope.spawner(), errors: Arc::clone(&self.errors) }
    }
}

impl<E> Clone for TryScope<'_, E> {
    fn clone(&self) -> Self {
        Self { scope: self.scope.clone(), errors: Arc::clone(&self.errors) }
    }
}

impl<E> Deref for TryScope<'_, E> {
    type Target = CancelScope;

    fn deref(&self) -> &CancelScope {
        &self.scope
    }
}

impl<E> fmt::Debug for TryScope<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryScope").field(&**self).finish()
    }
}

/// A scope that is about to start a child with a name: see [`TryScope::named`].
#[must_use = "a name starts nothing: call `spawn` or `fork` on it"]
pub struct TryNamed<'s, 'env, E> {
    scope: &'s TryScope<'env, E>,
    named: Named<'s, 'env>,
}

impl<'env, E> TryNamed<'_, 'env, E> {
    /// As [`TryScope::spawn`].
    #[track_caller]
    pub fn spawn<F, U>(self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        Child::of_attempt(self.named.spawn(self.scope.attempt(future, Location::caller())))
    }

    /// As [`TryScope::service`].
    #[track_caller]
    pub fn service<F, U>(self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        Child::of_attempt(self.named.service(self.scope.attempt(future, Location::caller())))
    }

    /// As [`TryScope::fork`].
    #[track_caller]
    pub fn fork<F, U>(self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'env,
        U: Send + 'env,
        E: Send + 'env,
    {
        Child::of_attempt(self.named.fork(self.scope.attempt(future, Location::caller())))
    }
}

impl<E> fmt::Debug for TryNamed<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryNamed").field(&self.named).finish()
    }
}

/// A `'static` handle to a [`try_scope`](fn@crate::try_scope) that can spawn: see
/// [`TryScope::spawner`].
pub struct TrySpawner<E> {
    spawner: Spawner,
    errors: Arc<Collector<E>>,
}

impl<E> TrySpawner<E> {
    /// As [`TryScope::spawn`].
    #[track_caller]
    pub fn spawn<F, U>(&self, future: F) -> Child<U>
    where
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        let failing = Failing::new(Arc::clone(&self.errors), self.spawner.handle.0.clone());
        let attempt = Attempt::new(future, failing, Location::caller());
        Child::of_attempt(self.spawner.spawn(attempt))
    }
}

impl<E> Clone for TrySpawner<E> {
    fn clone(&self) -> Self {
        Self { spawner: self.spawner.clone(), errors: Arc::clone(&self.errors) }
    }
}

impl<E> Deref for TrySpawner<E> {
    type Target = CancelScope;

    fn deref(&self) -> &CancelScope {
        &self.spawner
    }
}

impl<E> fmt::Debug for TrySpawner<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrySpawner").field(&self.spawner).finish()
    }
}
