//! The results of many children of one type, as they come.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::Stream;
use pin_project_lite::pin_project;

use super::scope_handle::Scope;
use super::{fork, spawn};
use crate::context::stack;
use crate::ground::error::Cancelled;
use crate::ground::panics;
use crate::ground::reason::{Kind, Reason};
use crate::ground::sync::Lock;
use crate::tree::{NodeRef, Role};

impl<'env> Scope<'env> {
    /// A group of children of one type, whose results come in the order in which they end: what
    /// `JoinSet::join_next` is used for.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use tokio::time::sleep;
    ///
    /// let order = umbel::scope(async |s| {
    ///     let mut results = s.results();
    ///     for seconds in [3, 1, 2] {
    ///         results.spawn(async move {
    ///             sleep(Duration::from_secs(seconds)).await;
    ///             seconds
    ///         });
    ///     }
    ///     let mut order = Vec::new();
    ///     while let Some(result) = results.next().await {
    ///         order.push(result.unwrap());
    ///     }
    ///     order
    /// })
    /// .await
    /// .unwrap();
    /// assert_eq!(order, [1, 2, 3]);
    /// # }
    /// ```
    #[must_use = "children are started by its `spawn` and `fork`"]
    pub fn results<T>(&self) -> Results<'_, 'env, T> {
        Results { scope: self, queue: Arc::new(Queue::new()) }
    }
}

/// Children of one type and their results: see [`Scope::results`].
///
/// The children are ordinary children of the scope. A result is kept until it is taken; a child itself is
/// freed when it ends. When this is dropped, the children go on, and from then on each result is
/// dropped when its child ends, so that a scope with a million children that nobody asks about stays as
/// small as it was.
pub struct Results<'s, 'env, T> {
    scope: &'s Scope<'env>,
    queue: Arc<Queue<T>>,
}

impl<'env, T> Results<'_, 'env, T> {
    /// As [`Scope::spawn`]; the result comes here.
    #[track_caller]
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (scope, site) = (self.scope.node(), Location::caller());
        drop(spawn::spawn(scope, Role::Task, None, site, self.reporting(future)));
    }

    /// As [`Scope::fork`]; the result comes here.
    #[track_caller]
    pub fn fork<F>(&self, future: F)
    where
        F: Future<Output = T> + Send + 'env,
        T: Send + 'env,
    {
        let (scope, site) = (self.scope.node(), Location::caller());
        drop(fork::fork(scope, None, site, self.reporting(future)));
    }

    fn reporting<F: Future<Output = T>>(&self, work: F) -> Reporting<F, T> {
        self.queue.0.lock().running += 1;
        let scope = Some(self.scope.node().clone());
        Reporting { work: Some(work), report: Report { queue: Arc::clone(&self.queue), scope } }
    }

    /// The result of the child that ended next: its value, or that it was cancelled, was refused or
    /// panicked. Nothing when no child is left that has not been heard of.
    ///
    /// # Cancel safety
    ///
    /// Safe: a result is taken only when it is returned.
    #[expect(clippy::should_implement_trait, reason = "the name that streams use")]
    pub fn next(&mut self) -> Next<'_, T> {
        Next { queue: &self.queue }
    }

    /// How many children have not been heard of: those that run, and those whose result waits.
    #[must_use]
    pub fn len(&self) -> usize {
        let queue = self.queue.0.lock();
        queue.running + queue.results.len()
    }

    /// Whether there is nothing to wait for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Stream for Results<'_, '_, T> {
    type Item = Result<T, Cancelled>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.queue.poll_next(cx)
    }
}

impl<T> Drop for Results<'_, '_, T> {
    fn drop(&mut self) {
        let mut queue = self.queue.0.lock();
        queue.is_unread = true;
        let left = (std::mem::take(&mut queue.results), queue.waker.take());
        drop(queue);
        drop(left);
    }
}

impl<T> fmt::Debug for Results<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`Results::next`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Next<'r, T> {
    queue: &'r Queue<T>,
}

impl<T> Future for Next<'_, T> {
    type Output = Option<Result<T, Cancelled>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.queue.poll_next(cx)
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next(..)")
    }
}

/// Between the children and whoever reads.
struct Queue<T>(Lock<Contents<T>>);

struct Contents<T> {
    results: VecDeque<Result<T, Cancelled>>,
    running: usize,
    waker: Option<Waker>,
    is_unread: bool,
}

impl<T> Queue<T> {
    fn new() -> Self {
        Self(Lock::new(Contents {
            results: VecDeque::new(),
            running: 0,
            waker: None,
            is_unread: false,
        }))
    }

    fn push(&self, result: Result<T, Cancelled>) {
        let mut contents = self.0.lock();
        contents.running -= 1;
        let unwanted = if contents.is_unread {
            Some(result)
        } else {
            contents.results.push_back(result);
            None
        };
        let waker = contents.waker.take();
        drop(contents);
        waker.into_iter().for_each(panics::wake);
        drop(unwanted);
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Cancelled>>> {
        let waker = cx.waker().clone();
        let mut contents = self.0.lock();
        if let Some(result) = contents.results.pop_front() {
            return Poll::Ready(Some(result));
        }
        if contents.running == 0 {
            return Poll::Ready(None);
        }
        let old = contents.waker.replace(waker);
        drop(contents);
        drop(old);
        Poll::Pending
    }
}

pin_project! {
    /// A child that reports how it ended, also when it is dropped.
    struct Reporting<F, T> {
        // Dropped first: with the report the child counts as ended, and holds nothing any more (I17).
        #[pin]
        work: Option<F>,
        report: Report<T>,
    }
}

impl<F: Future<Output = T>, T> Future for Reporting<F, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(work) = this.work.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let Poll::Ready(value) = work.poll(cx) else { return Poll::Pending };
        this.work.set(None);
        this.report.send(Ok(value));
        Poll::Ready(())
    }
}

/// What a child owes the reader, exactly once.
struct Report<T> {
    queue: Arc<Queue<T>>,
    /// The scope that the child is in. Taken when it has reported.
    scope: Option<NodeRef>,
}

impl<T> Report<T> {
    fn send(&mut self, result: Result<T, Cancelled>) {
        if self.scope.take().is_some() {
            self.queue.push(result);
        }
    }
}

impl<T> Drop for Report<T> {
    /// Dropped without a value: in the child's place when it was cancelled or panicked, in the
    /// caller's when it was refused.
    fn drop(&mut self) {
        let Some(scope) = &self.scope else { return };
        let child = stack::task().filter(|task| task.has_parent(scope));
        let reason = child.and_then(|child| child.reason()).or_else(|| scope.stop_reason());
        let reason = reason.unwrap_or_else(|| Reason::at(Kind::ScopeEnded, scope.site()));
        self.send(Err(Cancelled::new(reason)));
    }
}
