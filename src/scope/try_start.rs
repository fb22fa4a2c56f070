//! Readiness in a `try_scope`: an error belongs to whoever starts the child until it is ready, and to the
//! scope from then on (R15).

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::child::Child;
use super::errors::Failing;
use super::spawn;
use super::start::{Heard, Ready, Start, Started};
use super::try_handle::TryScope;
use crate::ground::error::Cancelled;
use crate::ground::reason::{Kind, Reason};
use crate::tree::{Role, Site};

impl<E> TryScope<'_, E> {
    /// Starts a child and waits until it says that it is ready: as [`Scope::start`](crate::Scope::start),
    /// for a child that may fail.
    ///
    /// # Errors
    ///
    /// The child's own error, if it failed before it was ready: then it is the caller's alone, and the
    /// scope hears nothing of it. Afterwards it is the scope's alone. If the child was cancelled or
    /// refused before it was ready, or returned a value, `E::from(Cancelled)`.
    ///
    /// # Panics
    ///
    /// As [`Scope::start`](crate::Scope::start).
    ///
    /// # Cancel safety
    ///
    /// As [`Scope::start`](crate::Scope::start). An error that the caller was to hear, and does not
    /// because it has been dropped, goes to the scope.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::io;
    /// use umbel::Ready;
    ///
    /// let served = umbel::try_scope(async |s| -> io::Result<()> {
    ///     let failed = s
    ///         .start(async |_: Ready<u16>| Err::<(), _>(io::ErrorKind::AddrInUse.into()))
    ///         .await;
    ///     assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    ///     Ok(()) // the scope goes on
    /// })
    /// .await;
    /// assert!(served.is_ok());
    /// # }
    /// ```
    #[track_caller]
    pub fn start<R, B, F, U>(&self, body: B) -> TryStarting<R, U, E>
    where
        R: Send + 'static,
        B: FnOnce(Ready<R>) -> F,
        F: Future<Output = Result<U, E>> + Send + 'static,
        U: Send + 'static,
        E: Send + 'static,
    {
        let site = Location::caller();
        let start = Start::new();
        let node = self.supervised().node();
        let child = match node.refusal() {
            Some(refusal) => Child::refused(node, refusal, site),
            None => {
                let work = body(Ready::to(&start));
                let start = Arc::clone(&start);
                let work = Begun { work, start, failing: self.failing(), site };
                spawn::spawn(node, Role::Task, None, site, work)
            }
        };
        TryStarting { start, child: Some(Child::of_attempt(child)), failing: self.failing(), site }
    }
}

pin_project! {
    /// A child that is being started.
    struct Begun<F, R, E> {
        #[pin]
        work: F,
        start: Arc<Start<R, E>>,
        failing: Failing<E>,
        site: Site,
    }
}

impl<F, R, U, E> Future for Begun<F, R, E>
where
    F: Future<Output = Result<U, E>>,
{
    type Output = Option<U>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        let this = self.project();
        this.work.poll(cx).map(|outcome| match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                if let Some(error) = this.start.fail(error) {
                    this.failing.fail(error, this.site);
                }
                None
            }
        })
    }
}

/// The future of [`TryScope::start`].
#[must_use = "dropped, it cancels the child"]
pub struct TryStarting<R, U, E> {
    start: Arc<Start<R, E>>,
    /// Taken when this has returned.
    child: Option<Child<U>>,
    failing: Failing<E>,
    site: Site,
}

impl<R, U, E> Unpin for TryStarting<R, U, E> {}

impl<R, U, E: From<Cancelled>> Future for TryStarting<R, U, E> {
    type Output = Result<Started<R, U>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.start.poll(&mut this.child, cx).map(|turn| match turn {
            Heard::Told(word, child) => word.map(|value| Started { value, child }),
            Heard::Ended(Err(cancelled)) => Err(E::from(cancelled)),
            Heard::Ended(Ok(_)) => {
                let reason =
                    Reason::noted(Kind::ChildFailed, "it ended before it was ready", this.site);
                Err(E::from(Cancelled::new(reason)))
            }
        })
    }
}

impl<R, U, E> Drop for TryStarting<R, U, E> {
    #[track_caller]
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        if let Some(Err(unheard)) = self.start.leave() {
            self.failing.fail(unheard, self.site);
        }
        if !child.is_finished() {
            child.cancel();
        }
    }
}

impl<R, U, E> fmt::Debug for TryStarting<R, U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryStarting").field("child", &self.child).finish_non_exhaustive()
    }
}
