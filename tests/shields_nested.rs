//! Shields and scopes in each other: what is cancelled inside a section ends there, what is cancelled
//! around it waits (R10, R11), and every reason is the nearest (I24).

mod common;

use std::future::pending;
use std::time::Duration;

use common::{Gate, Log, drive, secs};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use umbel::{Kind, check, checkpoint, scope, shield, shield_unbounded};

/// R10: a scope inside the section is cancelled and absorbs; the section goes on.
#[tokio::test(start_paused = true)]
async fn a_scope_inside_a_section_is_cancelled_as_ever() {
    for outer_too in [false, true] {
        let log = Log::new();
        let outcome = scope(async |outer| {
            if outer_too {
                outer.cancel_with("outer");
            }
            shield_unbounded(async {
                let inner = scope(async |inner| {
                    inner.cancel_with("inner");
                    assert_eq!(check().unwrap_err().reason().message(), Some("inner"));
                    checkpoint().await;
                });
                let cancelled = inner.await.unwrap_err();
                assert_eq!(cancelled.reason().message(), Some("inner"));
                assert!(check().is_ok());
                checkpoint().await;
                log.add("the section goes on");
            })
            .await;
            checkpoint().await;
        })
        .await;
        assert_eq!(log.all(), ["the section goes on"]);
        assert_eq!(outcome.is_err(), outer_too);
    }
}

/// R10: a sibling cancels the scope inside the section, whose body waits.
#[tokio::test(start_paused = true)]
async fn a_sibling_cancels_a_scope_inside_a_section() {
    let start = Instant::now();
    let outcome = scope(async |s| {
        let (inner, handle) = scope(async |_| sleep(secs(9)).await).with_handle();
        s.spawn(async move {
            sleep(secs(1)).await;
            handle.cancel_with("a sibling");
        });
        let ended = shield_unbounded(inner).await;
        ended.unwrap_err().reason().message().map(str::to_owned)
    });
    assert_eq!(outcome.await.unwrap().as_deref(), Some("a sibling"));
    assert_eq!(start.elapsed(), secs(1));
}

/// R10: deadlines of scopes inside the section, to the millisecond, with the scope around cancelled.
#[tokio::test(start_paused = true)]
async fn a_deadline_inside_a_section_is_in_force() {
    let start = Instant::now();
    let outcome = scope(async |outer| {
        outer.cancel();
        shield(secs(60), async {
            let cut = umbel::timeout(Duration::from_millis(250), pending::<()>()).await;
            assert!(matches!(cut, Err(umbel::TimeoutError::Elapsed(_))));
            assert_eq!(start.elapsed(), Duration::from_millis(250));
        })
        .await
        .unwrap();
        checkpoint().await;
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(start.elapsed(), Duration::from_millis(250));
}

/// R10: the limit of an outer section cuts an inner one? It does not: that is shielded from it too. The
/// outer one ends when the inner one has.
#[tokio::test(start_paused = true)]
async fn a_section_in_a_section_is_shielded_from_its_limit() {
    let (start, log) = (Instant::now(), Log::new());
    let outer = shield(secs(1), async {
        shield(secs(5), sleep(secs(3))).await.unwrap();
        log.add("the inner one has ended");
        yield_now().await;
        log.add("never");
    });
    let elapsed = outer.await.unwrap_err();
    assert_eq!((elapsed.after(), start.elapsed()), (secs(1), secs(3)));
    assert_eq!(log.all(), ["the inner one has ended"]);
}

/// R11: two sections, one in the other: the body goes on until the outer one has ended.
#[test]
fn the_outer_of_two_sections_counts() {
    let (first, second, log) = (Gate::new(), Gate::new(), Log::new());
    let (work, handle) = scope(async |_| {
        shield_unbounded(async {
            shield_unbounded(first.wait()).await;
            log.add("inner over");
            second.wait().await;
            log.add("outer over");
        })
        .await;
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    work.pending();
    first.open();
    work.pending();
    assert_eq!(log.all(), ["inner over"]);
    second.open();
    assert!(work.ready().is_err());
    assert_eq!(log.all(), ["inner over", "outer over"]);
}

/// R4, R11: S1 with S2 with a section in it; in the section S1, S2 or both are cancelled,
/// and a checkpoint passes. After it none does, in whichever scope.
#[tokio::test(start_paused = true)]
async fn leaving_a_section_every_cancelled_ancestor_counts() {
    for (first, second) in [(true, true), (true, false), (false, true)] {
        let log = Log::new();
        let outcome = scope(async |s1| {
            let inner = scope(async |s2| {
                shield_unbounded(async {
                    if first {
                        s1.cancel();
                    }
                    if second {
                        s2.cancel();
                    }
                    checkpoint().await;
                    log.add("in the section");
                })
                .await;
                checkpoint().await;
                log.add("in S2");
            });
            assert!(inner.await.is_err());
            checkpoint().await;
            log.add("in S1");
        })
        .await;
        assert_eq!(outcome.is_err(), first);
        let expected = if first { vec!["in the section"] } else { vec!["in the section", "in S1"] };
        assert_eq!(log.all(), expected);
    }
}

/// R3: the middle scope returns a value in the poll in which its section ends, under a cancelled
/// outer one: the code between runs, up to its next suspension.
#[tokio::test(start_paused = true)]
async fn code_after_a_scope_that_won_runs_to_its_next_suspension() {
    let log = Log::new();
    let outcome = scope(async |outer| {
        let inner = scope(async |_| {
            outer.cancel();
            shield_unbounded(yield_now()).await;
            7
        });
        assert_eq!(inner.await.unwrap(), 7);
        log.add("between");
        checkpoint().await;
        log.add("never");
    });
    assert!(outcome.await.is_err());
    assert_eq!(log.all(), ["between"]);
}

/// R4: what was not cancelled itself never absorbs, whatever sections its destructors or its body
/// had.
#[tokio::test(start_paused = true)]
async fn a_scope_that_is_not_cancelled_itself_does_not_absorb_after_a_section() {
    let log = Log::new();
    let outcome = scope(async |outer| {
        let inner = scope(async |_| {
            let _guard = log.guard("inner body dropped");
            shield_unbounded(async {
                outer.cancel_with("outer");
                yield_now().await;
            })
            .await;
            pending::<()>().await;
        });
        let _ = inner.await;
        log.add("never");
    });
    assert_eq!(outcome.await.unwrap_err().reason().message(), Some("outer"));
    assert_eq!(log.all(), ["inner body dropped"]);
}

/// I24: under the section the reason is that of the scope inside, not one that was inherited
/// before.
#[tokio::test(start_paused = true)]
async fn the_reason_inside_a_section_is_never_the_one_outside() {
    let outcome = scope(async |o| {
        let inner = scope(async |i| {
            o.cancel_with("OUTER");
            assert_eq!(i.reason().unwrap().message(), Some("OUTER"));
            shield_unbounded(async {
                assert!(check().is_ok());
                let shielded = scope(async |x| {
                    assert!(x.reason().is_none());
                    i.cancel_with("INNER");
                    assert!(x.reason().is_none());
                    x.cancel_with("MINE");
                    check().unwrap_err().into_reason()
                });
                assert_eq!(shielded.await.unwrap().message(), Some("MINE"));
            })
            .await;
            check().unwrap_err().reason().message().map(str::to_owned)
        });
        inner.await
    });
    let message = outcome.await.unwrap().unwrap();
    assert_eq!(message.as_deref(), Some("INNER"), "the nearest on the way up");
}

/// R1, I1: a section and what is cancelled in it and around it change no count but those addressed.
#[tokio::test(start_paused = true)]
async fn counts_are_as_without_a_section() {
    let outcome = scope(async |s| {
        s.spawn(async {
            let _ = scope(async |outer| {
                outer.cancel();
                outer.cancel();
                shield_unbounded(async {
                    let (inner, handle) = scope(async |i| {
                        i.cancel();
                        pending::<()>().await;
                    })
                    .with_handle();
                    assert!(inner.await.is_err());
                    assert_eq!((handle.cancel_count(), outer.cancel_count()), (1, 2));
                    yield_now().await;
                })
                .await;
                assert_eq!(umbel::task::current().cancel_count(), 0);
                pending::<()>().await;
            })
            .await;
            umbel::task::current().cancel_count()
        })
        .await
    });
    assert_eq!(outcome.await.unwrap().unwrap(), 0);
}

/// R10: a child enters a section and says so; its scope is cancelled; the wait in the section
/// completes, the one after it does not.
#[tokio::test(start_paused = true)]
async fn a_wait_in_the_section_completes_and_the_next_does_not() {
    let (start, log) = (Instant::now(), Log::new());
    let outcome = scope(async |s| {
        let (ready, said) = (Gate::new(), log.clone());
        let wait = ready.wait();
        s.spawn(async move {
            sleep(Duration::from_millis(100)).await;
            shield_unbounded(async {
                ready.open();
                sleep(Duration::from_millis(100)).await;
                said.add("first");
            })
            .await;
            sleep(secs(1)).await;
            said.add("second");
        });
        wait.await;
        s.cancel();
        pending::<()>().await;
    });
    assert!(outcome.await.is_err());
    assert_eq!((log.all(), start.elapsed()), (vec!["first"], Duration::from_millis(200)));
}

/// R10: when the section ends, what was started in a scope inside it has ended, and
/// the next checkpoint of the scope around is the last.
#[tokio::test(start_paused = true)]
async fn the_limit_of_a_section_ends_the_children_in_it() {
    let (start, log) = (Instant::now(), Log::new());
    let outcome = scope(async |s| {
        s.cancel();
        let section = shield(secs(2), async {
            let _ = scope(async |inner| {
                let guard = log.guard("child dropped");
                inner.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                pending::<()>().await;
            })
            .await;
        });
        assert!(section.await.is_err());
        assert_eq!((log.all(), start.elapsed()), (vec!["child dropped"], secs(2)));
        checkpoint().await;
        unreachable!();
    });
    assert_eq!(outcome.await.unwrap_err().reason().kind(), Kind::Explicit);
}

/// A scope whose handle was taken early, in a section and around one: as any other.
#[tokio::test(start_paused = true)]
async fn a_graft_in_a_section_and_around_one() {
    let (gate, log) = (Gate::new(), Log::new());
    let (outer, handle) = scope(async |_| {
        let (middle, _handle) = scope(async |_| {
            shield_unbounded(async {
                let (inner, inner_handle) = scope(async |_| gate.wait().await).with_handle();
                inner.await.unwrap();
                assert!(!inner_handle.is_cancelled());
                log.add("inner over");
            })
            .await;
            pending::<()>().await;
        })
        .with_handle();
        drop(middle.await);
        log.add("never");
    })
    .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    handle.cancel();
    outer.pending();
    gate.open();
    assert!(outer.ready().is_err());
    assert_eq!(log.all(), ["inner over"]);
}
