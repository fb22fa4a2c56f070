//! The bare tree: marks, counts, causes, handles.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom_tests::{Bell, models, spawn};
use umbel::model::Owner;
use umbel::testing::{Explored, Model};

/// I1, I3: requests on a parent and on its child are counted where they were addressed.
fn cancel_parent_and_child(model: Model) -> Explored {
    model.floor(30).check(&["counted"], || {
        let (_owner, parent) = Owner::root();
        let (_inner, child) = parent.open();
        let one = spawn({
            let parent = parent.clone();
            move || parent.cancel("parent")
        });
        let two = spawn({
            let child = child.clone();
            move || child.cancel("child")
        });
        assert!(one.join().unwrap() && two.join().unwrap(), "each was the first at its place");
        assert_eq!((parent.count(), child.count()), (1, 1));
        assert!(parent.is_cancelled() && child.is_cancelled());
        assert_eq!(parent.reason().as_deref(), Some("parent"));
        assert_eq!(child.reason().as_deref(), Some("child"), "the nearest cause");
        "counted"
    })
}

/// I3: a request on a child leaves its parent and its sibling as they were.
fn cancel_only_what_is_below(model: Model) -> Explored {
    model.floor(5).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (_one, left) = parent.open();
        let (_two, right) = parent.open();
        let (_below, below) = left.open();
        let canceller = spawn({
            let left = left.clone();
            move || left.cancel("left")
        });
        let seen = below.is_cancelled();
        assert!(!right.is_cancelled() && !parent.is_cancelled());
        canceller.join().unwrap();
        assert!(!right.is_cancelled() && !parent.is_cancelled() && below.is_cancelled());
        assert_eq!((parent.count(), left.count(), below.count(), right.count()), (0, 1, 0, 0));
        seen
    })
}

/// I4: a scope that opens below one that is being cancelled sees it in the end.
fn cancel_against_open(model: Model) -> Explored {
    model.floor(10).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let canceller = spawn({
            let parent = parent.clone();
            move || parent.cancel("parent")
        });
        let (_inner, child) = parent.open();
        let at_birth = child.is_cancelled();
        canceller.join().unwrap();
        assert!(child.is_cancelled());
        at_birth
    })
}

/// I4 across tasks: a child task makes its tree and opens its first scope while a scope above is
/// cancelled.
fn cancel_against_first_scope_of_a_task(model: Model) -> Explored {
    model.floor(20).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (task, _handle) = parent.admit().unwrap();
        let canceller = spawn({
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
    })
}

/// I23, I1: of two requests on one scope both count and one is the cause, for every observer.
fn first_cause(model: Model) -> Explored {
    model.floor(30).check(&["one", "two"], || {
        let (_owner, scope) = Owner::root();
        let cancel = |message: &'static str| {
            let scope = scope.clone();
            spawn(move || {
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
    })
}

/// R8: a flag is never seen without its cause.
fn flag_and_cause(model: Model) -> Explored {
    model.floor(6).check(&[None, Some("stop".to_owned())], || {
        let (_owner, parent) = Owner::root();
        let (_inner, child) = parent.open();
        let canceller = spawn(move || parent.cancel("stop"));
        let seen = child.is_cancelled().then(|| child.reason().unwrap());
        canceller.join().unwrap();
        seen
    })
}

/// R7: when either of two cancellers returns, the mark has reached a scope in a task below.
fn two_cancellers_and_a_task_below(model: Model) -> Explored {
    model.floor(100).check(&["marked"], || {
        let (_owner, parent) = Owner::root();
        let (task, _handle) = parent.admit().unwrap();
        let (scope, inner) = task.open_in_task();
        let cancel = || {
            let (parent, inner) = (parent.clone(), inner.clone());
            spawn(move || {
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
    })
}

/// The ordering of the mark: what a canceller wrote before is visible to whoever sees the mark, with
/// no lock.
fn mark_publishes(model: Model) -> Explored {
    model.floor(5).check(&[false, true], || {
        let (_owner, scope) = Owner::root();
        let written = Arc::new(AtomicBool::new(false));
        let canceller = spawn({
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
    })
}

/// I31: a handle is dropped while its scope closes; the slot goes to another scope only when the last
/// handle is gone, and is given out fresh.
fn handle_drop_against_close(model: Model) -> Explored {
    model.floor(5).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (scope, handle) = parent.open();
        handle.cancel("before");
        let slot = handle.slot();
        let dropper = spawn(move || drop(handle));
        let (_, waker) = Bell::new();
        assert!(scope.try_close(&waker));
        let (_next_owner, next) = parent.open();
        let reused = next.slot() == slot;
        assert_eq!((next.count(), next.is_cancelled()), (0, false));
        dropper.join().unwrap();
        assert_eq!((next.count(), next.is_cancelled()), (0, false));
        let (_last_owner, last) = parent.open();
        assert_eq!(last.slot() == slot, !reused, "whoever went last has given the slot back");
        reused
    })
}

/// I31: a request through a handle, while the scope closes, never hits the next scope in that slot,
/// and is counted where it was addressed.
fn handle_cancel_against_close(model: Model) -> Explored {
    model.floor(10).check(&[false, true], || {
        let (_owner, parent) = Owner::root();
        let (scope, handle) = parent.open();
        let canceller = spawn({
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
    })
}

models! { cancel:
    cancel_parent_and_child,
    cancel_only_what_is_below,
    cancel_against_open,
    cancel_against_first_scope_of_a_task,
    first_cause,
    flag_and_cause,
    two_cancellers_and_a_task_below,
    mark_publishes,
    handle_drop_against_close,
    handle_cancel_against_close,
}
