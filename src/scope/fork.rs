//! Forked children: polled in place by the scope's future, borrowing `'env`.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::bound::Turn;
use super::child::{Child, Outcome};
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
    fork_in_turn(scope, name, site, Turn::of(scope), future)
}

/// As [`fork`], with a turn that the caller has waited for.
pub(super) fn fork_in_turn<'env, F>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    turn: Option<Box<Turn>>,
    future: F,
) -> Child<F::Output>
where
    F: Future + Send + 'env,
    F::Output: Send + 'env,
{
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
    let slot = Arc::new(Slot::new());
    let fork = Forked {
        place: Some(Place::of(owner)),
        body: Some(future),
        turn,
        slot: Arc::clone(&slot),
        key: WakeKey::NONE,
    };
    // A scope that went away meanwhile gives the fork back; its destructor settles it.
    drop(erased::post(scope, Box::pin(fork)));
    // Forked from within the scope's own poll it is found when the body suspends.
    scope.notify_owner(!stack::is_within(scope)).run();
    Child::new(handle, Outcome::Forked(slot))
}

/// Where a fork leaves its value for its handle.
pub(super) struct Slot<T>(Lock<Contents<T>>);

struct Contents<T> {
    /// The fork has ended, with or without a value.
    is_filled: bool,
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self(Lock::new(Contents { is_filled: false, value: None, waker: None }))
    }

    fn fill(&self, value: Option<T>) {
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
        turn: Option<Box<Turn>>,
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
        if let Poll::Ready(value) = child_body::poll(this.place, this.turn, this.body.as_mut(), cx)
        {
            return self.end(value);
        }
        let key = WakeKey::of(cx.waker());
        let node = stack::node(this.place.as_ref());
        // As for spawned children: who has something to tell takes the waker out.
        let word = node.peek();
        if *this.key != key || !word.is_calm() {
            if word.must_attend() {
                node.attended();
            }
            drop(node.register(cx.waker()));
            *this.key = key;
        }
        // I5: as for spawned children.
        if child_body::must_stop(this.place.as_ref()) {
            return self.end(None);
        }
        Poll::Pending
    }
}

impl<F: Future> Forked<F> {
    /// The child has ended: its handle gets the value last.
    fn end(self: Pin<&mut Self>, value: Option<F::Output>) -> Poll<()> {
        let this = self.project();
        let value = child_body::end(this.place, this.turn, this.body, value);
        this.slot.fill(value);
        Poll::Ready(())
    }
}
