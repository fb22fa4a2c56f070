//! Under shuttle every child is a task of shuttle's, so that there can be tens of them.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

pub use shuttle::future::block_on;
pub(crate) use shuttle::future::yield_now;

use pin_project_lite::pin_project;

use super::{Repr, TaskId};

#[derive(Clone, Debug)]
pub(crate) struct Host(());

/// A model has no runtimes to tell apart.
pub(crate) type RuntimeId = std::convert::Infallible;

impl Host {
    pub(crate) fn current() -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "the same face as the real host")]
    pub(crate) fn id(&self) -> Option<RuntimeId> {
        None
    }

    #[expect(clippy::unused_self, reason = "the same face as the real host")]
    #[expect(clippy::unnecessary_wraps, reason = "the same face as the real host")]
    pub(crate) fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(JoinHandle::new(shuttle::future::spawn(Counted::new(future))))
    }

    /// Every task of shuttle's has a stack of its own, and so may block.
    #[expect(clippy::unnecessary_wraps, reason = "the same face as the real host")]
    pub(crate) fn spawn_blocking<F, T>(
        &self,
        future: F,
        run: fn(F) -> T,
    ) -> Result<JoinHandle<T>, F>
    where
        F: Send + 'static,
        T: Send + 'static,
    {
        match self.spawn(async move { run(future) }) {
            Ok(handle) => Ok(handle),
            Err(_) => unreachable!("in a model there is always a runtime"),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same face as the real host")]
    pub(crate) fn spawn_local<F>(future: F) -> Result<JoinHandle<F::Output>, F>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(JoinHandle::new(shuttle::future::spawn_local(Counted::new(future))))
    }
}

thread_local! {
    // std's: all tasks of one execution are coroutines on the thread that runs the test.
    static TASKS: Cell<usize> = const { Cell::new(0) };
}

/// How many tasks have been started and are not over. A scope has ended a moment before the last of its
/// tasks is over, and shuttle tears down what is there when the first task ends, in the middle of whatever
/// it does: so that waits for all the others first.
#[must_use]
pub fn tasks() -> usize {
    TASKS.get()
}

pin_project! {
    /// A task of ours.
    struct Counted<F> {
        // Dropped first.
        #[pin]
        future: F,
        alive: Alive,
    }
}

struct Alive(());

impl<F> Counted<F> {
    fn new(future: F) -> Self {
        TASKS.set(TASKS.get() + 1);
        Self { future, alive: Alive(()) }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        TASKS.set(TASKS.get() - 1);
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

#[derive(Debug)]
pub(crate) struct Thread(shuttle::thread::JoinHandle<()>);

impl Thread {
    pub(crate) fn join(self) {
        let _ = self.0.join();
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the same face as the real one")]
pub(crate) fn spawn_thread(
    _name: &str,
    main: impl FnOnce() + Send + 'static,
) -> io::Result<Thread> {
    Ok(Thread(shuttle::thread::spawn(main)))
}

/// A thread of shuttle's drives its own futures as it is.
#[derive(Debug)]
pub(crate) struct Here(());

impl Here {
    #[expect(clippy::unnecessary_wraps, reason = "the same face as the real one")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(()))
    }

    #[expect(clippy::unused_self, reason = "the same face as the real one")]
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(future)
    }

    #[expect(clippy::unused_self, reason = "the same face as the real one")]
    pub(crate) fn close(self) {}
}

#[derive(Debug)]
pub(crate) struct JoinHandle<T> {
    task: shuttle::future::JoinHandle<T>,
    id: u64,
}

/// For the ids: no part of what is explored.
static IDS: AtomicU64 = AtomicU64::new(0);

impl<T> JoinHandle<T> {
    fn new(task: shuttle::future::JoinHandle<T>) -> Self {
        Self { task, id: IDS.fetch_add(1, Ordering::SeqCst) }
    }

    pub(crate) fn id(&self) -> TaskId {
        TaskId(Repr::Model(self.id))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.task).poll(cx).map(Result::ok)
    }
}

pub(super) fn current_id() -> Option<TaskId> {
    None
}
