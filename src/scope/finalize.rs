//! Finalizers: asynchronous clean-up that a scope owes, whatever happens to it (R16).
//!
//! A finalizer is a shield around the user's future. It waits on the scope's node until nothing else
//! lives below; then whoever owns the node takes it from there and polls it in the scope's place: the
//! scope's own future, or, when that was dropped, a janitor on the scope's runtime. A janitor owns the
//! node as the future did, so the scopes around wait for both in the same way (I19, I30).

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::plain::shielded;
use crate::context::stack::{self, Place};
use crate::ground::panics;
use crate::ground::reason::Kind;
use crate::ground::runtime::Host;
use crate::ground::unhandled::{Unhandled, UnhandledKind};
use crate::tree::{self, Keeper, NodeRef, Role, Site, TRUNK, Tree};

/// A finalizer, to be polled in the place of its scope.
pub(super) type Finalizer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// As it waits in the tree, which does not know what it is.
struct Parcel(Finalizer);

/// Takes a finalizer that the tree has kept.
pub(super) fn unpack(parcel: tree::Finalizer) -> Finalizer {
    let parcel: Box<Parcel> = parcel.downcast().expect("the tree keeps nothing but finalizers");
    parcel.0
}

/// Has `scope` run `cleanup` when all its children are gone. If the scope has ended, it is run now, by
/// nobody's order: as an orphan.
pub(super) fn defer<F>(scope: &NodeRef, limit: Option<Duration>, site: Site, cleanup: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let finalizer = Box::pin(Guarded { is_over: false, site, work: run(limit, site, cleanup) });
    let late = match scope.defer(Box::new(Parcel(finalizer))) {
        Ok(Keeper::There) => return,
        // The scope's future was dropped, and somebody below is still at work.
        Ok(Keeper::Wanted) => return send_janitor(Place::of(scope.clone()), None),
        Err(late) => late,
    };
    let host = scope.tree().host().cloned().unwrap_or_else(Host::current);
    let (owner, _handle) = Tree::unowned(host).open(TRUNK, Role::Scope, site);
    owner.abandon();
    leave(Place::of(owner), Some(unpack(late)));
}

async fn run<F: Future<Output = ()>>(limit: Option<Duration>, site: Site, cleanup: F) {
    let mut section = shielded(cleanup, site).name("finalizer");
    if let Some(limit) = limit {
        section = section.timeout(limit);
    }
    if section.await.is_err() {
        Unhandled::new(UnhandledKind::FinalizerCut, site).report();
    }
}

pin_project_lite::pin_project! {
    /// Says so when the finalizer is dropped before it has ended.
    struct Guarded<F> {
        is_over: bool,
        site: &'static Location<'static>,
        #[pin]
        work: F,
    }

    impl<F> PinnedDrop for Guarded<F> {
        fn drop(this: Pin<&mut Self>) {
            if !this.is_over {
                Unhandled::new(UnhandledKind::FinalizerLost, this.site).report();
            }
        }
    }
}

impl<F: Future<Output = ()>> Future for Guarded<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // A panic in it is one way to end, and is reported as a panic.
        *this.is_over = true;
        let polled = this.work.poll(cx);
        *this.is_over = polled.is_ready();
        polled
    }
}

/// The owner of a place leaves for good, its body dropped, perhaps in the middle of a finalizer: what
/// is still to be run goes to a janitor.
pub(super) fn leave(place: Place, running: Option<Finalizer>) {
    if place.node().release_scope(running.is_some()) {
        send_janitor(place, running);
    }
}

/// Has the finalizers of a node without an owner run, by a task on its runtime. What was running goes on
/// where it was, before all others.
fn send_janitor(place: Place, running: Option<Finalizer>) {
    let host = place.node().tree().host().cloned();
    let janitor = Janitor { place: Some(place), running };
    // Without a runtime, or when that is shut down, the janitor's destructor says what is lost.
    match host.map(|host| host.spawn(janitor)) {
        Some(Ok(task)) => drop(task),
        Some(Err(janitor)) => drop(janitor),
        None => {}
    }
}

/// Takes the place of a scope's future that was dropped, for its finalizers.
struct Janitor {
    /// Taken when the node has closed.
    place: Option<Place>,
    running: Option<Finalizer>,
}

impl Future for Janitor {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            if let Some(running) = &mut this.running {
                let (_, polled) =
                    stack::within(&mut this.place, || panics::catch(|| running.as_mut().poll(cx)));
                match polled {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(())) => {}
                    Err(panic) => {
                        let node = stack::node(this.place.as_ref());
                        node.fail_above(Kind::ChildPanicked, Some(panic));
                    }
                }
                this.running = None;
            }
            let Some(place) = &this.place else { return Poll::Ready(()) };
            match place.node().next_finalizer(cx.waker()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(next)) => this.running = Some(unpack(next)),
                Poll::Ready(None) => {
                    this.place = None;
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        let Some(place) = &self.place else { return };
        // Its runtime is gone. Whatever has not been run says so when it is dropped, and the node, for
        // which somebody may wait, closes after that (I17).
        let node = place.node().clone();
        let mut left: Vec<Finalizer> = self.running.take().into_iter().collect();
        loop {
            while let Some(lost) = left.pop() {
                let (_, dropped) = stack::within(&mut self.place, || panics::catch(|| drop(lost)));
                if let Err(panic) = dropped {
                    node.fail_above(Kind::ChildPanicked, Some(panic));
                }
            }
            left.extend(node.leave_untended().into_iter().map(unpack));
            if left.is_empty() {
                return;
            }
        }
    }
}
