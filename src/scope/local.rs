//! Local scopes: for children that are not `Send`, on the thread where the scope is polled.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

use super::aside::Standing;
use super::begin::Begin;
use super::child::Child;
use super::future::ScopeFuture;
use super::scope_handle::Scope;
use super::{fork, spawn};
use crate::ground::runtime::Host;
use crate::tree::{Role, Site};

/// Neither `Send` nor `Sync`.
type Here = PhantomData<*const ()>;

/// A [`scope`](fn@crate::scope) whose children need not be `Send`.
///
/// It stays on one thread: neither its future nor the [`LocalScope`] that the body receives is `Send`. So
/// it is awaited in a `block_on`, in `main`, in a `LocalSet`, in a
/// [pinned child](crate::Scope::spawn_pinned), and not in a task of `tokio::spawn`. In all else it is a
/// scope, with the same options.
///
/// # Outcomes
///
/// As those of a [`scope`](fn@crate::scope).
///
/// # Panics
///
/// As a [`scope`](fn@crate::scope).
///
/// # Cancel safety
///
/// As that of a [`scope`](fn@crate::scope).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::{cell::Cell, rc::Rc};
///
/// let sum = Rc::new(Cell::new(0));
/// umbel::local_scope(async |s| {
///     for n in 1..=3 {
///         let sum = Rc::clone(&sum);
///         s.fork(async move { sum.set(sum.get() + n) });
///     }
/// })
/// .await
/// .unwrap();
/// assert_eq!(sum.get(), 6);
/// # }
/// ```
#[track_caller]
pub fn local_scope<'env, B, F>(body: B) -> ScopeFuture<'env, LocalBegin<B>, F>
where
    B: FnOnce(LocalScope<'env>) -> F,
    F: Future,
{
    let begin = LocalBegin { body, here: PhantomData };
    ScopeFuture::new(Some(begin), None, Role::Scope, Location::caller())
}

/// Makes the body of a local scope.
///
/// INVARIANT: it is in the type of the scope's future for as long as that exists, and makes it `!Send`:
/// see `erased`.
#[derive(Debug)]
pub struct LocalBegin<B> {
    body: B,
    here: Here,
}

impl<'env, B, F> Begin<'env, F> for LocalBegin<B>
where
    B: FnOnce(LocalScope<'env>) -> F,
    F: Future,
{
    fn begin(self, scope: Scope<'env>) -> F {
        (self.body)(LocalScope { scope, here: self.here })
    }
}

/// A [`Scope`] that stays on its thread, and takes children that are not `Send`: see [`local_scope`].
///
/// What a [`Scope`] can do, it can too. Clones of [`scope()`](Self::scope) may go to other threads; the
/// children that they start are `Send`.
#[derive(Clone)]
pub struct LocalScope<'env> {
    scope: Scope<'env>,
    here: Here,
}

impl<'env> LocalScope<'env> {
    /// As [`Scope::fork`], of a future that need not be `Send`. Needs no runtime.
    #[track_caller]
    pub fn fork<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        fork::fork_local(self, None, Location::caller(), future)
    }

    /// As [`Scope::spawn`], of a future that need not be `Send`, as a task of the `LocalSet` or tokio
    /// `LocalRuntime` that the caller is in. It runs when that is driven; and so the scope must be awaited
    /// where it is.
    ///
    /// # Outcomes
    ///
    /// As [`Scope::spawn`]: a `LocalSet` that is dropped is a runtime that is shut down.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalSet` and a `LocalRuntime`, as [`tokio::task::spawn_local`] does. The child has
    /// been dropped unpolled by then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// // A `LocalSet` is part of the runtime of `umbel::block_on`.
    /// let length = umbel::block_on(umbel::local_scope(async |s| {
    ///     let text: Rc<str> = "not Send".into();
    ///     s.spawn_local(async move { text.len() }).await
    /// }));
    /// assert_eq!(length.unwrap().unwrap(), 8);
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> Child<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_local(self, None, Location::caller(), future)
    }

    /// As [`Scope::named`].
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> LocalNamed<'_, 'env> {
        LocalNamed { scope: self, name: name.into() }
    }

    /// The scope as others know it, to be cloned and sent away.
    #[must_use]
    pub fn scope(&self) -> &Scope<'env> {
        &self.scope
    }
}

impl<'env> Deref for LocalScope<'env> {
    type Target = Scope<'env>;

    fn deref(&self) -> &Scope<'env> {
        &self.scope
    }
}

impl fmt::Debug for LocalScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalScope").field(&self.scope.handle).finish()
    }
}

/// A local scope that is about to start a child with a name: see [`LocalScope::named`]. For children of
/// the other kinds, `s.scope().named(..)`.
#[derive(Debug)]
#[must_use = "a name starts nothing: call `fork` or `spawn_local` on it"]
pub struct LocalNamed<'s, 'env> {
    scope: &'s LocalScope<'env>,
    name: Cow<'static, str>,
}

impl<'env> LocalNamed<'_, 'env> {
    /// As [`LocalScope::fork`].
    #[track_caller]
    pub fn fork<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        fork::fork_local(self.scope, Some(self.name), Location::caller(), future)
    }

    /// As [`LocalScope::spawn_local`].
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Child<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_local(self.scope, Some(self.name), Location::caller(), future)
    }
}

#[track_caller]
fn spawn_local<F>(
    scope: &LocalScope<'_>,
    name: Option<Cow<'static, str>>,
    site: Site,
    future: F,
) -> Child<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let scope = &scope.scope.handle.0;
    let launch = |_: &Host, task| Host::spawn_local(task);
    spawn::start(scope, Role::Task, name, site, Standing::InLine, future, launch)
}
