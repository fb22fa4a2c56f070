//! Spawned children: the wrapper that runs on tokio.

use std::borrow::Cow;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::aside::Standing;
use super::child::{Child, Outcome};
use super::child_body;
use crate::context::stack::{self, Mark, Place};
use crate::ground::reason::{Kind, Reason};
use crate::ground::runtime::{Host, JoinHandle};
use crate::tree::{NodeRef, Role, Site};

/// Admits a child to `scope`, a task or a service, and starts it.
#[inline]
pub(crate) fn spawn<F>(
    scope: &NodeRef,
    role: Role,
    name: Option<Cow<'static, str>>,
    site: Site,
    future: F,
) -> Child<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // Services end last: a bound is for the others.
    let standing = if role == Role::Service { Standing::Apart } else { Standing::InLine };
    start(scope, role, name, site, standing, future, Host::spawn)
}

/// Admits a child and has `launch` start it, which gives it back if there is no runtime.
#[inline]
pub(super) fn start<F: Future>(
    scope: &NodeRef,
    role: Role,
    name: Option<Cow<'static, str>>,
    site: Site,
    standing: Standing,
    future: F,
    launch: impl FnOnce(&Host, Spawned<F>) -> Launched<F>,
) -> Child<F::Output> {
    let (owner, handle) = match scope.admit(role, site) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            drop(future);
            return Child::refused(scope, refusal, site);
        }
    };
    if let Some(name) = name {
        handle.set_name(name);
    }
    let mut place = Place::of(owner);
    standing.settle(scope, &handle, &mut place);
    let task = Spawned::new(place, future);
    let spawned = match scope.tree().host() {
        Some(host) => launch(host, task),
        // Not polled yet, so that it is not decided where its children run: then here.
        None => launch(&Host::current(), task),
    };
    match spawned {
        Ok(join) => Child::new(handle, Outcome::Spawned(join)),
        Err(task) => {
            // No runtime: the wrapper's destructor does what it does when a runtime is shut down.
            drop(task);
            let reason = handle.reason().unwrap_or_else(|| Reason::at(Kind::Shutdown, site));
            Child::new(handle, Outcome::Refused(reason))
        }
    }
}

/// What came of starting a child.
pub(super) type Launched<F> = Result<JoinHandle<Option<<F as Future>::Output>>, Spawned<F>>;

pin_project! {
    /// The root of a child's task. Its size matters: with three words the whole task of an empty child
    /// fits into the 128 bytes that tokio takes for it anyway.
    ///
    /// Its output is nothing if the child was cancelled, panicked, or nobody is left to ask: the
    /// handle finds out why from the tree.
    pub(super) struct Spawned<F: Future> {
        // Where the child stands in the tree; taken when it has ended.
        place: Option<Place>,
        #[pin]
        body: Option<F>,
    }

    impl<F: Future> PinnedDrop for Spawned<F> {
        fn drop(this: Pin<&mut Self>) {
            this.lost();
        }
    }
}

impl<F: Future> Future for Spawned<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        match child_body::poll_root(this.place, this.body, cx) {
            Poll::Ready(value) => self.end(value),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<F: Future> Spawned<F> {
    pub(super) fn new(place: Place, body: F) -> Self {
        Self { place: Some(place), body: Some(body) }
    }

    /// Runs a child that is ready at its first poll, on a thread that may block.
    pub(super) fn run_blocking(self) -> Option<F::Output> {
        let mut task = pin!(self);
        let ground = Mark::of(stack::node(task.place.as_ref()));
        let mut cx = Context::from_waker(Waker::noop());
        stack::aground(ground, || match task.as_mut().poll(&mut cx) {
            Poll::Ready(value) => value,
            Poll::Pending => None,
        })
    }

    #[inline]
    fn end(self: Pin<&mut Self>, value: Option<F::Output>) -> Poll<Option<F::Output>> {
        let this = self.project();
        Poll::Ready(child_body::end(this.place, this.body, value))
    }

    /// Dropped before it had ended: its runtime was shut down.
    fn lost(self: Pin<&mut Self>) {
        let Some(place) = &self.place else { return };
        let node = place.node();
        if !node.peek().is_cancelled() {
            // Work that was asked for does not happen: that is the scope's failure.
            node.cancel(|| Reason::at(Kind::Shutdown, node.site()));
            node.fail_above(Kind::Shutdown, None);
        }
        let _ = self.end(None);
    }
}

impl<F: Future + Unpin> Spawned<F> {
    /// Takes a child that has not been polled apart, to be polled elsewhere.
    pub(super) fn into_parts(mut self) -> Option<(Place, F)> {
        self.place.take().zip(self.body.take())
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    fn size_of_task<F: Future>(_: F) -> usize {
        size_of::<Spawned<F>>()
    }

    #[test]
    fn the_task_of_an_empty_child_is_three_words() {
        // The bar on bytes per child rests on this. See `docs/rationale.md`.
        assert_eq!(size_of_task(async {}), 3 * size_of::<usize>());
    }
}
