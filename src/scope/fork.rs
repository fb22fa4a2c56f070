//! Forked children: polled in place by the scope's future, borrowing `'env`.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::child::{Child, Outcome};
use super::erased;
use super::wake_key::WakeKey;
use crate::context::stack::{self, Place};
use crate::ground::panics;
use crate::ground::reason::Kind;
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
        place: Some(Place::Node(owner)),
        body: Some(future),
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
    /// `Some(None)` when the fork ended without a value.
    value: Option<Option<T>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self(Lock::new(Contents { value: None, waker: None }))
    }

    fn fill(&self, value: Option<T>) {
        let mut contents = self.0.lock();
        contents.value = Some(value);
        let waker = contents.waker.take();
        drop(contents);
        waker.into_iter().for_each(panics::wake);
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = cx.waker().clone();
        let mut contents = self.0.lock();
        match contents.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                let old = contents.waker.replace(waker);
                drop(contents);
                drop(old);
                Poll::Pending
            }
        }
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
            let mut this = this;
            if let Some(place) = this.as_mut().project().place.take() {
                this.end(place, None);
            }
        }
    }
}

impl<F: Future> Future for Forked<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.as_mut().project();
        let place = this.place.take().expect("a child is not polled after it has ended");
        if place.node().peek().is_cancelled() {
            return Poll::Ready(self.end(place, None));
        }
        let (place, _, polled) = stack::within(place, || {
            panics::catch(|| this.body.as_mut().as_pin_mut().map(|body| body.poll(cx)))
        });
        match polled {
            Ok(Some(Poll::Ready(value))) => return Poll::Ready(self.end(place, Some(value))),
            Ok(_) => {}
            Err(panic) => {
                place.node().fail_above(Kind::ChildPanicked, Some(panic));
                return Poll::Ready(self.end(place, None));
            }
        }
        // Put back first: a waker's clone is foreign code and may panic.
        let place = this.place.insert(place);
        let key = WakeKey::of(cx.waker());
        if *this.key != key {
            drop(place.node().register(cx.waker()));
            *this.key = key;
        }
        // I5: as for spawned children.
        if !place.node().peek().is_cancelled() {
            return Poll::Pending;
        }
        let place = this.place.take();
        place.into_iter().for_each(|place| self.as_mut().end(place, None));
        Poll::Ready(())
    }
}

impl<F: Future> Forked<F> {
    /// The child has ended: drops its body, delivers its value, and then tells the scope.
    fn end(self: Pin<&mut Self>, place: Place, value: Option<F::Output>) {
        let mut this = self.project();
        let mut value = value;
        let unasked = if place.node().is_shared() { None } else { value.take() };
        let (place, _, dropped) = stack::within(place, || {
            let body = panics::catch(|| this.body.set(None));
            body.and(panics::catch(|| drop(unasked)))
        });
        if let Err(panic) = dropped {
            place.node().fail_above(Kind::ChildPanicked, Some(panic));
        }
        this.slot.fill(value);
        place.node().finish();
    }
}
