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
        place: Some(Place::of(owner)),
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
        if stack::node(this.place.as_ref()).peek().is_cancelled() {
            return self.end(None);
        }
        let (_, polled) = stack::within(this.place, || {
            panics::catch(|| this.body.as_mut().as_pin_mut().map(|body| body.poll(cx)))
        });
        match polled {
            Ok(Some(Poll::Ready(value))) => return self.end(Some(value)),
            Ok(_) => {}
            Err(panic) => {
                stack::node(this.place.as_ref()).fail_above(Kind::ChildPanicked, Some(panic));
                return self.end(None);
            }
        }
        let key = WakeKey::of(cx.waker());
        if *this.key != key {
            drop(stack::node(this.place.as_ref()).register(cx.waker()));
            *this.key = key;
        }
        // I5: as for spawned children.
        if stack::node(this.place.as_ref()).peek().is_cancelled() {
            return self.end(None);
        }
        Poll::Pending
    }
}

impl<F: Future> Forked<F> {
    /// The child has ended: drops its body, tells the scope, and delivers its value.
    fn end(self: Pin<&mut Self>, value: Option<F::Output>) -> Poll<()> {
        let mut this = self.project();
        let mut value = value;
        let unasked =
            if stack::node(this.place.as_ref()).word().is_unasked() { value.take() } else { None };
        let (_, dropped) = stack::within(this.place, || {
            panics::catch(|| {
                let _unasked = unasked;
                this.body.set(None);
            })
        });
        if let Some(place) = this.place.take() {
            if let Err(panic) = dropped {
                place.node().fail_above(Kind::ChildPanicked, Some(panic));
            }
            place.node().finish();
        }
        this.slot.fill(value);
        Poll::Ready(())
    }
}
