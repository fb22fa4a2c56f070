//! The seven scenarios in which tokio-util models its cancellation token, with a scope for each token:
//! a clone is one more handle, a child token a scope below, and to drop the last clone is to drop the
//! scope, or to come to its end. The third of three threads is the first one of the model.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use loom_tests::{Bell, models, spawn};
use umbel::WaitCancelled;
use umbel::model::Owner;
use umbel::testing::{Explored, Model};

/// Waits on a thread of its own, for one poll: whether it was told at once, or was woken afterwards.
fn wait(mut cancelled: WaitCancelled) -> impl FnOnce() -> &'static str {
    let (bell, waker) = Bell::new();
    let waiter = spawn(move || {
        let seen = Pin::new(&mut cancelled).poll(&mut Context::from_waker(&waker)).is_ready();
        (cancelled, seen)
    });
    move || {
        let (_cancelled, seen) = waiter.join().unwrap();
        assert!(seen || bell.rings() == 1, "neither seen nor woken");
        if seen { "seen" } else { "woken" }
    }
}

/// Comes to its end: nothing is below it.
#[expect(clippy::needless_pass_by_value, reason = "its end is the end of the owner")]
fn close(owner: Owner) {
    let (_, waker) = Bell::new();
    assert!(owner.try_close(&waker));
}

/// R24, I5: one waits, one cancels.
fn cancel_token(model: Model) -> Explored {
    model.floor(9).check(&["seen", "woken"], || {
        let (_owner, scope) = Owner::root();
        let waiter = wait(scope.cancelled());
        let canceller = spawn(move || scope.cancel("stop"));
        assert!(canceller.join().unwrap());
        waiter()
    })
}

/// R24, I5, I31: the same, and the scope has ended by then.
fn cancel_token_owned(model: Model) -> Explored {
    model.floor(9).check(&["seen", "woken"], || {
        let (owner, scope) = Owner::root();
        let waiter = wait(scope.cancelled());
        let canceller = spawn(move || scope.cancel("stop"));
        close(owner);
        assert!(canceller.join().unwrap());
        waiter()
    })
}

/// I3, I5: one waits for the outer scope, one for the inner, one cancels the outer.
fn cancel_with_child(model: Model) -> Explored {
    let outcomes = ["seen", "woken"];
    let pairs = outcomes.map(|one| outcomes.map(|two| (one, two)));
    model.floor(200).check(&pairs.concat(), || {
        let (_owner, outer) = Owner::root();
        let (_below, inner) = outer.open();
        let (one, two) = (wait(outer.cancelled()), wait(inner.cancelled()));
        assert!(outer.cancel("stop"));
        assert_eq!(inner.count(), 0);
        (one(), two())
    })
}

/// I31: three handles are dropped at once, the scope's own among them.
fn drop_token_no_child(model: Model) -> Explored {
    model.floor(20).check(&[false], || {
        let (parent, above) = Owner::root();
        let (owner, scope) = parent.open_below();
        let other = scope.clone();
        let one = spawn(move || drop(scope));
        let two = spawn(move || drop(other));
        owner.drop_early();
        one.join().unwrap();
        two.join().unwrap();
        let (_next, fresh) = parent.open_below();
        assert!(!above.is_cancelled());
        fresh.is_cancelled()
    })
}

/// I18, I19: a scope is dropped while two below it end; all close.
fn drop_token_with_children(model: Model) -> Explored {
    model.floor(20).check(&[(true, true)], || {
        let (parent, above) = Owner::root();
        let (owner, scope) = parent.open_below();
        let (first, left) = scope.open();
        let (second, right) = scope.open();
        let one = spawn(move || close(first));
        let two = spawn(move || close(second));
        owner.drop_early();
        one.join().unwrap();
        two.join().unwrap();
        assert!(!above.is_cancelled());
        (scope.is_closed(), left.is_closed() && right.is_closed())
    })
}

/// I2, I31: a scope is dropped, and cancelled through a handle, while one below it ends.
/// The request counts, whenever it comes.
fn drop_and_cancel_token(model: Model) -> Explored {
    model.floor(50).check(&["Abandoned", "stop"], || {
        let (owner, scope) = Owner::root();
        let (below, inner) = scope.open();
        let one = spawn(move || owner.drop_early());
        let two = spawn({
            let scope = scope.clone();
            move || scope.cancel("stop")
        });
        close(below);
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!((scope.count(), inner.count()), (1, 0));
        assert!(scope.is_closed() && inner.is_closed());
        scope.reason().map_or("Abandoned", |_| "stop")
    })
}

/// I1, I31: a scope is dropped and cancelled, and so is one below it. Each request counts where it was
/// addressed, and no other.
fn cancel_parent_and_child_and_drop(model: Model) -> Explored {
    model.floor(50).check(&[(1, 1)], || {
        let (owner, scope) = Owner::root();
        let (_below, inner) = scope.open();
        let one = spawn(move || owner.drop_early());
        let two = spawn({
            let scope = scope.clone();
            move || scope.cancel("outer")
        });
        inner.cancel("inner");
        one.join().unwrap();
        two.join().unwrap();
        assert!(scope.is_cancelled() && inner.is_cancelled());
        (scope.count(), inner.count())
    })
}

models! { tokens:
    cancel_token,
    cancel_token_owned,
    cancel_with_child,
    drop_token_no_child,
    drop_token_with_children,
    drop_and_cancel_token,
    cancel_parent_and_child_and_drop,
}
