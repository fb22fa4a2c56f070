//! A scope's future that is dropped before it has finished: by `select!`, by a foreign timeout, by an
//! abort. The drop never blocks, the children are cancelled at once, and the nearest enclosing scope
//! waits for them (R18). What no enclosing scope waits for is in `orphans.rs`.
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};

use common::{Counts, Gate, Log, drive, secs, settle};
use umbel::{CancelScope, Kind, Scope, scope};

/// A scope with a child that ends, when it is cancelled, with a word to the log.
fn with_child(log: &Log) -> impl Future<Output = ()> + Send + use<> {
    let guard = log.guard("child dropped");
    async {
        let _ = scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            pending::<()>().await;
        })
        .await;
    }
}

/// `select!` drops the loser; the scope around does not return before the loser's child is gone.
#[tokio::test(start_paused = true)]
async fn the_enclosing_scope_waits_for_the_children_of_a_scope_dropped_by_select() {
    let log = Log::new();
    scope(async |_| {
        tokio::select! {
            () = with_child(&log) => unreachable!("it waits for ever"),
            () = settle() => {}
        }
        assert!(log.is_empty(), "the child has been told, and had no turn yet");
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["child dropped"]);
}

/// So does a foreign timeout.
#[tokio::test(start_paused = true)]
async fn the_enclosing_scope_waits_for_the_children_of_a_scope_dropped_by_a_timeout() {
    let log = Log::new();
    scope(async |s| {
        assert!(tokio::time::timeout(secs(1), with_child(&log)).await.is_err());
        assert!(!s.is_cancelled());
        assert_eq!(s.cancel_count(), 0);
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["child dropped"]);
}

/// A chain of dropped scopes: the obligation goes to the nearest that lives, past all of them.
#[tokio::test(start_paused = true)]
async fn the_obligation_passes_every_dropped_scope() {
    let log = Log::new();
    scope(async |_| {
        let mut nested = Box::pin(scope(async |_| {
            scope(async |_| {
                with_child(&log).await;
            })
            .await
        }));
        assert!(futures_util::poll!(nested.as_mut()).is_pending());
        settle().await;
        drop(nested);
        assert!(log.is_empty());
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["child dropped"]);
}

/// A child task with a scope of its own below the dropped scope: waited for with all it started.
#[tokio::test(start_paused = true)]
async fn grandchildren_of_a_dropped_scope_are_waited_for() {
    let log = Log::new();
    let in_child = log.clone();
    scope(async |_| {
        let dropped = scope(async |s| {
            s.spawn(async move { with_child(&in_child).await });
            pending::<()>().await;
        });
        assert!(tokio::time::timeout(secs(1), dropped).await.is_err());
        assert!(log.is_empty());
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["child dropped"]);
}

/// Abandoning is no request: it says why, and counts nowhere (I1).
#[tokio::test(start_paused = true)]
async fn abandoning_counts_nowhere() {
    scope(async |outer| {
        let child = Arc::new(Mutex::new(None));
        let found = Arc::clone(&child);
        let (dropped, handle) = scope(async |s| {
            *found.lock().unwrap() = Some(s.spawn(pending::<()>()));
            pending::<()>().await;
        })
        .with_handle();
        assert!(tokio::time::timeout(secs(1), dropped).await.is_err());
        assert!(handle.is_cancelled() && !handle.is_finished());
        assert_eq!(handle.cancel_count(), 0);
        assert_eq!(handle.reason().unwrap().kind(), Kind::Abandoned);
        assert!(!outer.is_cancelled());
        let child = child.lock().unwrap().take().unwrap();
        assert_eq!(child.cancel_count(), 0);
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Abandoned);
        settle().await;
        assert!(handle.is_finished());
    })
    .await
    .unwrap();
}

/// Forked children die with the future, there and then, inside the scope.
#[tokio::test(start_paused = true)]
async fn forks_die_with_the_future() {
    struct InScope(Log);
    impl Drop for InScope {
        fn drop(&mut self) {
            self.0.add(if umbel::check().is_err() { "in the scope" } else { "outside" });
        }
    }
    let log = Log::new();
    let (polled, forked) = (InScope(log.clone()), InScope(log.clone()));
    let mut work = drive(scope(async |s| {
        let _polled = polled;
        s.fork(async move {
            let _forked = forked;
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    work.pending();
    drop(work);
    assert_eq!(log.all(), ["in the scope"; 2]);
}

/// A fork that was never polled, because it was posted after the last poll, dies too.
#[test]
fn an_unpolled_fork_dies_with_the_future() {
    let counts = Counts::new();
    let fork = counts.pending();
    let mut found = None;
    let mut work = drive(scope(async |s: Scope<'static>| {
        found = Some(s.clone());
        pending::<()>().await;
    }));
    work.pending();
    drop(work);
    let s = found.unwrap();
    let child = s.fork(fork);
    assert_eq!(counts.both(), (0, 1));
    assert!(child.is_finished());
}

/// Dropping is possible at any stage: before the first poll, while it waits for its children, and
/// after it has returned.
#[tokio::test(start_paused = true)]
async fn dropping_is_fine_at_every_stage() {
    let log = Log::new();
    // Before the first poll, without and with a handle.
    let captured = log.guard("unpolled");
    drop(scope(async move |_| drop(captured)));
    let captured = log.guard("unpolled, with a handle");
    let (unpolled, handle) = scope(async move |_| drop(captured)).with_handle();
    drop(unpolled);
    assert!(handle.is_cancelled() && handle.is_finished());
    assert_eq!(handle.reason().unwrap().kind(), Kind::Abandoned);
    // Draining: the body's value is dropped with it.
    let value = log.guard("value");
    let gate = Gate::new();
    let wait = gate.wait();
    let mut draining = drive(scope(async |s| {
        s.spawn(wait);
        value
    }));
    draining.pending();
    drop(draining);
    // Finished.
    let mut finished = drive(scope(async |_| ()));
    finished.ready().unwrap();
    drop(finished);
    assert_eq!(log.all(), ["unpolled", "unpolled, with a handle", "value"]);
}

/// A closing scope is dropped, inside an enclosing one that is waiting for the last child too.
#[tokio::test(start_paused = true)]
async fn a_scope_dropped_while_it_waits_hands_its_children_on() {
    let log = Log::new();
    let guard = log.guard("child dropped");
    scope(async |_| {
        let closing = scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            "value"
        });
        assert!(tokio::time::timeout(secs(1), closing).await.is_err());
        assert!(log.is_empty());
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["child dropped"]);
}

/// The task that hosts the scope is aborted, through tokio, past us: the enclosing scope hears of the
/// destructors, and waits for the grandchild.
#[tokio::test(start_paused = true)]
async fn an_aborted_task_hands_its_children_to_the_enclosing_scope() {
    let log = Log::new();
    let gate = Gate::new();
    scope(async |s| {
        let (in_task, inner) = (log.clone(), with_child(&log));
        let (tx, rx) = tokio::sync::oneshot::channel();
        let hosting = s.spawn(async move {
            let _guard = in_task.guard("host dropped");
            // A part of this task's work sits in a task of tokio's, which is aborted.
            let foreign = tokio::spawn(inner);
            let _ = tx.send(foreign.abort_handle());
            foreign.await.is_err()
        });
        let abort = rx.await.unwrap();
        settle().await;
        abort.abort();
        assert!(hosting.await.unwrap(), "aborted");
        gate.open();
        settle().await;
    })
    .await
    .unwrap();
    // The scope in the foreign task had no enclosing one: its child was told all the same.
    let mut all = log.all();
    all.sort_unstable();
    assert_eq!(all, ["child dropped", "host dropped"]);
}

/// Dropping does not wait: neither for a child that takes its time, nor for anybody else.
#[test]
fn the_drop_returns_while_the_child_still_lives() {
    let runtime = common::runtime();
    let log = Log::new();
    let mut work = runtime.block_on(async {
        let mut work = drive(with_child(&log));
        work.pending();
        settle().await;
        work
    });
    // The runtime does not turn: a drop that waited would hang here for ever.
    let _enter = runtime.enter();
    work.pending();
    drop(work);
    assert!(log.is_empty());
    runtime.block_on(settle());
    assert_eq!(log.all(), ["child dropped"]);
}

/// R19: a forgotten future leaks, and that is all: its handle still answers, its child runs on and
/// can be cancelled.
#[tokio::test(start_paused = true)]
async fn a_forgotten_future_only_leaks() {
    let log = Log::new();
    let guard = log.guard("child dropped");
    let found = Arc::new(Mutex::new(None));
    let share = Arc::clone(&found);
    let mut work = Box::pin(scope(async move |s: Scope<'static>| {
        *share.lock().unwrap() = Some(CancelScope::clone(&s));
        s.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        s.fork(pending::<()>());
        pending::<()>().await;
    }));
    assert!(futures_util::poll!(work.as_mut()).is_pending());
    std::mem::forget(work);
    settle().await;
    let handle = found.lock().unwrap().clone().unwrap();
    assert!(log.is_empty() && !handle.is_cancelled() && !handle.is_finished());
    handle.cancel();
    settle().await;
    assert_eq!(log.all(), ["child dropped"]);
    assert!(handle.is_cancelled() && !handle.is_finished());
}
