//! The one file that spawns, with the one in its folder: on tokio's runtime, or, when models run, threads
//! of loom's or tasks of shuttle's.

use std::fmt;

pub(crate) use backend::{Here, Host, JoinHandle, RuntimeId, Thread, spawn_thread, yield_now};

/// Names a task for people: in reasons, in pictures, in logs.
///
/// For a task that runs on tokio it is tokio's own id, the one that tokio-console and
/// `tokio::task::id()` show; a forked or pinned child has a number of its own. An id may be used again
/// after its task has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(Repr);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Repr {
    #[cfg_attr(
        any(umbel_loom, loom, umbel_shuttle),
        expect(dead_code, reason = "no tokio task in a model")
    )]
    Tokio(tokio::task::Id),
    Forked(u32),
    #[cfg(any(umbel_loom, loom, umbel_shuttle))]
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
            #[cfg(any(umbel_loom, loom, umbel_shuttle))]
            Repr::Model(id) => write!(f, "model-{id}"),
        }
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

#[cfg(not(any(umbel_loom, loom, umbel_shuttle)))]
mod backend {
    #![expect(clippy::disallowed_methods, reason = "the permitted caller of spawn")]

    use std::future::Future;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::thread;

    use super::{Repr, TaskId};

    /// Where the children of a tree run: the runtime in which the tree was made, if there was one.
    #[derive(Clone, Debug)]
    pub(crate) struct Host(Option<tokio::runtime::Handle>);

    /// Tells runtimes apart.
    pub(crate) type RuntimeId = tokio::runtime::Id;

    impl Host {
        pub(crate) fn current() -> Self {
            Self(tokio::runtime::Handle::try_current().ok())
        }

        pub(crate) fn id(&self) -> Option<RuntimeId> {
            self.0.as_ref().map(tokio::runtime::Handle::id)
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

        /// Hands a future to this host's threads that may block: one of them calls `run` with it. A
        /// runtime that is shut down drops the future, now or instead of running it.
        pub(crate) fn spawn_blocking<F, T>(
            &self,
            future: F,
            run: fn(F) -> T,
        ) -> Result<JoinHandle<T>, F>
        where
            F: Send + 'static,
            T: Send + 'static,
        {
            match &self.0 {
                Some(handle) => Ok(JoinHandle(handle.spawn_blocking(move || run(future)))),
                None => Err(future),
            }
        }

        /// Spawns on the `LocalSet` or local runtime that the caller is in. Outside of one it panics, as
        /// tokio does.
        #[track_caller]
        #[expect(clippy::unnecessary_wraps, reason = "the same face as in models")]
        pub(crate) fn spawn_local<F>(future: F) -> Result<JoinHandle<F::Output>, F>
        where
            F: Future + 'static,
            F::Output: 'static,
        {
            Ok(JoinHandle(tokio::task::spawn_local(future)))
        }
    }

    /// A thread that is not tokio's.
    #[derive(Debug)]
    pub(crate) struct Thread(thread::JoinHandle<()>);

    impl Thread {
        /// Waits for the end of the thread, the destructors of its thread-locals included.
        pub(crate) fn join(self) {
            // A panic of the thread has been reported by the hook.
            let _ = self.0.join();
        }
    }

    /// Starts a thread. If the system has none to give, `main` is dropped.
    pub(crate) fn spawn_thread(
        name: &str,
        main: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        // The system's names end at a zero byte, and std panics when it finds one.
        let name = name.replace('\0', "\u{fffd}");
        thread::Builder::new().name(name).spawn(main).map(Thread)
    }

    /// A runtime on the thread it was made on, for futures that are not `Send` too.
    #[derive(Debug)]
    pub(crate) struct Here {
        // Dropped first: its tasks may use the runtime.
        set: tokio::task::LocalSet,
        runtime: tokio::runtime::Runtime,
    }

    impl Here {
        pub(crate) fn new() -> io::Result<Self> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(Self { set: tokio::task::LocalSet::new(), runtime })
        }

        pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
            self.set.block_on(&self.runtime, future)
        }

        /// Drops what was spawned here, and waits for this runtime's blocking threads.
        pub(crate) fn close(self) {
            drop(self);
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
    use std::io;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use loom::sync::{Mutex, Notify};

    use super::{Repr, TaskId};

    /// In a model every child is a loom thread.
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
            Ok(start(move || block_on(future)))
        }

        #[expect(clippy::unused_self, reason = "the same face as the real host")]
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
            Ok(start(move || run(future)))
        }

        /// Threads of a model take nothing that is not `Send`.
        pub(crate) fn spawn_local<F>(future: F) -> Result<JoinHandle<F::Output>, F>
        where
            F: Future + 'static,
            F::Output: 'static,
        {
            Err(future)
        }
    }

    fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let slot = Arc::new(Mutex::new(Slot { output: None, waker: None }));
        let filled = Arc::clone(&slot);
        super::threads::started();
        loom::thread::spawn(move || {
            let output = work();
            let waker = {
                let mut slot = filled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                slot.output = Some(output);
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        JoinHandle(slot)
    }

    #[derive(Debug)]
    pub(crate) struct Thread(loom::thread::JoinHandle<()>);

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
        super::threads::started();
        Ok(Thread(loom::thread::spawn(main)))
    }

    /// A loom thread drives its own futures as it is.
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

#[cfg(umbel_shuttle)]
#[path = "runtime/shuttle.rs"]
mod backend;

#[cfg(any(umbel_loom, loom, umbel_shuttle))]
pub use backend::block_on;
#[cfg(umbel_shuttle)]
pub use backend::tasks;

/// How many threads take part in an execution of a model.
#[cfg(any(umbel_loom, loom))]
pub(crate) mod threads {
    use std::cell::Cell;

    thread_local! {
        // std's: all threads of one model are coroutines on the thread that runs the test.
        static COUNT: Cell<usize> = const { Cell::new(1) };
    }

    /// An execution begins, on its first thread.
    #[cfg(feature = "testing")]
    pub(crate) fn reset() {
        COUNT.set(1);
    }

    pub(crate) fn started() {
        COUNT.set(COUNT.get() + 1);
    }

    #[cfg(feature = "testing")]
    pub(crate) fn count() -> usize {
        COUNT.get()
    }
}
