//! Why something was cancelled: the first cause, kept once, with the flag (R8), and below a cancelled
//! scope the cause at the nearest one on the way up (I24).
mod common;

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex};

use common::{boom, catch, drive, secs, settle};
use umbel::{CancelScope, Kind, Reason, Scope, TimeoutError, scope, shield_unbounded, task};

/// R8: what was said first stays, however many requests follow.
#[test]
fn the_first_of_several_explicit_causes_is_kept() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    assert!(handle.reason().is_none());
    handle.cancel_with("first");
    let first = handle.reason().unwrap();
    handle.cancel_with("second");
    handle.cancel();
    assert!(handle.reason().unwrap().is_same(&first));
    assert_eq!(first.message(), Some("first"));
    let cancelled = work.ready().unwrap_err();
    assert!(cancelled.reason().is_same(&first), "every observer sees the same one");
    assert_eq!(handle.cancel_count(), 3);
}

/// An explicit cancel, and then the deadline passes: explicit. The other way round: the deadline.
#[tokio::test(start_paused = true)]
async fn a_deadline_and_a_request_do_not_overwrite_each_other() {
    let (work, handle) = scope(async |s| {
        s.cancel_with("by hand");
        s.set_deadline(std::time::Instant::from(tokio::time::Instant::now()));
        tokio::time::advance(secs(5)).await;
    })
    .timeout(secs(1))
    .with_handle();
    let mut work = drive(work);
    assert_eq!(work.ready().unwrap_err().reason().message(), Some("by hand"));
    assert_eq!(handle.cancel_count(), 1);

    let (work, handle) = scope(async |_| pending::<()>().await).timeout(secs(1)).with_handle();
    let mut work = drive(work);
    work.pending();
    tokio::time::advance(secs(2)).await;
    let cancelled = work.ready().unwrap_err();
    handle.cancel_with("by hand");
    assert_eq!(cancelled.reason().kind(), Kind::Deadline);
    assert_eq!(handle.reason().unwrap().kind(), Kind::Deadline);
    assert_eq!(handle.cancel_count(), 2);
}

/// A deadline in the past at the start, and one moved into the past: of the same kind, with a place
/// in the source.
#[tokio::test(start_paused = true)]
async fn a_deadline_says_so_however_it_came_to_be_in_the_past() {
    let now = tokio::time::Instant::now();
    tokio::time::advance(secs(5)).await;
    let at_creation = scope(async |_| pending::<()>().await).deadline(now).await;
    let moved = scope(async |s| {
        s.set_deadline(now.into_std());
        pending::<()>().await;
    })
    .await;
    for outcome in [at_creation, moved] {
        let reason = outcome.unwrap_err().into_reason();
        assert_eq!(reason.kind(), Kind::Deadline);
        assert_eq!(reason.location().file(), file!());
        assert!(reason.to_string().starts_with("the deadline passed (at tests/reasons.rs:"));
    }
}

/// A sibling fails before or after the observer started: both are told that a child panicked.
#[tokio::test(start_paused = true)]
async fn siblings_of_a_failed_child_are_told_that_a_child_panicked() {
    let mut siblings = Vec::new();
    let outcome = catch(scope(async |s| {
        siblings.push(s.spawn(pending::<()>()));
        settle().await;
        drop(s.spawn(async { boom("child") }));
        siblings.push(s.spawn(pending::<()>()));
        pending::<()>().await;
    }))
    .await;
    assert!(outcome.is_err());
    for sibling in siblings {
        let reason = sibling.await.unwrap_err().into_reason();
        assert_eq!(reason.kind(), Kind::ChildPanicked);
        assert_eq!(reason.location().file(), file!(), "where the child was spawned");
    }
}

/// I24: a parent cancelled for one cause, a scope below it for another: the latter's descendants
/// report its cause, all others the parent's.
#[tokio::test(start_paused = true)]
async fn the_nearest_cause_on_the_way_up_counts() {
    for inner_first in [true, false] {
        let (left, left_handle) = scope(async |_| pending::<()>().await).with_handle();
        let (middle, middle_handle) = scope(async |_| left.await).with_handle();
        let (right, right_handle) = scope(async |_| pending::<()>().await).with_handle();
        let (outer, outer_handle) =
            scope(async |_| futures_util::future::join(middle, right).await).with_handle();
        let mut outer = drive(outer);
        outer.pending();
        let requests = [(&middle_handle, "middle"), (&outer_handle, "outer")];
        let order = if inner_first { [0, 1] } else { [1, 0] };
        for index in order {
            let (handle, message) = requests[index];
            handle.cancel_with(message);
        }
        let handles = [&left_handle, &middle_handle, &right_handle, &outer_handle];
        let told = |handle: &&CancelScope| handle.reason().unwrap().message().map(str::to_owned);
        let expected = ["middle", "middle", "outer", "outer"];
        assert_eq!(handles.iter().map(told).collect::<Option<Vec<_>>>().unwrap(), expected);
        assert_eq!(outer.ready().unwrap_err().reason().message(), Some("outer"));
        assert_eq!(
            handles.iter().map(told).collect::<Option<Vec<_>>>().unwrap(),
            expected,
            "still"
        );
    }
}

/// I24 through tasks: a grandchild's reason is that of the nearest cancelled task or scope above it.
#[tokio::test(start_paused = true)]
async fn the_nearest_cause_counts_across_tasks() {
    scope(async |s: Scope<'static>| {
        let found = Arc::new(Mutex::new(None));
        let share = Arc::clone(&found);
        let child = s.spawn(async move {
            let _ = scope(async |inner: Scope<'static>| {
                let grandchild = inner.spawn(pending::<()>());
                *share.lock().unwrap() = Some((CancelScope::clone(&inner), grandchild));
                pending::<()>().await;
            })
            .await;
        });
        settle().await;
        let (inner, grandchild) = found.lock().unwrap().take().unwrap();
        inner.cancel_with("the inner scope");
        child.handle().unwrap().cancel_with("the task");
        s.cancel_with("the outer scope");
        assert_eq!(child.handle().unwrap().reason().unwrap().message(), Some("the task"));
        let grandchild = grandchild.handle().unwrap();
        assert_eq!(grandchild.reason().unwrap().message(), Some("the inner scope"));
    })
    .await
    .unwrap();
}

/// A request says where it was made, and in which task.
#[tokio::test(start_paused = true)]
async fn a_reason_says_where_and_in_which_task() {
    scope(async |s| {
        let (inner, handle) = scope(async |_| pending::<()>().await).with_handle();
        let line = line!() + 2;
        let child = s.spawn(async move {
            handle.cancel_with("from a child");
            handle
        });
        let id = child.id().unwrap();
        let reason = inner.await.unwrap_err().into_reason();
        assert_eq!((reason.location().file(), reason.location().line()), (file!(), line));
        assert_eq!(reason.task(), Some(id));
        child.await.unwrap();
    })
    .await
    .unwrap();
    assert!(Reason::new("outside").task().is_none());
}

/// Kinds are the caller's to choose, say for a signal; the text is shown escaped.
#[test]
fn a_reason_carries_kind_and_text() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    handle.cancel_with(Reason::new("SIG\u{1b}[31mTERM\n").with_kind(Kind::Signal));
    let reason = drive(work).ready().unwrap_err().into_reason();
    assert_eq!(reason.kind(), Kind::Signal);
    assert_eq!(reason.message(), Some("SIG\u{1b}[31mTERM\n"));
    let shown = reason.to_string();
    assert!(shown.starts_with("a signal was received: SIG\\u{1b}[31mTERM\\n (at "), "{shown}");
    assert!(!format!("{reason:?}").contains('\u{1b}'));
}

/// Owned texts and plain ones are both taken.
#[test]
fn a_message_is_any_text() {
    for reason in [Reason::from("text"), Reason::from(String::from("text")), Reason::new("text")] {
        assert_eq!((reason.kind(), reason.message()), (Kind::Explicit, Some("text")));
    }
    assert!(!Reason::new("same").is_same(&Reason::new("same")), "equal is not the same");
}

/// An abandoned scope says so, unless it was cancelled before.
#[test]
fn abandoning_does_not_overwrite_a_cause() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel_with("before");
    drop(work);
    handle.cancel_with("after");
    assert_eq!(handle.reason().unwrap().message(), Some("before"));

    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    drop(work);
    handle.cancel_with("after");
    assert_eq!(handle.reason().unwrap().kind(), Kind::Abandoned);
}

/// As an I/O error: timed out, or aborted; never `Interrupted`, on which std and tokio try again.
#[tokio::test(start_paused = true)]
async fn a_cancellation_becomes_an_io_error() {
    let late = scope(async |_| pending::<()>().await).timeout(secs(1)).await.unwrap_err();
    assert_eq!(io::Error::from(late).kind(), io::ErrorKind::TimedOut);
    let explicit = scope(async |s| {
        s.cancel();
        pending::<()>().await;
    });
    let explicit = io::Error::from(explicit.await.unwrap_err());
    assert_eq!(explicit.kind(), io::ErrorKind::ConnectionAborted);
    assert!(explicit.to_string().starts_with("cancelled: cancel was called"), "{explicit}");
    let elapsed = umbel::timeout(secs(1), pending::<()>()).await.unwrap_err();
    assert!(matches!(elapsed, TimeoutError::Elapsed(_)));
    assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::TimedOut);
}

/// A cancelled scope always has a reason, at every node and at every time.
#[tokio::test(start_paused = true)]
async fn whoever_is_cancelled_has_a_reason() {
    let found = Arc::new(Mutex::new(Vec::new()));
    let share = Arc::clone(&found);
    let note = move |handle: &CancelScope| share.lock().unwrap().push(handle.clone());
    let outcome = scope(async |s: Scope<'static>| {
        note(&s);
        let child = s.spawn({
            let note = note.clone();
            async move {
                let _ = scope(async |inner: Scope<'static>| {
                    note(&inner);
                    let grandchild = inner.spawn(pending::<()>());
                    note(&grandchild.handle().unwrap());
                    grandchild.await.is_ok()
                })
                .await;
            }
        });
        note(&child.handle().unwrap());
        settle().await;
        s.cancel_with("all");
        pending::<()>().await;
    })
    .await;
    let reason = outcome.unwrap_err().into_reason();
    let found = found.lock().unwrap();
    assert_eq!(found.len(), 4);
    for handle in &*found {
        assert!(handle.reason().unwrap().is_same(&reason), "after the end, and in every node");
    }
}

/// A task is told why it is cancelled, and nothing while it is not.
#[tokio::test(start_paused = true)]
async fn a_task_knows_its_reason() {
    let told = Arc::new(Mutex::new(None));
    let tells = Arc::clone(&told);
    let work = scope(async |s| {
        s.spawn(async move {
            assert!(task::current().reason().is_none());
            shield_unbounded(settle()).await;
            *tells.lock().unwrap() = task::current().reason();
        });
        tokio::task::yield_now().await;
        s.cancel_with("enough");
    });
    work.await.unwrap();
    let reason = told.lock().unwrap().take().expect("it was cancelled");
    assert_eq!(reason.message(), Some("enough"));
    assert!(task::current().reason().is_none(), "no task of ours");
}
