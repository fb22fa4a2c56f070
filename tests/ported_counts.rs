//! Counts and nesting in scenarios of AnyIO and Trio that `counts.rs` and `nesting.rs` do not have: a
//! request stays where it was addressed (R1, R5), and who was not asked does not absorb (R4, I8).
mod common;

use std::cell::RefCell;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Waker};

use common::{Counts, Log, catch, secs, settle, text};
use tokio::time::{Instant, sleep};
use umbel::{
    CancelScope, Kind, Ready, Scope, StartError, TimeoutError, checkpoint, scope, shield_unbounded,
    task, timeout,
};

/// Runs a section to its end in a destructor.
struct SectionInDrop(Log);

impl Drop for SectionInDrop {
    fn drop(&mut self) {
        let log = self.0.clone();
        let section = pin!(shield_unbounded(async move { log.add("section") }));
        let polled = section.poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
    }
}

/// R4, I8, as in Trio's `test_unshield_while_cancel_propagating`: the outer scope was asked; while the
/// cancellation passes through the inner one, a destructor there opens a shield. Not the inner one absorbs.
#[tokio::test(start_paused = true)]
async fn a_section_in_a_destructor_makes_nobody_absorb() {
    let (log, inner_handle) = (Log::new(), RefCell::new(None::<CancelScope>));
    let (outer, outer_handle) = scope(async |outer| {
        let inner = scope(async |inner| {
            *inner_handle.borrow_mut() = Some(inner.handle());
            let _section = SectionInDrop(log.clone());
            outer.cancel();
            pending::<()>().await;
        });
        let _ = inner.await;
        log.add("between");
    })
    .with_handle();
    assert!(outer.await.is_err());
    assert_eq!(log.all(), ["section"]);
    let inner_handle = inner_handle.take().unwrap();
    assert_eq!((outer_handle.cancel_count(), inner_handle.cancel_count()), (1, 0));
}

/// R1, as in AnyIO's `test_uncancel_after_taskgroup_cancelled`: the host of a scope starts a child,
/// waits until that is ready, and is then cancelled. The child has a scope of its own with a sleeper.
/// One request, on the host.
#[tokio::test(start_paused = true)]
async fn a_host_of_a_child_that_was_started_is_charged_once() {
    let log = Log::new();
    scope(async |s| {
        let in_host = log.clone();
        let host = s.spawn(async move {
            scope(async |group| {
                let in_child = in_host.clone();
                let started = group.start(async move |ready: Ready<CancelScope>| {
                    let _ = scope(async |own: Scope<'static>| {
                        ready.notify(own.handle());
                        let guard = in_child.guard("sleeper");
                        let sleeper = own.spawn(async move {
                            let _guard = guard;
                            sleep(secs(100)).await;
                        });
                        sleeper.await
                    })
                    .await;
                    in_child.add("never");
                });
                let started = started.await.unwrap();
                assert_eq!(started.value.cancel_count(), 0);
                in_host.add("ready");
                started.child.await.is_ok()
            })
            .await
        });
        settle().await;
        assert_eq!(log.all(), ["ready"]);
        host.cancel();
        let (task, count) = (host.handle().unwrap(), host.cancel_count());
        assert!(host.await.is_err());
        assert_eq!((count, task.cancel_count()), (1, 1));
        assert_eq!((s.cancel_count(), s.is_cancelled()), (0, false));
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["ready", "sleeper"]);
}

/// R1, I28, as in AnyIO's `test_start_native_host_cancelled`: the host is cancelled while it waits for a
/// child to get ready. The child had begun, does not finish, and is charged nothing.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_cancelled_in_a_start_takes_the_child_along() {
    let log = Log::new();
    let begun = Instant::now();
    scope(async |s| {
        let in_host = log.clone();
        let host = s.spawn(async move {
            let _ = scope(async |group| {
                let in_child = in_host.clone();
                let starting = group.start(async move |ready: Ready<()>| {
                    in_child.add("begun");
                    sleep(secs(2)).await;
                    in_child.add("never");
                    ready.notify(());
                });
                starting.await.is_ok()
            })
            .await;
            in_host.add("never");
        });
        sleep(secs(1)).await;
        host.cancel();
        assert_eq!(host.cancel_count(), 1);
        assert!(host.await.is_err());
        assert_eq!(s.cancel_count(), 0);
    })
    .await
    .unwrap();
    assert_eq!((log.all(), begun.elapsed()), (vec!["begun"], secs(1)));
}

/// R15, as in AnyIO's `test_start_native_child_cancelled`: the child that is being started is cancelled
/// by somebody else. Its starter is told, goes on, and is charged nothing.
#[tokio::test(start_paused = true)]
async fn a_starting_child_that_is_cancelled_fails_its_start() {
    let (log, child) = (Log::new(), Counts::new());
    let (work, handle) = scope(async |s| {
        let starting = s.start(|ready: Ready<()>| {
            child.of(async move {
                sleep(secs(10)).await;
                ready.notify(());
            })
        });
        let task = starting.handle().unwrap();
        let cancel = async {
            sleep(secs(1)).await;
            task.cancel_with("from outside");
        };
        let (outcome, ()) = tokio::join!(starting, cancel);
        let Err(StartError::Cancelled(cancelled)) = outcome else { panic!("it did not start") };
        assert_eq!(cancelled.reason().message(), Some("from outside"));
        assert_eq!(task.cancel_count(), 1);
        checkpoint().await;
        log.add("goes on");
    })
    .with_handle();
    work.await.unwrap();
    assert_eq!((handle.cancel_count(), child.drops(), log.all()), (0, 1, vec!["goes on"]));
}

/// R5, after the defect that AnyIO had: a timeout of ours around a task that was charged from all sides for
/// three rounds still says `Elapsed`, and the task's count is none.
#[tokio::test(start_paused = true)]
async fn three_rounds_of_everything_leave_nothing_on_the_task() {
    scope(async |s| {
        let host = s.spawn(async {
            for _ in 0..3 {
                // A deadline, a request, a failing child, a child cancelled alone, a lost race.
                assert!(timeout(secs(1), pending::<()>()).await.is_err());
                let by_hand = scope(async |inner| {
                    inner.cancel();
                    pending::<()>().await;
                });
                assert_eq!(by_hand.await.unwrap_err().reason().kind(), Kind::Explicit);
                let failed = catch(scope(async |inner| {
                    inner.spawn(async { common::boom("child") });
                    pending::<()>().await;
                }));
                assert_eq!(text(&failed.await.unwrap_err()), "child");
                let alone = scope(async |inner| {
                    let child = inner.spawn(pending::<()>());
                    child.cancel();
                    child.await.is_err()
                });
                assert!(alone.await.unwrap());
                let winner = umbel::race((1..=3).map(async |n| {
                    sleep(secs(n)).await;
                    Ok::<_, ()>(n)
                }));
                assert_eq!(winner.await.unwrap(), 1);
            }
            let late = timeout(secs(5), sleep(secs(3600))).await;
            assert!(matches!(late, Err(TimeoutError::Elapsed(_))));
            (task::current().cancel_count(), task::current().is_cancelled())
        });
        assert_eq!(host.await.unwrap(), (0, false));
        assert_eq!((s.cancel_count(), s.is_cancelled()), (0, false));
    })
    .await
    .unwrap();
}
