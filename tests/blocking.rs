//! Children that block a thread: run or not, waited for, and never stopped.
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod common;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::{panic, thread};

use common::{Gate, Log, boom, drive, panic_of, runtime};
use tokio::runtime::{Builder, Handle, Runtime};
use umbel::{CancelScope, Kind, check, scope, task};

/// A runtime with a single thread for blocking work.
fn one_blocking_thread() -> Runtime {
    Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap()
}

/// The value reaches the handle; captures and the value of a child nobody asks are dropped when the
/// scope returns (R12).
#[test]
fn a_function_runs_on_a_thread_and_is_joined() {
    let log = Log::new();
    let home = thread::current().id();
    runtime()
        .block_on(scope(async |s| {
            let captured = log.guard("captured");
            let there = s.spawn_blocking(move |_| {
                let _captured = captured;
                thread::current().id()
            });
            let value = log.guard("value");
            drop(s.named("unasked").spawn_blocking(|_| value));
            let spawner = s.spawner();
            spawner.spawn_blocking({
                let log = log.clone();
                move |_| log.add("from a spawner")
            });
            assert_ne!(there.await.unwrap(), home);
        }))
        .unwrap();
    let mut all = log.all();
    all.sort_unstable();
    assert_eq!(all, ["captured", "from a spawner", "value"]);
    assert_eq!(log.holders(), 1);
}

/// R13: the scope is cancelled before the work is handed over: refused, and not run.
#[test]
fn work_for_a_cancelled_scope_is_not_run() {
    let log = Log::new();
    let outcome = runtime().block_on(scope(async |s| {
        s.cancel();
        let (guard, inside) = (log.guard("dropped"), log.clone());
        let child = s.spawn_blocking(move |_| {
            let _guard = guard;
            inside.add("run");
        });
        assert_eq!(log.all(), ["dropped"], "before the call returns");
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Explicit);
    }));
    assert!(outcome.is_ok());
    assert_eq!(log.all(), ["dropped"]);
}

/// R6: cancelled while it waits for a thread, it is skipped, and dropped inside its place.
#[test]
fn work_that_is_cancelled_in_the_queue_is_not_run() {
    let log = Log::new();
    let (go, wait) = mpsc::channel::<()>();
    one_blocking_thread()
        .block_on(scope(async |s| {
            let first = s.spawn_blocking(move |_| wait.recv().unwrap());
            let (guard, inside) = (log.guard("dropped"), log.clone());
            let second = s.spawn_blocking(move |_| {
                let _guard = guard;
                inside.add("run");
            });
            second.cancel();
            assert!(log.is_empty(), "it is in the queue");
            go.send(()).unwrap();
            first.await.unwrap();
            assert_eq!(second.await.unwrap_err().reason().kind(), Kind::Explicit);
            assert_eq!((s.cancel_count(), log.all()), (0, vec!["dropped"]));
        }))
        .unwrap();
}

/// R9: a thread asks before and after its scope is cancelled; the scope waits for it and absorbs.
#[test]
fn a_thread_asks_before_and_after_its_scope_is_cancelled() {
    let log = Log::new();
    let outcome = runtime().block_on(scope(async |s| {
        let (before, after) = (Gate::new(), mpsc::channel::<()>());
        let (asked, inside) = (before.clone(), log.clone());
        s.spawn_blocking(move |cx| {
            assert!(cx.check().is_ok() && check().is_ok() && !cx.is_cancelled());
            asked.open();
            after.1.recv().unwrap();
            let (told, ambient) = (cx.check().unwrap_err(), check().unwrap_err());
            assert_eq!(told.reason().message(), Some("enough"));
            assert_eq!(ambient.reason().message(), Some("enough"));
            assert!(cx.is_cancelled() && task::current().is_cancelled());
            assert_eq!((task::current().cancel_count(), cx.handle().cancel_count()), (0, 0));
            inside.add("ended");
        });
        before.wait().await;
        s.cancel_with("enough");
        after.0.send(()).unwrap();
        pending::<()>().await;
        log.add("never");
    }));
    assert_eq!(outcome.unwrap_err().reason().message(), Some("enough"));
    assert_eq!(log.all(), ["ended"]);
}

/// R9: outside every scope there is nothing to check.
#[test]
fn a_thread_of_its_own_has_nothing_to_check() {
    runtime()
        .block_on(scope(async |s| {
            s.cancel();
            thread::spawn(|| {
                assert!(check().is_ok());
                assert!(CancelScope::current().is_none());
                assert!(!task::current().is_child());
            })
            .join()
            .unwrap();
        }))
        .unwrap();
}

/// R22: the child's place is the ambient one on its thread while it runs, and not afterwards.
#[test]
fn the_place_is_there_while_it_runs() {
    let runtime = one_blocking_thread();
    runtime
        .block_on(scope(async |s| {
            let child = s.named("worker").spawn_blocking(|cx| {
                assert_eq!(CancelScope::current(), Some(cx.handle()));
                task::current().name()
            });
            assert_eq!(child.await.unwrap().as_deref(), Some("worker"));
            let failed = s.spawn_blocking(|_| panic::catch_unwind(|| boom("caught")).is_err());
            assert!(failed.await.unwrap());
        }))
        .unwrap();
    // The same thread, I29.
    let after = runtime.spawn_blocking(|| CancelScope::current().is_none());
    assert!(runtime.block_on(after).unwrap());
}

/// R22: async code driven from the thread hangs below the child. The scope around is cancelled
/// from there: what is driven is cut short, the thread goes on, and the scope absorbs.
#[test]
fn a_scope_is_cancelled_from_a_thread() {
    let log = Log::new();
    let outcome = runtime().block_on(scope(async |s| {
        let (outer, inside) = (s.handle(), log.clone());
        let child = s.spawn_blocking(move |cx| {
            let driven = Handle::current().block_on(scope(async |inner| {
                assert!(!inner.is_cancelled());
                outer.cancel_with("from the thread");
                let _ = scope(async |_| pending::<()>().await).await;
                inside.add("never");
            }));
            assert_eq!(driven.unwrap_err().reason().message(), Some("from the thread"));
            assert!(check().is_err() && cx.is_cancelled());
            // What is opened now does not start (R6).
            let late = Handle::current().block_on(scope(async |_| inside.add("never")));
            assert!(late.is_err());
            inside.add("ended");
        });
        let _ = child.await;
        pending::<()>().await;
    }));
    assert_eq!(outcome.unwrap_err().reason().message(), Some("from the thread"));
    assert_eq!(log.all(), ["ended"]);
}

/// R22: the same, cancelled by somebody else while the thread waits: its `block_on` is woken (I5).
#[test]
fn a_scope_that_a_thread_waits_in_is_woken() {
    for drains in [false, true] {
        let log = Log::new();
        let outcome = runtime().block_on(scope(async |s| {
            let (waiting, inside) = (Gate::new(), log.clone());
            let there = waiting.clone();
            s.spawn_blocking(move |_| {
                let driven = Handle::current().block_on(scope(async |inner| {
                    let forked = inside.guard("forked");
                    inner.fork(async move {
                        let _forked = forked;
                        there.open();
                        pending::<()>().await;
                    });
                    if !drains {
                        pending::<()>().await;
                    }
                }));
                assert_eq!(driven.is_ok(), drains, "a value stands (R3)");
                inside.add("ended");
            });
            waiting.wait().await;
            s.cancel();
            pending::<()>().await;
        }));
        assert!(outcome.is_err());
        assert_eq!(log.all(), ["forked", "ended"]);
    }
}

/// R14: a panic goes to the scope like any child's, and cancels the siblings.
#[test]
fn a_panic_goes_to_the_scope() {
    let log = Log::new();
    let text = runtime().block_on(panic_of(scope(async |s| {
        let sibling = log.guard("sibling");
        s.spawn(async move {
            let _sibling = sibling;
            pending::<()>().await;
        });
        let captured = log.guard("captured");
        let child = s.spawn_blocking(move |_| {
            let _captured = captured;
            boom("on a thread")
        });
        let cancelled = child.await.unwrap_err();
        assert_eq!(cancelled.reason().kind(), Kind::ChildPanicked);
        pending::<()>().await;
    })));
    assert_eq!(text, "on a thread");
    assert_eq!((log.count("sibling"), log.count("captured")), (1, 1));
}

/// R18: the scope is dropped; the one around it waits for the thread.
#[test]
fn the_scope_around_waits_for_a_thread_that_was_left() {
    let ended = AtomicUsize::new(0);
    let (go, wait) = mpsc::channel::<()>();
    let (counted, count) = mpsc::channel::<()>();
    runtime()
        .block_on(scope(async |_| {
            let started = Gate::new();
            let there = started.clone();
            let inner = scope(async |s| {
                s.spawn_blocking(move |cx| {
                    there.open();
                    wait.recv().unwrap();
                    assert_eq!(cx.check().unwrap_err().reason().kind(), Kind::Abandoned);
                    counted.send(()).unwrap();
                });
                pending::<()>().await;
            });
            tokio::select! { _ = inner => unreachable!(), () = started.wait() => {} }
            go.send(()).unwrap();
        }))
        .unwrap();
    ended.fetch_add(count.try_iter().count(), Ordering::SeqCst);
    assert_eq!(ended.into_inner(), 1);
}

/// R13: without a runtime it is not run, and the scope is told.
#[test]
fn without_a_runtime_it_is_not_run() {
    let log = Log::new();
    let inside = log.clone();
    let outcome = drive(scope(async |s| {
        let child = s.spawn_blocking(move |_| inside.add("run"));
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Shutdown);
        pending::<()>().await;
    }))
    .output();
    assert_eq!(outcome.unwrap_err().reason().kind(), Kind::Shutdown);
    assert!(log.is_empty() && log.holders() == 1);
}

/// R13: a runtime that has been shut down drops the child, and the scope says so.
#[test]
fn after_a_shutdown_it_is_not_run() {
    let (log, gate, lost) = (Log::new(), Gate::new(), runtime());
    let (inside, open) = (log.clone(), gate.wait());
    let mut work = Box::pin(scope(async move |s| {
        open.await;
        let guard = inside.guard("dropped");
        let child = s.spawn_blocking(move |_| {
            let _guard = guard;
            inside.add("run");
        });
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Shutdown);
        pending::<()>().await;
    }));
    lost.block_on(async { assert!(futures_util::poll!(&mut work).is_pending()) });
    drop(lost);
    gate.open();
    let cancelled = runtime().block_on(work).unwrap_err();
    assert_eq!(cancelled.reason().kind(), Kind::Shutdown);
    assert_eq!(log.all(), ["dropped"]);
}
