//! Deadlines: the nearest on the way up is in force, a timer is armed only by the scope that brings it
//! nearer, and `Elapsed` means exactly one thing (R20). All time is tokio's (R21).
mod common;

use std::future::pending;
use std::time::Duration;

use common::{Counts, Gate, Log, boom, drive, panic_of, secs, settle};
use tokio::time::{Instant, advance, sleep};
use umbel::{CancelScope, Kind, Scope, TimeoutError, checkpoint, scope, timeout};

/// The limit passes: the scope absorbs, its count is one, and outside it nothing has happened.
#[tokio::test(start_paused = true)]
async fn a_limit_that_passes_cancels_the_scope_and_only_that() {
    for limit in [0, 1] {
        let start = Instant::now();
        let log = Log::new();
        let (work, handle) = scope(async |_| {
            sleep(secs(10)).await;
            log.add("never");
        })
        .timeout(secs(limit))
        .with_handle();
        let cancelled = work.await.unwrap_err();
        assert_eq!(cancelled.reason().kind(), Kind::Deadline);
        assert!(cancelled.to_string().contains("the deadline passed"));
        assert_eq!(handle.cancel_count(), 1);
        assert_eq!(start.elapsed().as_secs(), limit);
        checkpoint().await;
        assert!(log.is_empty());
    }
}

/// The clock jumps past the deadline: it is noticed at the next poll.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_past_the_deadline_is_noticed() {
    let mut work = drive(scope(async |_| pending::<()>().await).timeout(secs(1)));
    work.pending();
    advance(secs(2)).await;
    assert_eq!(work.wakes(), 1);
    assert!(work.ready().is_err());
}

/// `timeout` says `Elapsed`, with the time that was allowed; also after an earlier cancellation that
/// is over and done.
#[tokio::test(start_paused = true)]
async fn elapsed_says_how_long_was_allowed() {
    let over = scope(async |s| {
        s.cancel();
        pending::<()>().await;
    });
    assert!(over.await.is_err());
    let error = timeout(Duration::from_millis(100), sleep(secs(1))).await.unwrap_err();
    let TimeoutError::Elapsed(elapsed) = error else { panic!("{error}") };
    assert_eq!(elapsed.after(), Duration::from_millis(100));
    assert_eq!(elapsed.to_string(), "timed out after 100ms");
}

/// R3: what is ready at the same moment wins, and what is ready at once wins over a zero limit.
#[tokio::test(start_paused = true)]
async fn a_value_at_the_last_moment_wins() {
    assert_eq!(timeout(secs(0), async { 7 }).await.unwrap(), 7);
    assert_eq!(timeout(secs(1), async { sleep(secs(1)).await }).await.unwrap(), ());
}

/// A short limit around a long one: both questions give the outer one, the outer absorbs, and the code
/// between does not run.
#[tokio::test(start_paused = true)]
async fn the_outer_deadline_is_in_force_when_it_is_nearer() {
    let start = Instant::now();
    let log = Log::new();
    let outcome = scope(async |outer| {
        let inner = scope(async |inner| {
            let (outer, inner) = (outer.deadline().unwrap(), inner.deadline().unwrap());
            assert_eq!((outer, inner), ((start + secs(1)).into_std(), outer));
            sleep(secs(20)).await;
        })
        .timeout(secs(10));
        log.add(if inner.await.is_ok() { "value" } else { "absorbed" });
    })
    .timeout(secs(1))
    .await;
    assert_eq!(outcome.unwrap_err().reason().kind(), Kind::Deadline);
    assert_eq!(start.elapsed(), secs(1));
    assert!(log.is_empty());
}

/// `Elapsed` names whose deadline it was: the inner one's, or the outer one's and then the inner one
/// does not return at all. Of two equal deadlines it is the outer one's.
#[tokio::test(start_paused = true)]
async fn elapsed_is_said_by_the_one_whose_deadline_it_was() {
    for (outer, inner, by_inner) in [(10, 1, true), (1, 10, false), (1, 1, false)] {
        let said = timeout(secs(outer), async {
            matches!(timeout(secs(inner), pending::<()>()).await, Err(TimeoutError::Elapsed(_)))
        })
        .await;
        match said {
            Ok(inner_said) => assert!(by_inner && inner_said),
            Err(TimeoutError::Elapsed(elapsed)) => {
                assert!(!by_inner);
                assert_eq!(elapsed.after(), secs(outer));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// A manual cancel before the deadline is no timeout, whenever the deadline passes afterwards.
#[tokio::test(start_paused = true)]
async fn a_manual_cancel_is_no_timeout() {
    let gate = Gate::new();
    let (work, handle) = scope(async |s: Scope<'static>| {
        s.spawn(gate.wait());
        pending::<()>().await;
    })
    .timeout(secs(5))
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    work.pending();
    // The child takes its time; the deadline passes while it is waited for.
    advance(secs(10)).await;
    settle().await;
    assert_eq!(work.ready().unwrap_err().reason().kind(), Kind::Explicit);
    assert_eq!(handle.cancel_count(), 1);
}

/// A timeout that was first polled in a scope that was cancelled, and survived it: cancelled, and not
/// elapsed (R23).
#[tokio::test(start_paused = true)]
async fn a_survivor_cancelled_from_above_is_not_elapsed() {
    let mut work = Box::pin(timeout(secs(5), pending::<()>()));
    let outcome = scope(async |s| {
        assert!(futures_util::poll!(&mut work).is_pending());
        s.cancel_with("above");
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
    match work.await {
        Err(TimeoutError::Cancelled(cancelled)) => {
            assert_eq!(cancelled.reason().message(), Some("above"));
        }
        other => panic!("{other:?}"),
    }
}

/// The body has returned; the deadline passes while a child is waited for. The child is cancelled, and
/// the value stands.
#[tokio::test(start_paused = true)]
async fn a_deadline_while_children_are_waited_for_cancels_them() {
    let start = Instant::now();
    let counts = Counts::new();
    let value = scope(async |s| {
        s.spawn(counts.pending());
        s.fork(counts.pending());
        "value"
    })
    .timeout(secs(3))
    .await;
    assert_eq!(value.unwrap(), "value");
    assert_eq!(counts.drops(), 2);
    assert_eq!(start.elapsed(), secs(3));
}

/// The time counts from the first poll, not from the making.
#[tokio::test(start_paused = true)]
async fn a_limit_counts_from_the_first_poll() {
    let mut work = scope(async |s| {
        let left = s.deadline().unwrap() - Instant::now().into_std();
        sleep(secs(100)).await;
        left
    })
    .timeout(secs(5));
    let handle = work.handle();
    assert!(handle.deadline().is_none(), "not yet");
    advance(secs(3)).await;
    let start = Instant::now();
    assert!(work.await.is_err());
    assert_eq!(start.elapsed(), secs(5));
}

/// Moved later while it is active: no timeout. Moved nearer: sooner. Lifted: never.
#[tokio::test(start_paused = true)]
async fn a_deadline_can_be_moved_in_both_directions() {
    let at = |seconds| (Instant::now() + secs(seconds)).into_std();
    let later = scope(async |s| {
        s.set_deadline(at(4));
        sleep(secs(2)).await;
    });
    later.timeout(secs(1)).await.unwrap();

    let start = Instant::now();
    let nearer = scope(async |s| {
        sleep(secs(5)).await;
        s.set_deadline(at(1));
        checkpoint().await;
        pending::<()>().await;
    });
    assert!(nearer.timeout(secs(10)).await.is_err());
    assert_eq!(start.elapsed(), secs(6));

    let past = scope(async |s| {
        advance(secs(5)).await;
        s.set_deadline((Instant::now() - secs(4)).into_std());
        pending::<()>().await;
    });
    assert_eq!(past.timeout(secs(10)).await.unwrap_err().reason().kind(), Kind::Deadline);

    let lifted = scope(async |s| {
        s.set_deadline(None);
        sleep(secs(100)).await;
    });
    lifted.timeout(secs(1)).await.unwrap();
}

/// Moved from outside, while the scope's task sleeps.
#[tokio::test(start_paused = true)]
async fn a_deadline_set_from_another_task_is_in_force() {
    let start = Instant::now();
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let work = tokio::spawn(async { work.await.is_err() });
    settle().await;
    handle.set_deadline((start + secs(2)).into_std());
    assert!(work.await.unwrap());
    assert_eq!(start.elapsed(), secs(2));
}

/// The outer deadline is lifted or moved: the inner one, till then further away, is armed now.
#[tokio::test(start_paused = true)]
async fn an_inner_deadline_is_armed_when_the_outer_one_goes_away() {
    for across_a_task in [false, true] {
        let start = Instant::now();
        let outcome = scope(async |outer: Scope<'static>| {
            let handle = CancelScope::clone(&outer);
            let inner = async { timeout(secs(5), pending::<()>()).await.is_err() };
            let lift = async {
                sleep(secs(1)).await;
                handle.set_deadline(None);
            };
            if across_a_task {
                let child = outer.spawn(inner);
                lift.await;
                child.await.unwrap()
            } else {
                futures_util::future::join(inner, lift).await.0
            }
        })
        .timeout(secs(3))
        .await;
        assert!(outcome.unwrap(), "the inner one elapsed");
        assert_eq!(start.elapsed(), secs(5));
    }
}

/// A deadline above that comes nearer, from a scope in another task.
#[tokio::test(start_paused = true)]
async fn a_child_inherits_the_deadline() {
    let start = Instant::now();
    let outcome = scope(async |s| {
        let child = s.spawn(async {
            let (work, handle) =
                scope(async |_| pending::<()>().await).timeout(secs(50)).with_handle();
            let mut work = Box::pin(work);
            assert!(futures_util::poll!(work.as_mut()).is_pending());
            handle.deadline().unwrap()
        });
        assert_eq!(child.await.unwrap(), (start + secs(3)).into_std());
        s.spawn(pending::<()>()).await.is_ok()
    })
    .timeout(secs(3))
    .await;
    assert!(outcome.is_err());
    assert_eq!(start.elapsed(), secs(3));
}

/// A hundred scopes, each with a later deadline than the one around it.
fn nest(depth: u64) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if depth == 100 {
            return pending::<()>().await;
        }
        let level = scope(|_: Scope<'static>| nest(depth + 1));
        let _ = level.timeout(secs(5 + depth)).await;
    })
}

/// R20: of a hundred nested scopes one has a timer, the nearest. One wake in all.
#[tokio::test(start_paused = true)]
async fn only_the_nearest_deadline_has_a_timer() {
    let mut work = drive(nest(0));
    work.pending();
    advance(secs(1000)).await;
    assert_eq!(work.wakes(), 1);
    work.ready();
    assert!(work.wakes() <= 1, "the mark itself, which is made in this very poll (I6)");
    advance(secs(1000)).await;
    assert_eq!(work.wakes(), 0);
}

/// I25: no timer outlives its scope, whichever way that ends.
#[tokio::test(start_paused = true)]
async fn no_timer_outlives_its_scope() {
    let gate = Gate::new();
    let (ends, ended) = scope(|_: Scope<'static>| gate.wait()).timeout(secs(5)).with_handle();
    let (is_cancelled, cancel) =
        scope(async |_| pending::<()>().await).timeout(secs(5)).with_handle();
    let (mut ends, mut is_cancelled) = (drive(ends), drive(is_cancelled));
    ends.pending();
    is_cancelled.pending();
    gate.open();
    cancel.cancel();
    ends.ready().unwrap();
    assert!(is_cancelled.ready().is_err());
    let _ = (ends.wakes(), is_cancelled.wakes());
    advance(secs(10)).await;
    assert_eq!((ends.wakes(), is_cancelled.wakes()), (0, 0));
    assert_eq!((ended.cancel_count(), cancel.cancel_count()), (0, 1));
    assert!(!ended.is_cancelled());
}

/// Rewritten thousands of times it is still one timer, and one wake for the owner to look.
#[tokio::test(start_paused = true)]
async fn rewriting_a_deadline_thousands_of_times_leaves_one_timer() {
    let (work, handle) = scope(async |_| pending::<()>().await).timeout(secs(5)).with_handle();
    let mut work = drive(work);
    work.pending();
    for seconds in 0..5000 {
        handle.set_deadline((Instant::now() + secs(10 + seconds)).into_std());
    }
    assert_eq!(work.wakes(), 1);
    work.pending();
    advance(secs(5008)).await;
    assert_eq!(work.wakes(), 0, "all the others are gone");
    advance(secs(2)).await;
    assert_eq!(work.wakes(), 1);
    assert!(work.ready().is_err());
}

/// A body that is always busy, and uses up tokio's budget in every turn, times out all the same.
#[tokio::test(start_paused = true)]
async fn a_busy_body_does_not_starve_the_timer() {
    let clock = tokio::spawn(async {
        for _ in 0..20 {
            advance(secs(1)).await;
        }
    });
    let outcome = timeout(secs(10), async {
        loop {
            tokio::task::consume_budget().await;
        }
    })
    .await;
    assert!(matches!(outcome, Err(TimeoutError::Elapsed(_))));
    clock.abort();
}

/// Panics come out of `timeout` as they are.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_timeout_is_passed_on() {
    assert_eq!(panic_of(timeout(secs(1), async { boom("body") })).await, "body");
}

/// The later option replaces the earlier one.
#[tokio::test(start_paused = true)]
async fn the_last_limit_that_was_set_counts() {
    let start = Instant::now();
    let never = async |_: Scope<'_>| pending::<()>().await;
    assert!(scope(never).timeout(secs(9)).deadline(start + secs(2)).await.is_err());
    assert_eq!(start.elapsed(), secs(2));
    assert!(scope(never).deadline(start + secs(100)).timeout(secs(1)).await.is_err());
    assert_eq!(start.elapsed(), secs(3));
}
