//! Input that makes no sense, and circumstances that were not thought of: an answer or an error,
//! never a hang, a panic or a leak.
mod common;

use std::future::pending;
use std::task::Poll;
use std::time::Duration;

use common::{Counts, Gate, drive, runtime, secs, settle};
use tokio::time::{Instant, advance};
use umbel::{Kind, RaceError, Scope, TimeoutError, scope, timeout};

/// A deadline that is over when it is set: the body runs to its first suspension, in the first poll.
#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_ends_the_body_at_its_first_suspension() {
    let past = Instant::now();
    advance(secs(10)).await;
    let counts = Counts::new();
    let mut work = drive(scope(|_| counts.pending()).deadline(past));
    assert_eq!(work.ready().unwrap_err().reason().kind(), Kind::Deadline);
    assert_eq!(counts.both(), (1, 1));
    let ready = scope(async |_| 7).deadline(past).await;
    assert_eq!(ready.unwrap(), 7, "a value wins");
}

/// A limit of no time at all.
#[tokio::test(start_paused = true)]
async fn a_zero_limit_ends_the_body_without_time_passing() {
    let start = Instant::now();
    let outcome = timeout(Duration::ZERO, pending::<()>()).await;
    assert!(matches!(outcome, Err(TimeoutError::Elapsed(elapsed)) if elapsed.after().is_zero()));
    assert!(start.elapsed() <= Duration::from_millis(1), "the granularity of tokio's clock");
}

/// Limits that no clock can hold are far away, and no more.
#[tokio::test(start_paused = true)]
async fn a_limit_beyond_every_clock_is_far_away() {
    let year = 31_536_000;
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 2), secs(100 * year)] {
        let (work, handle) = scope(async |s| {
            assert!(s.deadline().unwrap() > (Instant::now() + secs(10 * year)).into_std());
            tokio::time::sleep(secs(year)).await;
        })
        .timeout(limit)
        .with_handle();
        work.await.unwrap();
        assert!(!handle.is_cancelled());
        timeout(limit, async { tokio::task::yield_now().await }).await.unwrap();
    }
}

/// A race of nobody.
#[tokio::test(start_paused = true)]
async fn an_empty_race_has_no_winner() {
    let nobody: [std::future::Ready<Result<(), ()>>; 0] = [];
    let error = umbel::race(nobody).await.unwrap_err();
    assert!(matches!(error, RaceError::NoCandidates(_)));
    assert!(error.report().unwrap().attempts.is_empty());
}

/// Scopes, forks, handles and races need no runtime.
#[test]
fn without_a_runtime_all_but_spawning_and_time_works() {
    let text = String::from("borrowed");
    let mut work = drive(scope(async |s| {
        let child = s.fork(async { text.len() });
        let inner = scope(async |_| 1).await.unwrap();
        let first = umbel::race([std::future::ready(Ok::<_, ()>(1))]).await.unwrap();
        child.await.unwrap() + inner + first
    }));
    loop {
        match work.poll() {
            Poll::Ready(outcome) => return assert_eq!(outcome.unwrap(), 10),
            Poll::Pending => assert!(work.wakes() > 0, "it hangs"),
        }
    }
}

/// Spawning without one: the future is dropped, the handle says why, and the scope fails, because work
/// that was asked for did not happen.
#[test]
fn spawning_without_a_runtime_is_refused_and_the_scope_is_cancelled() {
    let counts = Counts::new();
    let mut work = drive(scope(async |s| {
        let child = s.spawn(counts.pending());
        assert_eq!(counts.both(), (0, 1));
        assert!(child.is_finished());
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Shutdown);
        assert!(s.is_cancelled());
        pending::<()>().await;
    }));
    assert_eq!(work.ready().unwrap_err().reason().kind(), Kind::Shutdown);
}

/// Spawning on a runtime that was shut down: likewise, and the scope is not left waiting for it.
#[test]
fn spawning_after_the_runtime_is_gone_is_refused_and_the_scope_is_cancelled() {
    let (counts, gate) = (Counts::new(), Gate::new());
    let runtime = runtime();
    let mut work = Box::pin(scope(async |s: Scope<'static>| {
        gate.wait().await;
        let child = s.spawn(counts.pending());
        assert_eq!(counts.both(), (0, 1));
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Shutdown);
        pending::<()>().await;
    }));
    runtime.block_on(async { assert!(futures_util::poll!(work.as_mut()).is_pending()) });
    drop(runtime);
    gate.open();
    let mut work = drive(work);
    assert_eq!(work.ready().unwrap_err().reason().kind(), Kind::Shutdown);
}

/// The handle was taken where there was no runtime, the scope is awaited where there is one.
#[test]
fn a_handle_taken_without_a_runtime_does_not_keep_the_scope_from_spawning() {
    let (work, _handle) = scope(async |s| s.spawn(async { 7 }).await.unwrap()).with_handle();
    assert_eq!(runtime().block_on(work).unwrap(), 7);
}

/// The handle was taken on one runtime, the scope is awaited on another: that is where it is opened.
#[test]
fn a_handle_taken_on_another_runtime_does_not_move_the_scope() {
    let (first, second) = (runtime(), runtime());
    let (work, _handle) = first.block_on(async {
        scope(async |s: Scope<'static>| {
            s.spawn(async { tokio::runtime::Handle::current().id() }).await.unwrap()
        })
        .with_handle()
    });
    let ran_on = second.block_on(async { tokio::time::timeout(secs(1), work).await });
    assert_eq!(ran_on.expect("the child never ran").unwrap(), second.handle().id());
}

/// Names with control characters are shown escaped, in pictures and in debug texts.
#[tokio::test(start_paused = true)]
async fn a_name_with_control_characters_is_shown_escaped() {
    let evil = "a\u{1b}[2J\nb\u{202e}";
    let picture = scope(async |s| {
        let child = s.named(evil).spawn(pending::<()>());
        assert_eq!(child.name().as_deref(), Some(evil));
        assert!(!format!("{child:?}").contains(['\u{1b}', '\n']));
        assert!(!format!("{s:?} {:?}", umbel::task::current()).contains(['\u{1b}', '\n']));
        let picture = s.picture();
        child.cancel();
        picture
    })
    .name(evil)
    .await
    .unwrap();
    for shown in [picture.to_string(), format!("{picture:?}")] {
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{}", shown.escape_debug());
    }
}

/// Names may be empty, long, and given many times.
#[tokio::test(start_paused = true)]
async fn names_may_be_anything() {
    for name in [String::new(), "x".repeat(1 << 20)] {
        let (work, handle) = scope(async |s| s.named(name.clone()).fork(async {}).name())
            .name("first")
            .name(name.clone())
            .with_handle();
        assert_eq!(work.await.unwrap().as_deref(), Some(name.as_str()));
        assert_eq!(handle.name().as_deref(), Some(name.as_str()));
    }
}

/// Polling a child again after it has given its outcome is the caller's mistake, and says so.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled after it had given its outcome")]
async fn polling_a_child_after_its_outcome_panics() {
    let _ = scope(async |s| {
        let mut child = s.spawn(async {});
        (&mut child).await.unwrap();
        (&mut child).await.unwrap();
    })
    .await;
}

/// A scope that is cancelled a hundred thousand times.
#[test]
fn a_scope_may_be_cancelled_any_number_of_times() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    for _ in 0..100_000 {
        handle.cancel();
    }
    assert_eq!((handle.cancel_count(), work.wakes()), (100_000, 1));
    assert!(work.ready().is_err());
}

/// A scope that waits for itself: a child that waits for its own scope's end. It can be cancelled.
#[tokio::test(start_paused = true)]
async fn a_child_that_waits_for_its_own_scope_can_be_cancelled() {
    let (work, handle) = scope(async |s| {
        let own = umbel::CancelScope::clone(&s);
        s.spawn(async move { own.cancelled().await.is_none() });
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    work.pending();
    handle.cancel();
    settle().await;
    work.ready().unwrap();
}
