//! The models of the tree and of the scope's future. Each names the invariants it is about.
#![cfg(umbel_loom)]

use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Poll};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use loom_tests::{Bell, Model};
use std::sync::Arc;
use umbel::model::{Owner, block_on};

/// I1, I3: requests on a parent and on its child are counted where they were addressed.
#[test]
fn cancel_parent_and_child() {
    Model::new("cancel_parent_and_child", 30).check(&["counted"], || {
        let (_owner, parent) = Owner::root();
        let (_inner, child) = parent.open();
        let one = thread::spawn({
            let parent = parent.clone();
            move || parent.cancel("parent")
        });
        let two = thread::spawn({
            let child = child.clone();
            move || child.cancel("child")
        });
        assert!(one.join().unwrap() && two.join().unwrap(), "each was the first at its place");
        assert_eq!((parent.count(), child.count()), (1, 1));
        assert!(parent.is_cancelled() && child.is_cancelled());
        assert_eq!(parent.reason().as_deref(), Some("parent"));
        assert_eq!(child.reason().as_deref(), Some("child"), "the nearest cause");
        "counted"
    });
}

/// I3: a request on a child leaves its parent and its sibling as they were.
#[test]
fn cancel_only_what_is_below() {
    Model::new("cancel_only_what_is_below", 5).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (_one, left) = parent.open();
        let (_two, right) = parent.open();
        let (_below, below) = left.open();
        let canceller = thread::spawn({
            let left = left.clone();
            move || left.cancel("left")
        });
        let seen = below.is_cancelled();
        assert!(!right.is_cancelled() && !parent.is_cancelled());
        canceller.join().unwrap();
        assert!(!right.is_cancelled() && !parent.is_cancelled() && below.is_cancelled());
        assert_eq!((parent.count(), left.count(), below.count(), right.count()), (0, 1, 0, 0));
        seen
    });
}

/// I4: a scope that opens below one that is being cancelled sees it in the end.
#[test]
fn cancel_against_open() {
    Model::new("cancel_against_open", 10).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let canceller = thread::spawn({
            let parent = parent.clone();
            move || parent.cancel("parent")
        });
        let (_inner, child) = parent.open();
        let at_birth = child.is_cancelled();
        canceller.join().unwrap();
        assert!(child.is_cancelled());
        at_birth
    });
}

/// I4 across tasks: a child task makes its tree and opens its first scope while a scope above is
/// cancelled.
#[test]
fn cancel_against_first_scope_of_a_task() {
    Model::new("cancel_against_first_scope", 20).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (task, _handle) = parent.admit().unwrap();
        let canceller = thread::spawn({
            let parent = parent.clone();
            move || parent.cancel("parent")
        });
        let (scope, inner) = task.open_in_task();
        let at_birth = inner.is_cancelled();
        canceller.join().unwrap();
        assert!(inner.is_cancelled());
        assert_eq!(inner.reason().as_deref(), Some("parent"));
        scope.drop_early();
        task.finish();
        at_birth
    });
}

/// I11: a value wins. The body is ready at its second poll; a cancel comes at any time.
#[test]
fn cancel_against_ready() {
    Model::new("cancel_against_ready", 50).check(&[Err("stop".to_owned()), Ok(7)], || {
        let mut work = umbel::scope(async |_| {
            yield_once().await;
            7
        });
        let handle = work.handle();
        let canceller = thread::spawn(move || {
            handle.cancel_with("stop");
            handle.cancel_count()
        });
        let outcome = block_on(work);
        assert_eq!(canceller.join().unwrap(), 1);
        outcome.map_err(|cancelled| cancelled.reason().message().unwrap().to_owned())
    });
}

/// I5: a parked scope is woken by a cancel, whenever it comes; else this deadlocks.
#[test]
fn cancel_against_parking() {
    Model::new("cancel_against_parking", 20).check(&["absorbed"], || {
        let mut work = umbel::scope(async |_| pending::<()>().await);
        let handle = work.handle();
        let canceller = thread::spawn(move || handle.cancel());
        assert!(block_on(work).is_err());
        canceller.join().unwrap();
        "absorbed"
    });
}

/// I5 with changing wakers: the latest is woken, or the poll that brought it sees the cancel.
#[test]
fn cancel_against_a_new_waker() {
    Model::new("cancel_against_a_new_waker", 20).check(&["seen", "woken"], || {
        let (work, handle) = umbel::scope(async |_| pending::<()>().await).with_handle();
        let mut work = pin!(work);
        let (_, stale) = Bell::new();
        let (bell, waker) = Bell::new();
        assert!(work.as_mut().poll(&mut Context::from_waker(&stale)).is_pending());
        let canceller = thread::spawn(move || handle.cancel());
        let seen = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        canceller.join().unwrap();
        assert!(seen || bell.rings() == 1, "neither seen nor woken");
        if seen { "seen" } else { "woken" }
    });
}

/// I23, I1: of two requests on one scope both count and one is the cause, for every observer.
#[test]
fn first_cause() {
    Model::new("first_cause", 30).check(&["one", "two"], || {
        let (_owner, scope) = Owner::root();
        let cancel = |message: &'static str| {
            let scope = scope.clone();
            thread::spawn(move || {
                let first = scope.cancel(message);
                (first, scope.reason().unwrap())
            })
        };
        let (one, two) = (cancel("one"), cancel("two"));
        let (one, two) = (one.join().unwrap(), two.join().unwrap());
        assert!(one.0 != two.0, "exactly one was the first");
        assert_eq!(one.1, two.1, "every observer sees the same cause");
        assert_eq!(scope.count(), 2);
        if one.0 { "one" } else { "two" }
    });
}

/// R8: a flag is never seen without its cause.
#[test]
fn flag_and_cause() {
    Model::new("flag_and_cause", 6).check(&[None, Some("stop".to_owned())], || {
        let (_owner, parent) = Owner::root();
        let (_inner, child) = parent.open();
        let canceller = thread::spawn(move || parent.cancel("stop"));
        let seen = child.is_cancelled().then(|| child.reason().unwrap());
        canceller.join().unwrap();
        seen
    });
}

/// R7: when either of two cancellers returns, the mark has reached a scope in a task below.
#[test]
fn two_cancellers_and_a_task_below() {
    Model::new("two_cancellers_and_a_task_below", 100).check(&["marked"], || {
        let (_owner, parent) = Owner::root();
        let (task, _handle) = parent.admit().unwrap();
        let (scope, inner) = task.open_in_task();
        let cancel = || {
            let (parent, inner) = (parent.clone(), inner.clone());
            thread::spawn(move || {
                parent.cancel("stop");
                assert!(inner.is_cancelled(), "returned before the mark was everywhere");
            })
        };
        let (one, two) = (cancel(), cancel());
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!((parent.count(), inner.count()), (2, 0));
        scope.drop_early();
        task.finish();
        "marked"
    });
}

/// The ordering of the mark: what a canceller wrote before is visible to whoever sees the mark, with
/// no lock.
#[test]
fn mark_publishes() {
    Model::new("mark_publishes", 5).check(&[false, true], || {
        let (_owner, scope) = Owner::root();
        let written = Arc::new(AtomicBool::new(false));
        let canceller = thread::spawn({
            let (scope, written) = (scope.clone(), Arc::clone(&written));
            move || {
                written.store(true, Ordering::Relaxed);
                scope.cancel("stop");
            }
        });
        let seen = scope.is_cancelled();
        assert!(!seen || written.load(Ordering::Relaxed));
        canceller.join().unwrap();
        seen
    });
}

/// I20: a child is counted before its scope decides to close, or refused.
#[test]
fn admission_against_close() {
    Model::new("admission_against_close", 10).check(&["admitted", "refused"], || {
        let (owner, scope) = Owner::root();
        let spawner = thread::spawn({
            let scope = scope.clone();
            move || scope.admit().map(|(child, _)| child)
        });
        let (bell, waker) = Bell::new();
        let closed = owner.try_close(&waker);
        let Some(child) = spawner.join().unwrap() else {
            assert!(closed);
            return "refused";
        };
        assert!(!closed || !scope.is_closed(), "closed over a living child");
        assert!(!owner.try_close(&waker));
        let before = bell.rings();
        child.finish();
        assert_eq!(bell.rings() - before, 1);
        assert!(owner.try_close(&waker));
        "admitted"
    });
}

/// I21: nothing is admitted to a scope once a cancel of it has returned; what came in before is
/// marked.
#[test]
fn admission_against_cancel() {
    Model::new("admission_against_cancel", 5).check(&["admitted", "refused"], || {
        let (owner, scope) = Owner::root();
        let canceller = thread::spawn({
            let scope = scope.clone();
            move || scope.cancel("stop")
        });
        let child = scope.admit();
        canceller.join().unwrap();
        assert!(scope.admit().is_none());
        let (_, waker) = Bell::new();
        match child {
            Some((child, handle)) => {
                assert!(handle.is_cancelled());
                assert!(!owner.try_close(&waker));
                child.finish();
                assert!(owner.try_close(&waker));
                "admitted"
            }
            None => {
                assert!(owner.try_close(&waker));
                "refused"
            }
        }
    });
}

/// I18, I5: two children end while their scope wants to close: it closes after both, and is woken.
#[test]
fn last_child_against_completion() {
    Model::new("last_child_against_completion", 50).check(&["at once", "woken"], || {
        let (owner, scope) = Owner::root();
        let ended = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let child = || {
            let (child, _) = scope.admit().unwrap();
            let ended = Arc::clone(&ended);
            thread::spawn(move || {
                ended.fetch_add(1, Ordering::SeqCst);
                child.finish();
            })
        };
        let (one, two) = (child(), child());
        let (bell, waker) = Bell::new();
        let at_once = owner.try_close(&waker);
        if at_once {
            assert_eq!(ended.load(Ordering::SeqCst), 2, "closed too early");
        }
        one.join().unwrap();
        two.join().unwrap();
        if at_once {
            return "at once";
        }
        assert_eq!(bell.rings(), 1, "the last one wakes, and only the last");
        assert!(owner.try_close(&waker));
        "woken"
    });
}

/// I19: a scope is dropped while its child ends; the obligation goes to the enclosing scope in one
/// step, which closes after the child and not before.
#[test]
fn last_child_against_drop() {
    Model::new("last_child_against_drop", 30).check(&["at once", "woken"], || {
        let (outer_owner, outer) = Owner::root();
        let (inner_owner, inner) = outer.open();
        let (child, _) = inner.admit().unwrap();
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let finisher = thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                ended.store(true, Ordering::SeqCst);
                child.finish();
            }
        });
        inner_owner.drop_early();
        let (bell, waker) = Bell::new();
        let at_once = outer_owner.try_close(&waker);
        if at_once {
            assert!(ended.load(Ordering::SeqCst), "closed over a living child");
        }
        finisher.join().unwrap();
        assert!(inner.is_closed() && inner.count() == 0);
        if at_once {
            return "at once";
        }
        assert_eq!(bell.rings(), 1);
        assert!(outer_owner.try_close(&waker));
        "woken"
    });
}

/// I19 across tasks: a child task ends, leaving behind an abandoned scope whose own child ends at the
/// same time. The outer scope waits for all of it.
#[test]
fn task_end_against_its_orphaned_child() {
    Model::new("task_end_against_its_orphan", 50).check(&["at once", "woken"], || {
        let (outer_owner, outer) = Owner::root();
        let (task, task_handle) = outer.admit().unwrap();
        let (scope_owner, scope) = task.open_in_task();
        let (child, _) = scope.admit().unwrap();
        scope_owner.drop_early();
        let one = thread::spawn(move || task.finish());
        let two = thread::spawn(move || child.finish());
        let (bell, waker) = Bell::new();
        let at_once = outer_owner.try_close(&waker);
        one.join().unwrap();
        two.join().unwrap();
        assert!(scope.is_closed() && task_handle.is_closed());
        if at_once {
            return "at once";
        }
        assert_eq!(bell.rings(), 1);
        assert!(outer_owner.try_close(&waker));
        "woken"
    });
}

/// I31: a handle is dropped while its scope closes; the slot goes to another scope only when the last
/// handle is gone, and is given out fresh.
#[test]
fn handle_drop_against_close() {
    Model::new("handle_drop_against_close", 5).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (scope, handle) = parent.open();
        handle.cancel("before");
        let slot = handle.slot();
        let dropper = thread::spawn(move || drop(handle));
        let (_, waker) = Bell::new();
        assert!(scope.try_close(&waker));
        let (_next_owner, next) = parent.open();
        let reused = next.slot() == slot;
        assert_eq!((next.count(), next.is_cancelled()), (0, false));
        dropper.join().unwrap();
        assert_eq!((next.count(), next.is_cancelled()), (0, false));
        reused
    });
}

/// I31: a request through a handle, while the scope closes, never hits the next scope in that slot,
/// and is counted where it was addressed.
#[test]
fn handle_cancel_against_close() {
    Model::new("handle_cancel_against_close", 10).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (scope, handle) = parent.open();
        let canceller = thread::spawn({
            let handle = handle.clone();
            move || handle.cancel("late or not")
        });
        let (_, waker) = Bell::new();
        assert!(scope.try_close(&waker));
        let in_time = handle.is_cancelled();
        let (_next_owner, next) = parent.open();
        assert_ne!(next.slot(), handle.slot(), "the slot is held by its handles");
        assert!(canceller.join().unwrap());
        assert_eq!((handle.count(), next.count(), next.is_cancelled()), (1, 0, false));
        assert_eq!(handle.reason().as_deref(), Some("late or not"));
        in_time
    });
}

/// I4, R23: a scope that was addressed before its first poll joins the scope it is polled in while
/// that is being cancelled; the outer one absorbs, whichever comes first.
#[test]
fn graft_against_cancel_bounded() {
    Model::new("graft_against_cancel_bounded", 30).bounded(4).check(&["absorbed", "woken"], || {
        let (inner, inner_handle) = umbel::scope(async |_| pending::<()>().await).with_handle();
        let (outer, handle) = umbel::scope(async move |_| inner.await).with_handle();
        let mut outer = pin!(outer);
        let (bell, waker) = Bell::new();
        let canceller = thread::spawn(move || handle.cancel());
        let seen = outer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        canceller.join().unwrap();
        assert_eq!(inner_handle.cancel_count(), 0);
        if seen {
            return "absorbed";
        }
        assert_eq!(bell.rings(), 1);
        assert!(inner_handle.is_cancelled());
        assert!(outer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        "woken"
    });
}

/// I18, I20, on the whole: a scope with a spawned child that is cancelled, before it starts, while it
/// is parked, or too late.
#[test]
fn spawn_join_and_cancel() {
    Model::new("spawn_join_and_cancel", 100).check(&[None, Some(1)], || {
        block_on(umbel::scope(async |s| {
            let child = s.spawn(async { 1 });
            child.cancel();
            child.await.ok()
        }))
        .unwrap()
    });
}

/// R18, I19, on the whole: a scope with a child is dropped inside another, which waits.
#[test]
fn dropped_scope_is_waited_for() {
    Model::new("dropped_scope_is_waited_for", 100).check(&["waited"], || {
        let alive = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&alive);
        block_on(umbel::scope(async move |_| {
            let mut inner = Box::pin(umbel::scope(async |s| {
                let guard = Alive::new(&count);
                s.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                pending::<()>().await;
            }));
            std::future::poll_fn(|cx| {
                assert!(inner.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(inner);
        }))
        .unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        "waited"
    });
}

/// R18: without an enclosing scope the child is an orphan, and `drain` waits for it.
#[test]
fn orphans_are_drained() {
    Model::new("orphans_are_drained", 50).check(&["drained"], || {
        let alive = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let guard = Alive::new(&alive);
        let mut scope = Box::pin(umbel::scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            pending::<()>().await;
        }));
        let (_, waker) = Bell::new();
        assert!(scope.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(scope);
        block_on(umbel::drain());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        "drained"
    });
}

/// R14: a child's panic ends its siblings and comes out of the scope.
#[test]
fn child_panic_reaches_the_owner_bounded() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
            loud(info);
        }
    }));
    Model::new("child_panic_reaches_owner_bounded", 50).bounded(4).check(&["on purpose"], || {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            block_on(umbel::scope(async |s| {
                s.spawn(async { panic!("on purpose") });
            }))
        }))
        .unwrap_err();
        *panic.downcast_ref::<&str>().unwrap()
    });
}

/// Each seeded defect is caught by the model named for it.
#[test]
fn seeded_defects_are_caught() {
    let killers = [
        ("WeakMark", "mark_publishes"),
        ("LostRecheck", "cancel_against_parking"),
        ("ChargedToParent", "cancel_parent_and_child"),
        ("MissedAttach", "cancel_against_open"),
        ("DoubleDecrement", "last_child_against_completion"),
        ("ForgottenWake", "cancel_against_parking"),
        ("LateAdmission", "admission_against_close"),
        ("LastCause", "first_cause"),
        ("EarlyReturn", "two_cancellers_and_a_task_below"),
        ("EarlyRecycle", "handle_cancel_against_close"),
    ];
    assert_eq!(killers.len(), umbel::model::Defect::ALL.len(), "every defect has its killer");
    if std::env::var_os("UMBEL_SEEDED_DEFECT").is_some() {
        return;
    }
    for (defect, model) in killers {
        let started = std::time::Instant::now();
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args([model, "--exact"])
            .env("UMBEL_SEEDED_DEFECT", defect)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(text.contains("running 1 test"), "no model {model}:\n{text}");
        assert!(!run.status.success(), "{defect} was not caught by {model}:\n{text}");
        println!(
            "defect {defect:<16} caught by {model} in {:.2} s",
            started.elapsed().as_secs_f64()
        );
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts itself while it lives.
struct Alive(Arc<std::sync::atomic::AtomicUsize>);

impl Alive {
    fn new(count: &Arc<std::sync::atomic::AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
