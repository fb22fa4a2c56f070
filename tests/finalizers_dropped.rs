//! Finalizers of a scope whose future is dropped: they run on the scope's runtime, each exactly once,
//! and whoever is around waits for them (R16, R18, I19, I30). The count of orphans is the process's, so
//! these scenarios take turns.
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{Counts, Gate, Log, boom, catch, drive, panic_of, runtime, secs, settle, text};
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Kind, Scope, check, drain, orphans, scope};

const LIMIT: Duration = secs(60);

static TURN: Mutex<()> = Mutex::new(());

/// One scenario at a time, each on a runtime of its own; none leaves an orphan behind.
fn alone<F: Future<Output = ()>>(scenario: impl FnOnce() -> F) {
    let _turn: MutexGuard<'_, ()> = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(orphans(), 0);
    runtime().block_on(async {
        tokio::time::timeout(secs(1_000), scenario()).await.expect("it hangs");
    });
    assert_eq!(orphans(), 0);
}

/// What the scopes of these scenarios differ in.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// The handle was taken before the first poll.
    early: bool,
    /// A spawned child, a service and a fork live when the scope is dropped.
    children: bool,
}

fn cases() -> impl Iterator<Item = Case> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(early, children)| Case { early, children })
}

/// A scope that waits for ever, with two finalizers that each take a second.
fn work(case: Case, log: &Log) -> impl Future<Output = ()> + Send + use<> {
    let log = log.clone();
    let mut work = scope(async move |s: Scope<'static>| {
        for (begin, end) in [("a", "A"), ("b", "B")] {
            let log = log.clone();
            s.defer(LIMIT, async move {
                log.add(begin);
                sleep(secs(1)).await;
                log.add(end);
            });
        }
        if case.children {
            let (one, two, three) = (log.guard("child"), log.guard("child"), log.guard("child"));
            s.spawn(async move {
                let _guard = one;
                pending::<()>().await;
            });
            s.service(async move {
                let _guard = two;
                pending::<()>().await;
            });
            s.fork(async move {
                let _guard = three;
                pending::<()>().await;
            });
        }
        let _guard = log.guard("body");
        pending::<()>().await;
    });
    if case.early {
        drop(work.handle());
    }
    async { drop(work.await) }
}

#[track_caller]
fn all_ran(case: Case, log: &Log) {
    let all = log.all();
    let (before, finalizers) = all.split_at(all.len() - 4);
    assert_eq!(finalizers, ["b", "B", "a", "A"], "{case:?}: {all:?}");
    assert_eq!(before.len(), if case.children { 4 } else { 1 }, "{case:?}: {all:?}");
}

/// R18: the enclosing scope waits; its own body goes on meanwhile.
#[test]
fn the_enclosing_scope_waits_for_them() {
    alone(|| async {
        for case in cases() {
            let (log, start) = (Log::new(), Instant::now());
            let (outer, handle) = scope(async |_| {
                assert!(tokio::time::timeout(secs(1), work(case, &log)).await.is_err());
                orphans()
            })
            .with_handle();
            assert_eq!(outer.await.unwrap(), 0, "they have somebody who waits");
            all_ran(case, &log);
            assert_eq!(start.elapsed(), secs(3));
            assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false), "R1");
        }
    });
}

/// R18: the nearest enclosing scope was dropped too: the next one waits.
#[test]
fn of_two_that_were_dropped_the_one_around_waits() {
    alone(|| async {
        for case in cases() {
            let (log, start) = (Log::new(), Instant::now());
            scope(async |_| {
                let middle = scope(async |s| {
                    let said = log.clone();
                    s.defer(LIMIT, async move { said.add("middle") });
                    work(case, &log).await;
                });
                assert!(tokio::time::timeout(secs(1), middle).await.is_err());
            })
            .await
            .unwrap();
            let mut all = log.all();
            assert_eq!(all.pop(), Some("middle"), "after all below it: {all:?}");
            assert_eq!(all[all.len() - 4..], ["b", "B", "a", "A"]);
            assert_eq!(start.elapsed(), secs(3));
        }
    });
}

/// R18: dropped inside a child, that ends: its scope waits.
#[test]
fn the_scope_of_a_child_that_has_ended_waits_for_them() {
    alone(|| async {
        for case in cases() {
            for forked in [false, true] {
                let log = Log::new();
                scope(async |s| {
                    let inside = work(case, &log);
                    let child = async {
                        drop(tokio::time::timeout(secs(1), inside).await);
                    };
                    drop(if forked { s.fork(child) } else { s.spawn(child) });
                })
                .await
                .unwrap();
                all_ran(case, &log);
            }
        }
    });
}

/// R4, R18: an enclosing scope is cancelled, drops this one, and does not return before.
#[test]
fn a_cancelled_scope_around_waits_for_them() {
    alone(|| async {
        for case in cases() {
            let (log, start) = (Log::new(), Instant::now());
            let outcome = scope(async |_| work(case, &log).await).timeout(secs(1)).await;
            assert_eq!(outcome.unwrap_err().reason().kind(), Kind::Deadline);
            all_ran(case, &log);
            assert_eq!(start.elapsed(), secs(3));
        }
    });
}

/// R18: with no scope around they are orphans' work: counted, and `drain` waits.
#[test]
fn without_a_scope_around_drain_waits_for_them() {
    alone(|| async {
        for case in cases() {
            let (log, start) = (Log::new(), Instant::now());
            assert!(tokio::time::timeout(secs(1), work(case, &log)).await.is_err());
            assert!(orphans() > 0, "{case:?}");
            settle().await;
            assert_eq!(orphans(), 1, "{case:?}: the finalizers are left");
            drain().await;
            assert_eq!((orphans(), start.elapsed()), (0, secs(3)));
            all_ran(case, &log);
        }
    });
}

/// R16: dropped before its first poll a scope has registered nothing, and nothing runs.
#[test]
fn dropped_before_its_first_poll_it_owes_nothing() {
    alone(|| async {
        for case in cases() {
            let log = Log::new();
            drop(work(case, &log));
            settle().await;
            assert!(log.is_empty());
        }
    });
}

/// I30: dropped in the middle of a finalizer: that goes on where it was, polled on and not anew, and
/// the others follow.
#[test]
fn dropped_in_the_middle_of_a_finalizer_it_goes_on_where_it_was() {
    alone(|| async {
        for around in [false, true] {
            for early in [false, true] {
                let (gate, counts, log) = (Gate::new(), Counts::new(), Log::new());
                let (wait, inside, said) = (gate.wait(), counts.clone(), log.clone());
                let mut owed = scope(async move |s: Scope<'static>| {
                    let more = said.clone();
                    s.defer(LIMIT, async move { more.add("second") });
                    s.defer(LIMIT, async move {
                        said.add("begin");
                        // Its own scope, with a child, is carried on with it.
                        let inner = scope(async |x| x.spawn(inside.of(wait)).await);
                        inner.await.unwrap().unwrap();
                        said.add("end");
                    });
                });
                if early {
                    drop(owed.handle());
                }
                let mut owed = drive(owed);
                let outer = async {
                    owed.pending();
                    settle().await;
                    owed.pending();
                    drop(owed);
                    settle().await;
                    assert_eq!(log.all(), ["begin"]);
                    assert_eq!(counts.both(), (1, 0), "its child is not disturbed");
                    gate.open();
                };
                if around {
                    scope(async |_| outer.await).await.unwrap();
                } else {
                    outer.await;
                    drain().await;
                }
                assert_eq!(log.all(), ["begin", "end", "second"]);
                assert_eq!(counts.both(), (2, 1));
            }
        }
    });
}

/// R16: the limit of a finalizer that changes its place goes on from where it was.
#[test]
fn a_limit_is_not_renewed_by_a_drop() {
    alone(|| async {
        let start = Instant::now();
        let counts = Counts::new();
        let inside = counts.clone();
        let owed = scope(async move |s: Scope<'static>| {
            s.defer(
                secs(3),
                async move { drop(tokio::time::timeout(secs(9), inside.pending()).await) },
            );
        });
        assert!(tokio::time::timeout(secs(2), owed).await.is_err());
        drain().await;
        assert_eq!((counts.drops(), start.elapsed()), (1, secs(3)));
    });
}

/// R9, R22: what a finalizer sees when nobody owns its scope any more.
#[test]
fn what_a_finalizer_of_a_dropped_scope_sees() {
    alone(|| async {
        let log = Log::new();
        let said = log.clone();
        let mut owed = drive(scope(async move |s: Scope<'static>| {
            let mine = s.handle();
            s.clone().defer(LIMIT, async move {
                assert!(check().is_ok());
                umbel::checkpoint().await;
                assert_eq!(CancelScope::current(), Some(mine.clone()));
                assert_eq!(mine.reason().unwrap().kind(), Kind::Abandoned);
                assert!(!mine.is_finished() && mine.cancel_count() == 0);
                // Its scope is cancelled: nothing starts there; and a finalizer may still be added.
                assert!(s.spawn(async {}).await.is_err());
                let more = said.clone();
                s.defer(LIMIT, async move { more.add("added") });
                said.add("ran");
            });
            pending::<()>().await;
        }));
        owed.pending();
        drop(owed);
        drain().await;
        assert_eq!(log.all(), ["ran", "added"]);
    });
}

/// I30: on a scope that has ended a finalizer runs at once, by nobody's order; its panic is
/// `drain`'s.
#[test]
fn on_a_scope_that_has_ended_it_runs_as_an_orphan() {
    alone(|| async {
        for cancelled in [false, true] {
            let (log, mut late) = (Log::new(), None);
            let outcome = scope(async |s: Scope<'static>| {
                late = Some(s.clone());
                if cancelled {
                    s.cancel();
                    pending::<()>().await;
                }
            });
            assert_eq!(outcome.await.is_err(), cancelled);
            let late = late.unwrap();
            let said = log.clone();
            let register = move || {
                late.defer(LIMIT, async move {
                    sleep(secs(1)).await;
                    said.add("late");
                });
                late.defer(LIMIT, async { boom("late too") });
            };
            std::thread::spawn(register).join().unwrap();
            assert_eq!(orphans(), 2);
            assert!(log.is_empty());
            let panic = catch(drain()).await.unwrap_err();
            assert_eq!((text(&panic), log.all()), ("late too", vec!["late"]));
        }
    });
}

/// I30: one that a child registers when its scope's future is gone. If the scope owed some already, this
/// one is the last on its stack; if it owed none, nobody would come for it there, and it is an orphan.
#[test]
fn one_that_is_registered_after_the_drop_runs() {
    alone(|| async {
        for owes in [false, true] {
            let (log, gate) = (Log::new(), Gate::new());
            let (first, late, wait) = (log.clone(), log.clone(), gate.wait());
            let mut work = drive(scope(async move |s: Scope<'static>| {
                if owes {
                    s.defer(LIMIT, async move { first.add("first") });
                }
                let here = s.clone();
                s.spawn(async move {
                    umbel::shield(LIMIT, wait).await.expect("the gate is opened in time");
                    here.defer(LIMIT, async move {
                        late.add("late");
                        sleep(secs(1)).await;
                        late.add("late ended");
                    });
                });
                pending::<()>().await;
            }));
            work.pending();
            settle().await;
            drop(work);
            gate.open();
            drain().await;
            let all = ["late", "late ended", "first"];
            assert_eq!(log.all(), all[..if owes { 3 } else { 2 }], "owes some: {owes}");
        }
    });
}

/// R14, R18: a panic of a finalizer of a dropped scope is that of the scope around, and the others run.
#[test]
fn a_panic_goes_to_the_scope_around() {
    alone(|| async {
        for around in [false, true] {
            let (log, said) = (Log::new(), Log::new());
            let inside = log.clone();
            let owed = scope(async move |s: Scope<'static>| {
                s.defer(LIMIT, async move { inside.add("second") });
                s.defer(LIMIT, async {
                    sleep(secs(1)).await;
                    boom("first");
                });
                pending::<()>().await;
            });
            let dropped = async {
                assert!(tokio::time::timeout(secs(1), owed).await.is_err());
                if around {
                    let _guard = said.guard("the body around is cancelled");
                    pending::<()>().await;
                }
            };
            let text = if around {
                panic_of(scope(async |_| dropped.await)).await
            } else {
                dropped.await;
                panic_of(drain()).await
            };
            assert_eq!((text, log.all()), ("first", vec!["second"]));
            assert_eq!(said.all().len(), usize::from(around));
        }
    });
}

/// I19: a zombie with children and finalizers, below another one; the order is from the inside outwards.
#[test]
fn a_child_that_is_slow_to_end_is_waited_for_first() {
    alone(|| async {
        let log = Log::new();
        let said = log.clone();
        let owed = scope(async move |s: Scope<'static>| {
            let last = said.clone();
            s.defer(LIMIT, async move { last.add("finalizer") });
            s.spawn(async move {
                umbel::shield(LIMIT, sleep(secs(5))).await.unwrap();
                said.add("child's section");
            });
            pending::<()>().await;
        });
        assert!(tokio::time::timeout(secs(1), owed).await.is_err());
        drain().await;
        assert_eq!(log.all(), ["child's section", "finalizer"]);
    });
}

/// R16, R18: a child registers one after its scope was dropped. It runs after that child, like every
/// other, and whoever is around waits for it.
#[test]
fn one_that_a_child_registers_after_the_drop() {
    alone(|| async {
        for around in [true, false] {
            let log = Log::new();
            let said = log.clone();
            let owed = scope(async move |s: Scope<'static>| {
                let of_scope = s.clone();
                s.spawn(async move {
                    let section = async {
                        sleep(secs(2)).await;
                        said.add("child registers");
                        of_scope.defer(LIMIT, async move {
                            sleep(secs(1)).await;
                            said.add("finalizer");
                        });
                        sleep(secs(3)).await;
                    };
                    umbel::shield(LIMIT, section).await.unwrap();
                });
                pending::<()>().await;
            });
            let start = Instant::now();
            let dropped = async { assert!(tokio::time::timeout(secs(1), owed).await.is_err()) };
            if around {
                scope(async |_| dropped.await).await.unwrap();
            } else {
                dropped.await;
                drain().await;
            }
            assert_eq!(log.all(), ["child registers", "finalizer"]);
            assert_eq!(start.elapsed(), secs(2 + 3 + 1), "it ran when the child had ended");
        }
    });
}

/// R13: what a finalizer of a dropped scope forks in the scope around is polled: that scope's future is
/// not what polls the finalizer.
#[test]
fn a_finalizer_of_a_dropped_scope_forks_in_the_one_around() {
    alone(|| async {
        let forked = scope(async |around: Scope<'static>| {
            let mut owed = Box::pin(scope(async |s: Scope<'static>| {
                s.defer_unbounded(async move { around.fork(async {}).await.unwrap() });
                pending::<()>().await;
            }));
            assert!(futures_util::poll!(owed.as_mut()).is_pending());
        });
        forked.await.unwrap();
    });
}

/// R16: one after another. The one that was running when the scope was dropped goes on, and what is
/// registered in that very moment comes after it.
#[test]
fn a_finalizer_that_runs_when_its_scope_is_dropped_is_not_overtaken() {
    alone(|| async {
        let (log, gate) = (Log::new(), Gate::new());
        let (said, open) = (log.clone(), gate.clone());
        let given = Mutex::new(None);
        let mut owed = Box::pin(scope(async |s: Scope<'static>| {
            *given.lock().unwrap() = Some(s.clone());
            s.defer(LIMIT, async move {
                open.wait().await;
                said.add("first");
            });
        }));
        assert!(futures_util::poll!(owed.as_mut()).is_pending());
        drop(owed);
        let s = given.lock().unwrap().take().unwrap();
        let (said, is_open) = (log.clone(), gate.clone());
        s.defer(LIMIT, async move { said.add(if is_open.is_open() { "second" } else { "early" }) });
        settle().await;
        gate.open();
        drain().await;
        assert_eq!(log.all(), ["first", "second"]);
    });
}
