//! How a cancellation reaches running code: scenarios of AnyIO and Trio that other files do not have
//! already (R2, R3, R5, R6, R8, R9, R13). What is the same there and what is not: `docs/behaviours.md`.
mod common;

use std::future::pending;

use common::{Counts, Gate, Log, drive, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{Kind, Reason, Scope, check, checkpoint, scope, shield_unbounded};

/// A point that only looks: it suspends, and for good, if the scope is cancelled; else it does not.
async fn stop_if_cancelled() {
    if check().is_err() {
        checkpoint().await;
    }
}

/// R9, as in Trio's `test_cancel_points` and AnyIO's `test_checkpoint_if_cancelled`: uncancelled it gives
/// nobody a turn; cancelled it is where the body ends.
#[tokio::test(start_paused = true)]
async fn a_point_that_only_looks_does_not_yield() {
    for cancel in [false, true] {
        let log = Log::new();
        let second = log.clone();
        let outcome = scope(async |s| {
            s.spawn(async move { second.add("second") });
            stop_if_cancelled().await;
            if cancel {
                s.cancel();
            }
            stop_if_cancelled().await;
            log.add("first");
        })
        .await;
        assert_eq!(outcome.is_err(), cancel);
        // Refused or not: a child that has not had its turn when it is cancelled gets none (R6).
        assert_eq!(log.all(), if cancel { vec![] } else { vec!["first", "second"] });
    }
}

/// R10, as in AnyIO's `test_cancel_shielded_checkpoint`: it gives others a turn and never delivers.
#[tokio::test(start_paused = true)]
async fn a_shielded_yield_yields_and_never_delivers() {
    for cancel in [false, true] {
        let log = Log::new();
        let other = log.clone();
        let second = tokio::spawn(async move { other.add("second") });
        let outcome = scope(async |s| {
            if cancel {
                s.cancel();
            }
            shield_unbounded(tokio::task::yield_now()).await;
            log.add("first");
        })
        .await;
        assert!(outcome.is_ok(), "nothing suspended afterwards (R3)");
        assert_eq!(log.all(), ["second", "first"], "cancelled: {cancel}");
        second.await.unwrap();
    }
}

/// Not as in AnyIO's `test_empty_taskgroup_contains_yield_point`: a scope without children is ready at
/// once, and nobody else has had a turn by then.
#[tokio::test(start_paused = true)]
async fn a_scope_without_children_gives_nobody_a_turn() {
    for _ in 0..2 {
        let log = Log::new();
        let other = log.clone();
        scope(async |s| {
            s.spawn(async move { other.add("the child") });
            scope(async |_| ()).await.unwrap();
            log.add("after the empty scope");
        })
        .await
        .unwrap();
        assert_eq!(log.all(), ["after the empty scope", "the child"]);
    }
}

/// R4, R6, not as in Trio's `test_trivial_yields`: opening a scope in a cancelled one suspends, so it is
/// a point where the body ends, and the scope that was to be opened starts nothing.
#[tokio::test(start_paused = true)]
async fn opening_a_scope_in_a_cancelled_one_is_a_point_to_end() {
    for with_child in [false, true] {
        let (counts, log) = (Counts::new(), Log::new());
        let outcome = scope(async |outer| {
            outer.cancel();
            let inner = scope(async |s| {
                log.add("opened");
                if with_child {
                    s.spawn(counts.of(async {}));
                }
            });
            let _ = inner.await;
            log.add("after");
        })
        .await;
        assert!(outcome.is_err());
        assert_eq!((counts.both(), log.all()), ((0, 0), vec![]));
    }
}

/// R3 beside R6: the scope was opened before the cancel, so it may end with a value; its child that had
/// no turn yet gets none.
#[tokio::test(start_paused = true)]
async fn a_child_of_a_scope_that_is_cancelled_meanwhile_gets_no_turn() {
    let child = Counts::new();
    let inner_ended = Log::new();
    let outcome = scope(async |outer| {
        let inner = scope(async |s| {
            s.spawn(child.of(async {}));
            outer.cancel();
        });
        let _ = inner.await;
        inner_ended.add("went on");
    })
    .await;
    assert!(outcome.is_err(), "waiting for the child was a suspension");
    assert_eq!((child.both(), inner_ended.is_empty()), ((0, 1), true));
}

/// R13, as in AnyIO's `test_cancelled_parent`: a task that is cancelled with its scope starts one more
/// child in it, which would open a scope and then fail. It never starts; the scope absorbs.
#[tokio::test(start_paused = true)]
async fn what_a_cancelled_task_starts_never_starts() {
    let (late, log) = (Counts::new(), Log::new());
    let outcome = scope(async |s: Scope<'static>| {
        let (group, late, log) = (s.clone(), late.clone(), log.clone());
        s.spawn(async move {
            shield_unbounded(async {
                group.cancelled().await.expect("it is cancelled");
                let child = group.spawn(late.of(async {
                    let _ = scope(async |_| pending::<()>().await).await;
                    panic!("after the scope");
                }));
                assert_eq!(child.await.unwrap_err().reason().message(), Some("all"));
                log.add("refused");
            })
            .await;
            checkpoint().await;
            log.add("never");
        });
        settle().await;
        s.cancel_with("all");
        pending::<()>().await;
    })
    .await;
    assert_eq!(outcome.unwrap_err().reason().message(), Some("all"));
    assert_eq!((late.both(), log.all()), ((0, 1), vec!["refused"]));
}

/// R24, as in Trio's `test_cancel_unbound`: a scope that was left is cancelled. It says so, and nobody
/// hears of it.
#[tokio::test(start_paused = true)]
async fn cancelling_a_scope_that_was_left_reaches_nobody() {
    let (outer, outer_handle) = scope(async |_| {
        let (left, handle) = scope(async |_| checkpoint().await).with_handle();
        left.await.unwrap();
        handle.cancel();
        assert!(handle.is_cancelled() && handle.is_finished());
        checkpoint().await;
        handle.cancel_count()
    })
    .with_handle();
    assert_eq!(outer.await.unwrap(), 1);
    assert_eq!((outer_handle.cancel_count(), outer_handle.is_cancelled()), (0, false));
}

/// R2, as in AnyIO's `test_cancel_completed_task` with more of them: children that have returned in the
/// very turn of the cancel have returned, whoever is told first.
#[tokio::test(start_paused = true)]
async fn children_that_returned_before_the_cancel_have_returned() {
    let mut children = Vec::new();
    let (work, handle) = scope(async |s: Scope<'static>| {
        children.extend((0..3).map(|n| s.spawn(async move { n })));
        checkpoint().await;
        settle().await;
        s.cancel();
        pending::<()>().await;
    })
    .with_handle();
    assert!(work.await.is_err());
    for (n, child) in children.into_iter().enumerate() {
        assert_eq!((child.cancel_count(), child.await.unwrap()), (0, n));
    }
    assert_eq!(handle.cancel_count(), 1);
}

/// R8, as in Trio's `test_reason_delayed_ki`: a signal arrives while the scope waits for its children,
/// its body done. Whoever listens for it is a service; the children are told what it was.
#[tokio::test(start_paused = true)]
async fn a_signal_that_arrives_while_the_scope_closes_is_the_reason() {
    let signal = Gate::new();
    let (arrived, start) = (signal.wait(), Instant::now());
    let mut child = None;
    let (work, handle) = scope(async |s: Scope<'static>| {
        let own = s.handle();
        s.service(async move {
            arrived.await;
            own.cancel_with(Reason::new("ctrl-c").with_kind(Kind::Signal));
            pending::<()>().await;
        });
        child = Some(s.spawn(sleep(secs(100))));
        "value"
    })
    .with_handle();
    let (outcome, ()) = tokio::join!(work, async {
        sleep(secs(1)).await;
        signal.open();
    });
    assert_eq!((outcome.unwrap(), start.elapsed()), ("value", secs(1)), "the value stands (R3)");
    for reason in [handle.reason(), child.unwrap().await.err().map(umbel::Cancelled::into_reason)] {
        assert_eq!(reason.unwrap().kind(), Kind::Signal);
    }
}

/// R9: outside of every scope the point that only looks never suspends.
#[test]
fn a_point_that_only_looks_is_ready_outside_every_scope() {
    drive(stop_if_cancelled()).ready();
}
