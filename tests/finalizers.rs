//! Finalizers: clean-up that a scope owes, run by itself when everything else in it is over (R16, I30).
//! What becomes of them when the scope's future is dropped is in `finalizers_dropped.rs`.

mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Counts, Gate, Log, boom, drive, panic_of, secs, settle};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Kind, Scope, check, checkpoint, scope};

const LIMIT: Duration = secs(60);

/// Registers one that says when it begins and when it ends.
fn defer(s: &Scope<'_>, log: &Log, begin: &'static str, end: &'static str) {
    let log = log.clone();
    s.defer(LIMIT, async move {
        log.add(begin);
        yield_now().await;
        log.add(end);
    });
}

/// How a scope can end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value,
    Cancelled,
    Deadline,
    Panic,
    ChildPanic,
    Inherited,
}

const ENDS: [End; 6] =
    [End::Value, End::Cancelled, End::Deadline, End::Panic, End::ChildPanic, End::Inherited];

/// R16: the last one first, one after another, each once, after body and children are gone,
/// before the scope (or the one around it, which absorbs) returns; however it ends.
#[tokio::test(start_paused = true)]
async fn all_run_however_the_scope_ends() {
    for end in ENDS {
        let log = Log::new();
        let work = scope(async |outer| {
            let inner = scope(async |s: Scope<'_>| {
                defer(&s, &log, "a", "A");
                defer(&s, &log, "b", "B");
                for service in [false, true] {
                    let guard = log.guard("child");
                    let child = async move {
                        let _guard = guard;
                        if end == End::Value && !service {
                            yield_now().await;
                        } else {
                            pending::<()>().await;
                        }
                    };
                    if service {
                        s.service(child)
                    } else {
                        s.spawn(child)
                    };
                }
                let fork = log.guard("child");
                s.fork(async move {
                    let _guard = fork;
                    yield_now().await;
                });
                let _guard = log.guard("body");
                settle().await;
                match end {
                    End::Value => return,
                    End::Cancelled => s.cancel(),
                    End::Panic => boom("panic"),
                    End::ChildPanic => drop(s.spawn(async { boom("panic") })),
                    End::Inherited => outer.cancel(),
                    End::Deadline => {}
                }
                pending::<()>().await;
            });
            inner.timeout(secs(5)).await.is_ok()
        });
        let text = panic_of(work).await;
        assert_eq!(text == "panic", matches!(end, End::Panic | End::ChildPanic), "{end:?}");
        let all = log.all();
        assert_eq!(all.len(), 8, "{end:?}: {all:?}");
        assert_eq!(all[4..], ["b", "B", "a", "A"], "{end:?}");
    }
}

/// R16: a hundred, in order, in a scope that is calm: no other turn is lost with it.
#[tokio::test(start_paused = true)]
async fn a_hundred_run_in_the_opposite_order() {
    let log = Arc::new(Mutex::new(Vec::new()));
    scope(async |s| {
        for n in 0..100 {
            let log = Arc::clone(&log);
            s.defer_unbounded(async move { log.lock().unwrap().push(n) });
        }
    })
    .await
    .unwrap();
    assert!(log.lock().unwrap().iter().copied().eq((0..100).rev()));
}

/// R3: a value that won stands, whatever the finalizers take; and what they are given ends before the
/// scope returns.
#[test]
fn ready_ones_take_no_poll_more() {
    let (counts, log) = (Counts::new(), Log::new());
    let value = log.guard("value");
    let mut work = drive(scope(async |s| {
        s.defer_unbounded(counts.of(async {}));
        s.defer_unbounded(counts.of(async {}));
        value
    }));
    let value = work.ready().unwrap();
    assert_eq!((counts.both(), work.wakes(), log.is_empty()), ((2, 2), 0, true));
    drop(value);
}

/// R16, I12: a cancel while a finalizer runs does not stop it, and neither does a deadline, nor a cancel
/// of a scope around; each waits.
#[test]
fn a_cancel_does_not_stop_a_finalizer() {
    for outer_too in [false, true] {
        let (gate, counts, log) = (Gate::new(), Counts::new(), Log::new());
        let (inner, handle) = scope(async |s| {
            s.defer_unbounded(counts.of(gate.wait()));
            7
        })
        .with_handle();
        let (outer, outer_handle) = scope(async |_| {
            assert_eq!(inner.await.unwrap(), 7);
            log.add("between");
            yield_now().await;
        })
        .with_handle();
        let mut work = drive(outer);
        work.pending();
        if outer_too {
            outer_handle.cancel();
        } else {
            handle.cancel();
        }
        assert!(work.wakes() <= 1);
        work.pending();
        work.pending();
        assert_eq!((counts.drops(), work.wakes()), (0, 0), "nothing spins");
        gate.open();
        let end = work.poll();
        assert_eq!(counts.drops(), 1);
        assert_eq!(log.all(), ["between"], "R3: the value had won");
        assert_eq!(end.is_ready(), outer_too);
        assert_eq!(handle.cancel_count(), u64::from(!outer_too));
    }
}

/// R22, R9: in a finalizer `check` is calm, `checkpoint` passes, and the current scope is the one it
/// cleans up after.
#[tokio::test(start_paused = true)]
async fn what_a_finalizer_sees() {
    let log = Log::new();
    let outcome = scope(async |s: Scope<'static>| {
        let (mine, said) = (s.handle(), log.clone());
        s.defer(LIMIT, async move {
            assert!(check().is_ok() && mine.is_cancelled());
            assert_eq!(CancelScope::current(), Some(mine.clone()));
            checkpoint().await;
            assert!(!mine.is_finished());
            said.add("ran");
        });
        s.cancel();
        pending::<()>().await;
    });
    assert!(outcome.await.is_err());
    assert_eq!(log.all(), ["ran"]);
}

/// R16: a finalizer opens scopes of its own, with children, deadlines and cancellations, in a scope that
/// is cancelled.
#[tokio::test(start_paused = true)]
async fn a_finalizer_has_scopes_of_its_own() {
    let (start, log) = (Instant::now(), Log::new());
    let outcome = scope(async |s| {
        let log = log.clone();
        s.defer(LIMIT, async move {
            let seven = scope(async |inner| {
                let child = inner.spawn(async {
                    sleep(secs(1)).await;
                    7
                });
                let fork = inner.fork(async { 1 });
                child.await.unwrap() + fork.await.unwrap()
            });
            assert_eq!(seven.await.unwrap(), 8);
            let cut = umbel::timeout(secs(2), pending::<()>()).await;
            assert!(cut.is_err());
            let cancelled = scope(async |inner| {
                inner.cancel();
                checkpoint().await;
            });
            assert!(cancelled.await.is_err());
            log.add("ran");
        });
        s.cancel();
        checkpoint().await;
    });
    assert!(outcome.await.is_err());
    assert_eq!((log.all(), start.elapsed()), (vec!["ran"], secs(3)));
}

/// R16, R13: a finalizer starts children in the scope it belongs to: they are waited for before the next
/// one runs; in a cancelled scope they are refused.
#[tokio::test(start_paused = true)]
async fn a_finalizer_starts_children_in_its_scope() {
    for cancelled in [false, true] {
        let log = Log::new();
        let outcome = scope(async |s: Scope<'static>| {
            defer(&s, &log, "a", "A");
            let (scope, log) = (s.clone(), log.clone());
            s.defer(LIMIT, async move {
                let said = log.clone();
                let child = scope.spawn(async move {
                    sleep(secs(1)).await;
                    said.add("child");
                });
                let said = log.clone();
                let fork = scope.fork(async move { said.add("fork") });
                assert_eq!(fork.await.is_err(), cancelled);
                drop(child);
            });
            if cancelled {
                s.cancel();
                pending::<()>().await;
            }
        });
        assert_eq!(outcome.await.is_err(), cancelled);
        let expected = if cancelled { vec!["a", "A"] } else { vec!["fork", "child", "a", "A"] };
        assert_eq!(log.all(), expected);
    }
}

/// I5: a fork that another thread starts while a finalizer runs is polled, also when a child that the
/// finalizer had started has ended before.
#[tokio::test(start_paused = true)]
async fn a_fork_that_comes_while_a_finalizer_runs_is_polled() {
    let (tx, rx) = tokio::sync::oneshot::channel::<Scope<'static>>();
    let (end, done) = (Gate::new(), Gate::new());
    let (wait, done_inside) = (end.wait(), done.clone());
    let mut work = drive(scope(async move |s: Scope<'static>| {
        let inside = s.clone();
        s.defer_unbounded(async move {
            drop(inside.spawn(async {}));
            assert!(tx.send(inside).is_ok());
            done_inside.wait().await;
        });
        s.spawn(wait);
    }));
    work.pending();
    end.open();
    settle().await;
    work.pending();
    let s = rx.await.unwrap();
    settle().await;
    work.pending();
    work.wakes();
    std::thread::spawn(move || s.fork(async move { done.open() })).join().unwrap();
    assert_eq!(work.wakes(), 1);
    work.ready().unwrap();
}

/// I30: registered from a child, a fork, another thread, and from within a finalizer: all run,
/// before the scope returns.
#[tokio::test(start_paused = true)]
async fn they_are_registered_from_anywhere() {
    let log = Log::new();
    scope(async |s: Scope<'static>| {
        let (scope, said) = (s.clone(), log.clone());
        s.spawn(async move {
            yield_now().await;
            defer(&scope, &said, "child", "child over");
        });
        let (scope, said) = (s.clone(), log.clone());
        s.fork(async move { defer(&scope, &said, "fork", "fork over") });
        let (scope, said) = (s.clone(), log.clone());
        std::thread::spawn(move || defer(&scope, &said, "thread", "thread over")).join().unwrap();
        let (scope, said) = (s.clone(), log.clone());
        s.defer(LIMIT, async move {
            let (inner, more) = (scope.clone(), said.clone());
            scope.defer(LIMIT, async move { defer(&inner, &more, "third", "third over") });
            said.add("first");
        });
    })
    .await
    .unwrap();
    let all = log.all();
    assert_eq!(all.len(), 9, "{all:?}");
    let at = |what| all.iter().position(|&said| said == what).unwrap();
    assert_eq!(at("third"), at("first") + 1, "the last one in is the next, and that is a third");
    assert!(all.iter().filter(|&&said| log.count(said) != 1).count() == 0);
}

/// R16, R14: one that panics does not keep the others from running; the first panic is resumed, over a
/// value and over a cancellation.
#[tokio::test(start_paused = true)]
async fn a_panic_of_one_lets_the_others_run() {
    for cancelled in [false, true] {
        let log = Log::new();
        let (work, handle) = scope(async |s| {
            defer(&s, &log, "a", "A");
            s.defer(LIMIT, async { boom("second") });
            defer(&s, &log, "b", "B");
            s.defer(LIMIT, async {
                yield_now().await;
                boom("first");
            });
            if cancelled {
                s.cancel();
                pending::<()>().await;
            }
        })
        .with_handle();
        assert_eq!(panic_of(work).await, "first");
        assert_eq!(log.all(), ["b", "B", "a", "A"]);
        assert_eq!(handle.reason().unwrap().kind() == Kind::Explicit, cancelled);
    }
}

/// R14: the body's panic is the first, and a finalizer's panic after it is not seen.
#[tokio::test(start_paused = true)]
async fn the_bodys_panic_comes_first() {
    let text = panic_of(scope(async |s| {
        s.defer(LIMIT, async { boom("finalizer") });
        boom("body");
    }));
    assert_eq!(text.await, "body");
}

/// R1: finalizers, and the scopes in them, change no count.
#[tokio::test(start_paused = true)]
async fn finalizers_change_no_count() {
    scope(async |outer| {
        let child = outer.spawn(async {
            let (inner, handle) = scope(async |s| {
                s.defer(LIMIT, async {
                    let _ = umbel::timeout(secs(1), pending::<()>()).await;
                });
            })
            .with_handle();
            inner.await.unwrap();
            (handle.cancel_count(), handle.is_cancelled(), umbel::task::current().cancel_count())
        });
        assert_eq!(child.await.unwrap(), (0, false, 0));
        assert_eq!(outer.cancel_count(), 0);
    })
    .await
    .unwrap();
}

/// R16: the limit counts from the start of the finalizer, not from its registration.
#[tokio::test(start_paused = true)]
async fn the_limit_counts_from_the_start() {
    let (start, log) = (Instant::now(), Log::new());
    scope(async |s| {
        for _ in 0..2 {
            let log = log.clone();
            s.defer(secs(2), async move {
                sleep(secs(2)).await;
                log.add("whole");
            });
        }
        sleep(secs(10)).await;
    })
    .await
    .unwrap();
    assert_eq!((log.all(), start.elapsed()), (vec!["whole"; 2], secs(14)));
}

/// R6: a scope that never started has registered none; a body that is dropped at once has.
#[tokio::test(start_paused = true)]
async fn what_was_never_registered_does_not_run() {
    let log = Log::new();
    let (work, handle) = scope(async |s| defer(&s, &log, "a", "A")).with_handle();
    handle.cancel();
    assert!(work.await.is_err());
    assert!(log.is_empty());
}

/// R13, R16: what a finalizer starts in its scope is admitted and waited for, also when the scope had a
/// service that was ended before.
#[tokio::test(start_paused = true)]
async fn a_finalizer_starts_children_though_services_have_ended() {
    let log = Log::new();
    scope(async |s: Scope<'static>| {
        s.service(pending::<()>());
        let (late, mark) = (s.clone(), log.clone());
        s.defer(secs(5), async move {
            let child = late.spawn(async { 7 });
            assert_eq!(child.await.unwrap(), 7);
            mark.add("the child has run");
        });
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["the child has run"]);
}
