//! A scope of things that may fail: the first error cancels the others and is returned.
//!
//! It is a plain scope around a body that keeps its error to itself. What is added is one list, in which
//! the errors of the body, the children and the finalizers meet (see `errors`): whoever adds to it cancels
//! the scope, and when the scope has ended the list decides.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::begin::Begin;
use super::errors::{Attempt, Collected, Collector, Errors, Failing};
use super::future::ScopeFuture;
use super::handle::CancelScope;
use super::scope_handle::Scope;
use super::try_handle::TryScope;
use crate::context::local::ScopeLocal;
use crate::ground::error::Cancelled;
use crate::tree::{Role, Site};

/// Opens a [`scope`](fn@crate::scope) in which errors count: the first one, of the body or of a child,
/// cancels the rest, and is returned when all of them have ended.
///
/// The body gives a `Result<T, E>`, and so do the children that are started on its [`TryScope`]. Their
/// errors need nobody to await them. With `?` in the body the type of the error has to be said once:
/// `async |s| -> anyhow::Result<_> { .. }`.
///
/// # Errors
///
/// The first error that there was, whatever the body returned: a value of the body does not hide the
/// error of a child (R14). Later ones, which arise while the others clean up, are reported (see
/// [`set_unhandled_hook`](crate::set_unhandled_hook)), or returned as well: see
/// [`collect_errors`](TryScopeFuture::collect_errors).
///
/// If there was no error, and the scope was cancelled (by hand, by its deadline), `E::from(Cancelled)`.
///
/// A failure counts one request on this scope, of kind [`ChildFailed`](crate::Kind::ChildFailed), and
/// none anywhere else (R1). It is never a soft one: a [`grace`](TryScopeFuture::grace) is not granted.
///
/// # Panics
///
/// As [`scope`](fn@crate::scope). A panic beats an error: it is resumed, and the errors are reported.
///
/// # Cancel safety
///
/// As [`scope`](fn@crate::scope). The errors that there have been, or still are to come, are reported.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::{future::pending, time::Duration};
///
/// #[derive(Debug)]
/// enum Failure {
///     Refused(u16),
///     Cancelled,
/// }
///
/// impl From<umbel::Cancelled> for Failure {
///     fn from(_: umbel::Cancelled) -> Self {
///         Self::Cancelled
///     }
/// }
///
/// async fn connect(port: u16) -> Result<u16, Failure> {
///     tokio::time::sleep(Duration::from_millis(u64::from(port))).await;
///     if port == 80 { Err(Failure::Refused(port)) } else { Ok(port) }
/// }
///
/// let both = umbel::try_scope(async |s| {
///     let secure = s.spawn(connect(443));
///     let plain = s.spawn(connect(80));
///     Ok((secure.await?, plain.await?)) // the other one is not waited for in vain
/// })
/// .await;
/// assert!(matches!(both, Err(Failure::Refused(80))));
///
/// let late: Result<(), Failure> =
///     umbel::try_scope(async |_| pending().await).timeout(Duration::from_secs(1)).await;
/// assert!(matches!(late, Err(Failure::Cancelled)));
/// # }
/// ```
#[track_caller]
pub fn try_scope<'env, B, F, T, E>(body: B) -> TryScopeFuture<'env, B, F, T, E>
where
    B: FnOnce(TryScope<'env, E>) -> F,
    F: Future<Output = Result<T, E>>,
    E: fmt::Debug,
{
    let site = Location::caller();
    let errors = Collected::new(site);
    let start = TryBegin { start: body, errors: errors.collector(), site };
    TryScopeFuture { scope: ScopeFuture::new(Some(start), None, Role::Scope, site), errors }
}

/// What makes the body: the user's closure, and what its handle needs.
struct TryBegin<B, E> {
    start: B,
    errors: Arc<Collector<E>>,
    site: Site,
}

impl<'env, B, F, T, E> Begin<'env, Attempt<F, E>> for TryBegin<B, E>
where
    B: FnOnce(TryScope<'env, E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    fn begin(self, scope: Scope<'env>) -> Attempt<F, E> {
        let node = scope.handle.0.clone();
        let body = (self.start)(TryScope::new(scope, Arc::clone(&self.errors)));
        Attempt::new(body, Failing::new(self.errors, node), self.site)
    }
}

pin_project! {
    /// The future of a [`try_scope`](fn@crate::try_scope). Options are set on it before it is awaited.
    #[must_use = "a scope does nothing until it is awaited"]
    pub struct TryScopeFuture<'env, B, F, T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        #[pin]
        scope: ScopeFuture<'env, TryBegin<B, E>, Attempt<F, E>>,
        // Dropped after the scope: what is left is reported then.
        errors: Collected<E>,
    }
}

/// How a `try_scope` ended.
enum End<T, E> {
    Value(T),
    /// At least one error.
    Failed(Vec<E>),
    Cancelled(Cancelled),
}

impl<'env, B, F, T, E> TryScopeFuture<'env, B, F, T, E>
where
    B: FnOnce(TryScope<'env, E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<T, E>> {
        let this = self.project();
        let outcome = ready!(this.scope.poll(cx));
        if !this.errors.is_empty() {
            // Before the errors are taken: if the value's destructor panics, they are reported.
            drop(outcome);
            return Poll::Ready(End::Failed(this.errors.take()));
        }
        Poll::Ready(match outcome {
            Ok(Some(value)) => End::Value(value),
            Ok(None) => unreachable!("a body without a value has left its error"),
            Err(cancelled) => End::Cancelled(cancelled),
        })
    }
}

impl<'env, B, F, T, E> Future for TryScopeFuture<'env, B, F, T, E>
where
    B: FnOnce(TryScope<'env, E>) -> F,
    F: Future<Output = Result<T, E>>,
    E: From<Cancelled>,
{
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        Poll::Ready(match ready!(self.as_mut().poll_end(cx)) {
            End::Value(value) => Ok(value),
            End::Failed(mut errors) => {
                let first = errors.remove(0);
                self.errors.report(errors);
                Err(first)
            }
            End::Cancelled(cancelled) => Err(E::from(cancelled)),
        })
    }
}

impl<B, F, T, E> TryScopeFuture<'_, B, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    /// As [`ScopeFuture::name`].
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.scope = self.scope.name(name);
        self
    }

    /// As [`ScopeFuture::timeout`], with an error `E::from(Cancelled)`. Panics as that does.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.scope = self.scope.timeout(limit);
        self
    }

    /// As [`ScopeFuture::deadline`], with an error `E::from(Cancelled)`. Panics as that does.
    pub fn deadline(mut self, at: impl Into<Instant>) -> Self {
        self.scope = self.scope.deadline(at);
        self
    }

    /// As [`ScopeFuture::grace`]. A failure is not softened.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.scope = self.scope.grace(grace);
        self
    }

    /// As [`ScopeFuture::max_children`]. Panics as that does.
    #[track_caller]
    pub fn max_children(mut self, max: usize) -> Self {
        self.scope = self.scope.max_children(max);
        self
    }

    /// As [`ScopeFuture::local`].
    pub fn local<L>(mut self, local: &'static ScopeLocal<L>, value: L) -> Self
    where
        L: Send + Sync + 'static,
    {
        self.scope = self.scope.local(local, value);
        self
    }

    /// As [`ScopeFuture::handle`].
    pub fn handle(&mut self) -> CancelScope {
        self.scope.handle()
    }

    /// [`handle`](Self::handle), in the middle of a chain.
    pub fn with_handle(mut self) -> (Self, CancelScope) {
        let handle = self.handle();
        (self, handle)
    }
}

impl<'env, B, F, T, E> TryScopeFuture<'env, B, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    /// Has all errors returned, and not the first one alone. A cancellation is then no `E`, and need not
    /// become one. To be called last: the options are set before.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use tokio::time::sleep;
    ///
    /// let errors = umbel::try_scope(async |s| {
    ///     s.defer(Duration::from_secs(1), async {
    ///         sleep(Duration::from_millis(20)).await;
    ///         Err("and could not say goodbye")
    ///     });
    ///     s.spawn(async { Err::<(), _>("no answer") });
    ///     std::future::pending::<Result<(), _>>().await
    /// })
    /// .collect_errors()
    /// .await
    /// .unwrap_err();
    /// assert_eq!(errors.to_string(), "2 errors: no answer; and could not say goodbye");
    /// # }
    /// ```
    pub fn collect_errors(self) -> CollectErrors<'env, B, F, T, E> {
        CollectErrors { attempt: self }
    }
}

impl<B, F, T, E> fmt::Debug for TryScopeFuture<'_, B, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryScopeFuture").field(&self.scope).finish()
    }
}

pin_project! {
    /// The future of [`TryScopeFuture::collect_errors`].
    #[must_use = "a scope does nothing until it is awaited"]
    pub struct CollectErrors<'env, B, F, T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        #[pin]
        attempt: TryScopeFuture<'env, B, F, T, E>,
    }
}

impl<'env, B, F, T, E> Future for CollectErrors<'env, B, F, T, E>
where
    B: FnOnce(TryScope<'env, E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Errors<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().attempt.poll_end(cx)) {
            End::Value(value) => Ok(value),
            End::Failed(errors) => Err(Errors::all(errors)),
            End::Cancelled(cancelled) => Err(Errors::none(cancelled)),
        })
    }
}

impl<B, F, T, E> fmt::Debug for CollectErrors<'_, B, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CollectErrors").field(&self.attempt).finish()
    }
}
