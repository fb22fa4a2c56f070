//! What a cancel does to the scope it is addressed to: R1 to R4, R6 and R9.
mod common;

use std::future::pending;

use common::{Counts, Gate, Log, drive, secs, settle};
use umbel::{Kind, checkpoint, scope};

/// R2: without a request a suspension point passes; after one it is where the body ends.
#[tokio::test(start_paused = true)]
async fn a_suspension_passes_before_the_cancel_and_delivers_after_it() {
    let log = Log::new();
    let outcome = scope(async |s| {
        tokio::task::yield_now().await;
        log.add("passed");
        s.cancel();
        log.add("goes on to the next await");
        tokio::task::yield_now().await;
        log.add("never");
    })
    .await;
    assert_eq!(outcome.unwrap_err().reason().kind(), Kind::Explicit);
    assert_eq!(log.all(), ["passed", "goes on to the next await"]);
}

/// R9: a checkpoint suspends for good in a cancelled scope, and lets others run in any other.
#[tokio::test(start_paused = true)]
async fn a_checkpoint_passes_before_the_cancel_and_delivers_after_it() {
    let log = Log::new();
    let outcome = scope(async |s| {
        checkpoint().await;
        log.add("passed");
        s.cancel();
        checkpoint().await;
        log.add("never");
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["passed"]);
}

/// R9: `check` is a level, not an edge: it says so as often as it is asked, and never suspends.
#[test]
fn check_says_so_every_time_and_never_suspends() {
    let mut body = drive(scope(async |s| {
        assert!(umbel::check().is_ok());
        s.cancel_with("enough");
        let first = umbel::check().unwrap_err();
        let second = umbel::check().unwrap_err();
        assert_eq!(first.reason().message(), Some("enough"));
        assert!(first.reason().is_same(second.reason()));
        "returned"
    }));
    assert_eq!(body.ready().unwrap(), "returned");
}

/// R9: outside every scope nothing is cancelled, and a checkpoint is a mere yield.
#[tokio::test(start_paused = true)]
async fn outside_every_scope_nothing_is_cancelled() {
    assert!(umbel::check().is_ok());
    checkpoint().await;
    assert!(umbel::task::current().reason().is_none());
}

/// R1: a second request counts, and delivers nothing a second time.
#[test]
fn two_requests_are_one_delivery_and_a_count_of_two() {
    let counts = Counts::new();
    let (work, handle) = scope(|_| counts.pending()).with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    handle.cancel();
    assert_eq!(work.wakes(), 1);
    assert!(work.ready().is_err());
    assert_eq!(handle.cancel_count(), 2);
    assert_eq!(counts.both(), (1, 1));
}

/// R3: a body that returns in the poll in which it was cancelled has returned.
#[test]
fn a_value_wins_over_a_cancel_in_the_same_poll() {
    let (work, handle) = scope(async |s| {
        s.cancel();
        7
    })
    .with_handle();
    assert_eq!(drive(work).ready().unwrap(), 7);
    assert_eq!(handle.cancel_count(), 1);
    assert!(handle.is_cancelled() && handle.is_finished());
}

/// R3: an error is a value too; it leaves the scope unchanged, and is no cancellation.
#[test]
fn a_body_that_fails_while_cancelled_has_failed() {
    let outcome = drive(scope(async |s| {
        s.cancel();
        Err::<(), _>("refused")
    }))
    .ready();
    assert_eq!(outcome.unwrap(), Err("refused"));
}

/// R5: a request that was never delivered dies with its scope.
#[tokio::test(start_paused = true)]
async fn a_pending_request_dies_with_its_scope() {
    let log = Log::new();
    scope(async |_| {
        scope(async |inner| inner.cancel()).await.unwrap();
        checkpoint().await;
        log.add("the enclosing scope goes on");
    })
    .await
    .unwrap();
    assert_eq!(log.all().len(), 1);
}

/// R6: a body whose scope is cancelled before its first poll is never polled, nor made; what its
/// closure had captured is dropped.
#[test]
fn cancelled_before_the_first_poll_is_never_polled() {
    let (log, counts) = (Log::new(), Counts::new());
    let guard = log.guard("captures dropped");
    let body = counts.pending();
    let (work, handle) = scope(|_| {
        log.add("made");
        let _guard = guard;
        body
    })
    .with_handle();
    handle.cancel();
    let mut work = drive(work);
    assert!(work.ready().is_err());
    assert_eq!(counts.both(), (0, 1));
    assert_eq!(log.all(), ["captures dropped"]);
}

/// R6: the same for a scope that is opened in a cancelled one: the outer one absorbs.
#[test]
fn a_scope_opened_in_a_cancelled_one_is_never_polled() {
    let (log, counts) = (Log::new(), Counts::new());
    let outcome = drive(scope(async |outer| {
        outer.cancel();
        let _ = scope(|_| counts.pending()).await;
        log.add("never");
    }))
    .ready();
    assert!(outcome.is_err());
    assert_eq!(counts.polls(), 0);
    assert_eq!(counts.drops(), 0, "the body was never made");
    assert!(log.is_empty());
}

/// R2: the scope ends when another task cancels it, wherever its body waits.
#[tokio::test(start_paused = true)]
async fn a_handle_cancels_from_another_task() {
    let (work, handle) = scope(async |_| tokio::time::sleep(secs(100)).await).with_handle();
    let ((), outcome) = tokio::join!(
        async {
            tokio::time::sleep(secs(1)).await;
            handle.cancel();
        },
        work
    );
    assert!(outcome.is_err());
}

/// R1: a scope that a child opened and handed out stops when it is cancelled, and nothing else does.
#[tokio::test(start_paused = true)]
async fn a_scope_in_another_task_is_cancelled_by_its_handle() {
    let log = Log::new();
    scope(async |s| {
        let (local, handle) = scope(async |_| pending::<()>().await).with_handle();
        let in_child = log.clone();
        let child = s.spawn(async move {
            assert!(local.await.is_err());
            in_child.add("the child goes on");
        });
        settle().await;
        handle.cancel();
        child.await.unwrap();
        assert!(!s.is_cancelled());
        log.add("the parent goes on");
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["the child goes on", "the parent goes on"]);
}

/// Two cancelled scopes in sequence: the first leaves nothing behind for the second.
#[tokio::test(start_paused = true)]
async fn a_cancelled_scope_leaves_no_residue_for_the_next() {
    for _ in 0..2 {
        let outcome = scope(async |s| {
            let spawner = s.spawner();
            s.spawn(async move { spawner.cancel() });
            tokio::time::sleep(secs(1)).await;
            "slept"
        })
        .await;
        assert!(outcome.is_err());
        checkpoint().await;
    }
    assert_eq!(umbel::task::current().cancel_count(), 0);
}

/// A deadline absorbed in an inner scope, then a cancel of the outer one without a suspension after it.
#[tokio::test(start_paused = true)]
async fn after_an_absorbed_deadline_a_cancel_without_a_suspension_escapes_nowhere() {
    let outcome = scope(async |outer| {
        let late = scope(async |_| pending::<()>().await).timeout(secs(1)).await;
        assert_eq!(late.unwrap_err().reason().kind(), Kind::Deadline);
        outer.cancel();
        "value"
    })
    .await;
    assert_eq!(outcome.unwrap(), "value");
}

/// An await that is ready does not suspend, and so is no place where a cancelled body ends.
#[test]
fn an_await_that_does_not_suspend_delivers_nothing() {
    let gate = Gate::new();
    gate.open();
    let outcome = drive(scope(async |s| {
        s.cancel();
        gate.wait().await;
        scope(async |inner| inner.is_cancelled()).await.is_ok()
    }))
    .ready();
    assert!(outcome.is_err(), "a scope opened in a cancelled one suspends, and so is such a place");
}

/// An empty scope is no source of cancellation, and does not suspend.
#[test]
fn an_empty_scope_neither_suspends_nor_cancels() {
    let mut work = drive(scope(async |_| scope(async |_| ()).await.is_ok()));
    assert!(work.ready().unwrap());
    assert_eq!(work.wakes(), 0);
}
