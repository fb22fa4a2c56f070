//! The bare tree: admission, the end of children, scopes that are dropped.

use std::sync::Arc;
use std::task::Waker;

use loom::sync::atomic::Ordering;
use loom_tests::{Bell, models, spawn};
use umbel::model::Owner;
use umbel::testing::{Explored, Model};

/// I20: a child is counted before its scope decides to close, or refused.
fn admission_against_close(model: Model) -> Explored {
    model.floor(10).check(&["admitted", "refused"], || {
        let (owner, scope) = Owner::root();
        let spawner = spawn({
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
    })
}

/// I21: nothing is admitted to a scope once a cancel of it has returned; what came in before is
/// marked.
fn admission_against_cancel(model: Model) -> Explored {
    model.floor(5).check(&["admitted", "refused"], || {
        let (owner, scope) = Owner::root();
        let canceller = spawn({
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
    })
}

/// I18, I5: two children end while their scope wants to close: it closes after both, and is woken.
fn last_child_against_completion(model: Model) -> Explored {
    model.floor(50).check(&["at once", "woken"], || {
        let (owner, scope) = Owner::root();
        let ended = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let child = || {
            let (child, _) = scope.admit().unwrap();
            let ended = Arc::clone(&ended);
            spawn(move || {
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
        woken_if_it_waited(at_once, &bell, &owner, &waker)
    })
}

/// I19: a scope is dropped while its child ends; the obligation goes to the enclosing scope in one
/// step, which closes after the child and not before.
fn last_child_against_drop(model: Model) -> Explored {
    model.floor(30).check(&["at once", "woken"], || {
        let (outer_owner, outer) = Owner::root();
        let (inner_owner, inner) = outer.open();
        let (child, _) = inner.admit().unwrap();
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let finisher = spawn({
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
        woken_if_it_waited(at_once, &bell, &outer_owner, &waker)
    })
}

/// I19 across tasks: a child task ends, leaving behind an abandoned scope whose own child ends at the
/// same time. The outer scope waits for all of it.
fn task_end_against_its_orphaned_child(model: Model) -> Explored {
    model.floor(50).check(&["at once", "woken"], || {
        let (outer_owner, outer) = Owner::root();
        let (task, task_handle) = outer.admit().unwrap();
        let (scope_owner, scope) = task.open_in_task();
        let (child, _) = scope.admit().unwrap();
        scope_owner.drop_early();
        let one = spawn(move || task.finish());
        let two = spawn(move || child.finish());
        let (bell, waker) = Bell::new();
        let at_once = outer_owner.try_close(&waker);
        one.join().unwrap();
        two.join().unwrap();
        assert!(scope.is_closed() && task_handle.is_closed());
        woken_if_it_waited(at_once, &bell, &outer_owner, &waker)
    })
}

/// How a scope came to close that wanted to before everything below had ended: if it had to wait, it
/// is woken once, by the last to end, and closes then.
fn woken_if_it_waited(at_once: bool, bell: &Bell, owner: &Owner, waker: &Waker) -> &'static str {
    if at_once {
        return "at once";
    }
    assert_eq!(bell.rings(), 1, "the last one wakes, and only the last");
    assert!(owner.try_close(waker));
    "woken"
}

models! { settle:
    admission_against_close,
    admission_against_cancel,
    last_child_against_completion,
    last_child_against_drop,
    task_end_against_its_orphaned_child,
}
