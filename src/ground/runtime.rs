//! The one file that spawns: tokio's runtime, or loom's threads when models run.

use std::fmt;

pub(crate) use backend::{Host, JoinHandle, yield_now};

/// Names a task for people: in reasons, in pictures, in logs.
///
/// For a task that runs on tokio it is tokio's own id, the one that tokio-console and
/// `tokio::task::id()` show; a forked child has a number of its own. An id may be used again after
/// its task has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(Repr);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Repr {
    #[cfg_attr(any(umbel_loom, loom), expect(dead_code, reason = "no tokio task in a model"))]
    Tokio(tokio::task::Id),
    Forked(u32),
    #[cfg(any(umbel_loom, loom))]
    Model(u64),
}

impl TaskId {
    /// The tokio task that is being polled on this thread.
    pub(crate) fn current() -> Option<Self> {
        backend::current_id()
    }

    pub(crate) fn forked(slot: u32) -> Self {
        Self(Repr::Forked(slot))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Tokio(id) => id.fmt(f),
            Repr::Forked(slot) => write!(f, "fork-{slot}"),
            #[cfg(any(umbel_loom, loom))]
            Repr::Model(id) => write!(f, "model-{id}"),
        }
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

#[cfg(not(any(umbel_loom, loom)))]
mod backend {
    #![expect(clippy::disallowed_methods, reason = "the permitted caller of spawn")]

    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::{Repr, TaskId};

    /// Where the children of a tree run: the runtime in which the tree was made, if there was one.
    #[derive(Clone, Debug)]
    pub(crate) struct Host(Option<tokio::runtime::Handle>);

    impl Host {
        pub(crate) fn current() -> Self {
            Self(tokio::runtime::Handle::try_current().ok())
        }

        /// Spawns on this host's runtime, whichever runtime the caller is on. A runtime that is
        /// shut down drops the future before this returns. Without a runtime the future comes back.
        pub(crate) fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, F>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            match &self.0 {
                Some(handle) => Ok(JoinHandle(handle.spawn(future))),
                None => Err(future),
            }
        }
    }

    /// The result of a spawned task, or nothing if the runtime dropped it.
    #[derive(Debug)]
    pub(crate) struct JoinHandle<T>(tokio::task::JoinHandle<T>);

    impl<T> JoinHandle<T> {
        pub(crate) fn id(&self) -> TaskId {
            TaskId(Repr::Tokio(self.0.id()))
        }
    }

    impl<T> Future for JoinHandle<T> {
        type Output = Option<T>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            // An error says that the runtime dropped the task: its panics are caught inside it.
            Pin::new(&mut self.0).poll(cx).map(Result::ok)
        }
    }

    pub(super) fn current_id() -> Option<TaskId> {
        tokio::task::try_id().map(|id| TaskId(Repr::Tokio(id)))
    }

    pub(crate) async fn yield_now() {
        tokio::task::yield_now().await;
    }
}

#[cfg(any(umbel_loom, loom))]
mod backend {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use loom::sync::{Mutex, Notify};

    use super::{Repr, TaskId};

    /// In a model every child is a loom thread.
    #[derive(Clone, Debug)]
    pub(crate) struct Host(());

    impl Host {
        pub(crate) fn current() -> Self {
            Self(())
        }

        #[expect(clippy::unused_self, reason = "the same face as the real host")]
        #[expect(clippy::unnecessary_wraps, reason = "the same face as the real host")]
        pub(crate) fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, F>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            let slot = Arc::new(Mutex::new(Slot { output: None, waker: None }));
            let filled = Arc::clone(&slot);
            loom::thread::spawn(move || {
                let output = block_on(future);
                let waker = {
                    let mut slot = filled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    slot.output = Some(output);
                    slot.waker.take()
                };
                if let Some(waker) = waker {
                    waker.wake();
                }
            });
            Ok(JoinHandle(slot))
        }
    }

    struct Slot<T> {
        output: Option<T>,
        waker: Option<Waker>,
    }

    pub(crate) struct JoinHandle<T>(Arc<Mutex<Slot<T>>>);

    impl<T> std::fmt::Debug for JoinHandle<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JoinHandle(..)")
        }
    }

    impl<T> JoinHandle<T> {
        pub(crate) fn id(&self) -> TaskId {
            TaskId(Repr::Model(Arc::as_ptr(&self.0).addr() as u64))
        }
    }

    impl<T> Future for JoinHandle<T> {
        type Output = Option<T>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            let mut slot = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(output) = slot.output.take() {
                return Poll::Ready(Some(output));
            }
            slot.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    pub(super) fn current_id() -> Option<TaskId> {
        None
    }

    pub(crate) async fn yield_now() {
        loom::thread::yield_now();
    }

    /// A waker in std's `Arc`: one vtable, so that `will_wake` holds from poll to poll.
    struct Bell(Notify);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.notify();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.notify();
        }
    }

    /// Polls a future to its end on this loom thread.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        let bell = Arc::new(Bell(Notify::new()));
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            bell.0.wait();
        }
    }
}

#[cfg(any(umbel_loom, loom))]
pub use backend::block_on;
