//! Blocking children: functions on threads that may block.

use std::borrow::Cow;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::aside::Standing;
use super::child::Child;
use super::handle::CancelScope;
use super::scope_handle::{Named, Scope, Spawner};
use super::spawn::{self, Spawned};
use crate::context::{checkpoint, stack};
use crate::ground::error::Cancelled;
use crate::tree::{NodeRef, Role, Site};

impl Scope<'_> {
    /// Starts a child that may block its thread: a function, run on the blocking threads of the runtime
    /// the scope was opened in.
    ///
    /// A thread cannot be stopped. A function that has begun runs to its end, and the scope waits for
    /// that (R12), cancelled or not: one that runs for long should ask the [`Blocking`] it is given,
    /// now and then. A child that is cancelled before a thread is free is dropped without being run
    /// (R6).
    ///
    /// The function stands in the scope like any child: `umbel::check()` and `task::current()` work in
    /// it, and a scope that it drives with `Handle::block_on` hangs below it. When the child is cancelled,
    /// that scope is, and gives `Err(Cancelled)`: it is the outermost one that can be dropped.
    ///
    /// # Outcomes
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// When the system cannot start a thread and none is there, as tokio does. A panic of the function
    /// is treated as that of any child (R14).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sum = umbel::scope(async |s| {
    ///     let adding = s.spawn_blocking(|cx| {
    ///         let mut sum = 0;
    ///         for n in 1..=100 {
    ///             cx.check()?;
    ///             sum += n;
    ///         }
    ///         Ok::<u32, umbel::Cancelled>(sum)
    ///     });
    ///     adding.await?
    /// })
    /// .await
    /// .unwrap();
    /// assert_eq!(sum.unwrap(), 5050);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<W, T>(&self, work: W) -> Child<T>
    where
        W: FnOnce(Blocking) -> T + Send + 'static,
        T: Send + 'static,
    {
        start(&self.handle.0, None, Location::caller(), work)
    }
}

impl Named<'_, '_> {
    /// As [`Scope::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<W, T>(self, work: W) -> Child<T>
    where
        W: FnOnce(Blocking) -> T + Send + 'static,
        T: Send + 'static,
    {
        start(&self.scope.handle.0, Some(self.name), Location::caller(), work)
    }
}

impl Spawner {
    /// As [`Scope::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<W, T>(&self, work: W) -> Child<T>
    where
        W: FnOnce(Blocking) -> T + Send + 'static,
        T: Send + 'static,
    {
        start(&self.handle.0, None, Location::caller(), work)
    }
}

fn start<W, T>(scope: &NodeRef, name: Option<Cow<'static, str>>, site: Site, work: W) -> Child<T>
where
    W: FnOnce(Blocking) -> T + Send + 'static,
    T: Send + 'static,
{
    spawn::start(scope, Role::Task, name, site, Standing::Apart, Work(Some(work)), |host, task| {
        host.spawn_blocking(task, Spawned::run_blocking)
    })
}

/// A function as a future that is ready at its first poll: so it begins and ends as any child does.
struct Work<W>(Option<W>);

/// Nothing in it is pinned.
impl<W> Unpin for Work<W> {}

impl<W, T> Future for Work<W>
where
    W: FnOnce(Blocking) -> T,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        match (self.0.take(), stack::innermost()) {
            (Some(work), Some(node)) => Poll::Ready(work(Blocking { child: CancelScope(node) })),
            _ => Poll::Pending,
        }
    }
}

/// What a blocking child asks whether it is still wanted: see [`Scope::spawn_blocking`].
///
/// It speaks of that child on every thread, so it can be lent to helpers; on the child's own thread
/// [`check`](crate::check) says the same.
#[derive(Clone, Debug)]
pub struct Blocking {
    child: CancelScope,
}

impl Blocking {
    /// Whether the child is cancelled, as a `Result`, for `?`.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with the first cause.
    pub fn check(&self) -> Result<(), Cancelled> {
        checkpoint::check_at(&self.child.0)
    }

    /// Whether the child is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.child.is_cancelled()
    }

    /// A handle to the child's task as a scope: see [`Child::handle`].
    #[must_use]
    pub fn handle(&self) -> CancelScope {
        self.child.clone()
    }
}
