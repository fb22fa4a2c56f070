//! A future can outlive the scope that first polled it, because it was polled by reference or moved
//! away (R23). Each scenario runs with a plain scope and with one whose handle was taken early.
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use common::{Gate, drive, secs, settle};
use umbel::{Cancelled, Kind, TimeoutError, scope};

type Work = Pin<Box<dyn Future<Output = Result<&'static str, Cancelled>> + Send>>;

/// A scope that returns when the gate is open.
fn work(gate: &Gate, early: bool) -> Work {
    let wait = gate.wait();
    let mut work = scope(async |_| {
        wait.await;
        "done"
    });
    if early {
        drop(work.handle());
    }
    Box::pin(work)
}

/// Polls `work` once in a scope that then ends by itself.
async fn poll_in_a_scope(work: &mut Work) {
    scope(async |_| assert!(futures_util::poll!(work).is_pending())).await.unwrap();
}

/// The scope it was first polled in has ended by itself: the survivor goes on.
#[tokio::test(start_paused = true)]
async fn a_survivor_of_a_scope_that_ended_goes_on() {
    for early in [false, true] {
        let gate = Gate::new();
        let mut work = work(&gate, early);
        poll_in_a_scope(&mut work).await;
        settle().await;
        gate.open();
        assert_eq!(work.await.unwrap(), "done");
    }
}

/// It is handed to the next enclosing live scope, and is cancelled with that one.
#[tokio::test(start_paused = true)]
async fn a_survivor_is_handed_to_the_next_enclosing_scope() {
    for early in [false, true] {
        let mut work = work(&Gate::new(), early);
        let outcome = scope(async |outer| {
            poll_in_a_scope(&mut work).await;
            outer.cancel_with("outer");
            pending::<()>().await;
        })
        .await;
        assert!(outcome.is_err());
        assert_eq!(work.await.unwrap_err().reason().message(), Some("outer"));
    }
}

/// Past several that end, to the last; then it has none and goes on.
#[tokio::test(start_paused = true)]
async fn a_survivor_passes_several_scopes() {
    for early in [false, true] {
        let gate = Gate::new();
        let mut work = work(&gate, early);
        scope(async |_| {
            scope(async |_| poll_in_a_scope(&mut work).await).await.unwrap();
        })
        .await
        .unwrap();
        gate.open();
        assert_eq!(work.await.unwrap(), "done");
    }
}

/// The scope was cancelled, so the survivor was inside: it is cancelled with the same reason, and says
/// so itself.
#[tokio::test(start_paused = true)]
async fn a_survivor_of_a_cancelled_scope_is_cancelled() {
    for early in [false, true] {
        let gate = Gate::new();
        let mut work = work(&gate, early);
        let outcome = scope(async |s| {
            assert!(futures_util::poll!(&mut work).is_pending());
            s.cancel_with("inside");
            pending::<()>().await;
        })
        .await;
        let reason = outcome.unwrap_err().into_reason();
        gate.open();
        let cancelled = work.await.unwrap_err();
        assert!(cancelled.reason().is_same(&reason));
    }
}

/// `timeout(limit, &mut work)`: what is first polled in there belongs to the timeout, and is cancelled
/// when that elapses.
#[tokio::test(start_paused = true)]
async fn what_is_first_polled_in_a_timeout_is_cancelled_with_it() {
    for early in [false, true] {
        let mut work = work(&Gate::new(), early);
        let outcome = umbel::timeout(secs(1), &mut work).await;
        assert!(matches!(outcome, Err(TimeoutError::Elapsed(_))));
        assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Deadline);
    }
}

/// What was polled before belongs elsewhere, and only the waiting stops; so it is with tokio's timeout.
#[tokio::test(start_paused = true)]
async fn what_was_polled_before_survives_a_timeout() {
    for early in [false, true] {
        let gate = Gate::new();
        let mut work = work(&gate, early);
        assert!(futures_util::poll!(&mut work).is_pending());
        assert!(umbel::timeout(secs(1), &mut work).await.is_err());
        assert!(tokio::time::timeout(secs(1), &mut work).await.is_err());
        gate.open();
        assert_eq!(work.await.unwrap(), "done");
    }
}

/// The scope was dropped: abandoned is cancelled.
#[tokio::test(start_paused = true)]
async fn a_survivor_of_a_dropped_scope_is_cancelled() {
    for early in [false, true] {
        let mut work = work(&Gate::new(), early);
        let dropped = scope(async |_| (&mut work).await);
        assert!(tokio::time::timeout(secs(1), dropped).await.is_err());
        assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Abandoned);
    }
}

/// The whole task ended: cancelled, with a reason of its own kind.
#[tokio::test(start_paused = true)]
async fn a_survivor_of_a_task_is_cancelled() {
    for early in [false, true] {
        for forked in [false, true] {
            scope(async |s| {
                let mut work = work(&Gate::new(), early);
                let child = async move {
                    assert!(futures_util::poll!(&mut work).is_pending());
                    work
                };
                let child = if forked { s.fork(child) } else { s.spawn(child) };
                let survivor = child.await.unwrap();
                let cancelled = survivor.await.unwrap_err();
                assert_eq!(cancelled.reason().kind(), Kind::ScopeEnded);
                assert!(!s.is_cancelled());
            })
            .await
            .unwrap();
        }
    }
}

/// A task that was cancelled hands on its reason.
#[tokio::test(start_paused = true)]
async fn a_survivor_of_a_cancelled_task_has_the_tasks_reason() {
    for early in [false, true] {
        scope(async |s| {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let mut work = work(&Gate::new(), early);
            let child = s.spawn(async move {
                assert!(futures_util::poll!(&mut work).is_pending());
                let _ = tx.send(work);
                pending::<()>().await;
            });
            let survivor = rx.await.unwrap();
            child.handle().unwrap().cancel_with("the task");
            assert!(child.await.is_err());
            assert_eq!(survivor.await.unwrap_err().reason().message(), Some("the task"));
        })
        .await
        .unwrap();
    }
}

/// Moved to another task after its first poll it keeps its parent, and is woken where it is when that
/// one is cancelled.
#[tokio::test(start_paused = true)]
async fn a_future_that_moved_keeps_its_parent_and_is_woken_where_it_is() {
    for early in [false, true] {
        let mut work = work(&Gate::new(), early);
        let (tx, rx) = tokio::sync::oneshot::channel();
        let (outer, handle) = scope(async |_| {
            assert!(futures_util::poll!(&mut work).is_pending());
            let _ = tx.send(work);
            pending::<()>().await;
        })
        .with_handle();
        let mut outer = drive(outer);
        outer.pending();
        let mut moved = drive(rx.await.unwrap());
        moved.pending();
        handle.cancel_with("the parent");
        assert_eq!(moved.wakes(), 1, "nobody above will come by");
        let cancelled = moved.ready().unwrap_err();
        assert_eq!(cancelled.reason().message(), Some("the parent"));
        assert!(outer.ready().is_err());
    }
}

/// The same where an enclosing scope of that parent polls it now: a calm ancestor above does not mean
/// that somebody will come by.
#[tokio::test(start_paused = true)]
async fn a_future_that_moved_outwards_is_woken_when_its_parent_is_cancelled() {
    for early in [false, true] {
        let outcome = scope(async |_| {
            let mut work = work(&Gate::new(), early);
            let (tx, rx) = tokio::sync::oneshot::channel();
            let (parent, handle) = scope(async |_| {
                assert!(futures_util::poll!(&mut work).is_pending());
                let _ = tx.send(work);
                pending::<()>().await;
            })
            .with_handle();
            let mut parent = drive(parent);
            parent.pending();
            let mut moved = drive(rx.await.unwrap());
            moved.pending();
            handle.cancel_with("the parent");
            let wakes = moved.wakes();
            let cancelled = moved.ready().unwrap_err();
            assert_eq!(cancelled.reason().message(), Some("the parent"));
            wakes
        })
        .await;
        assert_eq!(outcome.unwrap(), 1);
    }
}

/// A child hands what it has begun to the body of its scope, and ends. The body waits for it: told,
/// and not left to hang.
#[tokio::test(start_paused = true)]
async fn a_survivor_that_a_child_handed_to_its_parent_does_not_hang() {
    for early in [false, true] {
        let outcome = scope(async |s| {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let (end, mut work) = (Gate::new(), work(&Gate::new(), early));
            let wait = end.wait();
            s.spawn(async move {
                assert!(futures_util::poll!(&mut work).is_pending());
                let _ = tx.send(work);
                wait.await;
            });
            let work = rx.await.unwrap();
            s.spawn(async move {
                settle().await;
                end.open();
            });
            work.await.unwrap_err().reason().kind()
        });
        // A clock that moves says that everybody slept: only the timeout woke this task.
        let start = tokio::time::Instant::now();
        let outcome = tokio::time::timeout(secs(10), outcome).await.expect("it hangs");
        assert_eq!(outcome.unwrap(), Kind::ScopeEnded);
        assert_eq!(start.elapsed(), secs(0), "it was not woken");
    }
}

/// Parked elsewhere while its parent ends: cancelled if that was a task, and woken.
#[tokio::test(start_paused = true)]
async fn a_survivor_parked_elsewhere_is_woken_when_its_task_ends() {
    for early in [false, true] {
        scope(async |s| {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let (gate, mut work) = (Gate::new(), work(&Gate::new(), early));
            let end = gate.wait();
            let child = s.spawn(async move {
                assert!(futures_util::poll!(&mut work).is_pending());
                let _ = tx.send(work);
                end.await;
            });
            let mut moved = drive(rx.await.unwrap());
            moved.pending();
            gate.open();
            child.await.unwrap();
            assert_eq!(moved.wakes(), 1);
            assert_eq!(moved.ready().unwrap_err().reason().kind(), Kind::ScopeEnded);
        })
        .await
        .unwrap();
    }
}

/// In the same task, polled outside its cancelled parent but inside an enclosing scope: it absorbs if
/// that one is calm, and leaves it to that one if it is cancelled too.
#[tokio::test(start_paused = true)]
async fn a_survivor_absorbs_only_when_nobody_above_will() {
    for early in [false, true] {
        for outer_too in [false, true] {
            let outcome = scope(async |outer| {
                let mut work = work(&Gate::new(), early);
                let inner = scope(async |inner| {
                    assert!(futures_util::poll!(&mut work).is_pending());
                    inner.cancel_with("inner");
                    pending::<()>().await;
                });
                assert!(inner.await.is_err());
                if outer_too {
                    outer.cancel_with("outer");
                }
                work.await.unwrap_err().reason().message().map(str::to_owned)
            })
            .await;
            match outcome {
                Ok(message) => assert_eq!((outer_too, message.as_deref()), (false, Some("inner"))),
                Err(cancelled) => {
                    assert!(outer_too);
                    assert_eq!(cancelled.reason().message(), Some("outer"));
                }
            }
        }
    }
}

/// Deadlines are handed over too: the enclosing scope's goes on, that of the scope that ended is gone.
#[tokio::test(start_paused = true)]
async fn a_survivor_keeps_the_deadlines_of_the_scopes_that_are_left() {
    let start = tokio::time::Instant::now();
    let (work, handle) = scope(async |_| pending::<()>().await).timeout(secs(30)).with_handle();
    let mut work = Box::pin(work);
    let outcome = scope(async |_| {
        scope(async |_| assert!(futures_util::poll!(&mut work).is_pending()))
            .timeout(secs(5))
            .await
            .unwrap();
        let left = handle.deadline().unwrap().duration_since(start.into_std());
        assert_eq!(left, secs(10));
        (&mut work).await
    })
    .timeout(secs(10))
    .await;
    assert!(outcome.is_err());
    assert_eq!(start.elapsed(), secs(10));
    assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Deadline);
}

/// The survivor's own deadline counts on, and is armed when a nearer one above has gone.
#[tokio::test(start_paused = true)]
async fn a_survivors_own_deadline_is_armed_when_the_nearer_one_is_gone() {
    for early in [false, true] {
        let start = tokio::time::Instant::now();
        let mut work = scope(async |_| pending::<()>().await).timeout(secs(30));
        if early {
            drop(work.handle());
        }
        let mut work = Box::pin(work);
        scope(async |_| assert!(futures_util::poll!(&mut work).is_pending()))
            .timeout(secs(5))
            .await
            .unwrap();
        assert_eq!(work.await.unwrap_err().reason().kind(), Kind::Deadline);
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }
}

/// The children of a survivor go on with it, and are cancelled with it.
#[tokio::test(start_paused = true)]
async fn a_survivors_children_share_its_fate() {
    for cancelled in [false, true] {
        let gate = Gate::new();
        let wait = gate.wait();
        let mut work = Box::pin(scope(async |s| s.spawn(wait).await));
        let _ = scope(async |s| {
            assert!(futures_util::poll!(&mut work).is_pending());
            if cancelled {
                s.cancel();
                pending::<()>().await;
            }
        })
        .await;
        settle().await;
        gate.open();
        match work.await {
            Ok(child) => assert!(!cancelled && child.is_ok()),
            Err(_) => assert!(cancelled),
        }
    }
}
