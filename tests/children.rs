//! A scope does not return before everything started in it has ended and is dropped (R12).
mod common;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Counts, Gate, Log, drive, secs, settle};
use umbel::{Kind, checkpoint, scope};

/// Both children have done their work when the scope returns, although nobody awaited them.
#[tokio::test(start_paused = true)]
async fn children_are_joined_without_being_awaited() {
    let sum = Arc::new(AtomicUsize::new(0));
    scope(async |s| {
        for n in [1, 2] {
            let sum = Arc::clone(&sum);
            s.spawn(async move {
                tokio::time::sleep(secs(n)).await;
                sum.fetch_add(usize::try_from(n).unwrap(), Ordering::SeqCst);
            });
        }
    })
    .await
    .unwrap();
    assert_eq!(sum.load(Ordering::SeqCst), 3);
    assert_eq!(Arc::strong_count(&sum), 1, "their captures are dropped");
}

/// Forks write to what the scope's future borrows, and have ended when it returns.
#[tokio::test(start_paused = true)]
async fn forks_borrow_and_are_joined() {
    let mut words = vec![String::from("a"), String::from("b"), String::from("c")];
    let count = AtomicUsize::new(0);
    scope(async |s| {
        for word in &mut words {
            s.fork(async {
                tokio::time::sleep(secs(1)).await;
                word.push('!');
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
    })
    .await
    .unwrap();
    assert_eq!(words, ["a!", "b!", "c!"]);
    assert_eq!(count.into_inner(), 3);
}

/// R12: body, captures, forks and spawned children are dropped before the scope returns, however it
/// ends.
#[tokio::test(start_paused = true)]
async fn all_is_dropped_before_the_scope_returns() {
    for cancelled in [false, true] {
        let log = Log::new();
        let (captured, spawned, forked) = (log.guard("captured"), log.clone(), log.clone());
        let outcome = scope(async |s| {
            let _captured = &captured;
            let guard = spawned.guard("spawned");
            s.spawn(async move {
                let _guard = guard;
                checkpoint().await;
            });
            let guard = forked.guard("forked");
            s.fork(async move {
                let _guard = guard;
                checkpoint().await;
            });
            let _body = log.guard("body");
            settle().await;
            if cancelled {
                s.cancel();
                pending::<()>().await;
            }
        })
        .await;
        assert_eq!(outcome.is_err(), cancelled);
        let mut all = log.all();
        all.sort_unstable();
        assert_eq!(all, ["body", "forked", "spawned"]);
        drop(captured);
    }
}

/// Two workers, each with a scope of two leaves: one cancel reaches all four, each once.
#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_every_leaf_once() {
    let log = Log::new();
    let outcome = scope(async |s| {
        for _ in 0..2 {
            let log = log.clone();
            s.spawn(async move {
                let _ = scope(async |inner| {
                    for _ in 0..2 {
                        let guard = log.guard("leaf");
                        inner.spawn(async move {
                            let _guard = guard;
                            pending::<()>().await;
                        });
                    }
                })
                .await;
                log.add("never");
            });
        }
        settle().await;
        assert!(log.is_empty());
        s.cancel();
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["leaf"; 4]);
}

/// The child waits in a scope of its own, with or without a child there; the outer scope is cancelled.
#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_through_a_childs_own_scope() {
    for with_grandchild in [false, true] {
        let log = Log::new();
        let in_child = log.clone();
        let outcome = scope(async |s| {
            s.spawn(async move {
                let _ = scope(async |inner| {
                    if with_grandchild {
                        let guard = in_child.guard("grandchild");
                        inner.spawn(async move {
                            let _guard = guard;
                            pending::<()>().await;
                        });
                    }
                    tokio::time::sleep(secs(1)).await;
                    in_child.add("never");
                })
                .await;
                in_child.add("never");
            });
            settle().await;
            s.cancel();
            pending::<()>().await;
        })
        .await;
        assert!(outcome.is_err());
        assert_eq!(log.all().len(), usize::from(with_grandchild));
    }
}

/// A scope already waits for its child when it is cancelled: the child is stopped, the scope goes on
/// waiting until it has ended, and the value that the body had returned stands.
#[tokio::test(start_paused = true)]
async fn a_scope_that_waits_for_its_children_is_cancelled() {
    let log = Log::new();
    let guard = log.guard("child dropped");
    let (work, handle) = scope(async |s| {
        s.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        "value"
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    work.pending();
    handle.cancel();
    assert!(log.is_empty());
    settle().await;
    assert_eq!(log.all(), ["child dropped"]);
    assert!(work.wakes() > 0);
    assert_eq!(work.ready().unwrap(), "value");
}

/// The same from above: the scope around it is cancelled while it waits.
#[tokio::test(start_paused = true)]
async fn a_scope_that_waits_for_its_children_is_cancelled_from_above() {
    let log = Log::new();
    let guard = log.guard("child dropped");
    let (outer, handle) = scope(async |_| {
        scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
        })
        .await
    })
    .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    settle().await;
    handle.cancel();
    outer.pending();
    assert!(log.is_empty(), "the child has not had its turn");
    settle().await;
    assert_eq!(log.all(), ["child dropped"]);
    assert_eq!(outer.ready().unwrap_err().reason().kind(), Kind::Explicit);
}

/// A forked child is dropped at once when its scope is cancelled, though the body has returned.
#[tokio::test(start_paused = true)]
async fn a_fork_is_dropped_when_a_closing_scope_is_cancelled() {
    let counts = Counts::new();
    let fork = counts.pending();
    let (work, handle) = scope(async |s| {
        s.fork(fork);
        "value"
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    assert_eq!(counts.both(), (1, 0));
    handle.cancel();
    assert_eq!(work.ready().unwrap(), "value");
    assert_eq!(counts.both(), (1, 1));
}

/// R12 through a task that ends with a scope half open: its child is waited for in its place.
#[tokio::test(start_paused = true)]
async fn a_child_that_ends_with_a_scope_half_open_leaves_nothing_behind() {
    let log = Log::new();
    let in_child = log.clone();
    scope(async |s| {
        let child = s.spawn(async move {
            let mut open = Box::pin(scope(async |inner| {
                let guard = in_child.guard("grandchild");
                inner.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                pending::<()>().await;
            }));
            assert!(futures_util::poll!(open.as_mut()).is_pending());
            "returned"
        });
        assert_eq!(child.await.unwrap(), "returned");
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["grandchild"]);
}

/// A child's `is_finished` says that all it started is gone too.
#[tokio::test(start_paused = true)]
async fn a_child_has_finished_when_its_descendants_have() {
    let gate = Gate::new();
    scope(async |s| {
        let in_child = gate.clone();
        let child = s.spawn(async move {
            scope(async |inner| {
                inner.spawn(async move { in_child.wait().await });
            })
            .await
            .unwrap();
        });
        settle().await;
        assert!(!child.is_finished());
        gate.open();
        settle().await;
        assert!(child.is_finished());
        child.await.unwrap();
    })
    .await
    .unwrap();
}

/// A child completes and the scope is cancelled in the same turn: no error, nothing is left.
#[tokio::test(start_paused = true)]
async fn cancelling_beside_a_completed_child_is_harmless() {
    let outcome = scope(async |s| {
        let child = s.spawn(async { 7 });
        settle().await;
        s.cancel();
        child.await
    })
    .await;
    // The child had ended, so awaiting it did not suspend: a value wins.
    assert_eq!(outcome.unwrap().unwrap(), 7);
}

/// Cycles: once the handles are gone nothing keeps bodies, captures or children.
#[tokio::test(start_paused = true)]
async fn nothing_keeps_a_finished_scope_alive() {
    let log = Log::new();
    for cancel in [false, true] {
        let (in_body, in_child) = (log.clone(), log.clone());
        let (work, handle) = scope(async move |s| {
            let own = s.spawner();
            s.spawn(async move {
                checkpoint().await;
                drop((own, in_child));
            });
            if cancel {
                s.cancel();
            }
            checkpoint().await;
            drop(in_body);
        })
        .with_handle();
        let _ = work.await;
        assert_eq!(log.holders(), 1, "with the handle still there");
        drop(handle);
    }
}
