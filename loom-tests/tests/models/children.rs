//! Children on the whole: started, cancelled, left behind, raced, while something else goes on.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use std::time::Duration;

use loom_tests::{Bell, Event, models, spawn};
use umbel::Ready;
use umbel::model::{Owner, block_on};
use umbel::testing::{Explored, Model};

use crate::whole::Alive;

/// I21: a scope is cancelled while its body spawns. The child is refused, its captures dropped before the
/// call returns; or it is admitted, and dropped unpolled, or run.
fn spawn_against_cancel_bounded(model: Model) -> Explored {
    model.floor(100).bounded(2).check(&["ran", "refused", "unpolled"], || {
        let (alive, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (inside, count) = (Arc::clone(&alive), Arc::clone(&runs));
        let refused = Arc::new(AtomicUsize::new(0));
        let refusals = Arc::clone(&refused);
        let (work, handle) = umbel::scope(async move |s| {
            let guard = Alive::new(&inside);
            let was_cancelled = s.is_cancelled();
            let child = s.spawn(async move {
                let _guard = guard;
                count.fetch_add(1, Ordering::SeqCst);
            });
            if child.id().is_none() {
                assert_eq!(inside.load(Ordering::SeqCst), 0, "a refused child is dropped at once");
                refusals.fetch_add(1, Ordering::SeqCst);
            } else {
                assert!(!was_cancelled, "started after the cancel");
            }
        })
        .with_handle();
        let canceller = spawn(move || handle.cancel());
        let outcome = block_on(work);
        canceller.join().unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        match (outcome.is_ok(), refused.load(Ordering::SeqCst), runs.load(Ordering::SeqCst)) {
            (true, 1, 0) => "refused",
            (true, 0, 1) => "ran",
            // The body was not even started, or the child was not.
            (_, 0, 0) => "unpolled",
            other => panic!("{other:?}"),
        }
    })
}

/// I18, I20: a child is spawned from another thread while its scope closes. It is refused, or it has run
/// before the scope returns.
fn late_spawn_against_close(model: Model) -> Explored {
    model.floor(100).check(&["ran", "refused"], || {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let mut other = None;
        block_on(umbel::scope(async |s| {
            let spawner = s.spawner();
            other = Some(spawn(move || {
                let child = spawner.spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                });
                child.id().is_none()
            }));
        }))
        .unwrap();
        let ran = runs.load(Ordering::SeqCst) == 1;
        let refused = other.unwrap().join().unwrap();
        assert!(ran != refused, "admitted, and not waited for");
        if refused { "refused" } else { "ran" }
    })
}

/// I2, I18, I19, on the bare tree: the owner of a scope leaves while its last child ends and the scope is
/// cancelled. The scope around closes after the child, and is woken for it once.
fn the_last_child_against_drop_and_cancel(model: Model) -> Explored {
    model.floor(200).check(&["at once", "woken"], || {
        let (owner, outer) = Owner::root();
        let (inner_owner, inner) = outer.open();
        let (child, handle) = inner.admit().unwrap();
        let ending = spawn(move || child.finish());
        let canceller = spawn({
            let inner = inner.clone();
            move || inner.cancel("stop")
        });
        inner_owner.drop_early();
        let (bell, waker) = Bell::new();
        let at_once = owner.try_close(&waker);
        ending.join().unwrap();
        canceller.join().unwrap();
        assert!(inner.is_closed() && handle.is_closed());
        assert_eq!((inner.count(), inner.is_cancelled(), outer.count()), (1, true, 0));
        if at_once {
            return "at once";
        }
        assert_eq!(bell.rings(), 1);
        assert!(owner.try_close(&waker));
        "woken"
    })
}

/// I5, I18: two forks have wakers of their own. One is cancelled through its handle and the other gets
/// what it waits for, in either order; both are polled again, and the scope ends.
fn forks_have_their_own_wakers_bounded(model: Model) -> Explored {
    model.floor(100).bounded(3).check_each(&["both"], [true, false], |&cancel_first| {
        let event = Event::new();
        let mut other = None;
        let (first, second) = block_on(umbel::scope(async |s| {
            let first = s.fork(pending::<()>());
            let second = s.fork({
                let event = event.clone();
                async move {
                    event.await;
                    7
                }
            });
            let (handle, event) = (first.handle().unwrap(), event.clone());
            other =
                Some(spawn(move || in_order(cancel_first, || handle.cancel(), || event.happen())));
            let outcome = (first.await, second.await);
            assert_eq!(s.cancel_count(), 0);
            outcome
        }))
        .unwrap();
        other.unwrap().join().unwrap();
        assert!(first.is_err() && second.ok() == Some(7));
        "both"
    })
}

fn in_order(as_given: bool, one: impl FnOnce(), two: impl FnOnce()) {
    if as_given {
        one();
        two();
    } else {
        two();
        one();
    }
}

/// I1, I7, I18: the two candidates of a race get what they wait for, from a thread each. One wins, and the
/// other has ended when the race returns.
fn two_winners_of_a_race(model: Model) -> Explored {
    model.floor(100).check(&[Some(1), Some(2)], || {
        let alive = Arc::new(AtomicUsize::new(0));
        let events = [Event::new(), Event::new()];
        let mut threads = Vec::new();
        let candidates = [(1, &events[0]), (2, &events[1])].map(|(number, event)| {
            let (guard, event) = (Alive::new(&alive), event.clone());
            async move {
                let _guard = guard;
                event.await;
                Ok::<_, ()>(number)
            }
        });
        for event in events.clone() {
            threads.push(spawn(move || event.happen()));
        }
        let winner = block_on(umbel::race(candidates));
        assert_eq!(alive.load(Ordering::SeqCst), 0, "a loser is left");
        for thread in threads {
            thread.join().unwrap();
        }
        winner.ok()
    })
}

/// I5, I18: an attempt gets what it waits for, from a thread, while the race is about to suspend; no other
/// attempt ever will. Another one tells of its progress meanwhile.
fn a_race_hears_its_attempts(model: Model) -> Explored {
    model.floor(20).check(&[2], || {
        let alive = Arc::new(AtomicUsize::new(0));
        let event = Event::new();
        let mut threads = Vec::new();
        let race = umbel::Race::new([1, 2], |attempt, number| {
            let (guard, awaited) = (Alive::new(&alive), event.clone());
            if number == 2 {
                let event = event.clone();
                threads.push(spawn(move || {
                    attempt.progress(Duration::ZERO);
                    event.happen();
                }));
            }
            async move {
                let _guard = guard;
                match number {
                    2 => awaited.await,
                    _ => pending().await,
                }
                Ok::<_, ()>(number)
            }
        });
        let winner = block_on(race.delay(Duration::ZERO)).unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0, "a loser is left");
        for thread in threads {
            thread.join().unwrap();
        }
        winner
    })
}

/// I7, I8: a scope is cancelled just before a race in it is won, or just after. The race gives its winner,
/// or is dropped with the body; it absorbs nothing, and nothing of it is left.
fn a_race_against_cancel_bounded(model: Model) -> Explored {
    model.floor(100).bounded(3).check_each(&[None, Some(1)], [true, false], |&cancel_first| {
        let alive = Arc::new(AtomicUsize::new(0));
        let mut other = None;
        let outcome = block_on(umbel::scope(async |s| {
            let event = Event::new();
            let waits = |number, event: Option<Event>| {
                let guard = Alive::new(&alive);
                async move {
                    let _guard = guard;
                    match event {
                        Some(event) => event.await,
                        None => pending().await,
                    }
                    Ok::<_, ()>(number)
                }
            };
            let race = umbel::race([waits(1, Some(event.clone())), waits(2, None)]);
            let scope = s.handle();
            other =
                Some(spawn(move || in_order(cancel_first, || scope.cancel(), || event.happen())));
            race.await.unwrap()
        }));
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        other.unwrap().join().unwrap();
        outcome.ok()
    })
}

/// I27, I28: whoever waits for a start leaves while the child is cancelled through its handle. The child is
/// charged for each of the two, if it had not said that it is ready, and the scope for none.
fn leaving_a_start_against_cancel_bounded(model: Model) -> Explored {
    model.floor(100).bounded(1).check(&[2], || {
        block_on(umbel::scope(async move |s| {
            let mut starting = Box::pin(s.start(async |ready: Ready<()>| {
                let _ready = ready;
                pending::<()>().await;
            }));
            let (_, waker) = Bell::new();
            let child = starting.handle().unwrap();
            let canceller = spawn({
                let child = child.clone();
                move || child.cancel()
            });
            let told = starting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            drop(starting);
            canceller.join().unwrap();
            assert_eq!(s.cancel_count(), 0);
            if told { 100 + child.cancel_count() } else { child.cancel_count() }
        }))
        .unwrap()
    })
}

/// I3, I5, I18: a child ends while its scope is cancelled, and a sibling waits. The scope ends with both,
/// and neither the end nor the cancel is lost.
fn a_childs_end_against_cancel(model: Model) -> Explored {
    model.floor(50).check(&["at once", "woken"], || {
        let (owner, scope) = Owner::root();
        let (child, child_handle) = scope.admit().unwrap();
        let (sibling, sibling_handle) = scope.admit().unwrap();
        let (bell, waker) = Bell::new();
        sibling.register(&waker);
        let ending = spawn(move || child.finish());
        let canceller = spawn({
            let scope = scope.clone();
            move || scope.cancel("stop")
        });
        let seen = sibling.is_cancelled();
        ending.join().unwrap();
        canceller.join().unwrap();
        assert_eq!(bell.rings(), 1, "the sibling is told, once");
        assert!(sibling_handle.is_cancelled() && child_handle.is_closed());
        sibling.finish();
        assert!(owner.try_close(&waker));
        if seen { "at once" } else { "woken" }
    })
}

models! { children:
    spawn_against_cancel_bounded,
    late_spawn_against_close,
    the_last_child_against_drop_and_cancel,
    forks_have_their_own_wakers_bounded,
    two_winners_of_a_race,
    a_race_hears_its_attempts,
    a_race_against_cancel_bounded,
    leaving_a_start_against_cancel_bounded,
    a_childs_end_against_cancel,
}
