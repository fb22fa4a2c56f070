//! The errors of a `try_scope`: where they are collected, and the list of them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{mem, slice, vec};

use pin_project_lite::pin_project;

use crate::ground::error::Cancelled;
use crate::ground::panics;
use crate::ground::reason::{Kind, Reason};
use crate::ground::sync::Lock;
use crate::ground::unhandled::Unhandled;
use crate::tree::{NodeRef, Site};

/// Where the errors of one scope go. Each comes out once (I22): to whoever awaits the scope, or, if
/// nobody is left to, to the hook.
pub(super) struct Collector<E> {
    /// Where the scope was opened.
    site: Site,
    /// How an error is reported. Written down where it is known that errors can be shown.
    report: fn(&E, Site),
    state: Lock<State<E>>,
}

struct State<E> {
    /// In the order in which they came.
    errors: Vec<E>,
    /// Nobody is going to ask any more.
    is_closed: bool,
}

impl<E> Collector<E> {
    fn add(&self, error: E) {
        let mut state = self.state.lock();
        if state.is_closed {
            drop(state);
            self.report(error);
        } else {
            state.errors.push(error);
        }
    }

    /// From now on errors are reported as they come. Gives those that have come by now.
    fn close(&self) -> Vec<E> {
        let mut state = self.state.lock();
        state.is_closed = true;
        mem::take(&mut state.errors)
    }

    /// Reports an error and drops it. Neither its text nor its destructor may unwind from here: there
    /// may be others to report, and the caller may be a destructor.
    fn report(&self, error: E) {
        let reported = panics::catch(|| (self.report)(&error, self.site));
        panics::drop_quietly(error);
        if let Err(panic) = reported {
            panics::discard(panic);
        }
    }
}

/// The future's own hold on the collector: with it goes the last one to ask. If it is forgotten, the
/// errors leak with it (R19).
pub(super) struct Collected<E>(Arc<Collector<E>>);

impl<E> Collected<E> {
    pub(super) fn new(site: Site) -> Self
    where
        E: fmt::Debug,
    {
        Self(Arc::new(Collector {
            site,
            report: |error, site| Unhandled::error(error, site).report(),
            state: Lock::new(State { errors: Vec::new(), is_closed: false }),
        }))
    }

    pub(super) fn collector(&self) -> Arc<Collector<E>> {
        Arc::clone(&self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.state.lock().errors.is_empty()
    }

    /// Takes what has come, when the scope has ended.
    pub(super) fn take(&self) -> Vec<E> {
        self.0.close()
    }

    /// Reports what is not going to be returned.
    pub(super) fn report(&self, errors: impl IntoIterator<Item = E>) {
        errors.into_iter().for_each(|error| self.0.report(error));
    }
}

impl<E> Drop for Collected<E> {
    fn drop(&mut self) {
        // A panic was resumed, or the future was dropped.
        self.report(self.0.close());
    }
}

/// What fails with an error fails this scope.
pub(super) struct Failing<E> {
    errors: Arc<Collector<E>>,
    scope: NodeRef,
}

impl<E> Failing<E> {
    pub(super) fn new(errors: Arc<Collector<E>>, scope: NodeRef) -> Self {
        Self { errors, scope }
    }

    /// The error goes to the scope, which is cancelled: a request like any other (I1), but never a soft
    /// one.
    pub(super) fn fail(&self, error: E, site: Site) {
        self.errors.add(error);
        self.scope.cancel(|| Reason::at(Kind::ChildFailed, site));
    }
}

pin_project! {
    /// The body of a `try_scope`, or a child, or a finalizer of it. An error goes to the scope, which is
    /// cancelled in that same poll, before anybody can learn that there is no value.
    pub(super) struct Attempt<F, E> {
        #[pin]
        work: F,
        failing: Failing<E>,
        // Where it was started.
        site: Site,
    }
}

impl<F, E> Attempt<F, E> {
    pub(super) fn new(work: F, failing: Failing<E>, site: Site) -> Self {
        Self { work, failing, site }
    }
}

impl<F, T, E> Future for Attempt<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        this.work.poll(cx).map(|outcome| match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                this.failing.fail(error, this.site);
                None
            }
        })
    }
}

/// All errors of a scope, the first one first: see
/// [`collect_errors`](crate::TryScopeFuture::collect_errors).
///
/// It is empty if the scope was cancelled without any; then [`cancelled`](Self::cancelled) says why.
///
/// Shown, it lists all of them. So none of them is its [`source`](Error::source): they would be shown
/// twice.
#[derive(Clone, Debug)]
pub struct Errors<E> {
    errors: Vec<E>,
    cancelled: Option<Cancelled>,
}

impl<E> Errors<E> {
    /// At least one.
    pub(super) fn all(errors: Vec<E>) -> Self {
        Self { errors, cancelled: None }
    }

    pub(super) fn none(cancelled: Cancelled) -> Self {
        Self { errors: Vec::new(), cancelled: Some(cancelled) }
    }

    /// The first one: what the scope would have returned without `collect_errors`.
    #[must_use]
    pub fn first(&self) -> Option<&E> {
        self.errors.first()
    }

    /// All of them, in the order in which they came.
    pub fn iter(&self) -> slice::Iter<'_, E> {
        self.errors.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// Whether there are none: the scope was cancelled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All of them, by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<E> {
        self.errors
    }

    /// Why there is no value, if there was no error: the scope was cancelled.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        self.cancelled.as_ref()
    }
}

impl<E> IntoIterator for Errors<E> {
    type Item = E;
    type IntoIter = vec::IntoIter<E>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

impl<'a, E> IntoIterator for &'a Errors<E> {
    type Item = &'a E;
    type IntoIter = slice::Iter<'a, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E: fmt::Display> fmt::Display for Errors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cancelled, self.errors.as_slice()) {
            (Some(cancelled), []) => cancelled.fmt(f),
            (_, [error]) => error.fmt(f),
            (_, errors) => {
                write!(f, "{} errors", errors.len())?;
                for (n, error) in errors.iter().enumerate() {
                    write!(f, "{} {error}", if n == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for Errors<E> {}
