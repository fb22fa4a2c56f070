//! Sections and finalizers on several threads at once: cancelled, carried and dropped while they run.
//! Whatever comes first, sections run to their end (I12), finalizers run once (I30), and every scope
//! returns (I32).
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::yield_now;
use umbel::{Scope, scope, shield_unbounded};

const ROUNDS: usize = 200;

/// The scenario on this thread, its children on two more. No limit of time: how long it takes is up to the
/// machine, and of a test that hangs the harness says so.
fn on_threads(scenario: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(scenario);
}

async fn turns(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// I12, I5: cancelled from another thread while sections begin and end: none is cut, all return.
#[test]
fn a_cancel_races_with_sections() {
    on_threads(async {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for round in 0..ROUNDS {
            let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
            let (work, handle) = scope(async move |s: Scope<'static>| {
                for n in 0..4 {
                    let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
                    let child = async move {
                        loop {
                            turns(1).await;
                            shield_unbounded(async {
                                begun.fetch_add(1, Ordering::SeqCst);
                                turns(n + 1).await;
                                ended.fetch_add(1, Ordering::SeqCst);
                            })
                            .await;
                        }
                    };
                    drop(if n == 0 { s.fork(child) } else { s.spawn(child) });
                }
                pending::<()>().await;
            })
            .with_handle();
            let canceller = std::thread::spawn(move || {
                (0..round % 4).for_each(|_| std::thread::yield_now());
                handle.cancel();
            });
            assert!(work.await.is_err());
            canceller.join().unwrap();
        }
        assert_eq!(begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
    });
}

/// I5, R23: a section is carried to another thread and dropped there, or polled on, while the scope that
/// it kept is cancelled: that scope returns.
#[test]
fn a_cancel_races_with_a_section_that_is_carried_away() {
    on_threads(async {
        for round in 0..ROUNDS {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let (work, handle) = scope(async move |s| {
                let child = s.spawn(async move {
                    let mut section: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async {
                        drop(scope(async |_| shield_unbounded(turns(2)).await).await);
                    });
                    assert!(futures_util::poll!(section.as_mut()).is_pending());
                    drop(tx.send(section));
                    pending::<()>().await;
                });
                drop(child.await);
            })
            .with_handle();
            let elsewhere = tokio::task::spawn_blocking(move || {
                // Nothing, if the child was cancelled before its first turn (R6).
                let Ok(mut section) = rx.blocking_recv() else { return };
                (0..round % 20).for_each(|_| std::thread::yield_now());
                if round % 2 == 0 {
                    drop(section);
                } else {
                    let waker = std::task::Waker::noop();
                    for _ in 0..4 {
                        if common::with_waker(section.as_mut(), waker).is_ready() {
                            break;
                        }
                    }
                }
            });
            let canceller = async {
                turns(round % 10).await;
                handle.cancel();
            };
            let (outcome, ()) = tokio::join!(work, canceller);
            assert!(outcome.is_err());
            elsewhere.await.unwrap();
        }
    });
}

/// I19, I30: a scope is dropped while its children end and its finalizers run: each that was registered
/// runs once, and the scope around waits for it.
#[test]
fn a_drop_races_with_finalizers() {
    on_threads(async {
        for round in 0..ROUNDS {
            let (owed, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (counted, inside) = (Arc::clone(&owed), Arc::clone(&ran));
            let defer = move |s: &Scope<'static>, n| {
                counted.fetch_add(1, Ordering::SeqCst);
                let ran = Arc::clone(&inside);
                s.defer_unbounded(async move {
                    turns(n).await;
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            };
            let outcome = scope(async move |_: Scope<'static>| {
                let mut work = scope(async move |s: Scope<'static>| {
                    for n in 0..3 {
                        defer(&s, n);
                        let (late, defer) = (s.clone(), defer.clone());
                        s.spawn(async move {
                            defer(&late, 3 - n);
                            turns(n).await;
                        });
                    }
                    turns(round % 7).await;
                });
                if round % 3 == 0 {
                    drop(work.handle());
                }
                tokio::select! {
                    biased;
                    _ = work => {}
                    () = turns(round % 16) => {}
                }
            });
            outcome.await.unwrap();
            let (owed, ran) = (owed.load(Ordering::SeqCst), ran.load(Ordering::SeqCst));
            assert!(owed >= 3 && owed == ran, "{ran} of {owed} in round {round}");
        }
    });
}
