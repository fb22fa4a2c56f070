//! Children whose scope was dropped where no enclosing scope waits: counted orphans, that `drain`
//! waits for (R18). The count is the process's, so these scenarios take turns.
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use common::{Gate, Log, Wakes, boom, catch, drive, runtime, secs, settle, text, with_waker};
use umbel::{Picture, Scope, drain, orphans, scope, shield};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

static TURN: Mutex<()> = Mutex::new(());

/// One scenario at a time, each on a runtime of its own; none leaves an orphan behind.
fn alone<F: Future<Output = ()>>(scenario: impl FnOnce() -> F) {
    let _turn: MutexGuard<'_, ()> = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(orphans(), 0);
    runtime().block_on(scenario());
    assert_eq!(orphans(), 0);
    assert!(Picture::of_orphans().is_empty());
}

/// Without orphans there is nothing to wait for.
#[test]
fn draining_nothing_is_ready_at_once() {
    alone(|| async {
        drive(drain()).ready();
    });
}

/// A foreign timeout drops the root scope; its child is an orphan until it has ended.
#[test]
fn the_child_of_a_dropped_root_is_an_orphan_until_it_has_ended() {
    alone(|| async {
        let log = Log::new();
        let guard = log.guard("child dropped");
        let work = scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            pending::<()>().await;
        });
        assert!(tokio::time::timeout(secs(1), work).await.is_err());
        assert_eq!(orphans(), 1);
        assert!(log.is_empty());
        drain().await;
        assert_eq!(log.all(), ["child dropped"]);
    });
}

/// After an outer abort every descendant's destructor has run when the drain resolves, at every depth,
/// and tasks that were started by the aborted one do not run on. (A set of join handles that is
/// dropped leaves all of that open.)
#[test]
fn after_an_abort_every_destructor_has_run_when_the_drain_resolves() {
    alone(|| async {
        let log = Log::new();
        let in_task = log.clone();
        let task = tokio::spawn(async move {
            let _ = scope(async |s| {
                for _ in 0..2 {
                    let in_child = in_task.clone();
                    s.spawn(async move {
                        let _guard = in_child.guard("child");
                        let _ = scope(async |inner| {
                            let guard = in_child.guard("grandchild");
                            inner.spawn(async move {
                                let _guard = guard;
                                pending::<()>().await;
                            });
                            pending::<()>().await;
                        })
                        .await;
                    });
                }
                pending::<()>().await;
            })
            .await;
        });
        settle().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        drain().await;
        assert_eq!((log.count("child"), log.count("grandchild")), (2, 2));
    });
}

/// The orphans can be looked at, under the name of the scope that they are left of.
#[test]
fn a_picture_shows_the_orphans() {
    alone(|| async {
        let mut work = drive(
            scope(async |s| {
                s.named("left behind").spawn(pending::<()>());
                pending::<()>().await;
            })
            .name("dropped"),
        );
        work.pending();
        drop(work);
        assert!(!Picture::of_orphans().is_empty());
        let picture = Picture::of_orphans().to_string();
        assert!(
            picture.contains("\"dropped\"") && picture.contains("\"left behind\""),
            "{picture}"
        );
        drain().await;
    });
}

/// Several drains wait at once; one that is dropped meanwhile does not matter.
#[test]
fn several_drains_wait_at_once() {
    alone(|| async {
        let mut work = drive(scope(async |s| {
            s.spawn(pending::<()>());
            pending::<()>().await;
        }));
        work.pending();
        drop(work);
        let (mut first, mut second, mut third) = (drive(drain()), drive(drain()), drive(drain()));
        first.pending();
        second.pending();
        third.pending();
        drop(second);
        settle().await;
        assert_eq!((first.wakes(), third.wakes()), (1, 1));
        first.ready();
        third.ready();
    });
}

/// A drain that is dropped has nobody woken, and keeps no waker (I31).
#[test]
fn a_drain_that_is_dropped_keeps_no_waker() {
    alone(|| async {
        let mut work = drive(scope(async |s| {
            s.spawn(pending::<()>());
            pending::<()>().await;
        }));
        work.pending();
        drop(work);
        let bell = Wakes::new();
        let waker = Waker::from(Arc::clone(&bell));
        let mut waiting = Box::pin(drain());
        assert!(with_waker(waiting.as_mut(), &waker).is_pending());
        assert_eq!(Arc::strong_count(&bell), 3, "here, in the waker, in the register");
        drop(waiting);
        assert_eq!(Arc::strong_count(&bell), 2);
        drain().await;
        assert_eq!(bell.count(), 0);
    });
}

/// A scope with a child that runs until the gate is open, come what may.
fn leaves_a_child(log: &Log, name: &'static str, gate: &Gate, early: bool) -> Work {
    let (guard, wait) = (log.guard(name), gate.wait());
    let mut work = scope(async move |s: Scope<'static>| {
        s.spawn(async {
            let _guard = guard;
            shield(secs(9), wait).await.expect("the gate is opened in time");
        });
        pending::<()>().await;
    });
    if early {
        drop(work.handle());
    }
    Box::pin(async { drop(work.await) })
}

/// Two scopes that outlived the root they were polled in, and are dropped one after the other: the tree
/// that both leave a child in is an orphan until the last of the two has ended (R18, R23).
#[test]
fn two_survivors_of_one_root_leave_orphans() {
    for (first_early, second_early) in [(false, false), (false, true), (true, false), (true, true)]
    {
        alone(|| async {
            let (log, gate) = (Log::new(), Gate::new());
            let mut first = drive(leaves_a_child(&log, "first", &gate, first_early));
            let mut second = drive(leaves_a_child(&log, "second", &gate, second_early));
            scope(async |_| {
                first.pending();
                second.pending();
                settle().await;
            })
            .await
            .expect("it was not cancelled");
            assert_eq!(orphans(), 0);
            drop(first);
            drop(second);
            assert_eq!(orphans(), 2);
            gate.open();
            drain().await;
            assert_eq!((log.count("first"), log.count("second")), (1, 1));
        });
    }
}

/// Likewise, when the scope that they outlived stands in another one: that one waits for both (R18, R23).
#[test]
fn two_survivors_in_a_scope_are_waited_for() {
    for (first_early, second_early) in [(false, false), (false, true), (true, false), (true, true)]
    {
        alone(|| async {
            let (log, gate) = (Log::new(), Gate::new());
            let mut first = drive(leaves_a_child(&log, "first", &gate, first_early));
            let mut second = drive(leaves_a_child(&log, "second", &gate, second_early));
            let around = scope(async |_| {
                let mut ends = scope(async |_| {
                    first.pending();
                    second.pending();
                    settle().await;
                });
                drop(ends.handle());
                ends.await.expect("it was not cancelled");
                drop(first);
                drop(second);
                assert_eq!(orphans(), 0);
                gate.open();
            });
            let around = tokio::time::timeout(secs(99), around).await.expect("it hangs");
            assert!(around.is_ok());
            assert_eq!((log.count("first"), log.count("second")), (1, 1));
        });
    }
}

/// One of two that outlived their parent is dropped, the other comes to its end: what the first has left is
/// waited for all the same (R18, R23). So it is when what they outlived was a whole child.
#[test]
fn a_survivor_that_ends_does_not_end_the_wait_for_another() {
    for (early, in_child) in [(false, false), (true, false), (false, true), (true, true)] {
        alone(|| async {
            let (log, gate, returns) = (Log::new(), Gate::new(), Gate::new());
            let mut left = drive(leaves_a_child(&log, "left", &gate, early));
            let wait = returns.wait();
            let mut other = drive(scope(|_: Scope<'static>| wait));
            let around = scope(async |s| {
                let inside = async move {
                    left.pending();
                    other.pending();
                    settle().await;
                    let left = (!in_child).then_some(left);
                    (left, other)
                };
                let (left, mut other) = if in_child {
                    s.spawn(inside).await.expect("it returns")
                } else {
                    let mut ends = scope(async |_| inside.await);
                    drop(ends.handle());
                    ends.await.expect("it returns")
                };
                drop(left);
                returns.open();
                assert_eq!(other.ready().is_ok(), !in_child, "cancelled with the child");
                drop(other);
                gate.open();
            });
            let around = tokio::time::timeout(secs(99), around).await.expect("it hangs");
            assert!(around.is_ok());
            assert_eq!(log.all(), ["left"]);
        });
    }
}

/// A scope that is dropped in a child leaves no orphan: the child's scope waits (R18).
#[test]
fn what_is_left_in_a_child_is_no_orphan() {
    for early in [false, true] {
        alone(|| async {
            let (log, gate) = (Log::new(), Gate::new());
            let (inside, opens) = (log.clone(), gate.clone());
            scope(async |s| {
                s.spawn(async move {
                    let mut work = drive(leaves_a_child(&inside, "grandchild", &opens, early));
                    work.pending();
                    settle().await;
                    drop(work);
                    assert_eq!(orphans(), 0);
                    opens.open();
                });
            })
            .await
            .expect("it was not cancelled");
            assert_eq!(log.all(), ["grandchild"]);
        });
    }
}

/// A scope with a handle, in which another is dropped and waited for, stays where it is: a cancel from
/// around still reaches it (R7).
#[test]
fn what_is_left_in_a_scope_does_not_cut_it_off() {
    alone(|| async {
        let (log, gate) = (Log::new(), Gate::new());
        let (inner, handle) = scope(async |_| {
            let mut work = drive(leaves_a_child(&log, "child", &gate, false));
            work.pending();
            settle().await;
            drop(work);
            gate.open();
            settle().await;
            assert_eq!(log.all(), ["child"]);
            pending::<()>().await;
        })
        .with_handle();
        let outcome = scope(async |s| {
            s.fork(async move { drop(inner.await) });
            settle().await;
            settle().await;
            settle().await;
            assert_eq!(log.all(), ["child"]);
            s.cancel();
            assert!(handle.is_cancelled());
        })
        .await;
        assert!(outcome.is_ok());
    });
}

/// What was left in a scope that is carried out of its parent, and has ended, holds that parent no longer
/// (R23).
#[test]
fn what_was_left_in_a_survivor_holds_nobody_back() {
    alone(|| async {
        let (log, gate) = (Log::new(), Gate::new());
        let (inner, _handle) = scope(async |_| {
            let mut work = drive(leaves_a_child(&log, "child", &gate, false));
            work.pending();
            settle().await;
            drop(work);
            gate.open();
            pending::<()>().await;
        })
        .with_handle();
        let mut inner = drive(inner);
        let around = scope(async |_| {
            for _ in 0..50 {
                inner.pending();
                settle().await;
            }
        });
        let around = tokio::time::timeout(secs(99), around).await.expect("it hangs");
        assert!(around.is_ok());
        assert_eq!(log.all(), ["child"]);
    });
}

/// An orphan that starts children on its way out: refused, so nothing is left to wait for.
#[test]
fn an_orphan_starts_nothing_new() {
    struct Starts(umbel::Spawner, Log);
    impl Drop for Starts {
        fn drop(&mut self) {
            let guard = self.1.guard("dropped unpolled");
            let log = self.1.clone();
            self.0.spawn(async move {
                let _guard = guard;
                log.add("never");
            });
        }
    }
    alone(|| async {
        let log = Log::new();
        let mut work = drive(scope(async |s| {
            let starts = Starts(s.spawner(), log.clone());
            s.spawn(async move {
                let _starts = starts;
                pending::<()>().await;
            });
            pending::<()>().await;
        }));
        work.pending();
        settle().await;
        drop(work);
        drain().await;
        assert_eq!(log.all(), ["dropped unpolled"]);
    });
}

/// Whoever drains is the owner: an orphan's panic comes out there, once, after all have ended.
#[test]
fn an_orphans_panic_comes_out_of_the_drain_once() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("orphan");
        }
    }
    alone(|| async {
        let log = Log::new();
        let guard = log.guard("other orphan");
        let mut work = drive(scope(async |s| {
            s.spawn(async {
                let _bomb = Bomb;
                pending::<()>().await;
            });
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            pending::<()>().await;
        }));
        work.pending();
        settle().await;
        drop(work);
        let panic = catch(drain()).await.unwrap_err();
        assert_eq!(text(&panic), "orphan");
        assert_eq!(log.all(), ["other orphan"]);
        drain().await;
    });
}

/// The destructor of a root scope's body panics while the scope is dropped: that comes out there too,
/// and the drop itself returns.
#[test]
fn a_panic_in_a_dropped_root_scopes_destructor_comes_out_of_the_drain() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("destructor");
        }
    }
    alone(|| async {
        let mut work = drive(scope(async |_| {
            let _bomb = Bomb;
            pending::<()>().await;
        }));
        work.pending();
        drop(work);
        assert_eq!(text(&catch(drain()).await.unwrap_err()), "destructor");
    });
}

/// A runtime that is shut down drops its tasks: children of live and of dropped scopes end with it.
#[test]
fn a_runtime_that_goes_away_leaves_no_orphans() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (log, gate) = (Log::new(), Gate::new());
    let runtime = runtime();
    let guard = log.guard("child dropped");
    let wait = gate.wait();
    let mut work = runtime.block_on(async {
        let mut work = drive(scope(async |s| {
            s.spawn(async move {
                let _guard = guard;
                wait.await;
            });
            pending::<()>().await;
        }));
        work.pending();
        work
    });
    {
        let _enter = runtime.enter();
        work.pending();
    }
    drop(work);
    assert_eq!(orphans(), 1);
    drop(runtime);
    assert_eq!(orphans(), 0);
    assert_eq!(log.all(), ["child dropped"]);
}

/// A child that ends of its own accord is no orphan: a scope that was dropped after its children had
/// ended leaves nothing.
#[test]
fn a_scope_whose_children_have_ended_leaves_no_orphan() {
    alone(|| async {
        let mut work = drive(scope(async |s| {
            s.spawn(async {});
            pending::<()>().await;
        }));
        work.pending();
        settle().await;
        drop(work);
        assert_eq!(orphans(), 0);
    });
}

/// Inside an enclosing scope there are none: that one waits.
#[test]
fn children_with_an_enclosing_scope_are_no_orphans() {
    alone(|| async {
        scope(async |_| {
            let dropped = scope(async |s| {
                s.spawn(pending::<()>());
                pending::<()>().await;
            });
            assert!(tokio::time::timeout(secs(1), dropped).await.is_err());
            assert_eq!(orphans(), 0);
        })
        .await
        .unwrap();
    });
}
