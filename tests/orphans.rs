//! Children whose scope was dropped where no enclosing scope waits: counted orphans, that `drain`
//! waits for (R18). The count is the process's, so these scenarios take turns.
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Gate, Log, boom, catch, drive, runtime, secs, settle, text};
use umbel::{Picture, drain, orphans, scope};

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
