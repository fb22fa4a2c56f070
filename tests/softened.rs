//! `.grace()` makes every request to a scope a soft one first (R17); and how a grace gets along with
//! the deadlines around it (R20).
mod common;

use std::future::pending;

use common::{Counts, Log, boom, drive, panic_of, secs, settle};
use tokio::time::{Instant, advance, sleep};
use umbel::{CancelScope, Kind, Scope, TimeoutError, checkpoint, scope, stopping, timeout};

/// R17: a cancel asks first. Who is done within the grace has not been cancelled.
#[tokio::test(start_paused = true)]
async fn a_cancel_is_soft_first() {
    let (work, handle) = scope(async |s| {
        s.cancel();
        assert!(s.is_stopping() && !s.is_cancelled());
        let refused = s.spawn(async {}).await.unwrap_err();
        assert_eq!(refused.reason().kind(), Kind::Explicit);
        stopping().await.unwrap().kind()
    })
    .grace(secs(5))
    .with_handle();
    assert_eq!(work.await.unwrap(), Kind::Explicit);
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
}

/// R1, R8: requests count when the grace is over, all of them; the reason is the first one's, and says
/// what was cut.
#[tokio::test(start_paused = true)]
async fn requests_count_when_the_grace_is_over() {
    let start = Instant::now();
    let (work, handle) = scope(async |s: Scope<'static>| {
        s.named("child").spawn(pending::<()>());
        for message in ["first", "second", "third"] {
            s.cancel_with(message);
            sleep(secs(1)).await;
        }
        assert_eq!(s.cancel_count(), 0);
        pending::<()>().await;
    })
    .grace(secs(5))
    .with_handle();
    let cancelled = work.await.unwrap_err();
    assert_eq!((start.elapsed(), handle.cancel_count()), (secs(5), 3));
    assert_eq!(cancelled.reason().kind(), Kind::Explicit);
    assert_eq!(cancelled.reason().message(), Some("first"));
    assert_eq!(cancelled.reason().unfinished()[0].name(), Some("child"));
}

/// A hundred requests are one wake, as hard ones are (I6).
#[tokio::test(start_paused = true)]
async fn a_hundred_soft_requests_are_one_wake() {
    let counts = Counts::new();
    let (work, handle) = scope(|_| counts.pending()).grace(secs(5)).with_handle();
    let mut work = drive(work);
    work.pending();
    (0..100).for_each(|_| handle.cancel());
    assert_eq!(work.wakes(), 1);
    work.pending();
    advance(secs(5)).await;
    assert_eq!((work.wakes(), counts.both()), (1, (2, 0)));
    assert!(work.ready().is_err());
    assert_eq!((counts.both(), handle.cancel_count()), ((3, 1), 100));
}

/// The scope's own deadline is softened: at the deadline it asks, once, and the grace later it cancels.
#[tokio::test(start_paused = true)]
async fn the_own_deadline_is_softened() {
    let start = Instant::now();
    let (work, handle) = scope(async |s| {
        assert_eq!(s.deadline(), Some((start + secs(2)).into_std()));
        let reason = stopping().await.unwrap();
        assert_eq!((reason.kind(), start.elapsed()), (Kind::Deadline, secs(2)));
        assert_eq!(s.deadline(), Some((start + secs(5)).into_std()));
        pending::<()>().await;
    })
    .timeout(secs(2))
    .grace(secs(3))
    .with_handle();
    assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Deadline);
    assert_eq!((start.elapsed(), handle.cancel_count()), (secs(5), 1));
}

/// What ends between the deadline and the end of the grace has ended in time.
#[tokio::test(start_paused = true)]
async fn a_value_within_the_grace_of_a_deadline_is_a_value() {
    let start = Instant::now();
    let log = Log::new();
    let work = scope(async |s| {
        let guard = log.guard("child");
        s.spawn(async move {
            let _guard = guard;
            stopping().await;
            sleep(secs(1)).await;
        });
        "value"
    });
    assert_eq!(work.timeout(secs(2)).grace(secs(9)).await.unwrap(), "value");
    assert_eq!((start.elapsed(), log.all()), (secs(3), vec!["child"]));
}

/// A limit of zero and a grace of zero: asked and cancelled in the first poll, after the body's turn.
#[tokio::test(start_paused = true)]
async fn no_time_and_no_grace_still_polls_the_body_once() {
    for (limit, grace) in [(0, 0), (0, 1), (1, 0)] {
        let (start, counts) = (Instant::now(), Counts::new());
        let work = scope(|_| counts.pending()).timeout(secs(limit)).grace(secs(grace));
        assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Deadline);
        assert_eq!(start.elapsed(), secs(limit + grace));
        assert_eq!(counts.drops(), 1);
        assert_eq!(scope(async |_| 7).timeout(secs(limit)).grace(secs(grace)).await.unwrap(), 7);
    }
}

/// A cancel before the deadline starts the grace; the deadline, coming in the middle of it, changes
/// nothing but the count.
#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_middle_of_a_grace_is_one_more_request() {
    let start = Instant::now();
    let (work, handle) = scope(async |s| {
        s.cancel_with("by hand");
        pending::<()>().await;
    })
    .timeout(secs(2))
    .grace(secs(5))
    .with_handle();
    assert_eq!(work.await.unwrap_err().reason().message(), Some("by hand"));
    assert_eq!((start.elapsed(), handle.cancel_count()), (secs(5), 2));
}

/// A stop with a shorter time than the grace shortens it.
#[tokio::test(start_paused = true)]
async fn a_stop_can_shorten_the_grace() {
    let start = Instant::now();
    let (work, handle) = scope(async |s| {
        s.cancel();
        s.stop(secs(1));
        pending::<()>().await;
    })
    .grace(secs(60))
    .with_handle();
    assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Explicit);
    assert_eq!((start.elapsed(), handle.cancel_count()), (secs(1), 2));
}

/// A failure is not softened.
#[tokio::test(start_paused = true)]
async fn a_failure_is_not_softened() {
    let start = Instant::now();
    let work = scope(async |s| {
        s.spawn(async { boom("child") });
        pending::<()>().await;
    });
    assert_eq!(panic_of(work.grace(secs(60))).await, "child");
    assert_eq!(start.elapsed(), secs(0));
}

/// What comes from above is not softened, and neither is a drop: the grace is the scope's own.
#[tokio::test(start_paused = true)]
async fn what_comes_from_above_is_not_softened() {
    let start = Instant::now();
    let counts = Counts::new();
    let outer = scope(async |s| {
        let inner = scope(|_: Scope<'static>| counts.pending()).grace(secs(60));
        let cancel = async { s.cancel() };
        futures_util::future::join(inner, cancel).await.0.is_ok()
    });
    assert!(outer.await.is_err());
    assert_eq!((start.elapsed(), counts.drops()), (secs(0), 1));
    let mut dropped = drive(scope(|_: Scope<'static>| counts.pending()).grace(secs(60)));
    dropped.pending();
    drop(dropped);
    assert_eq!((start.elapsed(), counts.drops()), (secs(0), 2));
}

/// Before its first poll a scope has nothing to finish: a cancel then is final (R6).
#[tokio::test(start_paused = true)]
async fn a_cancel_before_the_first_poll_is_final() {
    let counts = Counts::new();
    let body = counts.pending();
    let (work, handle) = scope(|_| body).grace(secs(5)).with_handle();
    handle.cancel();
    assert!(work.await.is_err());
    assert_eq!((counts.both(), handle.cancel_count()), ((0, 1), 1));
}

/// R20: a deadline above that comes before the end of the grace cancels, and it is that scope that
/// absorbs; one that comes later, or never, has no say.
#[tokio::test(start_paused = true)]
async fn an_outer_deadline_may_cut_a_grace_short() {
    for (limit, by_inner) in [(3, false), (5, false), (7, true)] {
        let start = Instant::now();
        let outcome = timeout(secs(limit), async {
            let inner = scope(async |s| {
                s.stop(secs(5));
                pending::<()>().await;
            });
            inner.await.unwrap_err().reason().kind()
        });
        match outcome.await {
            Ok(kind) => assert!(by_inner && kind == Kind::Stopped),
            Err(error) => assert!(!by_inner && matches!(error, TimeoutError::Elapsed(_))),
        }
        assert_eq!(start.elapsed(), secs(limit.min(5)));
    }
}

/// R20: the grace of an outer scope covers nearer deadlines inside, which act as ever; and the end of
/// that grace is a deadline for what is below, with its own timer.
#[tokio::test(start_paused = true)]
async fn deadlines_inside_a_grace_act_as_ever() {
    let start = Instant::now();
    let outcome = scope(async |s| {
        s.stop(secs(5));
        let nearer = timeout(secs(2), pending::<()>()).await;
        assert!(matches!(nearer, Err(TimeoutError::Elapsed(_))));
        assert_eq!(start.elapsed(), secs(2));
        assert_eq!(CancelScope::current().unwrap().deadline(), s.deadline());
        let _ = timeout(secs(20), pending::<()>()).await;
        unreachable!("the outer one absorbs");
    });
    assert_eq!(outcome.await.unwrap_err().reason().kind(), Kind::Stopped);
    assert_eq!(start.elapsed(), secs(5));
}

/// R20: an outer deadline that is softened was the nearest, so that the inner scope had no timer. When
/// it has only asked, the inner one's own comes into force.
#[tokio::test(start_paused = true)]
async fn an_inner_deadline_is_armed_when_the_outer_one_was_softened() {
    for inner in [2, 4] {
        let start = Instant::now();
        let outcome = scope(async |_| {
            let outcome = timeout(secs(inner), pending::<()>()).await;
            assert!(matches!(outcome, Err(TimeoutError::Elapsed(_))));
            assert_eq!(start.elapsed(), secs(inner));
            pending::<()>().await;
        });
        assert!(outcome.timeout(secs(2)).grace(secs(7)).await.is_err());
        assert_eq!(start.elapsed(), secs(9));
    }
}

/// A deadline that is set during the grace: without `.grace()` it is a hard one; moved away, the grace
/// still has its end.
#[tokio::test(start_paused = true)]
async fn a_deadline_can_be_set_during_the_grace() {
    let at = |seconds| (Instant::now() + secs(seconds)).into_std();
    for (deadline, ends, kind) in [(1, 1, Kind::Deadline), (60, 5, Kind::Stopped)] {
        let start = Instant::now();
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        let set = async {
            handle.stop(secs(5));
            settle().await;
            handle.set_deadline(at(deadline));
        };
        let outcome = futures_util::future::join(work, set).await.0;
        assert_eq!((outcome.unwrap_err().reason().kind(), start.elapsed()), (kind, secs(ends)));
    }
    let start = Instant::now();
    let outcome = scope(async |s| {
        s.cancel();
        s.set_deadline(None);
        checkpoint().await;
        pending::<()>().await;
    });
    assert!(outcome.timeout(secs(60)).grace(secs(5)).await.is_err());
    assert_eq!(start.elapsed(), secs(5));
}

/// I5: a child whose own deadline was moved, or that was asked to stop through its handle, is found by
/// a canceller afterwards all the same.
#[tokio::test(start_paused = true)]
async fn a_child_that_was_asked_something_is_still_cancelled() {
    for forked in [false, true] {
        for stop in [false, true] {
            let counts = Counts::new();
            let outcome = scope(async |s: Scope<'static>| {
                let work = counts.pending();
                let child = if forked { s.fork(work) } else { s.spawn(work) };
                settle().await;
                let handle = child.handle().unwrap();
                if stop {
                    handle.stop(secs(60));
                } else {
                    handle.set_deadline((Instant::now() + secs(60)).into_std());
                }
                settle().await;
                child.cancel();
                assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Explicit);
            });
            let outcome = tokio::time::timeout(secs(30), outcome).await;
            assert!(outcome.is_ok(), "forked: {forked}, stop: {stop}");
            assert_eq!(counts.drops(), 1);
        }
    }
}

/// R1: after the end a request counts, and there is nothing that it could soften; whatever the scope was
/// asked before.
#[tokio::test(start_paused = true)]
async fn after_the_end_a_request_is_not_softened() {
    for was_asked in [false, true] {
        let (work, handle) = scope(async |s| {
            if was_asked {
                s.cancel();
            }
        })
        .grace(secs(5))
        .name("a name is kept after the end")
        .with_handle();
        work.await.unwrap();
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
        handle.cancel();
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (1, true));
    }
}
