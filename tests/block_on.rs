//! The blocking root: code that is not async runs scopes, and leaves when all has ended.
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod common;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use common::{Gate, Log, boom, settle, text};
use tokio::runtime::{Builder, Handle, Runtime};
use umbel::{CancelScope, Kind, block_on, block_on_with, check, local_scope, scope};

fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Everything is enabled, and the output is given as it is.
#[test]
fn it_gives_the_output() {
    assert_eq!(block_on(async { 7 }), 7);
    let late = block_on(scope(async |_| pending::<()>().await).timeout(Duration::ZERO));
    assert_eq!(late.unwrap_err().reason().kind(), Kind::Deadline);
    let shared = Rc::new(7);
    let local = block_on(local_scope(async |s| {
        let shared = Rc::clone(&shared);
        s.spawn_local(async move { *shared }).await.unwrap()
    }));
    assert_eq!(local.unwrap(), 7);
}

/// Leaves a scope half way, with a child, a running thread and a finalizer in it.
async fn leave_a_scope(log: &Log) {
    let started = Gate::new();
    let work = scope(async |s| {
        let (child, in_thread, finalizer) = (log.guard("child"), log.clone(), log.clone());
        s.spawn(async move {
            let _child = child;
            pending::<()>().await;
        });
        let running = started.clone();
        s.spawn_blocking(move |cx| {
            running.open();
            while !cx.is_cancelled() {
                thread::yield_now();
            }
            in_thread.add("thread");
        });
        s.defer_unbounded(async move {
            settle().await;
            finalizer.add("finalizer");
        });
        pending::<()>().await;
    });
    tokio::select! { _ = work => unreachable!(), () = started.wait() => {} }
}

fn assert_all_has_ended(log: &Log) {
    assert_eq!((log.count("child"), log.count("thread"), log.all().len()), (1, 1, 3));
    assert_eq!(log.all().last(), Some(&"finalizer"), "after all children");
    assert_eq!(log.holders(), 1);
}

/// R18: what was left half way has ended when it returns, finalizers too, on either runtime.
#[test]
fn it_leaves_when_all_has_ended() {
    let runtime = threads();
    for ours in [true, false] {
        let log = Log::new();
        let left = async {
            leave_a_scope(&log).await;
            "left"
        };
        let output = if ours { block_on(left) } else { block_on_with(runtime.handle(), left) };
        assert_eq!(output, "left");
        assert_all_has_ended(&log);
    }
}

/// R14: a panic of the future is passed on, after the drain.
#[test]
fn a_panic_is_passed_on_after_the_drain() {
    let log = Log::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        block_on(async {
            leave_a_scope(&log).await;
            boom("the body");
        });
    }));
    assert_eq!(text(&outcome.unwrap_err()), "the body");
    assert_all_has_ended(&log);
}

/// The panic of a child that was left is the root's to resume.
#[test]
fn a_panic_of_a_child_that_was_left_is_passed_on() {
    struct Boom;
    impl Drop for Boom {
        fn drop(&mut self) {
            boom("left behind");
        }
    }
    let outcome = catch_unwind(|| {
        block_on(async {
            let work = scope(async |s| {
                s.spawn(async {
                    let _boom = Boom;
                    pending::<()>().await;
                });
                pending::<()>().await;
            });
            tokio::select! { _ = work => unreachable!(), () = settle() => {} }
        });
    });
    assert_eq!(text(&outcome.unwrap_err()), "left behind");
}

/// It is a root: it cannot be cancelled, and is nobody's scope.
#[test]
fn it_is_nobodys_scope() {
    block_on(async {
        assert!(CancelScope::current().is_none());
        assert!(check().is_ok());
    });
}

/// Where a runtime is current it says what to do instead, and the future is dropped.
#[test]
fn in_a_runtime_it_says_so() {
    let log = Log::new();
    let guard = log.guard("dropped");
    let outcome = threads().block_on(async {
        catch_unwind(AssertUnwindSafe(|| block_on(async move { drop(guard) })))
    });
    let message = *outcome.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("await the future there"), "{message}");
    assert_eq!(log.all(), ["dropped"]);
}

/// On a blocking child's thread: a root there too, which what is cancelled around does not reach.
#[test]
fn on_a_blocking_thread_it_is_a_root() {
    let outcome = block_on(scope(async |s| {
        let outer = s.handle();
        let child = s.spawn_blocking(move |cx| {
            let output = block_on_with(&Handle::current(), async {
                outer.cancel();
                settle().await;
                scope(async |s| s.spawn(async { 7 }).await).await
            });
            assert!(cx.is_cancelled());
            output.unwrap().unwrap()
        });
        child.await
    }));
    assert!(outcome.is_err());
}
