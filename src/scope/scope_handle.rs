//! `Scope<'env>`: what the body of a scope receives, a handle that can start children.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::time::Duration;

use super::child::Child;
use super::handle::CancelScope;
use super::{finalize, fork, spawn};
use crate::tree::{NodeRef, Role};

/// A scope as its body sees it: a [`CancelScope`] that can also start children.
///
/// It is given to the body by value and can be cloned into children. `'env` is the lifetime of what
/// forked children may borrow: things that were there before the scope's future was made, and so
/// outlive it. What the body itself creates can be moved into children, not borrowed by them.
#[derive(Clone)]
pub struct Scope<'env> {
    pub(super) handle: CancelScope,
    /// Invariant: a fork must live as long as the future that will poll it believes.
    env: PhantomData<fn(&'env ()) -> &'env ()>,
}

impl<'env> Scope<'env> {
    /// Only for the `ScopeFuture<'env>` that owns the node: see `erased`.
    pub(super) fn new(node: NodeRef) -> Self {
        Self { handle: CancelScope(node), env: PhantomData }
    }

    pub(super) fn node(&self) -> &NodeRef {
        &self.handle.0
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
        spawn::spawn(&self.handle.0, Role::Task, None, Location::caller(), future)
    }

    /// Starts a child that is polled in place, by the scope's own future, and may borrow (`'env`).
    ///
    /// Concurrent with the body and the other forks, never parallel to them. It ends with the scope's
    /// future in every case, also when that is dropped (R18). Otherwise as [`spawn`](Self::spawn).
    ///
    /// `Send` is asked for so that the scope's future is `Send` when its body is. A
    /// [`local_scope`](crate::local_scope) takes forks that are not `Send`; and the body itself, with all
    /// that it awaits, need not be.
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

    /// Starts a child that serves the others: it is cancelled when the body and all ordinary children
    /// have ended (R15), so it may run for ever. Otherwise as [`spawn`](Self::spawn); a service that
    /// panics fails the scope like any child.
    ///
    /// While the services are on their way to the end, nothing more is admitted to the scope.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    ///
    /// umbel::scope(async |s| {
    ///     s.service(async {
    ///         loop {
    ///             tokio::time::sleep(Duration::from_secs(1)).await; // and send a heartbeat
    ///         }
    ///     });
    ///     tokio::time::sleep(Duration::from_secs(3)).await; // the work
    /// })
    /// .await
    /// .unwrap();
    /// # }
    /// ```
    #[track_caller]
    pub fn service<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn(&self.handle.0, Role::Service, None, Location::caller(), future)
    }

    /// Has `cleanup` run when the body is over and all children have ended, before the scope returns
    /// (R16): whatever happens to the scope, also when its future is dropped (R18).
    ///
    /// Finalizers run one after another, the last one first. Each is a [`shield`](crate::shield) of its
    /// own: a cancellation does not stop it, only `limit` does, counted from its start. All are run, even
    /// if some panic; the first panic is resumed by the scope's future. A finalizer that its limit has
    /// cut off is reported: see [`set_unhandled_hook`](crate::set_unhandled_hook).
    ///
    /// When the scope's future is dropped half way, its finalizers run on the scope's runtime, and the
    /// nearest enclosing scope waits for them as it does for children; without one,
    /// [`drain`](crate::drain) does. On a scope that has ended a finalizer runs at once, in that way.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use tokio::{sync::mpsc, time::sleep};
    ///
    /// let (log, mut written) = mpsc::unbounded_channel();
    /// let outcome = umbel::scope(async |s| {
    ///     let goodbye = log.clone();
    ///     s.defer(Duration::from_secs(5), async move {
    ///         sleep(Duration::from_millis(20)).await;
    ///         goodbye.send("said goodbye").unwrap();
    ///     });
    ///     s.cancel();
    ///     std::future::pending::<()>().await
    /// })
    /// .await;
    /// assert!(outcome.is_err());
    /// assert_eq!(written.try_recv().unwrap(), "said goodbye");
    /// # }
    /// ```
    #[track_caller]
    pub fn defer<F>(&self, limit: Duration, cleanup: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        finalize::defer(&self.handle.0, Some(limit), Location::caller(), cleanup);
    }

    /// As [`defer`](Self::defer), for as long as it takes. If `cleanup` never ends, neither does the
    /// scope.
    #[track_caller]
    pub fn defer_unbounded<F>(&self, cleanup: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        finalize::defer(&self.handle.0, None, Location::caller(), cleanup);
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
    pub(super) scope: &'s Scope<'env>,
    pub(super) name: Cow<'static, str>,
}

impl<'env> Named<'_, 'env> {
    /// As [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn(&self.scope.handle.0, Role::Task, Some(self.name), Location::caller(), future)
    }

    /// As [`Scope::service`].
    #[track_caller]
    pub fn service<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (scope, site) = (&self.scope.handle.0, Location::caller());
        spawn::spawn(scope, Role::Service, Some(self.name), site, future)
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
    pub(super) handle: CancelScope,
}

impl Spawner {
    /// As [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn(&self.handle.0, Role::Task, None, Location::caller(), future)
    }
}

impl Deref for Spawner {
    type Target = CancelScope;

    fn deref(&self) -> &CancelScope {
        &self.handle
    }
}
