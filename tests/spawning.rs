//! Where children may be started from, and what happens to those that may not (R13).
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test is a user: tokio's tasks and clock are its tools"
)]
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::pending;
use std::sync::mpsc;
use std::thread;

use common::{Counts, Gate, Log, drive, runtime, secs, settle};
use umbel::{Kind, Scope, checkpoint, scope};

/// A child starts a sibling in its own scope; both are joined.
#[tokio::test(start_paused = true)]
async fn a_child_spawns_into_its_own_scope() {
    let log = Log::new();
    let sibling = log.clone();
    scope(async |s| {
        let spawner = s.spawner();
        s.spawn(async move {
            spawner.spawn(async move {
                tokio::time::sleep(secs(1)).await;
                sibling.add("sibling");
            });
        });
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["sibling"]);
}

fn grow(s: &Scope<'static>, depth: u32, tx: tokio::sync::mpsc::UnboundedSender<u32>) {
    let own = s.clone();
    s.spawn(async move {
        tx.send(depth).unwrap();
        if depth > 0 {
            grow(&own, depth - 1, tx);
        }
    });
}

/// A scope that borrows nothing can be cloned into its children whole.
#[tokio::test(start_paused = true)]
async fn a_scope_can_be_cloned_into_its_children() {
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
    scope(async move |s: Scope<'static>| grow(&s, 5, tx)).await.unwrap();
    let mut seen = Vec::new();
    rx.recv_many(&mut seen, 10).await;
    assert_eq!(seen, [5, 4, 3, 2, 1, 0]);
}

/// A fork starts forks and spawned children.
#[tokio::test(start_paused = true)]
async fn a_fork_starts_more_children() {
    let numbers = [1, 2, 3];
    let log = Log::new();
    scope(async |s| {
        let inside = s.clone();
        s.fork(async {
            let inside = inside;
            let sum = inside.fork(async { numbers.iter().sum::<i32>() });
            let spawned = inside.spawn(async { 7 });
            assert_eq!((sum.await.unwrap(), spawned.await.unwrap()), (6, 7));
            log.add("all there");
        });
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["all there"]);
}

/// R13: from a plain thread the child starts on the scope's runtime.
#[test]
fn spawning_from_a_plain_thread_starts_on_the_scopes_runtime() {
    let runtime = runtime();
    let home = runtime.handle().id();
    let ran_on = runtime.block_on(scope(async |s| {
        let spawner = s.spawner();
        let child =
            thread::spawn(move || spawner.spawn(async { tokio::runtime::Handle::current().id() }));
        child.join().unwrap().await.unwrap()
    }));
    assert_eq!(ran_on.unwrap(), home);
}

/// R13: from another runtime too.
#[test]
fn spawning_from_another_runtime_starts_on_the_scopes_runtime() {
    let (home, other) = (runtime(), runtime());
    let home_id = home.handle().id();
    let ran_on = home.block_on(scope(async |s| {
        let spawner = s.spawner();
        let child = thread::spawn(move || {
            other.block_on(async move {
                assert_ne!(tokio::runtime::Handle::current().id(), home_id);
                spawner.spawn(async { tokio::runtime::Handle::current().id() })
            })
        });
        child.join().unwrap().await.unwrap()
    }));
    assert_eq!(ran_on.unwrap(), home_id);
}

/// R13: a fork that comes from another thread is polled by the scope's own future, which is woken.
#[tokio::test(start_paused = true)]
async fn a_fork_from_another_thread_is_polled_in_place() {
    let mut work = drive(scope(async |s: Scope<'static>| {
        let home = thread::current().id();
        let (tx, rx) = tokio::sync::oneshot::channel();
        thread::spawn(move || drop(s.fork(async move { tx.send(thread::current().id()) })))
            .join()
            .unwrap();
        assert_eq!(rx.await.unwrap(), home);
    }));
    // The body waits for what the fork sends; the fork is found when the body has suspended.
    while work.poll().is_pending() {
        assert!(work.wakes() > 0, "somebody wakes it");
    }
}

/// A scope whose future is polled on one runtime and then on another goes on.
#[test]
fn a_scopes_future_may_be_polled_on_two_runtimes() {
    let (first, second) = (runtime(), runtime());
    let gate = Gate::new();
    let waiting = gate.clone();
    let mut work = Box::pin(scope(async |s| {
        waiting.wait().await;
        s.spawn(async { tokio::runtime::Handle::current().id() }).await.unwrap()
    }));
    first.block_on(async { assert!(futures_util::poll!(work.as_mut()).is_pending()) });
    gate.open();
    let ran_on = thread::scope(|threads| {
        let second = &second;
        let result = threads.spawn(move || second.block_on(work));
        // The child runs where the scope was opened, so that runtime has to turn.
        while !result.is_finished() {
            first.block_on(tokio::task::yield_now());
        }
        result.join().unwrap().unwrap()
    });
    assert_eq!(ran_on, first.handle().id());
}

/// The scope is cancelled and a child of it, on its way to the end, starts another one: refused,
/// dropped unpolled, and the reason is the scope's.
#[tokio::test(start_paused = true)]
async fn a_child_admitted_to_a_cancelled_scope_is_dropped_unpolled() {
    let counts = Counts::new();
    let outcome = scope(async |s| {
        s.cancel_with("enough");
        let spawned = s.spawn(counts.pending());
        assert_eq!(counts.both(), (0, 1), "dropped before `spawn` returns");
        let forked = s.fork(counts.pending());
        assert_eq!(counts.both(), (0, 2));
        for child in [spawned, forked] {
            assert!(child.is_finished() && child.id().is_none() && child.handle().is_none());
            child.cancel();
            assert_eq!(child.cancel_count(), 0);
            let cancelled = child.await.unwrap_err();
            assert_eq!(cancelled.reason().message(), Some("enough"));
        }
        "the body goes on to its next suspension"
    })
    .await;
    assert!(outcome.is_ok());
}

/// R13: so is one admitted to a scope that has ended.
#[tokio::test(start_paused = true)]
async fn a_child_admitted_to_a_closed_scope_is_dropped_unpolled() {
    let spawner = scope(async |s| s.spawner()).await.unwrap();
    let counts = Counts::new();
    let child = spawner.spawn(counts.pending());
    assert_eq!(counts.both(), (0, 1));
    assert_eq!(child.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
}

/// And one admitted to a scope that ended cancelled.
#[tokio::test(start_paused = true)]
async fn a_child_admitted_after_a_cancelled_end_is_dropped_unpolled() {
    let (tx, rx) = mpsc::channel();
    let outcome = scope(async |s| {
        tx.send(s.spawner()).unwrap();
        s.cancel();
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
    let counts = Counts::new();
    let child = rx.recv().unwrap().spawn(counts.pending());
    assert_eq!(counts.both(), (0, 1));
    assert!(child.is_finished() && child.await.is_err());
}

/// The scope is cancelled before the child has had its first turn: it never gets one.
#[tokio::test(start_paused = true)]
async fn a_child_cancelled_before_its_first_turn_is_never_polled() {
    let counts = Counts::new();
    let outcome = scope(async |s| {
        s.spawn(counts.pending());
        s.fork(counts.pending());
        s.cancel();
        checkpoint().await;
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(counts.both(), (0, 2));
}

/// The body has returned and children still run: one of them may start more.
#[tokio::test(start_paused = true)]
async fn a_closing_scope_still_admits_while_a_child_lives() {
    let log = Log::new();
    let late = log.clone();
    scope(async |s| {
        let spawner = s.spawner();
        s.spawn(async move {
            settle().await;
            spawner.spawn(async move { late.add("late") });
        });
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["late"]);
}

/// A child belongs to the scope it was started in, not to the scope its starter was in at the time:
/// cancelling the latter leaves it alone.
#[tokio::test(start_paused = true)]
async fn a_child_belongs_to_the_scope_it_was_spawned_into() {
    let outcome = scope(async |group| {
        let mut child = None;
        let inner = scope(async |inner| {
            child = Some(group.spawn(async {
                tokio::time::sleep(secs(1)).await;
                "not cancelled"
            }));
            inner.cancel();
            pending::<()>().await;
        });
        assert!(inner.await.is_err());
        child.unwrap().await
    })
    .await;
    assert_eq!(outcome.unwrap().unwrap(), "not cancelled");
}

/// What a closure that builds the child's future opens belongs to the spawner; what the future opens,
/// to the child.
#[tokio::test(start_paused = true)]
async fn building_a_childs_future_happens_in_the_spawner() {
    scope(async |s| {
        let build = || {
            assert!(!umbel::task::current().is_child());
            async { umbel::task::current().is_child() }
        };
        assert!(s.spawn(build()).await.unwrap());
    })
    .await
    .unwrap();
}
