//! What a scope owes: finalizers, services, readiness, the soft stop.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use loom_tests::{Bell, models, spawn};
use umbel::model::{Owner, block_on};
use umbel::testing::{Explored, Model};
use umbel::{Ready, StartError};

use crate::whole::{Alive, yield_once};

/// I30: registered while the scope closes, a finalizer is run by the scope or, too late for that, as
/// an orphan; once in either case.
fn finalizer_against_close(model: Model) -> Explored {
    model.floor(20).check(&["by nobody", "by the scope"], || {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let mut registrar = None;
        block_on(umbel::scope(async |s| {
            registrar = Some(spawn(move || {
                s.defer_unbounded(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                });
            }));
        }))
        .unwrap();
        let by_the_scope = runs.load(Ordering::SeqCst);
        registrar.unwrap().join().unwrap();
        block_on(umbel::drain());
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        if by_the_scope == 1 { "by the scope" } else { "by nobody" }
    })
}

/// I19, I30: a scope is dropped while its child ends. The finalizer runs once, after the child, and
/// before the scope around returns.
fn finalizer_of_a_dropped_scope_bounded(model: Model) -> Explored {
    model.floor(100).bounded(2).check(&[1], || {
        let alive = Arc::new(AtomicUsize::new(0));
        let (inside, runs) = (Arc::clone(&alive), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&runs);
        block_on(umbel::scope(async move |_| {
            let guard = Alive::new(&inside);
            let mut inner = Box::pin(umbel::scope(async move |s| {
                s.defer_unbounded(async move {
                    assert_eq!(inside.load(Ordering::SeqCst), 0, "before the child had ended");
                    count.fetch_add(1, Ordering::SeqCst);
                });
                s.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                pending::<()>().await;
            }));
            let (_, waker) = Bell::new();
            assert!(inner.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }))
        .unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        runs.load(Ordering::SeqCst)
    })
}

/// I19, I30, on the bare tree: the owner leaves while the last child ends. Whoever tends the zombie
/// gets the finalizer once, when the child has ended, and the zombie closes after that.
fn finalizer_of_a_zombie(model: Model) -> Explored {
    model.floor(10).check(&["at once", "woken"], || {
        let (above, _) = Owner::root();
        let (owner, scope) = above.open_below();
        let (child, handle) = scope.admit().unwrap();
        owner.defer();
        let other = spawn(move || child.finish());
        let (bell, waker) = Bell::new();
        let left = owner.leave();
        let mut next = left.next_finalizer(&waker);
        let woken = next.is_pending();
        other.join().unwrap();
        assert!(handle.is_closed());
        if woken {
            assert_eq!(bell.rings(), 1);
            next = left.next_finalizer(&waker);
        }
        assert!(matches!(next, Poll::Ready(true)), "the finalizer is given out");
        assert!(!above.try_close(&waker), "it is waited for while it runs");
        assert!(matches!(left.next_finalizer(&waker), Poll::Ready(false)), "once");
        assert!(scope.is_closed() && above.try_close(&waker));
        if woken { "woken" } else { "at once" }
    })
}

/// I30: a finalizer comes to a zombie that had none, while the last child ends. It is kept, and given
/// out once, after that child; or it is too late.
fn finalizer_for_a_zombie(model: Model) -> Explored {
    model.floor(5).check(&["kept", "late"], || {
        let (above, _) = Owner::root();
        let (owner, scope) = above.open_below();
        let (child, handle) = scope.admit().unwrap();
        owner.drop_early();
        let other = spawn(move || child.finish());
        let (bell, waker) = Bell::new();
        let (_, tended) = scope.defer();
        let said = if let Some(left) = &tended {
            let mut next = left.next_finalizer(&waker);
            let woken = next.is_pending();
            other.join().unwrap();
            assert!(handle.is_closed() && !scope.is_closed());
            if woken {
                assert_eq!(bell.rings(), 1);
                next = left.next_finalizer(&waker);
            }
            assert!(matches!(next, Poll::Ready(true)), "the finalizer is given out");
            assert!(!above.try_close(&waker), "it is waited for while it runs");
            assert!(matches!(left.next_finalizer(&waker), Poll::Ready(false)), "once");
            "kept"
        } else {
            other.join().unwrap();
            "late"
        };
        assert!(scope.is_closed() && above.try_close(&waker));
        said
    })
}

/// R15: services are ended when the last ordinary child is done, whichever thread notices.
fn services_end_last(model: Model) -> Explored {
    model.floor(10).check(&["by the child", "by the owner"], || {
        let (owner, scope) = Owner::root();
        let (service, service_handle) = scope.admit_service().unwrap();
        let (child, _handle) = scope.admit().unwrap();
        let (bell, waker) = Bell::new();
        let other = spawn(move || child.finish());
        assert!(!owner.try_close(&waker), "the service lives");
        let noticed = service_handle.count() == 1;
        other.join().unwrap();
        assert!(noticed || bell.rings() == 1, "neither noticed nor woken");
        if !noticed {
            assert!(!owner.try_close(&waker), "the service is being ended");
        }
        assert_eq!(service_handle.count(), 1);
        assert!(scope.admit().is_none(), "nothing is admitted any more");
        service.finish();
        assert!(owner.try_close(&waker));
        if noticed { "by the owner" } else { "by the child" }
    })
}

/// I27, I28: a start gives its outcome once, whatever the child, a canceller and the caller do. The
/// scope is charged for nothing.
fn ready_against_the_end_of_the_child(model: Model) -> Explored {
    model.floor(20).check(&[(1, 2)], || {
        block_on(umbel::scope(async |s| {
            let started = s.start(async |ready: Ready<i32>| {
                ready.notify(1);
                2
            });
            let started = started.await.unwrap();
            (started.value, started.child.await.unwrap())
        }))
        .unwrap()
    })
}

/// I27: a child that goes on when it is ready has told, and whoever waited is woken.
fn ready_of_a_child_that_goes_on(model: Model) -> Explored {
    model.floor(20).check(&[1], || {
        block_on(umbel::scope(async |s| {
            let started = s.start(async |ready: Ready<i32>| {
                ready.notify(1);
                pending::<()>().await;
            });
            let started = started.await.unwrap();
            started.child.cancel();
            started.value
        }))
        .unwrap()
    })
}

/// I27: ready, or cancelled, and never both or neither.
fn ready_against_cancel(model: Model) -> Explored {
    model.floor(20).check(&["cancelled", "ready"], || {
        block_on(umbel::scope(async |s| {
            let starting = s.start(async |ready: Ready<()>| ready.notify(()));
            starting.handle().unwrap().cancel();
            let outcome = starting.await;
            assert_eq!(s.cancel_count(), 0);
            match outcome {
                Ok(_) => "ready",
                Err(StartError::Cancelled(_)) => "cancelled",
                Err(_) => "ended",
            }
        }))
        .unwrap()
    })
}

/// I28: the caller leaves. The child ends, by itself or cancelled, and the value is dropped once.
fn ready_against_the_callers_drop(model: Model) -> Explored {
    model.floor(20).check(&["left", "told"], || {
        let values = Arc::new(AtomicUsize::new(0));
        let value = Alive::new(&values);
        let told = block_on(umbel::scope(async move |s| {
            let mut starting = pin!(s.start(async |ready: Ready<Alive>| {
                ready.notify(value);
                yield_once().await;
            }));
            let (_, waker) = Bell::new();
            let told = starting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            assert_eq!(s.cancel_count(), 0);
            told
        }))
        .unwrap();
        assert_eq!(values.load(Ordering::SeqCst), 0, "the value is dropped");
        if told { "told" } else { "left" }
    })
}

/// R17: whoever waits to be asked to stop is told, however the asking and the waiting meet.
fn stop_against_waiting(model: Model) -> Explored {
    model.floor(20).check(&["told"], || {
        let (owner, outer) = Owner::root();
        let (inner, watched) = outer.open();
        let stopper = spawn(move || outer.stop());
        block_on(watched.stopping());
        stopper.join().unwrap();
        let (_, waker) = Bell::new();
        assert!(inner.try_close(&waker) && owner.try_close(&waker));
        "told"
    })
}

/// R17 across tasks: the same for a child, whose tree appears at any time.
fn stop_against_waiting_in_a_child(model: Model) -> Explored {
    model.floor(20).check(&["told"], || {
        let (_owner, outer) = Owner::root();
        let (task, _handle) = outer.admit().unwrap();
        let stopper = spawn(move || outer.stop());
        let (_inner, watched) = task.open_in_task();
        block_on(watched.stopping());
        stopper.join().unwrap();
        "told"
    })
}

/// I20, R17: a child is admitted before the stop, and is waited for; or refused.
fn admission_against_stop(model: Model) -> Explored {
    model.floor(20).check(&["admitted", "refused"], || {
        block_on(umbel::scope(async |s| {
            let spawner = s.spawner();
            let other = spawn(move || {
                let was_stopping = spawner.is_stopping();
                let child = spawner.spawn(async {});
                let is_refused = child.id().is_none();
                assert!(is_refused || !was_stopping, "admitted after the stop");
                is_refused
            });
            drop(s.stop(Duration::from_secs(60)));
            if other.join().unwrap() { "refused" } else { "admitted" }
        }))
        .unwrap()
    })
}

/// I25: a deadline, here one more thread for which the time has come, passes before the end of the
/// scope, which then says so; or has no effect on its outcome.
fn deadline_against_completion(model: Model) -> Explored {
    model.floor(20).check(&[Err(1), Ok(0), Ok(1)], || {
        let (work, handle) = umbel::scope(async |_| yield_once().await).with_handle();
        let watched = handle.clone();
        let clock = spawn(move || umbel::model::come_due(&handle));
        let outcome = block_on(work);
        let seen = watched.cancel_count();
        clock.join().unwrap();
        assert_eq!(watched.cancel_count(), 1);
        match outcome {
            Ok(()) => Ok(seen),
            Err(cancelled) => {
                assert_eq!(cancelled.reason().kind(), umbel::Kind::Deadline);
                Err(seen)
            }
        }
    })
}

models! { owed:
    finalizer_against_close,
    finalizer_of_a_dropped_scope_bounded,
    finalizer_of_a_zombie,
    finalizer_for_a_zombie,
    services_end_last,
    ready_against_the_end_of_the_child,
    ready_of_a_child_that_goes_on,
    ready_against_cancel,
    ready_against_the_callers_drop,
    stop_against_waiting,
    stop_against_waiting_in_a_child,
    admission_against_stop,
    deadline_against_completion,
}
