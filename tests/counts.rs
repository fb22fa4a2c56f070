//! Counts: a request is charged to the scope it was addressed to, and to nobody else (R1, R5).
//!
//! The headline is a defect that cancel scopes of other runtimes had for two releases: every race of
//! connection attempts left one request behind on the task that ran it, and at some later time a
//! timeout of that task did not look like one any more. Nesting depth 0 was right, depth 1 and more
//! leaked one per cancel, whoever the canceller was.
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test is a user: tokio's tasks and clock are its tools"
)]
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Mutex;

use common::{Gate, Log, boom, catch, secs, settle, text};
use umbel::{CancelScope, Kind, Scope, checkpoint, scope, task};

#[derive(Clone, Copy, Debug)]
enum Canceller {
    /// The code in the innermost scope.
    Host,
    /// A child task of the innermost scope.
    Child,
}

type Handles = Mutex<Vec<CancelScope>>;

/// Opens `depth` scopes below `s`, one in the other; in the innermost `root` is cancelled.
fn nest<'a>(
    s: Scope<'static>,
    depth: usize,
    root: CancelScope,
    by: Canceller,
    below: &'a Handles,
) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
    Box::pin(async move {
        if depth > 0 {
            let inner = scope(move |inner: Scope<'static>| {
                below.lock().unwrap().push(CancelScope::clone(&inner));
                nest(inner, depth - 1, root, by, below)
            });
            let _ = inner.await;
            unreachable!("the outermost absorbs");
        }
        match by {
            Canceller::Host => root.cancel(),
            Canceller::Child => drop(s.spawn(async move { root.cancel() })),
        }
        pending::<()>().await;
    })
}

/// One cancelled scope with `depth` innocent ones below it. Gives its handle.
async fn round(depth: usize, by: Canceller) -> CancelScope {
    let below = Handles::default();
    let root = scope(|s: Scope<'static>| {
        let root = CancelScope::clone(&s);
        nest(s, depth, root, by, &below)
    });
    let (root, handle) = root.with_handle();
    assert!(root.await.is_err());
    let below = below.into_inner().unwrap();
    assert_eq!(below.len(), depth);
    for innocent in below {
        assert_eq!(innocent.cancel_count(), 0, "depth {depth}, by {by:?}");
        assert!(innocent.is_cancelled() && innocent.is_finished());
    }
    assert_eq!(handle.cancel_count(), 1, "depth {depth}, by {by:?}");
    handle
}

/// R1: eight shapes, no trace on the task in any of them, nor on the scope around.
#[tokio::test(start_paused = true)]
async fn a_cancelled_scope_leaves_nothing_on_its_task_at_any_depth_by_any_canceller() {
    for depth in 0..=3 {
        for by in [Canceller::Host, Canceller::Child] {
            let (group, group_handle) = scope(async |group| {
                let child = group.spawn(async move {
                    round(depth, by).await;
                    checkpoint().await;
                    (task::current().cancel_count(), task::current().is_cancelled())
                });
                (child.handle().unwrap(), child.await)
            })
            .with_handle();
            let (child, outcome) = group.await.unwrap();
            assert_eq!(outcome.unwrap(), (0, false), "depth {depth}, by {by:?}");
            assert_eq!(child.cancel_count(), 0);
            assert_eq!(group_handle.cancel_count(), 0);
            assert!(!group_handle.is_cancelled());
        }
    }
}

/// The consequence that showed: after three rounds a foreign timeout still says that it timed out.
#[tokio::test(start_paused = true)]
async fn three_rounds_under_a_foreign_timeout_still_time_out() {
    for depth in 0..=3 {
        let outcome = tokio::time::timeout(secs(10), async {
            for _ in 0..3 {
                round(depth, Canceller::Host).await;
                round(depth, Canceller::Child).await;
            }
            tokio::time::sleep(secs(3600)).await;
        })
        .await;
        assert!(outcome.is_err(), "elapsed, at depth {depth}");
    }
}

/// The same with races and with a deadline of our own around them.
#[tokio::test(start_paused = true)]
async fn three_races_under_a_deadline_still_time_out() {
    let outcome = umbel::timeout(secs(10), async {
        for _ in 0..3 {
            let winner = umbel::race((1..=3).map(async |n| {
                tokio::time::sleep(secs(n)).await;
                Ok::<_, ()>(n)
            }))
            .await;
            assert_eq!(winner.unwrap(), 1);
        }
        tokio::time::sleep(secs(3600)).await;
    })
    .await;
    assert!(matches!(outcome, Err(umbel::TimeoutError::Elapsed(_))));
}

/// R1: of three nested scopes and a sibling the one that is addressed has a count.
#[tokio::test(start_paused = true)]
async fn a_request_changes_one_count() {
    let found = Mutex::new(Vec::new());
    scope(async |outer| {
        let _ = scope(async |middle| {
            scope(async |inner| {
                *found.lock().unwrap() = vec![
                    CancelScope::clone(&outer),
                    CancelScope::clone(&middle),
                    CancelScope::clone(&inner),
                ];
                middle.cancel();
                middle.cancel();
                pending::<()>().await;
            })
            .await
        })
        .await;
    })
    .await
    .unwrap();
    let counts: Vec<_> = found.lock().unwrap().iter().map(CancelScope::cancel_count).collect();
    assert_eq!(counts, [0, 2, 0]);
}

/// R5: two scopes were asked to stop; the outer one absorbs, and consumes nothing of the inner one's.
#[tokio::test(start_paused = true)]
async fn absorbing_consumes_nobody_elses_request() {
    let found = Mutex::new(None);
    let (outer, outer_handle) = scope(async |outer| {
        scope(async |inner| {
            *found.lock().unwrap() = Some(CancelScope::clone(&inner));
            inner.cancel();
            outer.cancel();
            pending::<()>().await;
        })
        .await
    })
    .with_handle();
    assert!(outer.await.is_err());
    assert_eq!(outer_handle.cancel_count(), 1);
    assert_eq!(found.lock().unwrap().as_ref().unwrap().cancel_count(), 1);
}

/// R5: absorbing an inner cancel leaves the count of the scope around it, and that one goes on.
#[tokio::test(start_paused = true)]
async fn absorbing_inside_leaves_the_outer_count() {
    let (outer, handle) = scope(async |outer| {
        for _ in 0..3 {
            let inner = scope(async |inner| {
                inner.cancel();
                pending::<()>().await;
            });
            assert!(inner.await.is_err());
            checkpoint().await;
        }
        outer.cancel_count()
    })
    .with_handle();
    assert_eq!(outer.await.unwrap(), 0);
    assert_eq!(handle.cancel_count(), 0);
}

/// A task that is cancelled from outside: the request passes through the scopes in it, none of which
/// absorbs, and is counted once, on the task.
#[tokio::test(start_paused = true)]
async fn a_task_cancelled_from_outside_passes_through_its_scopes() {
    scope(async |s| {
        let (local, local_handle) = scope(async |_| pending::<()>().await).with_handle();
        let log = Log::new();
        let in_child = log.clone();
        let child = s.spawn(async move {
            let _ = local.await;
            in_child.add("never");
        });
        settle().await;
        child.cancel();
        let task = child.handle().unwrap();
        assert!(child.await.is_err());
        assert_eq!(task.cancel_count(), 1);
        assert_eq!(local_handle.cancel_count(), 0);
        assert!(local_handle.is_cancelled());
        assert!(log.is_empty());
        assert!(!s.is_cancelled());
    })
    .await
    .unwrap();
}

/// The same task hosts a group whose child hosts a group: only the host is charged, and once.
#[tokio::test(start_paused = true)]
async fn cancelling_a_host_charges_none_of_its_descendants() {
    scope(async |s| {
        let tasks = std::sync::Arc::new(Mutex::new(Vec::new()));
        let in_host = tasks.clone();
        let host = s.spawn(async move {
            scope(async |group| {
                let in_child = in_host.clone();
                let child = group.spawn(async move {
                    let _ = scope(async |inner| {
                        let sleeper = inner.spawn(pending::<()>());
                        in_child.lock().unwrap().extend(sleeper.handle());
                        sleeper.await
                    })
                    .await;
                });
                in_host.lock().unwrap().extend(child.handle());
                child.await
            })
            .await
        });
        settle().await;
        host.cancel();
        let host_handle = host.handle().unwrap();
        assert!(host.await.is_err());
        assert_eq!(host_handle.cancel_count(), 1);
        let tasks = tasks.lock().unwrap();
        assert_eq!(tasks.len(), 2);
        for task in &*tasks {
            assert_eq!(task.cancel_count(), 0);
            assert!(task.is_cancelled());
        }
    })
    .await
    .unwrap();
}

/// A child's failure is charged to the scope, by its own policy, and never to the host's task.
#[tokio::test(start_paused = true)]
async fn a_failing_child_is_charged_to_its_scope_and_not_to_the_host() {
    scope(async |s| {
        let child = s.spawn(async {
            let (group, handle) = scope(async |group| {
                group.spawn(async { boom("child") });
                pending::<()>().await;
            })
            .with_handle();
            let panic = catch(group).await.unwrap_err();
            assert_eq!(text(&panic), "child");
            (handle.cancel_count(), task::current().cancel_count(), handle.reason().unwrap().kind())
        });
        assert_eq!(child.await.unwrap(), (1, 0, Kind::ChildPanicked));
        assert!(!s.is_cancelled());
    })
    .await
    .unwrap();
}

/// Between two cancelled scopes nothing runs but destructors, and there the outer one is still
/// cancelled: nothing was given back too early. Outside it is over.
#[tokio::test(start_paused = true)]
async fn between_two_cancelled_scopes_the_outer_one_is_still_cancelled() {
    struct Between(Log);
    impl Drop for Between {
        fn drop(&mut self) {
            self.0.add(if umbel::check().is_err() { "cancelled" } else { "calm" });
        }
    }
    let log = Log::new();
    let outcome = scope(async |outer| {
        let _between = Between(log.clone());
        let _ = scope(async |inner| {
            inner.cancel();
            outer.cancel();
            pending::<()>().await;
        })
        .await;
        log.add("never");
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["cancelled"]);
    assert!(umbel::check().is_ok());
}

/// A deadline in the past, and in the same turn a cancel of the whole task: the task is cancelled.
#[tokio::test(start_paused = true)]
async fn a_task_cancelled_in_the_turn_of_an_inner_deadline_ends_cancelled() {
    scope(async |s| {
        let (log, gate) = (Log::new(), Gate::new());
        let (in_child, wait) = (log.clone(), gate.wait());
        let child = s.spawn(async move {
            wait.await;
            let _ = scope(async |_| pending::<()>().await).timeout(secs(0)).await;
            checkpoint().await;
            in_child.add("never");
        });
        settle().await;
        gate.open();
        child.cancel();
        assert!(child.await.is_err());
        assert!(log.is_empty());
    })
    .await
    .unwrap();
}

/// In the clean-up after a task was cancelled the question still says yes: the state counts, not the
/// moment of the request.
#[tokio::test(start_paused = true)]
async fn a_cancelled_task_still_says_so_in_its_clean_up() {
    struct CleanUp(Log);
    impl Drop for CleanUp {
        fn drop(&mut self) {
            let task = task::current();
            assert_eq!(task.cancel_count(), 1);
            self.0.add(if task.is_cancelled() { "cancelled" } else { "calm" });
        }
    }
    scope(async |s| {
        let log = Log::new();
        let clean_up = CleanUp(log.clone());
        let child = s.spawn(async move {
            let _clean_up = clean_up;
            pending::<()>().await;
        });
        settle().await;
        child.cancel();
        assert!(child.await.is_err());
        assert_eq!(log.all(), ["cancelled"]);
    })
    .await
    .unwrap();
}
