//! Bodies and wakers: who drops them, when, and how often.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use loom::thread::ThreadId;
use loom_tests::{Bell, Event, models, spawn, waker_that};
use umbel::CancelScope;
use umbel::model::{Owner, block_on};
use umbel::testing::{Explored, Model};

use crate::whole::{Alive, yield_once};

/// A body that never ends by itself, uses the library when it is dropped, and says where that was.
struct Watched {
    scope: Option<CancelScope>,
    dropped_on: Arc<Mutex<Vec<ThreadId>>>,
}

impl Future for Watched {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.scope = CancelScope::current();
        Poll::Pending
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.dropped_on.lock().unwrap().push(loom::thread::current().id());
        if let Some(scope) = &self.scope {
            assert!(scope.is_cancelled() && scope.reason().is_some());
            assert_eq!(scope.cancel_count(), 1);
            scope.cancel();
        }
    }
}

/// I15, I16, R25: the body of a cancelled scope is dropped once, by the thread that polls the scope and
/// not by the one that cancels; its destructor may use the library.
fn the_poller_drops_the_body(model: Model) -> Explored {
    model.floor(20).check(&["dropped"], || {
        let dropped_on = Arc::default();
        let body = Watched { scope: None, dropped_on: Arc::clone(&dropped_on) };
        let (work, handle) = umbel::scope(async move |_| body.await).with_handle();
        let watched = handle.clone();
        let canceller = spawn(move || handle.cancel());
        assert!(block_on(work).is_err());
        canceller.join().unwrap();
        assert_eq!(*dropped_on.lock().unwrap(), [loom::thread::current().id()]);
        assert!((1..=2).contains(&watched.cancel_count()), "unpolled, it knows of no scope");
        "dropped"
    })
}

/// I15, I16, I17: the same of a spawned child that is cancelled from the scope's thread. When the scope
/// returns the body has been dropped, once, on the child's thread.
fn the_child_drops_its_body(model: Model) -> Explored {
    model.floor(50).check(&["dropped"], || {
        let dropped_on: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
        let body = Watched { scope: None, dropped_on: Arc::clone(&dropped_on) };
        block_on(umbel::scope(async |s| {
            s.spawn(body).cancel();
        }))
        .unwrap();
        let dropped_on = dropped_on.lock().unwrap();
        assert_eq!(dropped_on.len(), 1);
        assert_ne!(dropped_on[0], loom::thread::current().id());
        "dropped"
    })
}

/// I11, I17: a child that is ready at once is cancelled. When its handle answers, the body has been
/// dropped, and what it had captured; so it has when the scope returns.
fn a_body_goes_before_its_end_is_told(model: Model) -> Explored {
    model.floor(100).check(&["cancelled", "ready"], || {
        let alive = Arc::new(AtomicUsize::new(0));
        let inside = Arc::clone(&alive);
        let told = block_on(umbel::scope(async move |s| {
            let guard = Alive::new(&inside);
            let child = s.spawn(async move {
                let _guard = guard;
            });
            child.cancel();
            let outcome = child.await;
            assert_eq!(inside.load(Ordering::SeqCst), 0, "told before the body was gone");
            outcome
        }))
        .unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        if told.is_ok() { "ready" } else { "cancelled" }
    })
}

/// Says when it is dropped, and others may have their turn before it does.
struct Going(Arc<loom::sync::atomic::AtomicBool>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// I17, I18: a child that nobody waits for is cancelled with its scope. Its body has been dropped when the
/// scope returns, and not just its end told.
fn a_body_goes_before_its_scope_returns(model: Model) -> Explored {
    model.floor(20).check(&["dropped"], || {
        let is_gone = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let going = Going(Arc::clone(&is_gone));
        let outcome = block_on(umbel::scope(async move |s| {
            s.spawn(async move {
                let _going = going;
                std::future::pending::<()>().await;
            });
            s.cancel();
        }));
        assert!(outcome.is_ok(), "the body had returned");
        assert!(is_gone.load(Ordering::SeqCst), "returned before the body was gone");
        "dropped"
    })
}

/// I31: a scope ends while one of its handles is used on another thread. When it has ended the handles
/// keep neither its body nor its waker.
fn handles_keep_nothing(model: Model) -> Explored {
    model.floor(50).check(&["absorbed", "ready"], || {
        let alive = Arc::new(AtomicUsize::new(0));
        let guard = Alive::new(&alive);
        let (work, handle) = umbel::scope(async move |_| {
            let _guard = guard;
            yield_once().await;
        })
        .with_handle();
        let mut work = Box::pin(work);
        let canceller = spawn({
            let handle = handle.clone();
            move || {
                handle.cancel();
                handle
            }
        });
        let (bell, waker) = Bell::new();
        let outcome = loop {
            if let Poll::Ready(outcome) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                break outcome;
            }
        };
        let other = canceller.join().unwrap();
        drop(waker);
        assert_eq!(Arc::strong_count(&bell), 1, "the waker is kept");
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        assert!(handle.is_finished() && other == handle);
        if outcome.is_ok() { "ready" } else { "absorbed" }
    })
}

/// R25, I5: the waker of a scope uses the library: it cancels, asks, and asks why. It is woken by a
/// canceller or by the last child, from a thread each: whoever is first takes it.
fn a_waker_uses_the_library(model: Model) -> Explored {
    model.floor(50).check(&[1], || {
        let (owner, scope) = Owner::root();
        let (child, _handle) = scope.admit().unwrap();
        let rings = Arc::new(AtomicUsize::new(0));
        let waker = waker_that({
            let (scope, rings) = (scope.clone(), Arc::clone(&rings));
            move || {
                rings.fetch_add(1, Ordering::SeqCst);
                scope.cancel("from the waker");
                assert!(scope.is_cancelled() && scope.reason().is_some());
                assert!(scope.admit().is_none());
            }
        });
        assert!(!owner.try_close(&waker), "the child lives");
        let canceller = spawn({
            let scope = scope.clone();
            move || scope.cancel("stop")
        });
        let ending = spawn(move || child.finish());
        canceller.join().unwrap();
        ending.join().unwrap();
        let rings = rings.load(Ordering::SeqCst);
        assert_eq!(scope.count(), 1 + rings as u64);
        assert!(owner.try_close(&waker));
        rings
    })
}

/// I16: a body that ends by itself, or is cancelled, or is dropped with the future of its scope, each at
/// any time, is dropped once.
fn a_body_is_dropped_once(model: Model) -> Explored {
    model.floor(50).check(&["cancelled", "future dropped", "ready"], || {
        let alive = Arc::new(AtomicUsize::new(0));
        let drops = Arc::new(AtomicUsize::new(0));
        let event = Event::new();
        let body =
            Counted { event: event.clone(), drops: Arc::clone(&drops), alive: Alive::new(&alive) };
        let (work, handle) = umbel::scope(async move |_| body.await).with_handle();
        let one = spawn(move || event.happen());
        let two = spawn(move || handle.cancel());
        let outcome = {
            let mut work = pin!(work);
            let (_, waker) = Bell::new();
            let first = work.as_mut().poll(&mut Context::from_waker(&waker));
            if first.is_pending() { work.poll(&mut Context::from_waker(&waker)) } else { first }
        };
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!((drops.load(Ordering::SeqCst), alive.load(Ordering::SeqCst)), (1, 0));
        match outcome {
            Poll::Ready(Ok(())) => "ready",
            Poll::Ready(Err(_)) => "cancelled",
            Poll::Pending => "future dropped",
        }
    })
}

/// Ready after the event, counts its drops.
struct Counted {
    event: Event,
    drops: Arc<AtomicUsize>,
    #[expect(dead_code, reason = "held to be dropped")]
    alive: Alive,
}

impl Future for Counted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.event).poll(cx)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

models! { bodies:
    the_poller_drops_the_body,
    the_child_drops_its_body,
    a_body_goes_before_its_end_is_told,
    a_body_goes_before_its_scope_returns,
    handles_keep_nothing,
    a_waker_uses_the_library,
    a_body_is_dropped_once,
}
