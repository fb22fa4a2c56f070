//! `Scope<'env>`: what the body of a scope receives, a handle that can start children.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

use super::child::Child;
use super::handle::CancelScope;
use super::{fork, spawn};
use crate::tree::NodeRef;

/// A scope as its body sees it: a [`CancelScope`] that can also start children.
///
/// It is given to the body by value and can be cloned into children. `'env` is the lifetime of what
/// forked children may borrow: things that were there before the scope's future was made, and so
/// outlive it. What the body itself creates can be moved into children, not borrowed by them.
#[derive(Clone)]
pub struct Scope<'env> {
    handle: CancelScope,
    /// Invariant: a fork must live as long as the future that will poll it believes.
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

impl<'env> Scope<'env> {
    /// Only for the `ScopeFuture<'env>` that owns the node: see `erased`.
    pub(super) fn new(node: NodeRef) -> Self {
        Self { handle: CancelScope(node), env: PhantomData }
    }

    /// Starts a child that runs in parallel, on the runtime the scope was opened in, whichever thread
    /// or runtime this is called from (R13).
    ///
    /// The scope's future does not return before the child has ended and its future is dropped
    /// (R12). Dropping the returned handle neither cancels nor detaches it.
    ///
    /// # Outcomes
    ///
    /// If the scope is cancelled or has ended, the future is dropped unpolled before this returns, and
    /// the handle says so. Without a tokio runtime, or when that was shut down, likewise, and the
    /// scope is cancelled with [`Kind::Shutdown`](crate::Kind::Shutdown): work that was asked for did
    /// not happen.
    ///
    /// # Panics
    ///
    /// Never. If the child panics, its siblings and the body are cancelled, all are waited for, and
    /// the panic is resumed by the scope's future (R14).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn(&self.handle.0, None, Location::caller(), future)
    }

    /// Starts a child that is polled in place, by the scope's own future, and may borrow (`'env`).
    ///
    /// Concurrent with the body and the other forks, never parallel to them. It ends with the scope's
    /// future in every case, also when that is dropped (R18). Otherwise as [`spawn`](Self::spawn).
    ///
    /// `Send` is asked for so that the scope's future is `Send` when its body is. Work that is not
    /// `Send` needs no fork to be concurrent: await it in the body, with `join!` or a
    /// `FuturesUnordered`; the body itself need not be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut halves = [1, 2, 3, 4];
    /// let (left, right) = halves.split_at_mut(2);
    /// umbel::scope(async |s| {
    ///     s.fork(async move { left.reverse() });
    ///     s.fork(async move { right.reverse() });
    /// })
    /// .await
    /// .unwrap();
    /// assert_eq!(halves, [2, 1, 4, 3]);
    /// # }
    /// ```
    #[track_caller]
    pub fn fork<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        fork::fork::<F>(&self.handle.0, None, Location::caller(), future)
    }

    /// Gives the next child a name, for pictures, reasons and logs.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// umbel::scope(async |s| {
    ///     let child = s.named("fetch header").spawn(async { 7 });
    ///     assert_eq!(child.name().as_deref(), Some("fetch header"));
    /// })
    /// .await
    /// .unwrap();
    /// # }
    /// ```
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> Named<'_, 'env> {
        Named { scope: self, name: name.into() }
    }

    /// A handle to this scope that cannot start children, to be given away.
    #[must_use]
    pub fn handle(&self) -> CancelScope {
        self.handle.clone()
    }

    /// A handle that can spawn into this scope and is `'static`, to be moved into spawned children
    /// and threads when `'env` borrows.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner { handle: self.handle.clone() }
    }
}

impl Deref for Scope<'_> {
    type Target = CancelScope;

    fn deref(&self) -> &CancelScope {
        &self.handle
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.handle).finish()
    }
}

/// A scope that is about to start a child with a name: see [`Scope::named`].
#[derive(Debug)]
#[must_use = "a name starts nothing: call `spawn` or `fork` on it"]
pub struct Named<'s, 'env> {
    scope: &'s Scope<'env>,
    name: Cow<'static, str>,
}

impl<'env> Named<'_, 'env> {
    /// As [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn(&self.scope.handle.0, Some(self.name), Location::caller(), future)
    }

    /// As [`Scope::fork`].
    #[track_caller]
    pub fn fork<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        fork::fork::<F>(&self.scope.handle.0, Some(self.name), Location::caller(), future)
    }
}

/// A `'static` handle to a scope that can spawn: see [`Scope::spawner`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// umbel::scope(async |s| {
///     let spawner = s.spawner();
///     // A child that starts a sibling of its own.
///     s.spawn(async move { spawner.spawn(async { "sibling" }) });
/// })
/// .await
/// .unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Spawner {
    handle: CancelScope,
}

impl Spawner {
    /// As [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn(&self.handle.0, None, Location::caller(), future)
    }
}

impl Deref for Spawner {
    type Target = CancelScope;

    fn deref(&self) -> &CancelScope {
        &self.handle
    }
}
