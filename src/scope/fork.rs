//! Forked children: polled in place by the scope's future, borrowing `'env`.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::aside::Standing;
use super::child::{Child, Outcome};
use super::local::LocalScope;
use super::wake_key::WakeKey;
use super::{child_body, erased};
use crate::context::stack::{self, Place};
use crate::ground::panics;
use crate::ground::sync::Lock;
use crate::tree::{NodeRef, Role, Site};

/// Admits a forked child to `scope` and sends it to the scope's future.
pub(super) fn fork<'env, F>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    future: F,
) -> Child<F::Output>
where
    F: Future + Send + 'env,
    F::Output: Send + 'env,
{
    fork_in_turn(scope, name, site, Standing::InLine, future)
}

/// As [`fork`], for whoever may have waited for a turn.
pub(super) fn fork_in_turn<'env, F>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    standing: Standing,
    future: F,
) -> Child<F::Output>
where
    F: Future + Send + 'env,
    F::Output: Send + 'env,
{
    // A scope that went away meanwhile gives the fork back; its destructor settles it.
    start(scope, name, site, standing, future, |fork| {
        erased::post(scope, Box::pin(fork)).unwrap_or(false)
    })
}

/// As [`fork`], where the future need not be `Send`.
pub(super) fn fork_local<'env, F>(
    scope: &LocalScope<'env>,
    name: Option<Cow<'static, str>>,
    site: Site,
    future: F,
) -> Child<F::Output>
where
    F: Future + 'env,
    F::Output: 'env,
{
    let post = |fork| erased::post_local(scope, Box::pin(fork)).unwrap_or(false);
    let scope = &scope.scope().handle.0;
    start(scope, name, site, Standing::InLine, future, post)
}

/// Admits a forked child and has `post` send it, which says whether the scope has to be told.
fn start<F: Future>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    standing: Standing,
    future: F,
    post: impl FnOnce(Forked<F>) -> bool,
) -> Child<F::Output> {
    let (owner, handle) = match scope.admit(Role::Fork, site) {
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
    let slot = Arc::new(Slot::new());
    let fork = Forked {
        place: Some(place),
        body: Some(future),
        slot: Arc::clone(&slot),
        key: WakeKey::NONE,
    };
    // Whoever posted the first one that waits tells the scope of all.
    if post(fork) {
        // Forked from within the scope's own poll it is found when the body suspends.
        scope.notify_owner(!stack::is_within(scope)).run();
    }
    Child::new(handle, Outcome::Forked(slot))
}

/// Where a fork, or a child on a thread of its own, leaves its value for its handle.
pub(super) struct Slot<T>(Lock<Contents<T>>);

struct Contents<T> {
    /// The fork has ended, with or without a value.
    is_filled: bool,
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        Self(Lock::new(Contents { is_filled: false, value: None, waker: None }))
    }

    pub(super) fn fill(&self, value: Option<T>) {
        let mut contents = self.0.lock();
        contents.is_filled = true;
        contents.value = value;
        let waker = contents.waker.take();
        drop(contents);
        waker.into_iter().for_each(panics::wake);
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = cx.waker().clone();
        let mut contents = self.0.lock();
        if contents.is_filled {
            return Poll::Ready(contents.value.take());
        }
        let old = contents.waker.replace(waker);
        drop(contents);
        drop(old);
        Poll::Pending
    }
}

pin_project! {
    struct Forked<F: Future> {
        place: Option<Place>,
        #[pin]
        body: Option<F>,
        slot: Arc<Slot<F::Output>>,
        key: WakeKey,
    }

    impl<F: Future> PinnedDrop for Forked<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.place.is_some() {
                let _ = this.end(None);
            }
        }
    }
}

impl<F: Future> Future for Forked<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.as_mut().project();
        if let Poll::Ready(value) = child_body::poll(this.place, this.body.as_mut(), cx) {
            return self.end(value);
        }
        let key = this.key;
        let register = |place: &mut Place, anew: bool, waker: &Waker| {
            let new = WakeKey::of(waker);
            if anew || *key != new {
                drop(place.node().register(waker));
                *key = new;
            }
        };
        if child_body::must_end(this.place, cx, register) {
            return self.end(None);
        }
        Poll::Pending
    }
}

impl<F: Future> Forked<F> {
    /// The child has ended: its handle gets the value last.
    fn end(self: Pin<&mut Self>, value: Option<F::Output>) -> Poll<()> {
        let this = self.project();
        let value = child_body::end(this.place, this.body, value);
        this.slot.fill(value);
        Poll::Ready(())
    }
}
