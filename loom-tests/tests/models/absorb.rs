//! Who absorbs a cancellation, and what that leaves of the others: counts, marks, reasons.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use loom_tests::{Bell, models, spawn};
use umbel::model::{Node, Owner, block_on};
use umbel::testing::{Explored, Model};
use umbel::{CancelScope, Cancelled};

use crate::whole::yield_once;

/// I2: whoever asks twice, while the scope is cancelled and its owner leaves, in either order, never
/// hears that it is less cancelled than before.
fn nothing_is_taken_back(model: Model) -> Explored {
    let (open, abandoned, counted) = ("open", "abandoned", "counted");
    let expected = [
        (open, open),
        (open, abandoned),
        (open, counted),
        (abandoned, abandoned),
        (abandoned, counted),
        (counted, counted),
    ];
    model.floor(30).check_each(&expected, [true, false], |&leaves_first| {
        let (owner, scope) = Owner::root();
        let other = spawn({
            let scope = scope.clone();
            move || {
                if leaves_first {
                    owner.drop_early();
                    scope.cancel("stop");
                } else {
                    scope.cancel("stop");
                    owner.drop_early();
                }
            }
        });
        let seen = (standing(&scope), standing(&scope));
        other.join().unwrap();
        assert_eq!(standing(&scope), "counted");
        seen
    })
}

/// How far a scope is cancelled.
fn standing(scope: &Node) -> &'static str {
    match (scope.is_cancelled(), scope.count()) {
        (_, 1..) => "counted",
        (true, 0) => "abandoned",
        (false, 0) => "open",
    }
}

/// I7, I8, I10: two scopes in each other are cancelled one after the other, in either order. The inner one
/// absorbs its own request, if the outer one was not asked yet, and that consumes nothing of the other.
fn the_outermost_absorbs_bounded(model: Model) -> Explored {
    model.floor(100).bounded(2).check_each(&["both", "the outer"], [true, false], |&inner_first| {
        let (mut told, mut handle, mut canceller) = (None, None, None);
        let outcome = {
            let mut work = pin!(umbel::scope(async |outer| {
                let inner = umbel::scope(async |inner| {
                    let mut scopes = [(inner.handle(), "inner"), (outer.handle(), "outer")];
                    handle = Some(inner.handle());
                    if !inner_first {
                        scopes.reverse();
                    }
                    let cancel = move || scopes.map(|(scope, why)| scope.cancel_with(why));
                    canceller = Some(spawn(cancel));
                    pending::<()>().await;
                });
                told = inner.await.err();
                pending::<()>().await;
            }));
            let (_, waker) = Bell::new();
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => block_on(work),
            }
        };
        canceller.unwrap().join().unwrap();
        assert_eq!(outcome.unwrap_err().reason().message(), Some("outer"));
        assert_eq!(handle.unwrap().cancel_count(), 1);
        match told {
            Some(inner) => {
                assert_eq!(inner.reason().message(), Some("inner"), "a request of its own");
                "both"
            }
            None => "the outer",
        }
    })
}

fn cancel(scope: &CancelScope, why: &'static str) -> loom::thread::JoinHandle<()> {
    let scope = scope.clone();
    spawn(move || scope.cancel_with(why))
}

/// I7, I8: a scope that only inherits never returns: its value wins, or it is dropped from above.
fn the_inheriting_never_returns(model: Model) -> Explored {
    model.floor(50).check(&["dropped", "ready"], || {
        let (mut told, mut canceller) = (None, None);
        let outcome = block_on(umbel::scope(async |outer| {
            canceller = Some(cancel(&outer, "outer"));
            told = Some(umbel::scope(async |_| yield_once().await).await);
            pending::<()>().await;
        }));
        assert!(outcome.is_err());
        canceller.unwrap().join().unwrap();
        match told {
            Some(inner) => {
                assert!(inner.is_ok(), "it absorbed what was not its own");
                "ready"
            }
            None => "dropped",
        }
    })
}

type Carried = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + Send>>;

/// I5, I8, R23: a scope is polled in another, carried to a second thread, and polled there while the one
/// that it was opened in is cancelled, absorbs and ends. It is told, and absorbs by itself.
fn a_survivor_absorbs_bounded(model: Model) -> Explored {
    model.floor(100).bounded(2).check(&["told at once", "woken"], || {
        let (mut other, mut handle) = (None, None);
        let (bell, waker) = Bell::new();
        {
            let mut parent = pin!(umbel::scope(async |s| {
                let mut carried: Carried = Box::pin(umbel::scope(async |_| pending::<()>().await));
                assert!(poll_once(&mut carried, Waker::noop()).await.is_pending());
                handle = Some(s.handle());
                let waker = waker.clone();
                other = Some(spawn(move || {
                    let told = carried.as_mut().poll(&mut Context::from_waker(&waker));
                    (carried, told)
                }));
                s.cancel_with("parent");
                pending::<()>().await;
            }));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(parent.as_mut().poll(&mut cx).is_ready());
        }
        let (mut carried, mut told) = other.unwrap().join().unwrap();
        let was_woken = told.is_pending();
        if was_woken {
            assert_eq!(bell.rings(), 1, "neither told nor woken");
            told = carried.as_mut().poll(&mut Context::from_waker(&waker));
        }
        let Poll::Ready(Err(told)) = told else { panic!("it did not absorb") };
        assert_eq!(told.reason().message(), Some("parent"));
        assert_eq!(handle.unwrap().cancel_count(), 1);
        if was_woken { "woken" } else { "told at once" }
    })
}

async fn poll_once(carried: &mut Carried, waker: &Waker) -> Poll<Result<(), Cancelled>> {
    std::future::ready(carried.as_mut().poll(&mut Context::from_waker(waker))).await
}

/// I24: a scope in a task is asked for its reason while the scope around the task is cancelled and the one
/// around that. It gives the nearest there is.
fn the_nearest_reason(model: Model) -> Explored {
    let expected = [None, Some("near".to_owned()), Some("far".to_owned())];
    model.floor(100).check(&expected, || {
        let (_top, upper) = Owner::root();
        let (_below, lower) = upper.open();
        let (task, _handle) = lower.admit().unwrap();
        let (_inner, scope) = task.open_in_task();
        let one = spawn(move || upper.cancel("far"));
        let two = spawn(move || lower.cancel("near"));
        // A load first: loom sees what it tells.
        let seen = scope.is_cancelled().then(|| scope.reason().unwrap());
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(scope.reason().as_deref(), Some("near"));
        seen
    })
}

/// I3, R7: three tasks below each other. The outermost scope and one in the second task are cancelled by
/// a thread each, and for each of them all that is below is marked when the call returns.
fn two_cancellers_in_three_tasks(model: Model) -> Explored {
    model.floor(100).check(&["marked"], || {
        let (_top, upper) = Owner::root();
        let (second, _) = upper.admit().unwrap();
        let (_middle, middle) = second.open_in_task();
        let (third, _) = middle.admit().unwrap();
        let (_leaf, leaf) = third.open_in_task();
        let cancel = |scope: &Node, why| {
            let (scope, leaf) = (scope.clone(), leaf.clone());
            spawn(move || {
                scope.cancel(why);
                assert!(leaf.is_cancelled(), "returned before the mark was everywhere");
            })
        };
        let (one, two) = (cancel(&upper, "upper"), cancel(&middle, "middle"));
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!((upper.count(), middle.count(), leaf.count()), (1, 1, 0));
        assert_eq!(leaf.reason().as_deref(), Some("middle"));
        "marked"
    })
}

/// I12: a task and a scope in it open below a shield while the scope around that is cancelled. They are
/// never marked, and there is no reason for them.
fn nothing_reaches_below_a_shield(model: Model) -> Explored {
    model.floor(10).check(&["open"], || {
        let (owner, scope) = Owner::root();
        let canceller = spawn(move || scope.cancel("stop"));
        let (_section, shield) = owner.shield_below();
        let (task, handle) = shield.admit().unwrap();
        let (_inner, inner) = task.open_in_task();
        let seen = [shield.is_cancelled(), handle.is_cancelled(), inner.is_cancelled()];
        canceller.join().unwrap();
        let then = [shield.is_cancelled(), handle.is_cancelled(), inner.is_cancelled()];
        assert_eq!((seen, then), ([false; 3], [false; 3]));
        assert_eq!(inner.reason(), None);
        assert!(owner.is_cancelled());
        "open"
    })
}

models! { absorb:
    nothing_is_taken_back,
    the_outermost_absorbs_bounded,
    the_inheriting_never_returns,
    a_survivor_absorbs_bounded,
    the_nearest_reason,
    two_cancellers_in_three_tasks,
    nothing_reaches_below_a_shield,
}
