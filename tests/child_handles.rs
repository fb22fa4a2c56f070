//! The handle to a child: its value, its cancellation, its name; and what happens without it.
mod common;

use std::future::pending;

use common::{Counts, Gate, Log, boom, panic_of, secs, settle};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use umbel::{Kind, Scope, checkpoint, scope, stopping, task};

/// Before the end it is not ready, then it gives the value; it shows its name.
#[tokio::test(start_paused = true)]
async fn a_handle_gives_the_childs_value() {
    scope(async |s| {
        for forked in [false, true] {
            let work = async {
                sleep(secs(1)).await;
                2 * 3
            };
            let named = s.named("six");
            let mut child = if forked { named.fork(work) } else { named.spawn(work) };
            assert!(futures_util::poll!(&mut child).is_pending());
            assert!(!child.is_finished());
            assert_eq!(child.name().as_deref(), Some("six"));
            assert!(format!("{child:?}").contains("six"));
            assert_eq!((&mut child).await.unwrap(), 6);
            assert!(child.is_finished());
        }
    })
    .await
    .unwrap();
}

/// Values in the order in which the children were started, however they end.
#[tokio::test(start_paused = true)]
async fn values_come_in_the_order_in_which_they_are_asked_for() {
    let values = scope(async |s| {
        let children: Vec<_> = [3, 2, 1]
            .map(|n| {
                s.spawn(async move {
                    sleep(secs(n)).await;
                    n
                })
            })
            .into();
        join_all(children).await
    })
    .await
    .unwrap();
    let values: Vec<_> = values.into_iter().map(Result::unwrap).collect();
    assert_eq!(values, [3, 2, 1]);
}

/// Cancelled before its first turn it is never polled; afterwards it is dropped where it waits. The
/// scope and the siblings are not touched, and no error comes out.
#[tokio::test(start_paused = true)]
async fn a_child_is_cancelled_alone() {
    for forked in [false, true] {
        for before in [true, false] {
            let (counts, sibling) = (Counts::new(), Counts::new());
            let gate = Gate::new();
            scope(async |s: Scope<'_>| {
                let (one, other) = (counts.pending(), sibling.of(gate.wait()));
                let (child, other) = if forked {
                    (s.fork(one), s.fork(other))
                } else {
                    (s.spawn(one), s.spawn(other))
                };
                if !before {
                    settle().await;
                }
                child.cancel();
                assert_eq!(child.cancel_count(), 1);
                let cancelled = child.await.unwrap_err();
                assert_eq!(cancelled.reason().kind(), Kind::Explicit);
                assert_eq!(cancelled.reason().location().file(), file!());
                assert_eq!(counts.both(), (usize::from(!before), 1));
                assert!(!s.is_cancelled());
                assert_eq!(s.cancel_count(), 0);
                gate.open();
                other.await.unwrap();
            })
            .await
            .unwrap();
            assert_eq!(sibling.drops(), 1);
        }
    }
}

/// A handle can be polled, left, and polled again: the value stays with the child.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_child_can_be_given_up_and_taken_up_again() {
    for forked in [false, true] {
        scope(async |s| {
            let work = async {
                sleep(secs(5)).await;
                "value"
            };
            let mut child = if forked { s.fork(work) } else { s.spawn(work) };
            assert!(tokio::time::timeout(secs(1), &mut child).await.is_err());
            assert_eq!(child.cancel_count(), 0);
            assert_eq!(child.await.unwrap(), "value");
        })
        .await
        .unwrap();
    }
}

/// A handle that is dropped neither cancels nor detaches: the scope waits.
#[tokio::test(start_paused = true)]
async fn a_dropped_handle_neither_cancels_nor_detaches() {
    let (start, log) = (Instant::now(), Log::new());
    scope(async |s| {
        let in_child = log.clone();
        drop(s.spawn(async move {
            sleep(secs(5)).await;
            in_child.add("spawned");
        }));
        drop(s.fork(async {
            sleep(secs(6)).await;
            log.add("forked");
        }));
    })
    .await
    .unwrap();
    assert_eq!(start.elapsed(), secs(6));
    assert_eq!(log.all(), ["spawned", "forked"]);
}

/// A handle that outlives the scope still has the value, once.
#[tokio::test(start_paused = true)]
async fn a_value_can_be_taken_after_the_scope_has_ended() {
    let log = Log::new();
    let children = scope(async |s: Scope<'static>| {
        let (one, other) = (log.guard("forked"), log.guard("spawned"));
        [s.fork(async { one }), s.spawn(async { other })]
    })
    .await
    .unwrap();
    assert!(log.is_empty());
    for child in children {
        assert!(child.is_finished());
        drop(child.await.unwrap());
    }
    assert_eq!(log.all(), ["forked", "spawned"]);
}

/// A value that nobody asks for is dropped before the scope returns.
#[tokio::test(start_paused = true)]
async fn a_value_nobody_asks_for_is_dropped_before_the_scope_returns() {
    let log = Log::new();
    scope(async |s| {
        let (one, other) = (log.guard("forked"), log.guard("spawned"));
        drop(s.fork(async { one }));
        drop(s.spawn(async { other }));
    })
    .await
    .unwrap();
    assert_eq!(log.all().len(), 2);
}

/// The same with a handle of its scope kept, which cannot ask for a value either: so the value's
/// destructor still runs in the child, and a panic of it is not lost (R14).
#[tokio::test(start_paused = true)]
async fn a_kept_scope_handle_does_not_keep_the_value() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("value");
        }
    }
    for forked in [true, false] {
        let panic = panic_of(scope(async |s| {
            let child = if forked { s.fork(async { Bomb }) } else { s.spawn(async { Bomb }) };
            let handle = child.handle();
            drop(child);
            settle().await;
            handle
        }));
        assert_eq!(panic.await, "value", "forked: {forked}");
    }
}

/// R3 for a task: it is cancelled in the poll in which it returns, and so it has returned.
#[tokio::test(start_paused = true)]
async fn a_child_that_returns_while_it_is_cancelled_has_returned() {
    scope(async |s: Scope<'static>| {
        let own = s.clone();
        let (tx, rx) = std::sync::mpsc::channel::<umbel::CancelScope>();
        let child = s.spawn(async move {
            rx.recv().unwrap().cancel();
            let _ = own;
            "value"
        });
        let handle = child.handle().unwrap();
        tx.send(handle.clone()).unwrap();
        assert_eq!(child.await.unwrap(), "value");
        assert_eq!((handle.cancel_count(), s.is_cancelled()), (1, false));
    })
    .await
    .unwrap();
}

/// The handle of a child shows its task: the same count, and what runs there can ask for it.
#[tokio::test(start_paused = true)]
async fn a_childs_handle_and_its_task_are_the_same() {
    scope(async |s| {
        let child = s.named("inside").spawn(async {
            let current = task::current();
            assert!(current.is_child() && !current.is_cancelled());
            current.name()
        });
        let id = child.id().unwrap();
        assert_eq!(child.handle().unwrap().name().as_deref(), Some("inside"));
        assert_eq!(child.await.unwrap().as_deref(), Some("inside"));
        let other = s.spawn(async { tokio::task::id() });
        let shown = other.id().unwrap().to_string();
        assert_ne!(id, other.id().unwrap());
        assert_eq!(other.await.unwrap().to_string(), shown, "tokio's own");
    })
    .await
    .unwrap();
}

/// A child may cancel its own scope, itself, or a sibling.
#[tokio::test(start_paused = true)]
async fn a_child_may_cancel_whom_it_can_address() {
    let outcome = scope(async |s: Scope<'static>| {
        let sibling = s.spawn(pending::<()>());
        let of_sibling = sibling.handle().unwrap();
        s.spawn(async move { of_sibling.cancel_with("from a sibling") });
        let cancelled = sibling.await.unwrap_err();
        assert_eq!(cancelled.reason().message(), Some("from a sibling"));
        let own = s.spawner();
        s.spawn(async move {
            own.cancel_with("from a child");
            checkpoint().await;
        });
        pending::<()>().await;
    })
    .await;
    assert_eq!(outcome.unwrap_err().reason().message(), Some("from a child"));
}

/// Two children that wait for each other's ends through their handles, and a cancel that ends both.
#[tokio::test(start_paused = true)]
async fn children_that_wait_for_each_other_can_be_cancelled() {
    let counts = Counts::new();
    let outcome = scope(async |s: Scope<'static>| {
        let (tx, rx) = tokio::sync::oneshot::channel::<umbel::Child<()>>();
        let first = s.spawn(counts.of(async move {
            let _ = rx.await.unwrap().await;
        }));
        let second = s.spawn(counts.of(async move {
            let _ = first.await;
        }));
        tx.send(second).unwrap();
        settle().await;
        s.cancel();
        checkpoint().await;
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(counts.drops(), 2);
}

/// R17: a child is asked to stop through its handle, and cut when the grace is over.
#[tokio::test(start_paused = true)]
async fn a_child_can_be_asked_to_stop_by_its_handle() {
    let start = Instant::now();
    scope(async |s| {
        let deaf = [s.spawn(pending::<()>()), s.fork(pending::<()>())];
        let listens = s.spawn(async { stopping().await.is_some() });
        settle().await;
        for child in &deaf {
            child.handle().unwrap().stop(secs(5));
        }
        listens.handle().unwrap().stop(secs(5));
        assert!(listens.await.unwrap());
        assert_eq!(start.elapsed(), secs(0));
        for child in deaf {
            assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Stopped);
            assert_eq!(start.elapsed(), secs(5));
        }
    })
    .timeout(secs(60))
    .await
    .unwrap();
}

/// R20: a deadline that is set through a child's handle is in force, nearer than that of the scope or not.
#[tokio::test(start_paused = true)]
async fn a_child_can_be_given_a_deadline_by_its_handle() {
    let start = Instant::now();
    let outcome = scope(async |s| {
        let children = [s.spawn(pending::<()>()), s.fork(pending::<()>())];
        settle().await;
        for child in &children {
            child.handle().unwrap().set_deadline((start + secs(2)).into_std());
        }
        for child in children {
            let cancelled = child.await.unwrap_err();
            assert_eq!(cancelled.reason().kind(), Kind::Deadline);
            assert_eq!(start.elapsed(), secs(2));
        }
        let later = s.spawn(pending::<()>());
        later.handle().unwrap().set_deadline((start + secs(9)).into_std());
        later.await
    })
    .timeout(secs(5))
    .await;
    assert_eq!((outcome.unwrap_err().reason().kind(), start.elapsed()), (Kind::Deadline, secs(5)));
}
