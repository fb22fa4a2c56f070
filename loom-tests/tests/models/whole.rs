//! Whole scopes: the futures, their wakers, and children on threads of their own.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use loom::sync::atomic::Ordering;
use loom_tests::{Bell, models, spawn};
use umbel::model::block_on;
use umbel::testing::{Explored, Model};

/// I11: a value wins. The body is ready at its second poll; a cancel comes at any time.
fn cancel_against_ready(model: Model) -> Explored {
    model.floor(50).check(&[Err("stop".to_owned()), Ok(7)], || {
        let mut work = umbel::scope(async |_| {
            yield_once().await;
            7
        });
        let handle = work.handle();
        let canceller = spawn(move || {
            handle.cancel_with("stop");
            handle.cancel_count()
        });
        let outcome = block_on(work);
        assert_eq!(canceller.join().unwrap(), 1);
        outcome.map_err(|cancelled| cancelled.reason().message().unwrap().to_owned())
    })
}

/// I5: a parked scope is woken by a cancel, whenever it comes; else this deadlocks.
fn cancel_against_parking(model: Model) -> Explored {
    model.floor(20).check(&["absorbed"], || {
        let mut work = umbel::scope(async |_| pending::<()>().await);
        let handle = work.handle();
        let canceller = spawn(move || handle.cancel());
        assert!(block_on(work).is_err());
        canceller.join().unwrap();
        "absorbed"
    })
}

/// I5 with changing wakers: the latest is woken, or the poll that brought it sees the cancel.
fn cancel_against_a_new_waker(model: Model) -> Explored {
    model.floor(20).check(&["seen", "woken"], || {
        let (work, handle) = umbel::scope(async |_| pending::<()>().await).with_handle();
        let mut work = pin!(work);
        let (_, stale) = Bell::new();
        let (bell, waker) = Bell::new();
        assert!(work.as_mut().poll(&mut Context::from_waker(&stale)).is_pending());
        let canceller = spawn(move || handle.cancel());
        let seen = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        canceller.join().unwrap();
        assert!(seen || bell.rings() == 1, "neither seen nor woken");
        if seen { "seen" } else { "woken" }
    })
}

/// I4, I21: a scope that was addressed before its first poll joins the scope it is polled in while
/// that is being cancelled. If the request has returned before that it does not start; the outer one
/// absorbs, whichever comes first.
fn graft_against_cancel_bounded(model: Model) -> Explored {
    model.floor(30).bounded(4).check(&["absorbed", "woken"], || {
        let returned = Arc::new(AtomicBool::new(false));
        let is_late = Arc::new(AtomicBool::new(false));
        let (done, late) = (Arc::clone(&returned), Arc::clone(&is_late));
        let (inner, inner_handle) = umbel::scope(async move |_| {
            assert!(!late.load(Ordering::SeqCst), "it was started after the cancel");
            pending::<()>().await;
        })
        .with_handle();
        let (outer, handle) = umbel::scope(async move |_| {
            is_late.store(returned.load(Ordering::SeqCst), Ordering::SeqCst);
            inner.await
        })
        .with_handle();
        let mut outer = pin!(outer);
        let (bell, waker) = Bell::new();
        let canceller = spawn(move || {
            handle.cancel();
            done.store(true, Ordering::SeqCst);
        });
        let seen = outer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        canceller.join().unwrap();
        assert_eq!(inner_handle.cancel_count(), 0);
        if seen {
            return "absorbed";
        }
        assert_eq!(bell.rings(), 1);
        assert!(inner_handle.is_cancelled());
        assert!(outer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        "woken"
    })
}

/// I18, I20, on the whole: a scope with a spawned child that is cancelled, before it starts, while it
/// is parked, or too late.
fn spawn_join_and_cancel(model: Model) -> Explored {
    model.floor(100).check(&[None, Some(1)], || {
        block_on(umbel::scope(async |s| {
            let child = s.spawn(async { 1 });
            child.cancel();
            child.await.ok()
        }))
        .unwrap()
    })
}

/// R18, I19, on the whole: a scope with a child is dropped inside another, which waits.
fn dropped_scope_is_waited_for(model: Model) -> Explored {
    model.floor(100).check(&["waited"], || {
        let alive = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&alive);
        block_on(umbel::scope(async move |_| {
            let mut inner = Box::pin(umbel::scope(async |s| {
                let guard = Alive::new(&count);
                s.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                pending::<()>().await;
            }));
            std::future::poll_fn(|cx| {
                assert!(inner.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(inner);
        }))
        .unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        "waited"
    })
}

/// R18: without an enclosing scope the child is an orphan, and `drain` waits for it.
fn orphans_are_drained(model: Model) -> Explored {
    model.floor(50).check(&["drained"], || {
        let alive = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let guard = Alive::new(&alive);
        let mut scope = Box::pin(umbel::scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            pending::<()>().await;
        }));
        let (_, waker) = Bell::new();
        assert!(scope.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(scope);
        block_on(umbel::drain());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        "drained"
    })
}

/// R14: a child's panic ends its siblings and comes out of the scope.
fn child_panic_reaches_the_owner_bounded(model: Model) -> Explored {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            loud(info);
        }
    }));
    model.floor(50).bounded(4).check(&["on purpose"], || {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            block_on(umbel::scope(async |s| {
                s.spawn(async { panic!("on purpose") });
            }))
        }))
        .unwrap_err();
        *panic.downcast_ref::<&str>().unwrap()
    })
}

pub(crate) async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts itself while it lives.
pub(crate) struct Alive(Arc<std::sync::atomic::AtomicUsize>);

impl Alive {
    pub(crate) fn new(count: &Arc<std::sync::atomic::AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

models! { whole:
    cancel_against_ready,
    cancel_against_parking,
    cancel_against_a_new_waker,
    graft_against_cancel_bounded,
    spawn_join_and_cancel,
    dropped_scope_is_waited_for,
    orphans_are_drained,
    child_panic_reaches_the_owner_bounded,
}
