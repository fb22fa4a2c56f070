//! `CancelScope`: the handle to a scope.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::picture::Picture;
use crate::context::{stack, time};
use crate::ground::reason::{Kind, Reason};
use crate::ground::waiters::Ticket;
use crate::tree::NodeRef;

/// A handle to a scope: cancel it, ask about it, wait for it.
///
/// Handles are cheap to clone, `'static`, and work from any thread, from another runtime, from no
/// runtime, and after the scope has ended (R24). A handle keeps a small record alive, never a body, a
/// child or a waker (I31). Two handles are equal if they show the same scope.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let work = umbel::scope(async |_| std::future::pending::<()>().await);
/// let (work, handle) = work.with_handle();
/// std::thread::spawn(move || handle.cancel_with("from another thread")).join().unwrap();
///
/// let cancelled = work.await.unwrap_err();
/// assert_eq!(cancelled.reason().message(), Some("from another thread"));
/// # }
/// ```
#[derive(Clone)]
pub struct CancelScope(pub(crate) NodeRef);

impl CancelScope {
    /// The scope in which the caller is being polled, or the child, if that has not opened a scope.
    /// Nothing outside every scope (R22).
    #[must_use]
    pub fn current() -> Option<Self> {
        stack::scope().map(Self)
    }

    #[cfg(any(umbel_loom, loom, umbel_shuttle))]
    pub(crate) fn node(&self) -> &NodeRef {
        &self.0
    }

    /// Asks this scope to stop: counts one request on it, and makes it and everything below it, in
    /// every task, cancelled (R1). The body is dropped at its next suspension (R2).
    ///
    /// When this returns, [`is_cancelled`](Self::is_cancelled) is true everywhere below, on every
    /// thread (R7). The count of no other scope or task changes. After the scope has ended the
    /// request is counted, and that is all.
    #[track_caller]
    pub fn cancel(&self) {
        let location = Location::caller();
        self.request(|| Reason::at(Kind::Explicit, location));
    }

    /// [`cancel`](Self::cancel), saying why. The first reason is kept; later ones are counted and
    /// dropped (R8).
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        let reason = reason.into();
        self.request(|| reason);
    }

    /// Cancels, or, if the scope has a grace and is not cancelled yet, asks to stop.
    pub(super) fn request(&self, reason: impl FnOnce() -> Reason) {
        match self.0.grace() {
            None => {
                self.0.cancel(reason);
            }
            Some(grace) => self.soften(reason(), grace),
        }
    }

    fn soften(&self, reason: Reason, grace: Duration) {
        if let Err(reason) = self.0.stop(reason, time::after(grace)) {
            // Cancelled already: nothing can be softened any more.
            self.0.cancel(|| reason);
        } else if grace.is_zero() {
            self.0.end_grace();
        }
    }

    /// Asks this scope to stop by itself: from now on it takes no more children, and
    /// [`stopping`](fn@crate::stopping) is ready everywhere below it. What has not ended when `grace` has
    /// passed is cancelled, with kind [`Kind::Stopped`], and named in the
    /// [`Reason`](Reason::unfinished) (R17). As soon as body and children have ended the scope returns:
    /// the grace is a limit, not a wait.
    ///
    /// The request counts when the grace is over; a scope that was done by then has not been cancelled.
    /// When the scope is asked again, the earlier end of the two is in force. On a scope that is
    /// cancelled already this is one more request to it; on one that has ended it does nothing.
    ///
    /// What is returned waits for the end of the scope, and need not be awaited.
    ///
    /// # Panics
    ///
    /// Not this call; but the scope's future, when it is polled without a tokio runtime that has its
    /// time driver enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    ///
    /// let (server, handle) = umbel::scope(async |s| {
    ///     s.named("stubborn").spawn(std::future::pending::<()>());
    ///     s.spawn(async { umbel::stopping().await });
    /// })
    /// .with_handle();
    /// let stop = async { handle.stop(Duration::from_secs(5)).await };
    /// let (served, stopped) = tokio::join!(server, stop);
    /// // The body had returned, so its value stands; and what was cut is named.
    /// assert!(served.is_ok());
    /// assert_eq!(stopped.unwrap().unfinished()[0].name(), Some("stubborn"));
    /// # }
    /// ```
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the request is the point, not the waiting")]
    pub fn stop(&self, grace: Duration) -> Stopped {
        self.soften(Reason::at(Kind::Stopped, Location::caller()), grace);
        Stopped::of(self.0.clone())
    }

    /// Whether the scope, or one above it, was asked to stop, or is cancelled.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    /// Waits until the scope, or one above it, is asked to stop or is cancelled, and gives the reason;
    /// or until it has ended without, and gives nothing.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping it only stops the waiting.
    pub fn stopping(&self) -> WaitStopping {
        WaitStopping::of(self.0.clone())
    }

    /// How many requests were addressed to this very scope: by hand, by its deadline, by its own
    /// failure policy. What it inherits is not in it (R1). Saturates at 16,777,215.
    #[must_use]
    pub fn cancel_count(&self) -> u64 {
        self.0.peek().own()
    }

    /// Whether the scope is cancelled: by a request of its own, because its future was dropped, or
    /// from above. One load, no lock. It never turns false again, not even when the scope has ended.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.peek().is_cancelled()
    }

    /// Whether the scope has ended: its body, its children and theirs are gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.peek().is_closed()
    }

    /// The first cause at the nearest cancelled scope, this one or one above it. Whenever
    /// [`is_cancelled`](Self::is_cancelled) has said yes, there is one.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason()
    }

    /// Waits until the scope is cancelled, and gives the reason; or until it has ended without having
    /// been cancelled, and gives nothing. Never hangs on a scope that is gone (R24).
    ///
    /// For code that looks on from outside. Code inside the scope need not wait for this: it is
    /// dropped.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping it only stops the waiting.
    pub fn cancelled(&self) -> WaitCancelled {
        WaitCancelled { node: Some(self.0.clone()), ticket: None }
    }

    /// The nearest deadline among this scope's own and those above it (R20).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    /// Sets this scope's own deadline, or lifts it. Those above it stay in force. A deadline in the
    /// past cancels the scope at its next suspension. After the scope has ended it does nothing.
    pub fn set_deadline(&self, deadline: impl Into<Option<Instant>>) {
        self.0.set_deadline(deadline.into());
    }

    /// The name that the scope was given.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'static, str>> {
        self.0.name()
    }

    /// The tree from this scope downwards, as it stands now, to be printed.
    #[must_use]
    pub fn picture(&self) -> Picture {
        Picture::below(self.0.clone())
    }
}

impl PartialEq for CancelScope {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

impl Eq for CancelScope {}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope")
            .field("name", &self.name())
            .field("is_cancelled", &self.is_cancelled())
            .field("is_finished", &self.is_finished())
            .field("cancel_count", &self.cancel_count())
            .finish_non_exhaustive()
    }
}

/// Waits until the scope that the caller is being polled in is cancelled: see
/// [`CancelScope::cancelled`]. Outside every scope it waits for ever.
///
/// It waits on behalf of others: where the scope is cancelled already it is ready at once, and what
/// follows it runs to its next suspension. To stop there, use [`checkpoint`](crate::checkpoint).
pub fn cancelled() -> WaitCancelled {
    WaitCancelled { node: stack::innermost(), ticket: None }
}

/// The future of [`CancelScope::cancelled`].
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitCancelled {
    /// Nothing outside every scope.
    node: Option<NodeRef>,
    ticket: Option<Ticket>,
}

impl Future for WaitCancelled {
    type Output = Option<Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        let this = &mut *self;
        match &this.node {
            Some(node) if node.watch(&mut this.ticket, cx.waker()) => Poll::Ready(node.reason()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for WaitCancelled {
    fn drop(&mut self) {
        if let Some(node) = &self.node {
            node.stop_watching(self.ticket.take());
        }
    }
}

/// Waits until the scope that the caller is polled in, or one above it, is asked to stop: see
/// [`CancelScope::stopping`]. Outside every scope it waits for ever.
///
/// For loops that serve: they take no more work, finish what they have, and return.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use tokio::time::sleep;
///
/// let rounds = umbel::scope(async |s| {
///     let serving = s.spawn(async {
///         let mut rounds = 0;
///         loop {
///             tokio::select! {
///                 _ = umbel::stopping() => return rounds,
///                 () = sleep(Duration::from_secs(1)) => rounds += 1,
///             }
///         }
///     });
///     sleep(Duration::from_millis(3_500)).await;
///     s.stop(Duration::from_secs(10));
///     serving.await.unwrap()
/// })
/// .await
/// .unwrap();
/// assert_eq!(rounds, 3);
/// # }
/// ```
pub fn stopping() -> WaitStopping {
    WaitStopping { node: stack::innermost(), ticket: None }
}

/// The future of [`stopping`](fn@crate::stopping) and of [`CancelScope::stopping`].
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitStopping {
    /// Nothing outside every scope.
    node: Option<NodeRef>,
    ticket: Option<Ticket>,
}

impl WaitStopping {
    pub(crate) fn of(node: NodeRef) -> Self {
        Self { node: Some(node), ticket: None }
    }
}

impl Future for WaitStopping {
    type Output = Option<Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        let this = &mut *self;
        match &this.node {
            Some(node) if node.watch_stop(&mut this.ticket, cx.waker()) => {
                Poll::Ready(node.stop_reason())
            }
            _ => Poll::Pending,
        }
    }
}

impl Drop for WaitStopping {
    fn drop(&mut self) {
        if let Some(node) = &self.node {
            node.stop_watching_stop(self.ticket.take());
        }
    }
}

impl fmt::Debug for WaitStopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitStopping(..)")
    }
}

/// Waits for the end of a scope that was asked to stop: see [`CancelScope::stop`].
///
/// Gives nothing if all had ended within the grace, and otherwise the reason of the cancellation, in
/// which what was cut is named. It need not be awaited: the scope stops all the same.
pub struct Stopped {
    node: NodeRef,
    ticket: Option<Ticket>,
}

impl Stopped {
    /// Waits for the end of a scope, whether or not anybody has asked it to stop.
    pub(super) fn of(node: NodeRef) -> Self {
        Self { node, ticket: None }
    }
}

impl Future for Stopped {
    type Output = Option<Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        let this = &mut *self;
        if this.node.watch_end(&mut this.ticket, cx.waker()) {
            Poll::Ready(this.node.reason())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.node.stop_watching_stop(self.ticket.take());
    }
}

impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopped(..)")
    }
}

impl fmt::Debug for WaitCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitCancelled(..)")
    }
}
