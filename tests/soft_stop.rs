//! The soft stop: a scope is asked to end, and everything below it can know (R17). How long it may take
//! is in `grace.rs`.
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};

use common::{Counts, Gate, Log, drive, runtime, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Kind, Ready, Scope, checkpoint, scope, shield, stopping};

/// R17: a scope that was asked to stop takes no more children, of whatever sort. They are dropped
/// unpolled, and the reason is that of the stop. It is not cancelled, and goes on.
#[tokio::test(start_paused = true)]
async fn a_stopping_scope_takes_no_more_children() {
    let counts = Counts::new();
    let (work, handle) = scope(async |s: Scope<'static>| {
        s.stop(secs(5));
        assert!(s.is_stopping() && !s.is_cancelled() && s.reason().is_none());
        let refused = [
            s.spawn(counts.pending()),
            s.fork(counts.pending()),
            s.service(counts.pending()),
            s.spawner().spawn(counts.pending()),
            s.reserve().await.spawn(counts.pending()),
        ];
        assert_eq!(counts.both(), (0, 5));
        for child in refused {
            assert!(child.handle().is_none());
            assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Stopped);
        }
        assert!(s.start(|_: Ready<()>| counts.pending()).await.is_err());
        assert_eq!(counts.both(), (0, 5), "that one was not even built");
        let mut results = s.results();
        results.spawn(counts.of(async {}));
        let refused = results.next().await.unwrap();
        assert_eq!(refused.unwrap_err().reason().kind(), Kind::Stopped);
        checkpoint().await;
        "value"
    })
    .with_handle();
    assert_eq!(work.await.unwrap(), "value");
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
}

/// R17: `stopping()` is ready in the body, in nested scopes, in children, in their scopes and in forks:
/// everywhere below, with the first request's reason. Around it, and beside it, nobody is told.
#[tokio::test(start_paused = true)]
async fn everything_below_is_told_and_nothing_else() {
    let log = Log::new();
    let told = |what| {
        let log = log.clone();
        async move {
            let reason = stopping().await.unwrap();
            assert_eq!(reason.kind(), Kind::Stopped);
            assert!(CancelScope::current().unwrap().is_stopping());
            assert!(!CancelScope::current().unwrap().is_cancelled());
            log.add(what);
        }
    };
    scope(async |around: Scope<'static>| {
        let beside = around.spawn(told("beside"));
        let (own, nested, childs) = (told("body"), told("nested"), told("child's scope"));
        let (deep, early) = (told("grandchild"), told("early scope"));
        let (child, fork, service) = (told("child"), told("fork"), told("service"));
        let work = scope(async |s: Scope<'static>| {
            s.spawn(child);
            s.fork(fork);
            s.service(service);
            s.spawn(async {
                let inner = scope(async |s| {
                    s.spawn(deep);
                    childs.await;
                });
                inner.await.unwrap();
            });
            s.spawn(async {
                let (inner, _handle) = scope(|_: Scope<'static>| early).with_handle();
                inner.await.unwrap();
            });
            let handle = s.handle();
            let stop = async {
                settle().await;
                handle.stop(secs(100));
            };
            let nested = scope(async |_| scope(|_: Scope<'static>| nested).await.unwrap());
            let _ = futures_util::future::join3(own, nested, stop).await;
            settle().await;
        });
        work.await.unwrap();
        assert!(!around.is_stopping());
        beside.cancel();
    })
    .await
    .unwrap();
    let mut all = log.all();
    all.sort_unstable();
    let expected = [
        "body",
        "child",
        "child's scope",
        "early scope",
        "fork",
        "grandchild",
        "nested",
        "service",
    ];
    assert_eq!(all, expected);
}

/// A scope or a child that is opened after the stop finds that it is stopping, at once. Nested scopes
/// were not asked themselves, and still take children: to finish, one may need help.
#[tokio::test(start_paused = true)]
async fn what_is_opened_after_the_stop_is_stopping_from_the_start() {
    let outcome = scope(async |s| {
        s.stop(secs(5));
        let inner = scope(async |inner| {
            assert!(inner.is_stopping());
            stopping().await.unwrap();
            let child = inner.spawn(async { stopping().await.is_some() });
            child.await.unwrap()
        });
        inner.await.unwrap()
    });
    assert!(outcome.await.unwrap());
}

/// R10: a shield keeps the request out as it keeps a cancellation out: nothing below it is told, and
/// scopes in it still take children.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_reach_through_a_shield() {
    let log = Log::new();
    let inside = log.clone();
    scope(async |s: Scope<'static>| {
        let handle = s.handle();
        s.spawn(async move {
            let section = shield(secs(3), async {
                let waiting = async {
                    stopping().await;
                    inside.add("never");
                };
                let work = scope(async |own: Scope<'static>| {
                    sleep(secs(1)).await;
                    assert!(!own.is_stopping());
                    own.spawn(async { 7 }).await.unwrap()
                });
                tokio::select! { biased; () = waiting => 0, n = work => n.unwrap() }
            });
            assert_eq!(section.await.unwrap(), 7);
            assert!(stopping().await.is_some());
            inside.add("behind it");
        });
        settle().await;
        handle.stop(secs(10));
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["behind it"]);
}

/// R24: asked from a thread without a runtime; whoever waits is woken.
#[test]
fn a_stop_may_come_from_a_thread_without_a_runtime() {
    runtime().block_on(async {
        let (work, handle) = scope(async |_| stopping().await).with_handle();
        let mut work = drive(work);
        work.pending();
        std::thread::spawn(move || drop(handle.stop(secs(60)))).join().unwrap();
        assert!(work.wakes() > 0);
        assert_eq!(work.ready().unwrap().unwrap().kind(), Kind::Stopped);
    });
}

/// R17: asked before the first poll: the body is polled, and finds that it is stopping. It takes no
/// children from the beginning.
#[tokio::test(start_paused = true)]
async fn a_scope_may_be_asked_before_its_first_poll() {
    let start = Instant::now();
    let (work, handle) = scope(async |s| {
        assert!(s.is_stopping() && stopping().await.is_some());
        assert!(s.spawn(async {}).await.is_err());
        pending::<()>().await;
    })
    .with_handle();
    handle.stop(secs(3));
    assert!(handle.is_stopping());
    let cancelled = work.await.unwrap_err();
    assert_eq!((cancelled.reason().kind(), start.elapsed()), (Kind::Stopped, secs(3)));
}

/// R22, R17: whoever waits on an early handle is told when the scope joins one that is stopping.
#[tokio::test(start_paused = true)]
async fn an_early_handle_is_told_when_its_scope_joins_one_that_is_stopping() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut waiting = drive(handle.stopping());
    waiting.pending();
    let mut around = drive(scope(async |s| {
        s.stop(secs(5));
        work.await.is_err()
    }));
    around.pending();
    assert!(handle.is_stopping());
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready().unwrap().kind(), Kind::Stopped);
}

/// R24: the waiter of a scope that ends without having been asked gets nothing, and does not hang;
/// that of one that was cancelled gets the reason. So does one that asks when it is over.
#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_scope() {
    for cancelled in [false, true] {
        let (work, handle) = scope(async |s| {
            settle().await;
            if cancelled {
                s.cancel();
            }
            checkpoint().await;
        })
        .with_handle();
        let (outcome, told) = futures_util::future::join(work, handle.stopping()).await;
        assert_eq!((outcome.is_err(), told.is_some()), (cancelled, cancelled));
        assert_eq!(handle.stopping().await.is_some(), cancelled);
        assert_eq!(handle.is_stopping(), cancelled);
    }
    let mut outside = drive(stopping());
    outside.pending();
}

/// A scope that was asked to stop and was done in time says so for good, with a name or without.
#[tokio::test(start_paused = true)]
async fn a_scope_that_stopped_in_time_still_says_that_it_was_asked() {
    for name in [None, Some("server")] {
        let mut work = scope(async |_| stopping().await.map(drop));
        if let Some(name) = name {
            work = work.name(name);
        }
        let (work, handle) = work.with_handle();
        let stop = handle.stop(secs(5));
        work.await.unwrap().unwrap();
        assert!(stop.await.is_none());
        assert!(handle.is_stopping() && !handle.is_cancelled(), "{name:?}");
        assert_eq!(handle.stopping().await.unwrap().kind(), Kind::Stopped);
        // It has ended: asking again does nothing.
        assert!(handle.stop(secs(0)).await.is_none());
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false), "{name:?}");
    }
}

/// A task that waits just before the stop, and one just after: neither is forgotten (I5). Each is one
/// wake; and one that has left is none.
#[tokio::test(start_paused = true)]
async fn no_waiter_is_forgotten_and_none_is_woken_twice() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    let (mut before, mut left) = (drive(handle.stopping()), drive(handle.stopping()));
    before.pending();
    before.pending();
    left.pending();
    let left_wakes = left.wakes();
    drop(left);
    handle.stop(secs(5));
    assert_eq!((left_wakes, before.wakes(), work.wakes()), (0, 1, 1));
    let mut after = drive(handle.stopping());
    assert!(after.ready().is_some() && before.ready().is_some());
    // Asked again: the owner is woken to look at its timer, the others are gone.
    work.pending();
    handle.stop(secs(4));
    assert_eq!((before.wakes(), after.wakes(), work.wakes()), (0, 0, 1));
}

/// I4, I5: a child opens its first scope, and so its tree, before, while and after its scope is asked
/// to stop from another thread. It is always told.
#[test]
fn a_child_that_opens_its_first_scope_meanwhile_is_told() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for _ in 0..200 {
        let start = Gate::new();
        let slot = Arc::new(Mutex::new(None));
        let (given, waits) = (Arc::clone(&slot), start.clone());
        let work = runtime.spawn(scope(async move |s: Scope<'static>| {
            let children: Vec<_> = (0..4)
                .map(|_| {
                    let waits = waits.clone();
                    s.spawn(async move {
                        waits.wait().await;
                        let told = scope(async |_| scope(async |_| stopping().await).await);
                        told.await.unwrap().unwrap().is_some()
                    })
                })
                .collect();
            *given.lock().unwrap() = Some(s.handle());
            futures_util::future::join_all(children).await
        }));
        let handle = loop {
            if let Some(handle) = slot.lock().unwrap().take() {
                break handle;
            }
            std::hint::spin_loop();
        };
        start.open();
        handle.stop(secs(600));
        let told = runtime.block_on(work).unwrap().unwrap();
        assert!(told.into_iter().all(Result::unwrap));
    }
}
