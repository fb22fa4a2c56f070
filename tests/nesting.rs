//! Which of several nested scopes absorbs: the outermost cancelled one, always (R4).
mod common;

use std::cell::Cell;
use std::future::pending;

use common::{Counts, Log, boom, catch, drive, secs, text};
use umbel::{CancelScope, Cancelled, Kind, scope};

/// Three nested scopes, of which some are cancelled in the innermost, in this order. Gives the index
/// of the one that absorbed.
async fn absorber(order: &[usize]) -> Option<usize> {
    let absorbed = Cell::new(None);
    let note = |index: usize, outcome: Result<(), Cancelled>| {
        if outcome.is_err() {
            assert_eq!(absorbed.replace(Some(index)), None, "only one absorbs (I7)");
        }
    };
    let outermost = scope(async |zero| {
        let middle = scope(async |one| {
            let innermost = scope(async |two| {
                let scopes = [&zero, &one, &two];
                for &index in order {
                    scopes[index].cancel();
                }
                if !order.is_empty() {
                    pending::<()>().await;
                }
            });
            note(2, innermost.await);
        });
        note(1, middle.await);
    });
    note(0, outermost.await);
    absorbed.get()
}

/// R4: every set of cancelled scopes, in every order.
#[tokio::test(start_paused = true)]
async fn the_outermost_cancelled_scope_absorbs_in_every_order() {
    assert_eq!(absorber(&[]).await, None);
    for a in 0..3 {
        assert_eq!(absorber(&[a]).await, Some(a));
        for b in 0..3 {
            assert_eq!(absorber(&[a, b]).await, Some(a.min(b)), "{a}, {b}");
            for c in 0..3 {
                assert_eq!(absorber(&[a, b, c]).await, Some(a.min(b).min(c)), "{a}, {b}, {c}");
            }
        }
    }
}

/// R4: the line between two cancelled scopes never runs, the line after the outer one does.
#[tokio::test(start_paused = true)]
async fn code_between_two_cancelled_scopes_never_runs() {
    let log = Log::new();
    scope(async |_| {
        let outer = scope(async |outer| {
            let _ = scope(async |inner| {
                inner.cancel();
                outer.cancel();
                pending::<()>().await;
            })
            .await;
            log.add("between");
        });
        assert!(outer.await.is_err());
        log.add("after");
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["after"]);
}

/// R4, I9: the same when the requests come from outside, between two polls.
#[test]
fn code_between_never_runs_when_the_requests_come_from_outside() {
    for inner_first in [true, false] {
        let log = Log::new();
        let (inner, inner_handle) = scope(async |_| pending::<()>().await).with_handle();
        let (outer, outer_handle) = scope(async |_| {
            let _ = inner.await;
            log.add("between");
        })
        .with_handle();
        let mut outer = drive(outer);
        outer.pending();
        let (first, second) = if inner_first {
            (&inner_handle, &outer_handle)
        } else {
            (&outer_handle, &inner_handle)
        };
        first.cancel();
        second.cancel();
        assert!(outer.ready().is_err());
        assert!(log.is_empty());
        assert!(inner_handle.is_finished());
    }
}

/// R4: a scope that is cancelled only from above does not return: it suspends, and is dropped.
#[test]
fn a_scope_cancelled_from_above_suspends_and_is_dropped() {
    let counts = Counts::new();
    let (outer, handle) =
        scope(|_| counts.of(scope(async |_| pending::<()>().await))).with_handle();
    let mut outer = drive(outer);
    outer.pending();
    assert_eq!(counts.both(), (1, 0));
    handle.cancel();
    assert!(outer.ready().is_err());
    assert_eq!(counts.both(), (1, 1), "dropped, and not polled once more");
}

/// An inner cancel is absorbed inside; the outer scope and what follows in it are not touched.
#[tokio::test(start_paused = true)]
async fn an_inner_cancel_stops_the_inner_scope_alone() {
    let log = Log::new();
    scope(async |_| {
        let inner = scope(async |s| {
            s.cancel();
            pending::<()>().await;
        });
        assert!(inner.await.is_err());
        tokio::task::yield_now().await;
        log.add("after");
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["after"]);
}

/// Four levels, the lowest with a deadline; a sibling cancels the second while the lowest waits. There
/// is no timeout, and nothing between the levels runs.
#[tokio::test(start_paused = true)]
async fn a_sibling_cancels_a_middle_scope_before_the_deadline_below_it() {
    let log = Log::new();
    let (middle, handle) = scope(async |_| {
        let _ = scope(async |_| {
            let late = umbel::timeout(secs(2), pending::<()>()).await;
            log.add("below");
            late
        })
        .await;
        log.add("between");
    })
    .with_handle();
    scope(async |s| {
        s.spawn(async move {
            tokio::time::sleep(secs(1)).await;
            handle.cancel();
        });
        let cancelled = middle.await.unwrap_err();
        assert_eq!(cancelled.reason().kind(), Kind::Explicit);
    })
    .await
    .unwrap();
    assert!(log.is_empty());
}

/// Two branches of one task, each with a scope: cancelling the one leaves the other.
#[tokio::test(start_paused = true)]
async fn scopes_side_by_side_in_one_task_are_cancelled_apart() {
    scope(async |_| {
        let (left, left_handle) = scope(async |_| pending::<()>().await).with_handle();
        let (right, right_handle) = scope(async |_| {
            tokio::time::sleep(secs(1)).await;
            "right"
        })
        .with_handle();
        let (left, right, ()) = tokio::join!(left, right, async { left_handle.cancel() });
        assert!(left.is_err());
        assert_eq!(right.unwrap(), "right");
        assert!(!right_handle.is_cancelled());
    })
    .await
    .unwrap();
}

/// R4 among branches: the scope around a `join!` is cancelled while one branch's own scope is too.
/// Both branches are dropped, and neither returns.
#[tokio::test(start_paused = true)]
async fn a_cancelled_scope_drops_all_branches_of_a_join() {
    let log = Log::new();
    let outcome = scope(async |outer| {
        let branch = async |name| {
            let _guard = log.guard(name);
            let _ = scope(async |inner: umbel::Scope<'_>| {
                inner.cancel();
                outer.cancel();
                pending::<()>().await;
            })
            .await;
            log.add("never");
        };
        tokio::join!(branch("left"), branch("right"));
    })
    .await;
    assert!(outcome.is_err());
    let mut all = log.all();
    all.sort_unstable();
    assert_eq!(all, ["left", "right"]);
}

/// A body that panics in the poll in which an outer scope was cancelled: the panic is not lost to the
/// cancellation (R14).
#[tokio::test(start_paused = true)]
async fn a_panic_below_a_cancelled_scope_comes_out_of_it() {
    let handle = Cell::new(None::<CancelScope>);
    let outcome = catch(scope(async |outer| {
        handle.set(Some(CancelScope::clone(&outer)));
        scope(async |_| -> () {
            outer.cancel();
            boom("failed at the same moment");
        })
        .await
    }))
    .await;
    assert_eq!(text(&outcome.unwrap_err()), "failed at the same moment");
    assert_eq!(handle.take().unwrap().cancel_count(), 2, "the request, and its own failure policy");
}
