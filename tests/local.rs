//! Local scopes: children that are not `Send`.
mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::thread;

use common::{Log, boom, catch, drive, panic_of, runtime, settle};
use tokio::task::LocalSet;
use umbel::{Kind, LocalScope, local_scope, scope};

/// Forks share what is not `Send`, and borrow; all have ended when the scope returns. No runtime is
/// needed.
#[test]
fn forks_need_not_be_send() {
    let order = RefCell::new(Vec::new());
    let shared = Rc::new(Cell::new(0));
    let outcome = drive(local_scope(async |s| {
        for n in 1..=3 {
            let (shared, order) = (Rc::clone(&shared), &order);
            s.named(format!("fork {n}")).fork(async move {
                shared.set(shared.get() + n);
                order.borrow_mut().push(n);
            });
        }
        let child = s.fork(async { Rc::clone(&shared) });
        let again = child.await.unwrap();
        assert_eq!(again.get(), 6);
    }))
    .output();
    outcome.unwrap();
    assert_eq!(*order.borrow(), [1, 2, 3]);
    assert_eq!(Rc::strong_count(&shared), 1, "their captures are dropped");
}

/// R4, R12: cancelled, the forks are dropped with the body, in the scope, on its thread.
#[test]
fn forks_are_dropped_when_the_scope_is_cancelled() {
    let log = Log::new();
    let home = Rc::new(thread::current().id());
    let outcome = drive(local_scope(async |s| {
        let (guard, at) = (log.guard("fork"), Rc::clone(&home));
        let child = s.fork(async move {
            let _guard = (guard, at);
            pending::<()>().await;
        });
        let alone = s.named("alone").fork(pending::<Rc<()>>());
        alone.cancel();
        assert_eq!(alone.await.unwrap_err().reason().kind(), Kind::Explicit);
        assert!(!s.is_cancelled() && !child.is_finished());
        s.cancel();
        pending::<()>().await;
    }))
    .output();
    assert!(outcome.is_err());
    assert_eq!((log.all(), Rc::strong_count(&home)), (vec!["fork"], 1));
}

/// R18: the future is dropped with forks that were never polled, or were posted and not collected.
#[test]
fn a_drop_takes_the_forks_along() {
    for suspends in [true, false] {
        let shared = Rc::new(());
        let kept: Rc<RefCell<Option<LocalScope<'static>>>> = Rc::default();
        let (inside, out) = (Rc::clone(&shared), Rc::clone(&kept));
        let mut work = drive(local_scope(async move |s: LocalScope<'static>| {
            *out.borrow_mut() = Some(s.clone());
            s.fork(async move {
                pending::<()>().await;
                drop(inside);
            });
            if suspends {
                settle().await;
            }
            pending::<()>().await;
        }));
        assert!(work.poll().is_pending());
        let s = kept.take().unwrap();
        let late = Rc::clone(&shared);
        s.fork(async move { drop(late) });
        assert_eq!(Rc::strong_count(&shared), 3);
        drop(work);
        assert_eq!(Rc::strong_count(&shared), 1);
        // R13: a scope that is gone gives the fork back, and it is dropped here.
        let late = Rc::clone(&shared);
        let refused = s.fork(async move { drop(late) });
        assert_eq!(Rc::strong_count(&shared), 1);
        assert!(refused.is_finished());
    }
}

/// R14, as for any fork.
#[test]
fn a_panic_of_a_fork_is_resumed() {
    let sibling = Rc::new(());
    let inside = Rc::clone(&sibling);
    let text = runtime().block_on(panic_of(local_scope(async |s| {
        s.fork(async move {
            pending::<()>().await;
            drop(inside);
        });
        s.fork(async { boom("in a fork") });
        pending::<()>().await;
    })));
    assert_eq!((text, Rc::strong_count(&sibling)), ("in a fork", 1));
}

/// Tasks of a `LocalSet` are children: named, joined, cancelled with the scope, on one thread.
#[test]
fn local_tasks_are_children() {
    let (shared, log) = (Rc::new(Cell::new(0)), Log::new());
    let outcome = LocalSet::new().block_on(
        &runtime(),
        local_scope(async |s| {
            let inside = Rc::clone(&shared);
            let child = s.named("local").spawn_local(async move {
                tokio::task::yield_now().await;
                inside.set(inside.get() + 1);
                inside
            });
            assert_eq!(child.name().as_deref(), Some("local"));
            assert_eq!(child.await.unwrap().get(), 1);
            let guard = (log.guard("dropped"), Rc::clone(&shared));
            s.spawn_local(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            settle().await;
            s.cancel();
            pending::<()>().await;
        }),
    );
    assert!(outcome.is_err());
    assert_eq!((log.all(), Rc::strong_count(&shared)), (vec!["dropped"], 1));
}

/// R12: the body need not await them.
#[test]
fn local_tasks_are_joined() {
    let shared = Rc::new(Cell::new(0));
    LocalSet::new()
        .block_on(
            &runtime(),
            local_scope(async |s| {
                for n in 1..=3 {
                    let shared = Rc::clone(&shared);
                    s.spawn_local(async move {
                        tokio::task::yield_now().await;
                        shared.set(shared.get() + n);
                    });
                }
            }),
        )
        .unwrap();
    assert_eq!((shared.get(), Rc::strong_count(&shared)), (6, 1));
}

/// Outside of a `LocalSet` a local task is a panic, which the scope resumes; its future is dropped.
#[test]
fn without_a_local_set_a_local_task_is_a_panic() {
    let shared = Rc::new(());
    let inside = Rc::clone(&shared);
    let payload = runtime()
        .block_on(catch(local_scope(async |s| {
            s.spawn_local(async move { drop(inside) });
        })))
        .unwrap_err();
    let payload = payload.downcast::<&str>().map(|text| (*text).to_owned());
    let text = payload.unwrap_or_else(|other| *other.downcast::<String>().unwrap());
    assert!(text.contains("LocalSet"), "{text}");
    assert_eq!(Rc::strong_count(&shared), 1);
}

/// The scope as others know it can be cloned and sent: what is started through it is `Send`.
#[test]
fn the_plain_scope_can_be_sent_away() {
    let outcome = runtime().block_on(local_scope(async |s: LocalScope<'static>| {
        let local = s.fork(async { Rc::new(1) });
        let plain = s.scope().clone();
        let from_there = thread::spawn(move || (plain.fork(async { 2 }), plain.spawn(async { 3 })));
        let (forked, spawned) = from_there.join().unwrap();
        *local.await.unwrap() + forked.await.unwrap() + spawned.await.unwrap()
    }));
    assert_eq!(outcome.unwrap(), 6);
}

/// It is a scope among scopes: in one, around one, in a pinned child, with options (R22).
#[test]
fn it_nests() {
    let outcome = runtime().block_on(scope(async |outer| {
        let pinned = outer.spawn_pinned(|| async {
            let shared = Rc::new(Cell::new(0));
            let local = local_scope(async |s| {
                let inside = Rc::clone(&shared);
                s.spawn_local(async move { inside.set(1) }).await.unwrap();
                scope(async |plain| plain.fork(async { 2 }).await.unwrap()).await.unwrap()
            });
            local.name("local").await.unwrap() + shared.get()
        });
        pinned.await.unwrap()
    }));
    assert_eq!(outcome.unwrap(), 3);
}

/// R18: dropped with its `LocalSet` still there, its tasks are waited for by the scope around.
#[test]
fn the_scope_around_waits_for_local_tasks_that_were_left() {
    let shared = Rc::new(());
    LocalSet::new()
        .block_on(
            &runtime(),
            scope(async |_| {
                let inside = Rc::clone(&shared);
                let inner = local_scope(async |s| {
                    s.spawn_local(async move {
                        pending::<()>().await;
                        drop(inside);
                    });
                    pending::<()>().await;
                });
                tokio::select! { _ = inner => unreachable!(), () = settle() => {} }
            }),
        )
        .unwrap();
    assert_eq!(Rc::strong_count(&shared), 1);
}
