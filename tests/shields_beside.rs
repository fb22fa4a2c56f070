//! What is cancelled beside a shield: it is dropped at once, and not left where it stands, for it may
//! hold what the shield waits for (I14). "Beside" is a branch of a `join!`, a future in a
//! `FuturesUnordered`, a fork, a child.

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use common::{Counts, Gate, Log, drive, secs, settle};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Mutex;
use tokio::task::yield_now;
use umbel::{Kind, Scope, scope, shield_unbounded};

type Branch<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A scope that holds the lock and waits for ever.
async fn holds(lock: &Mutex<()>, early: bool) {
    let mut work = scope(async |_| {
        let _guard = lock.lock().await;
        pending::<()>().await;
    });
    if early {
        drop(work.handle());
    }
    drop(work.await);
}

/// A section that needs the lock.
async fn needs(lock: &Mutex<()>) {
    shield_unbounded(async { drop(lock.lock().await) }).await;
}

/// Awaits what may hang.
async fn finish<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(secs(10), future).await.expect("it hangs")
}

/// I14: two branches of a `join!`; the one holds a lock that the other's section needs.
#[tokio::test(start_paused = true)]
async fn a_branch_beside_a_section_is_dropped() {
    for early in [false, true] {
        for first in [false, true] {
            let lock = Mutex::new(());
            let (work, handle) = scope(async |_| {
                if first {
                    tokio::join!(biased; holds(&lock, early), needs(&lock));
                } else {
                    let late = async {
                        yield_now().await;
                        needs(&lock).await;
                    };
                    tokio::join!(biased; late, holds(&lock, early));
                }
                pending::<()>().await;
            })
            .with_handle();
            let cancel = async {
                settle().await;
                handle.cancel();
            };
            let (outcome, ()) = finish(async { tokio::join!(work, cancel) }).await;
            assert!(outcome.is_err());
        }
    }
}

/// I14, I32: as above, and it is the scope's own time that passes: its deadline, or its grace. Nobody
/// else is there to wake it.
#[tokio::test(start_paused = true)]
async fn a_branch_beside_a_section_is_dropped_when_the_time_has_passed() {
    for by_deadline in [false, true] {
        for first in [false, true] {
            let lock = Mutex::new(());
            let mut work = scope(async |s: Scope<'_>| {
                if !by_deadline {
                    s.stop(secs(1));
                }
                if first {
                    tokio::join!(biased; holds(&lock, false), needs(&lock));
                } else {
                    let late = async {
                        yield_now().await;
                        needs(&lock).await;
                    };
                    tokio::join!(biased; late, holds(&lock, false));
                }
                pending::<()>().await;
            });
            if by_deadline {
                work = work.timeout(secs(1));
            }
            let cancelled = finish(work).await.unwrap_err();
            let kind = if by_deadline { Kind::Deadline } else { Kind::Stopped };
            assert_eq!(cancelled.reason().kind(), kind);
        }
    }
}

/// I14: in a `FuturesUnordered` a branch is polled only if it was woken; what a section keeps from being
/// dropped from above is woken, to end by itself.
#[tokio::test(start_paused = true)]
async fn a_branch_of_a_set_is_dropped_beside_a_section() {
    for early in [false, true] {
        for before in [false, true] {
            let lock = Arc::new(Mutex::new(()));
            let outcome = finish(scope(async |s| {
                let mut set = FuturesUnordered::<Branch<'_>>::new();
                set.push(Box::pin(holds(&lock, early)));
                if before {
                    // The section is entered before the cancel; otherwise in the poll after it.
                    assert!(futures_util::poll!(set.next()).is_pending());
                }
                set.push(Box::pin(needs(&lock)));
                assert!(futures_util::poll!(set.next()).is_pending());
                s.cancel();
                set.next().await;
                pending::<()>().await;
            }))
            .await;
            assert!(outcome.is_err());
        }
    }
}

/// I14: the same in a spawned and in a forked child, that is cancelled from above.
#[tokio::test(start_paused = true)]
async fn a_branch_of_a_set_in_a_child_is_dropped_beside_a_section() {
    for forked in [false, true] {
        let lock = Arc::new(Mutex::new(()));
        let outcome = finish(scope(async |s| {
            let (lock, done) = (Arc::clone(&lock), Arc::new(Gate::new()));
            let said = Arc::clone(&done);
            let child = async move {
                let mut set = FuturesUnordered::<Branch<'_>>::new();
                set.push(Box::pin(holds(&lock, false)));
                set.push(Box::pin(async {
                    needs(&lock).await;
                    said.open();
                }));
                while set.next().await.is_some() {}
            };
            let child = if forked { s.fork(child) } else { s.spawn(child) };
            yield_now().await;
            yield_now().await;
            child.cancel();
            let kind = child.await.unwrap_err().reason().kind();
            (done.is_open(), kind)
        }))
        .await;
        assert_eq!(outcome.unwrap(), (true, Kind::Explicit));
    }
}

/// I14: the forks of a scope whose body is in a section end at once.
#[tokio::test(start_paused = true)]
async fn a_fork_beside_a_section_in_the_body_is_dropped() {
    let (lock, log) = (Mutex::new(()), Log::new());
    let outcome = finish(scope(async |s: Scope<'_>| {
        let (lock, log) = (&lock, &log);
        let fork = s.fork(async move {
            let _said = log.guard("fork dropped");
            let _guard = lock.lock().await;
            pending::<()>().await;
        });
        yield_now().await;
        s.cancel();
        shield_unbounded(async {
            assert!(fork.await.is_err());
            drop(lock.lock().await);
            log.add("section over");
        })
        .await;
        pending::<()>().await;
    }))
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["fork dropped", "section over"]);
}

/// R10, I14: of the forks those that are in a section go on, and the others and the body end at once;
/// the scope waits.
#[tokio::test(start_paused = true)]
async fn of_the_forks_only_those_in_a_section_go_on() {
    let (gate, body) = (Gate::new(), Counts::new());
    let counts: Vec<_> = (0..4).map(|_| Counts::new()).collect();
    let (work, handle) = scope(async |s: Scope<'_>| {
        for (n, counts) in counts.iter().enumerate() {
            let wait = counts.of(gate.wait());
            s.fork(async move {
                if n % 2 == 0 {
                    wait.await;
                } else {
                    shield_unbounded(wait).await;
                }
                yield_now().await;
                unreachable!("R11");
            });
        }
        body.pending().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    work.wakes();
    handle.cancel();
    assert_eq!(work.wakes(), 1, "I6");
    work.pending();
    let drops = || counts.iter().map(Counts::drops).collect::<Vec<_>>();
    assert_eq!((drops(), body.both()), (vec![1, 0, 1, 0], (1, 1)));
    work.wakes();
    work.pending();
    assert_eq!(work.wakes(), 0, "nothing spins");
    assert!(!handle.is_finished());
    gate.open();
    assert!(work.wakes() > 0);
    assert!(work.ready().is_err());
    assert_eq!(drops(), [1, 1, 1, 1]);
}

/// R3, R10: a body that has returned, and a fork in a section: the value stands, the other fork ends.
#[test]
fn a_fork_in_a_section_after_the_body_has_returned() {
    let (gate, plain, kept) = (Gate::new(), Counts::new(), Counts::new());
    let (work, handle) = scope(async |s: Scope<'_>| {
        s.fork(plain.pending());
        s.fork(shield_unbounded(kept.of(gate.wait())));
        7
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    work.pending();
    assert_eq!((plain.drops(), kept.drops()), (1, 0));
    gate.open();
    assert_eq!(work.ready().unwrap(), 7);
    assert_eq!(kept.both(), (kept.polls(), 1));
}

/// R4, I14: a fork in a section in an inner scope keeps the outer one from returning, and from dropping
/// what is around it.
#[test]
fn a_fork_in_a_section_keeps_the_scopes_around() {
    for early in [false, true] {
        let (gate, log, body) = (Gate::new(), Log::new(), Counts::new());
        let (outer, handle) = scope(async |_| {
            let mut inner = scope(async |s: Scope<'_>| {
                let (gate, log) = (&gate, &log);
                s.fork(async move {
                    shield_unbounded(gate.wait()).await;
                    log.add("section over");
                });
                body.pending().await;
            });
            if early {
                drop(inner.handle());
            }
            drop(inner.await);
            log.add("never: the outer one absorbs");
        })
        .with_handle();
        let mut outer = drive(outer);
        outer.pending();
        handle.cancel();
        outer.pending();
        assert_eq!(body.both(), (1, 1), "the inner body is not kept");
        assert!(log.is_empty());
        gate.open();
        assert!(outer.wakes() > 0);
        assert!(outer.ready().is_err());
        assert_eq!(log.all(), ["section over"]);
    }
}

/// R10: children of a scope that was opened inside the section are protected, those of the scope around
/// it are not.
#[tokio::test(start_paused = true)]
async fn children_are_protected_if_their_scope_was_opened_inside() {
    for early in [false, true] {
        let (gate, inside, outside) = (Gate::new(), Counts::new(), Counts::new());
        let outcome = scope(async |s| {
            let lost = s.spawn(outside.pending());
            shield_unbounded(async {
                let mut inner = scope(async |inner| {
                    let kept = inner.spawn(inside.of(gate.wait()));
                    inner.fork(async {});
                    settle().await;
                    s.cancel_with("outside");
                    assert_eq!(lost.await.unwrap_err().reason().message(), Some("outside"));
                    assert!(!inner.is_cancelled() && inside.drops() == 0);
                    // A child can be started here still, and in the scope around it cannot.
                    assert!(inner.spawn(async { 7 }).await.is_ok());
                    assert!(s.spawn(async { 7 }).await.is_err());
                    gate.open();
                    kept.await.unwrap();
                });
                if early {
                    drop(inner.handle());
                }
                inner.await.unwrap();
            })
            .await;
            assert_eq!((inside.drops(), outside.both()), (1, (1, 1)));
            yield_now().await;
        });
        assert!(finish(outcome).await.is_err());
    }
}

/// R10, R12: a spawned child in a section goes on when its scope is cancelled, its siblings end, and the
/// scope waits for it.
#[tokio::test(start_paused = true)]
async fn a_spawned_child_in_a_section_is_waited_for() {
    let (gate, log) = (Gate::new(), Log::new());
    let (work, handle) = scope(async |s| {
        let (said, wait) = (log.clone(), gate.wait());
        s.spawn(async move {
            shield_unbounded(wait).await;
            said.add("section over");
            yield_now().await;
            said.add("never");
        });
        let guard = log.guard("sibling dropped");
        s.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    handle.cancel();
    settle().await;
    assert_eq!(log.all(), ["sibling dropped"]);
    work.pending();
    gate.open();
    settle().await;
    assert_eq!(log.all(), ["sibling dropped", "section over"]);
    assert!(work.ready().is_err());
}

/// R15: a service in a section ends after it.
#[tokio::test(start_paused = true)]
async fn a_service_in_a_section_ends_after_it() {
    let log = Log::new();
    scope(async |s| {
        let said = log.clone();
        s.service(async move {
            shield_unbounded(tokio::time::sleep(secs(3))).await;
            said.add("section over");
            yield_now().await;
            said.add("never");
        });
        yield_now().await;
        log.add("body over");
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["body over", "section over"]);
}

/// A section on one child of ten thousand: the others end at once.
#[tokio::test(start_paused = true)]
async fn one_child_of_ten_thousand_is_in_a_section() {
    let (gate, counts) = (Gate::new(), Counts::new());
    let (work, handle) = scope(async |s| {
        for n in 0..10_000 {
            let (wait, section) = (gate.wait(), counts.pending());
            s.spawn(async move {
                if n == 5_000 { shield_unbounded(wait).await } else { section.await }
            });
        }
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    while counts.polls() < 9_999 {
        yield_now().await;
    }
    settle().await;
    handle.cancel();
    work.pending();
    while counts.drops() < 9_999 {
        yield_now().await;
    }
    work.pending();
    assert_eq!(counts.both(), (9_999, 9_999), "dropped without another poll");
    gate.open();
    settle().await;
    assert!(work.ready().is_err());
    assert_eq!(counts.drops(), 10_000, "with the one that the section's child had no use for");
}
