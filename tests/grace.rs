//! The grace of a soft stop: a limit, never a wait; and who was not done when it was over is named
//! (R17). What `.grace()` does to other requests is in `softened.rs`.
mod common;

use std::future::pending;

use common::{Counts, Gate, Log, boom, drive, panic_of, secs, settle};
use tokio::time::{Duration, Instant, advance, sleep};
use umbel::{Kind, Scope, checkpoint, scope, shield, stopping};

/// The grace is not wasted: the scope ends in the moment in which its children do, whoever is woken
/// first, with any number of suspensions in between. (Others waited the whole grace in 40 of 200 runs,
/// and with one `await` in between in all.)
#[tokio::test(start_paused = true)]
async fn the_grace_ends_as_soon_as_the_children_do() {
    for (children, awaits) in [(0, 0), (1, 0), (1, 1), (5, 0), (5, 3), (200, 1)] {
        let start = Instant::now();
        let (work, handle) = scope(async |s| {
            for n in 0..children {
                s.spawn(async move {
                    let _ = stopping().await;
                    for _ in 0..awaits {
                        checkpoint().await;
                    }
                    sleep(Duration::from_millis(n)).await;
                });
            }
            settle().await;
            let handle = s.handle();
            s.fork(async move {
                let _ = handle.stopping().await;
            });
        })
        .with_handle();
        let stop = async {
            settle().await;
            handle.stop(secs(3600)).await
        };
        let (outcome, cut) = futures_util::future::join(work, stop).await;
        outcome.unwrap();
        assert!(cut.is_none());
        let longest = Duration::from_millis(if children == 0 { 0 } else { children });
        assert!(start.elapsed() <= longest, "{children} children: {:?}", start.elapsed());
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
    }
}

/// The other half of that scar: nobody below listens, so the grace is used in full, to the moment.
#[tokio::test(start_paused = true)]
async fn what_does_not_listen_is_cut_when_the_grace_is_over() {
    let start = Instant::now();
    let counts = Counts::new();
    let (work, handle) = scope(|_: Scope<'static>| counts.pending()).with_handle();
    let stop = async {
        sleep(secs(1)).await;
        handle.stop(secs(3)).await
    };
    let (outcome, cut) = futures_util::future::join(work, stop).await;
    assert_eq!(start.elapsed(), secs(4));
    assert_eq!((counts.both().1, handle.cancel_count()), (1, 1));
    let cancelled = outcome.unwrap_err();
    assert!(cancelled.reason().is_same(&cut.unwrap()));
    assert_eq!(cancelled.reason().kind(), Kind::Stopped);
    assert!(cancelled.reason().unfinished().is_empty(), "no child was cut");
}

/// What was cut is named, deep down too, in the order of starting: in the outcome, at the handles of
/// the children, and for whoever waits for the stop. The reason is one and the same (R8).
#[tokio::test(start_paused = true)]
async fn what_was_cut_is_named_everywhere() {
    let (work, handle) = scope(async |s: Scope<'static>| {
        let here = line!();
        let children = [
            s.named("in \"time\"").spawn(async { drop(stopping().await) }),
            s.named("stubborn").spawn(async {
                let _ = scope(async |s| {
                    s.named("deep").spawn(pending::<()>());
                    pending::<()>().await;
                })
                .await;
            }),
            s.spawn(pending::<()>()),
            s.named("a \"fork\"").fork(pending::<()>()),
            s.named("service").service(pending::<()>()),
        ];
        (here, children)
    })
    .with_handle();
    let stop = async {
        settle().await;
        handle.stop(secs(3)).await
    };
    let (outcome, cut) = futures_util::future::join(work, stop).await;
    let cut = cut.unwrap();
    let names: Vec<_> = cut.unfinished().iter().map(umbel::Unfinished::name).collect();
    let expected = [Some("stubborn"), Some("deep"), None, Some("a \"fork\""), Some("service")];
    assert_eq!(names, expected);
    let (here, children) = outcome.expect("the body had returned: its value stands");
    let shown = cut.to_string();
    assert!(shown.starts_with("it was asked to stop, and the grace is over (at tests/grace.rs:"));
    assert!(shown.contains("; not done in time: \"stubborn\" (tests/grace.rs:"), "{shown}");
    assert!(shown.contains(", \"a \\\"fork\\\"\" (tests/grace.rs:"), "{shown}");
    let location = cut.unfinished()[2].location();
    assert!(location.file().ends_with("grace.rs") && location.line() > here);
    for (n, child) in children.into_iter().enumerate() {
        assert_eq!(child.cancel_count(), 0, "uncounted: it was the scope that was addressed (R1)");
        match child.await {
            Ok(()) => assert_eq!(n, 0),
            Err(cancelled) => assert!(cancelled.reason().is_same(&cut)),
        }
    }
    assert!(handle.reason().unwrap().is_same(&cut));
    assert_eq!(handle.cancel_count(), 1);
}

/// A body that is cut gives the reason as the scope's outcome.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_gives_the_reason() {
    let outcome = scope(async |s: Scope<'static>| {
        s.named("child").spawn(pending::<()>());
        s.stop(secs(1));
        pending::<()>().await;
    });
    let cancelled = outcome.await.unwrap_err();
    assert_eq!(cancelled.reason().unfinished()[0].name(), Some("child"));
    assert!(cancelled.to_string().contains("\"child\""));
}

/// No grace at all: that is a cancel, at once, which names what it cuts.
#[tokio::test(start_paused = true)]
async fn a_stop_without_grace_is_a_cancel() {
    let (start, counts) = (Instant::now(), Counts::new());
    let (work, handle) = scope(async |s| {
        s.named("child").spawn(counts.pending());
        settle().await;
        s.stop(secs(0));
        assert!(s.is_cancelled() && s.is_stopping());
        assert_eq!(s.cancel_count(), 1);
        pending::<()>().await;
    })
    .with_handle();
    let cancelled = work.await.unwrap_err();
    assert_eq!((cancelled.reason().kind(), start.elapsed()), (Kind::Stopped, secs(0)));
    assert_eq!(cancelled.reason().unfinished().len(), 1);
    assert_eq!((handle.cancel_count(), counts.both()), (1, (1, 1)));
    let ended = handle.stop(secs(0)).await;
    assert!(ended.unwrap().is_same(cancelled.reason()));
}

/// Asked twice: the earlier end is in force, whichever was first, and both requests count then.
#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_ends_is_in_force() {
    for (first, second) in [(9, 3), (3, 9), (3, 3)] {
        let start = Instant::now();
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        let stop = async {
            settle().await;
            let one = handle.stop(secs(first));
            let two = handle.stop(secs(second));
            assert_eq!(handle.cancel_count(), 0, "not before the grace is over");
            futures_util::future::join(one, two).await
        };
        let (outcome, (one, two)) = futures_util::future::join(work, stop).await;
        assert_eq!((start.elapsed(), handle.cancel_count()), (secs(3), 2));
        assert!(one.unwrap().is_same(&two.unwrap()));
        assert!(outcome.is_err());
    }
}

/// A cancel in the middle of a grace ends it. And the other way: what is cancelled cannot be softened,
/// the stop is one more request.
#[tokio::test(start_paused = true)]
async fn a_cancel_in_the_middle_of_a_grace_is_a_cancel() {
    let start = Instant::now();
    for cancel_first in [false, true] {
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        let mut work = drive(work);
        work.pending();
        if cancel_first {
            handle.cancel();
            handle.stop(secs(5));
            assert_eq!(handle.cancel_count(), 2);
        } else {
            handle.stop(secs(5));
            work.pending();
            handle.cancel();
            assert_eq!(handle.cancel_count(), 1);
        }
        assert!(handle.is_cancelled());
        let cancelled = work.ready().unwrap_err();
        assert_eq!(cancelled.reason().kind(), Kind::Explicit);
        let _ = work.wakes();
        // I25: the timer is gone.
        advance(secs(10)).await;
        assert_eq!(work.wakes(), 0);
        assert_eq!(start.elapsed(), secs(if cancel_first { 20 } else { 10 }));
    }
}

/// R3: what returns in the very poll in which the grace ends has returned.
#[tokio::test(start_paused = true)]
async fn a_value_in_the_last_moment_wins() {
    let value = scope(async |s| {
        let child = s.spawn(sleep(secs(2)));
        s.stop(secs(2));
        sleep(secs(2)).await;
        drop(child);
        7
    });
    assert_eq!(value.await.unwrap(), 7);
}

/// R10: a shield holds the hard cancel up, as ever, and the stop waits for that.
#[tokio::test(start_paused = true)]
async fn a_shield_outlives_the_grace() {
    let start = Instant::now();
    let (work, handle) = scope(async |s| {
        s.spawn(async {
            shield(secs(60), sleep(secs(5))).await.unwrap();
            checkpoint().await;
        });
    })
    .with_handle();
    let stop = async {
        settle().await;
        handle.stop(secs(1)).await
    };
    let (_, cut) = futures_util::future::join(work, stop).await;
    assert_eq!((cut.unwrap().unfinished().len(), start.elapsed()), (1, secs(5)));
}

/// R14: a panic during the grace is a failure: all are cancelled at once, and it is resumed. The waiter
/// is told that reason.
#[tokio::test(start_paused = true)]
async fn a_panic_during_the_grace_is_not_softened() {
    let start = Instant::now();
    let (work, handle) = scope(async |s| {
        s.spawn(async {
            stopping().await;
            boom("child");
        });
        s.spawn(pending::<()>());
        settle().await;
        s.stop(secs(9));
    })
    .with_handle();
    let stop = async {
        handle.stopping().await;
        handle.stop(secs(9)).await
    };
    let (panic, cut) = futures_util::future::join(panic_of(work), stop).await;
    assert_eq!((panic, start.elapsed()), ("child", secs(0)));
    assert_eq!(cut.unwrap().kind(), Kind::ChildPanicked);
}

/// R15: services serve during the grace, and end when the others have, before it is over.
#[tokio::test(start_paused = true)]
async fn services_serve_during_the_grace() {
    let (start, log) = (Instant::now(), Log::new());
    let service = scope(async |s| {
        let guard = log.guard("service");
        let service = s.service(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let inside = log.clone();
        s.spawn(async move {
            stopping().await;
            sleep(secs(2)).await;
            inside.add("child");
        });
        s.stop(secs(60));
        (service,)
    });
    let (service,) = service.await.unwrap();
    assert_eq!(start.elapsed(), secs(2));
    assert_eq!(log.all(), ["child", "service"]);
    assert_eq!(service.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
}

/// I6: a stop wakes the owner once, and each that waits for it once. When the grace is over the timer
/// wakes the owner; a child is woken to be dropped, and not polled again.
#[tokio::test(start_paused = true)]
async fn the_wakes_of_a_stop_are_counted() {
    let (deaf, listens) = (Counts::new(), Counts::new());
    let gate = Gate::new();
    let (in_deaf, in_listener, waits) = (deaf.clone(), listens.clone(), gate.clone());
    let (work, handle) = scope(async |s: Scope<'static>| {
        s.spawn(in_deaf.pending());
        s.spawn(in_listener.of(async move {
            stopping().await;
            waits.wait().await;
        }));
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    assert_eq!((work.wakes(), deaf.polls(), listens.polls()), (0, 1, 1));
    handle.stop(secs(5));
    settle().await;
    assert_eq!((work.wakes(), deaf.polls(), listens.polls()), (1, 1, 2));
    work.pending();
    gate.open();
    settle().await;
    assert_eq!((work.wakes(), listens.both()), (0, (3, 1)));
    advance(secs(5)).await;
    settle().await;
    assert_eq!((work.wakes(), deaf.both()), (1, (1, 0)), "the timer's");
    work.pending();
    settle().await;
    assert_eq!((work.wakes(), deaf.both()), (1, (1, 1)), "the last child's");
    assert!(work.ready().is_err());
}
