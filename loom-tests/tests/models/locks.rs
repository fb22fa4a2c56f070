//! What runs while a lock is held, and what between two: foreign code, marks and wakes.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use loom_tests::{Bell, models, spawn};
use umbel::model::{Node, Owner};
use umbel::testing::{Explored, Model};

/// A waker that asks and cancels when it is woken, and again when it is dropped.
struct Busybody {
    node: Node,
    /// How often it was woken, and whether it is gone.
    log: Arc<Mutex<(usize, bool)>>,
}

impl Wake for Busybody {
    fn wake(self: Arc<Self>) {
        assert!(self.node.is_cancelled());
        self.node.cancel("woken");
        self.log.lock().unwrap().0 += 1;
    }
}

impl Drop for Busybody {
    fn drop(&mut self) {
        self.node.cancel("dropped");
        self.log.lock().unwrap().1 = true;
    }
}

/// R25, I5: wakers are woken and dropped with no lock held: one that calls back is answered. Whichever
/// of two cancellers wakes it, every request counts.
fn wakers_call_back(model: Model) -> Explored {
    model.floor(50).check(&[(1, true, 4)], || {
        let (owner, scope) = Owner::root();
        let log = Arc::default();
        let waker = Busybody { node: scope.clone(), log: Arc::clone(&log) };
        owner.register(&Waker::from(Arc::new(waker)));
        let cancel = || {
            let scope = scope.clone();
            spawn(move || scope.cancel("stop"))
        };
        let (one, two) = (cancel(), cancel());
        one.join().unwrap();
        two.join().unwrap();
        let (woken, gone) = *log.lock().unwrap();
        (woken, gone, scope.count())
    })
}

/// R25, I31: a waker that another one replaces is dropped with no lock held, and none is kept when the
/// scope has closed.
fn replaced_wakers_call_back(model: Model) -> Explored {
    model.floor(5).check(&[true], || {
        let (parent, above) = Owner::root();
        let (owner, _scope) = parent.open_below();
        let log = Arc::default();
        let busybody = Busybody { node: above.clone(), log: Arc::clone(&log) };
        owner.register(&Waker::from(Arc::new(busybody)));
        let canceller = spawn(move || above.cancel("stop"));
        let (_, waker) = Bell::new();
        owner.register(&waker);
        canceller.join().unwrap();
        assert!(owner.try_close(&waker));
        let (woken, gone) = *log.lock().unwrap();
        assert_eq!(woken, 0, "a scope inside a task is not woken from above");
        gone
    })
}

/// R7, R25: whoever is woken by a cancel finds all of it done: a scope in a task below is marked.
fn the_woken_see_every_mark(model: Model) -> Explored {
    model.floor(5).check(&[true], || {
        let (owner, scope) = Owner::root();
        let (task, _handle) = scope.admit().unwrap();
        let (_inner, below) = task.open_in_task();
        let seen = Arc::default();
        let looker = Looker { node: below, seen: Arc::clone(&seen) };
        owner.register(&Waker::from(Arc::new(looker)));
        let other = scope.clone();
        let canceller = spawn(move || scope.cancel("stop"));
        other.cancel("stop");
        canceller.join().unwrap();
        seen.lock().unwrap().expect("it is woken")
    })
}

/// A waker that looks whether a node is cancelled.
struct Looker {
    node: Node,
    seen: Arc<Mutex<Option<bool>>>,
}

impl Wake for Looker {
    fn wake(self: Arc<Self>) {
        *self.seen.lock().unwrap() = Some(self.node.is_cancelled());
    }
}

/// I5, R24: a task below is woken by a cancel above, or sees it.
fn tasks_below_are_woken(model: Model) -> Explored {
    model.floor(5).check(&["seen", "woken"], || {
        let (_owner, scope) = Owner::root();
        let (task, _handle) = scope.admit().unwrap();
        let canceller = spawn(move || scope.cancel("stop"));
        let (bell, waker) = Bell::new();
        task.register(&waker);
        let seen = task.is_cancelled();
        canceller.join().unwrap();
        assert!(seen || bell.rings() == 1, "neither seen nor woken");
        if seen { "seen" } else { "woken" }
    })
}

/// I30: a finalizer that comes while a janitor looks for the last one is given out, by that one or by
/// another that is sent for; or given back.
fn finalizer_against_the_last_look(model: Model) -> Explored {
    model.floor(5).check(&["given back", "given out", "given to another"], || {
        let (parent, _above) = Owner::root();
        let (owner, scope) = parent.open_below();
        owner.defer();
        let left = owner.leave();
        let (_, waker) = Bell::new();
        assert_eq!(left.next_finalizer(&waker), std::task::Poll::Ready(true));
        let other = spawn({
            let scope = scope.clone();
            move || scope.defer()
        });
        let mut found = 0;
        while left.next_finalizer(&waker) == std::task::Poll::Ready(true) {
            found += 1;
        }
        let (taken, successor) = other.join().unwrap();
        if let Some(successor) = &successor {
            while successor.next_finalizer(&waker) == std::task::Poll::Ready(true) {
                found += 1;
            }
        }
        assert_eq!(found, usize::from(taken), "taken in and not given out");
        assert!(scope.is_closed() && parent.try_close(&waker));
        match (taken, successor) {
            (true, None) => "given out",
            (true, Some(_)) => "given to another",
            _ => "given back",
        }
    })
}

models! { locks:
    wakers_call_back,
    replaced_wakers_call_back,
    the_woken_see_every_mark,
    tasks_below_are_woken,
    finalizer_against_the_last_look,
}
