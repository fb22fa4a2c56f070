//! Spawned children: the wrapper that runs on tokio.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::bound::Turn;
use super::child::{Child, Outcome};
use super::child_body;
use crate::context::stack::Place;
use crate::ground::reason::{Kind, Reason};
use crate::ground::seeded;
use crate::tree::{NodeRef, Role, Site};

/// Admits a child to `scope`, a task or a service, and starts it.
#[inline]
pub(super) fn spawn<F>(
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
    let turn = if role == Role::Service { None } else { Turn::of(scope) };
    start(scope, role, name, site, turn, future)
}

/// As [`spawn`], with a turn that the caller has waited for.
pub(super) fn spawn_in_turn<F>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    turn: Option<Box<Turn>>,
    future: F,
) -> Child<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    start(scope, Role::Task, name, site, turn, future)
}

#[inline]
fn start<F>(
    scope: &NodeRef,
    role: Role,
    name: Option<Cow<'static, str>>,
    site: Site,
    turn: Option<Box<Turn>>,
    future: F,
) -> Child<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
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
    let task = Spawned { place: Some(Place::of(owner)), body: Some(future), turn };
    let spawned = match scope.tree().host() {
        Some(host) => host.spawn(task),
        None => Err(task),
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

pin_project! {
    /// The root of a child's task. Its size matters: with three words the whole task of an empty child
    /// fits into the 128 bytes that tokio takes for it anyway.
    ///
    /// Its output is nothing if the child was cancelled, panicked, or nobody is left to ask: the
    /// handle finds out why from the tree.
    struct Spawned<F: Future> {
        // Where the child stands in the tree; taken when it has ended.
        place: Option<Place>,
        #[pin]
        body: Option<F>,
        // In a bounded scope, the child's turn.
        turn: Option<Box<Turn>>,
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
        let mut this = self.as_mut().project();
        if let Poll::Ready(value) = child_body::poll(this.place, this.turn, this.body.as_mut(), cx)
        {
            return self.end(value);
        }
        // Every waker of a tokio task wakes that task, so one registration serves for its whole life.
        // Only who has something to tell takes it out, and says so in the word: a canceller (of a child
        // that lives on in a shield), or who asked for attention. Then it must be found again.
        if let Some(place) = this.place {
            let word = place.node().peek();
            if !place.is_registered() || !word.is_calm() {
                if word.must_attend() {
                    place.node().attended();
                }
                drop(place.node().register(cx.waker()));
                place.set_registered();
            }
        }
        // I5: whoever cancels after the registration finds the waker; whoever did before it is seen
        // here.
        if child_body::must_stop(this.place.as_ref()) && !seeded!(LostRecheck) {
            return self.end(None);
        }
        Poll::Pending
    }
}

impl<F: Future> Spawned<F> {
    #[inline]
    fn end(self: Pin<&mut Self>, value: Option<F::Output>) -> Poll<Option<F::Output>> {
        let this = self.project();
        Poll::Ready(child_body::end(this.place, this.turn, this.body, value))
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
