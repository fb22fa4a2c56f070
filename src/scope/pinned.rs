//! Pinned children: each on a thread of its own, which ends before its scope does.

use std::borrow::Cow;
use std::future::{Future, Ready, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::child::{Child, Outcome};
use super::child_body;
use super::fork::Slot;
use super::scope_handle::{Named, Scope, Spawner};
use super::spawn::Spawned;
use crate::context::stack::{self, Place};
use crate::ground::panics;
use crate::ground::reason::Kind;
use crate::ground::runtime::{Here, Thread, spawn_thread};
use crate::ground::sync::Lock;
use crate::tree::{NodeRef, Role, Site};

impl Scope<'_> {
    /// Starts a child on a thread of its own: `make` is called there, and the future that it makes need
    /// not be `Send`. For what must stay on one thread: an interpreter, a handle to a device.
    ///
    /// The thread has a tokio runtime of its own with everything enabled, and a `LocalSet`, so that
    /// [`tokio::task::spawn_local`] works. It bears the child's name. The scope needs no runtime for it.
    ///
    /// Cancellation drops the future there, where it is suspended. When it has ended, the runtime is
    /// dropped with whatever was spawned on it, and then the thread ends: its thread-locals are gone
    /// before the scope returns (R12).
    ///
    /// # Outcomes
    ///
    /// As [`spawn`](Self::spawn). If the system cannot start a thread or a runtime, the child is dropped
    /// unpolled, and the scope is cancelled with [`Kind::Shutdown`](crate::Kind::Shutdown).
    ///
    /// # Panics
    ///
    /// Never. A panic of `make` or of the future is treated as that of any child (R14). A panic in the
    /// destructor of a thread-local aborts the process, as std has it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let answer = umbel::scope(async |s| {
    ///     let interpreter = s.named("interpreter").spawn_pinned(|| async {
    ///         let register = Rc::new(Cell::new(6));
    ///         let other = Rc::clone(&register);
    ///         tokio::task::spawn_local(async move { other.set(other.get() * 7) }).await.unwrap();
    ///         register.get()
    ///     });
    ///     interpreter.await
    /// })
    /// .await
    /// .unwrap();
    /// assert_eq!(answer.unwrap(), 42);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_pinned<M, F>(&self, make: M) -> Child<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        start(&self.handle.0, None, Location::caller(), make)
    }
}

impl Named<'_, '_> {
    /// As [`Scope::spawn_pinned`].
    #[track_caller]
    pub fn spawn_pinned<M, F>(self, make: M) -> Child<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        start(&self.scope.handle.0, Some(self.name), Location::caller(), make)
    }
}

impl Spawner {
    /// As [`Scope::spawn_pinned`].
    #[track_caller]
    pub fn spawn_pinned<M, F>(&self, make: M) -> Child<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        start(&self.handle.0, None, Location::caller(), make)
    }
}

fn start<M, F>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    make: M,
) -> Child<F::Output>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let (owner, handle) = match scope.admit(Role::Task, site) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            drop(make);
            return Child::refused(scope, refusal, site);
        }
    };
    let thread_name = name.clone().unwrap_or(Cow::Borrowed("umbel-pinned"));
    if let Some(name) = name {
        handle.set_name(name);
    }
    let slot = Arc::new(Slot::new());
    let meeting = Arc::new(Meeting(Lock::new(Met { thread: None, leaving: None })));
    let task = Spawned::new(Place::of(owner), Held(Some(make)));
    let departure = Departure { task: Some(task), slot: Arc::clone(&slot) };
    let there = Arc::clone(&meeting);
    // Without a thread the departure is dropped, and says what that means.
    if let Ok(thread) = spawn_thread(&thread_name, move || departure.run(&there)) {
        meeting.bring(|met| met.thread = Some(thread));
    }
    Child::new(handle, Outcome::Forked(slot))
}

/// What makes the future, on its way to the thread. It is never polled.
struct Held<M>(Option<M>);

/// Nothing in it is pinned.
impl<M> Unpin for Held<M> {}

impl<M> Future for Held<M> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// A child on its way to its thread. Dropped on the way it is lost, like a child whose runtime is gone.
struct Departure<M, T> {
    task: Option<Spawned<Held<M>>>,
    slot: Arc<Slot<T>>,
}

impl<M, T> Departure<M, T> {
    /// The life of the thread.
    fn run<F>(mut self, meeting: &Meeting<T>)
    where
        M: FnOnce() -> F,
        F: Future<Output = T>,
        T: Send + 'static,
    {
        let Ok(here) = Here::new() else { return };
        let Some((place, held)) = self.task.take().and_then(Spawned::into_parts) else { return };
        let mut place = Some(place);
        let value = live(&here, &mut place, Making { make: held.0, made: None });
        let (_, dropped) = stack::within(&mut place, || panics::catch(|| here.close()));
        if let Err(panic) = dropped {
            stack::node(place.as_ref()).fail_above(Kind::ChildPanicked, Some(panic));
        }
        let leaving = Leaving { place, value, slot: Arc::clone(&self.slot) };
        meeting.bring(|met| met.leaving = Some(leaving));
    }
}

impl<M, T> Drop for Departure<M, T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            drop(task);
            self.slot.fill(None);
        }
    }
}

/// Polls the child to its end and drops it there. The node stays open: the thread has not ended.
fn live<F: Future>(here: &Here, place: &mut Option<Place>, body: F) -> Option<F::Output> {
    let mut body = pin!(Some(body));
    let lived = panics::catch(|| {
        here.block_on(poll_fn(|cx| match child_body::poll_root(place, body.as_mut(), cx) {
            Poll::Ready(value) => Poll::Ready(child_body::drop_body(place, body.as_mut(), value)),
            Poll::Pending => Poll::Pending,
        }))
    });
    lived.unwrap_or_else(|panic| {
        // Not the child's own panic, which is caught nearer to it: the runtime's, say.
        stack::node(place.as_ref()).fail_above(Kind::ChildPanicked, Some(panic));
        child_body::drop_body(place, body.as_mut(), None)
    })
}

pin_project! {
    /// The future, made at its first poll: in its place.
    struct Making<M, F> {
        make: Option<M>,
        #[pin]
        made: Option<F>,
    }
}

impl<M, F> Future for Making<M, F>
where
    M: FnOnce() -> F,
    F: Future,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Some(make) = this.make.take() {
            this.made.set(Some(make()));
        }
        match this.made.as_pin_mut() {
            Some(made) => made.poll(cx),
            None => Poll::Pending,
        }
    }
}

/// Where the thread's end meets the handle to the thread, which was not there yet when it began: a
/// thread cannot join itself.
struct Meeting<T>(Lock<Met<T>>);

struct Met<T> {
    thread: Option<Thread>,
    leaving: Option<Leaving<T>>,
}

impl<T> Meeting<T> {
    /// Whoever comes second has the thread joined, by a thread that owns nothing of the user's.
    fn bring(&self, bring: impl FnOnce(&mut Met<T>))
    where
        T: Send + 'static,
    {
        let mut met = self.0.lock();
        bring(&mut met);
        if met.thread.is_none() || met.leaving.is_none() {
            return;
        }
        let (thread, leaving) = (met.thread.take(), met.leaving.take());
        drop(met);
        // If there is no thread to be had for that, `leaving` is dropped all the same, a little early.
        let _ = spawn_thread("umbel-join", move || {
            thread.into_iter().for_each(Thread::join);
            drop(leaving);
        });
    }
}

/// What is left to be done when the thread has ended.
struct Leaving<T> {
    place: Option<Place>,
    value: Option<T>,
    slot: Arc<Slot<T>>,
}

impl<T> Drop for Leaving<T> {
    fn drop(&mut self) {
        let gone = pin!(None::<Ready<T>>);
        let value = child_body::end(&mut self.place, gone, self.value.take());
        self.slot.fill(value);
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;
    use crate::ground::runtime::Host;
    use crate::tree::{TRUNK, Tree};
    use std::task::Waker;

    /// R13: without a thread the child is lost, and its handle is told.
    #[test]
    fn a_child_that_never_gets_to_its_thread_is_lost() {
        let site = Location::caller();
        let (scope, _handle) = Tree::unowned(Host::current()).open(TRUNK, Role::Scope, site);
        let (owner, child) = scope.admit(Role::Task, site).expect("the scope is open");
        let slot = Arc::new(Slot::<()>::new());
        let task = Spawned::new(Place::of(owner), Held(Some(())));
        drop(Departure { task: Some(task), slot: Arc::clone(&slot) });
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(slot.poll(&mut cx), Poll::Ready(None));
        assert!(child.word().is_closed() && scope.word().is_cancelled());
    }
}
