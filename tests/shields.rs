//! Shields: a section that runs to its end although a scope around it is cancelled (R10), and what
//! happens in the poll in which it ends (R11, I12, I13).

mod common;

use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use common::{Counts, Gate, Log, boom, drive, panic_of, secs, settle};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Kind, Scope, check, checkpoint, scope, shield, shield_unbounded};

/// R10, I12: entered before the cancel, the section runs on; the cancel is one wake, and the body is
/// dropped in the very poll in which it suspends after the section.
#[test]
fn a_section_that_was_entered_before_the_cancel_runs_to_its_end() {
    let (gate, section, after) = (Gate::new(), Counts::new(), Counts::new());
    let (work, handle) = scope(async |_| {
        shield_unbounded(section.of(gate.wait())).await;
        after.pending().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    assert_eq!(work.wakes(), 1, "I6");
    work.pending();
    work.pending();
    assert_eq!((section.both(), after.polls()), ((3, 0), 0));
    assert_eq!(work.wakes(), 0, "nothing spins while the section waits");
    gate.open();
    assert!(work.wakes() > 0);
    assert!(work.ready().is_err());
    assert_eq!(section.both(), (4, 1));
    assert_eq!(after.both(), (1, 1), "one poll, and dropped where it suspended (R11)");
    assert_eq!(handle.cancel_count(), 1);
}

/// I12: entered in the same poll, after the cancel: it runs.
#[test]
fn a_section_that_is_entered_after_the_cancel_in_the_same_poll_runs() {
    let (gate, section) = (Gate::new(), Counts::new());
    let mut work = drive(scope(async |s| {
        s.cancel();
        shield_unbounded(section.of(gate.wait())).await;
        pending::<()>().await;
    }));
    work.pending();
    assert_eq!((section.both(), work.wakes()), ((1, 0), 0));
    gate.open();
    assert!(work.ready().is_err());
    assert_eq!(section.both(), (2, 1));
}

/// I12: the cancel comes from within the section.
#[test]
fn a_section_that_cancels_its_scope_runs_on() {
    let log = Log::new();
    let mut work = drive(scope(async |s| {
        shield_unbounded(async {
            s.cancel();
            yield_now().await;
            log.add("in the section");
        })
        .await;
        log.add("between");
        yield_now().await;
        log.add("never");
    }));
    while work.poll().is_pending() {}
    assert_eq!(log.all(), ["in the section", "between"]);
}

/// R6: a scope that is cancelled before its first poll does not come to enter a section.
#[test]
fn a_scope_that_never_started_enters_no_section() {
    let section = Counts::new();
    let (work, handle) = scope(async |_| shield_unbounded(section.pending()).await).with_handle();
    handle.cancel();
    assert!(drive(work).ready().is_err());
    assert_eq!(section.polls(), 0);
}

/// R2, I12: once the body has suspended outside a section it is dropped there; the section that would
/// have followed is not entered.
#[test]
fn a_section_further_on_is_not_reached() {
    let (gate, section) = (Gate::new(), Counts::new());
    let (work, handle) = scope(async |_| {
        gate.wait().await;
        shield_unbounded(section.pending()).await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    gate.open();
    assert!(work.ready().is_err());
    assert_eq!(section.polls(), 0);
}

/// R3: a body that returns in the poll in which its section ends has won.
#[test]
fn a_value_right_after_the_section_wins() {
    let gate = Gate::new();
    let mut work = drive(scope(async |s| {
        s.cancel();
        shield_unbounded(gate.wait()).await;
        7
    }));
    work.pending();
    gate.open();
    assert_eq!(work.ready().unwrap(), 7);
}

/// R11: two shielded yields pass in a cancelled scope, an ordinary one does not.
#[test]
fn shielded_yields_pass_and_an_ordinary_one_does_not() {
    let log = Log::new();
    let mut work = drive(scope(async |s| {
        s.cancel();
        shield_unbounded(yield_now()).await;
        log.add("first");
        shield_unbounded(yield_now()).await;
        log.add("second");
        yield_now().await;
        log.add("never");
    }));
    let mut polls = 1;
    while work.poll().is_pending() {
        polls += 1;
    }
    assert_eq!(polls, 3, "one for each yield that passed, and the last");
    assert_eq!(log.all(), ["first", "second"]);
}

/// R3: a shielded yield after the cancel, and then the end: a value, and the code around the
/// scope goes on.
#[tokio::test(start_paused = true)]
async fn a_request_dies_with_its_scope() {
    let outcome = scope(async |outer| {
        let inner = scope(async |s| {
            s.cancel();
            shield_unbounded(yield_now()).await;
        });
        inner.await.unwrap();
        checkpoint().await;
        outer.is_cancelled()
    });
    assert!(!outcome.await.unwrap());
}

/// R10: the cancel does not wake what a section waits for; done by hand, it goes on to the next
/// checkpoint.
#[tokio::test(start_paused = true)]
async fn a_cancel_does_not_disturb_what_the_section_waits_for() {
    let (gate, section, log) = (Gate::new(), Counts::new(), Log::new());
    scope(async |s| {
        let inside = section.clone();
        let (wait, said) = (gate.wait(), log.clone());
        let child = s.spawn(async move {
            shield_unbounded(inside.of(wait)).await;
            said.add("after the section");
            checkpoint().await;
            said.add("never");
        });
        settle().await;
        child.cancel();
        settle().await;
        assert!(section.drops() == 0 && section.polls() <= 2, "{:?}", section.both());
        gate.open();
        assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Explicit);
        assert_eq!(log.all(), ["after the section"]);
    })
    .await
    .unwrap();
}

/// R10: the section's own limit is in force, to the millisecond, cancelled or not; and a section
/// that was cut says so.
#[tokio::test(start_paused = true)]
async fn a_sections_own_limit_is_in_force() {
    for cancelled in [false, true] {
        let (start, section) = (Instant::now(), Counts::new());
        let outcome = scope(async |s| {
            if cancelled {
                s.cancel();
            }
            let limit = Duration::from_millis(1500);
            let elapsed = shield(limit, section.pending()).await.unwrap_err();
            assert_eq!((elapsed.after(), start.elapsed()), (limit, limit));
            assert_eq!(section.drops(), 1, "dropped before the limit is told");
            assert_eq!(check().is_err(), cancelled);
            yield_now().await;
        })
        .await;
        assert_eq!(outcome.is_err(), cancelled);
        assert_eq!(start.elapsed(), Duration::from_millis(1500));
    }
}

/// R3, R10: a section that is ready when its limit passes has won; so has one that is ready at once,
/// with no limit at all.
#[tokio::test(start_paused = true)]
async fn a_section_that_is_ready_at_its_limit_has_won() {
    shield(secs(1), sleep(secs(1))).await.unwrap();
    assert_eq!(shield(Duration::ZERO, async { 7 }).await.unwrap(), 7);
    assert!(shield(Duration::ZERO, yield_now()).await.is_err());
}

/// R10, R20: nothing of what is around the section is in force in it: no cancellation, no
/// deadline. After it everything is.
#[tokio::test(start_paused = true)]
async fn what_is_around_a_section_is_not_in_force_in_it() {
    let log = Log::new();
    let start = Instant::now();
    let outcome = scope(async |s| {
        shield_unbounded(async {
            s.cancel();
            assert!(check().is_ok());
            checkpoint().await;
            assert!(deadline_here().await.is_none(), "the ten seconds are not seen");
            sleep(secs(20)).await;
            assert!(check().is_ok());
        })
        .await;
        assert!(check().is_err() && s.is_cancelled());
        log.add("after");
        checkpoint().await;
        log.add("never");
    })
    .timeout(secs(10))
    .await;
    assert_eq!(outcome.unwrap_err().reason().kind(), Kind::Explicit);
    assert_eq!((log.all(), start.elapsed()), (vec!["after"], secs(20)));
}

/// The deadline that a scope opened here has.
async fn deadline_here() -> Option<std::time::Instant> {
    scope(async |inner| inner.deadline()).await.ok().flatten()
}

/// R20: inside, the section's own limit is the nearest, though one outside is nearer; a limit of
/// a scope inside counts too.
#[tokio::test(start_paused = true)]
async fn inside_a_section_its_own_limit_is_the_nearest() {
    let start = Instant::now();
    let until = |at: Option<std::time::Instant>| Instant::from_std(at.unwrap()) - start;
    let outcome = scope(async |outer| {
        let inside = shield(secs(1000), async {
            assert_eq!(until(deadline_here().await), secs(1000));
            let nearer = scope(async |s| s.deadline()).timeout(secs(900));
            assert_eq!(until(nearer.await.unwrap()), secs(900));
            let further = scope(async |s| s.deadline()).timeout(secs(2000));
            assert_eq!(until(further.await.unwrap()), secs(1000));
            // The scope around the section is still what it was.
            assert_eq!(until(CancelScope::current().unwrap().deadline()), secs(10));
        });
        inside.await.unwrap();
        assert_eq!(until(outer.deadline()), secs(10));
    })
    .timeout(secs(10))
    .await;
    outcome.unwrap();
}

/// R10, R20: a deadline that passes during the section cuts the body when the section has ended.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_during_a_section_waits_for_it() {
    let start = Instant::now();
    let outcome = umbel::timeout(secs(1), async {
        shield(secs(60), sleep(secs(5))).await.unwrap();
        pending::<()>().await;
    })
    .await;
    assert!(matches!(outcome, Err(umbel::TimeoutError::Elapsed(_))), "I26");
    assert_eq!(start.elapsed(), secs(5));
}

/// R9: `cancelled()` that was made inside waits for what is inside, and one made outside tells.
#[tokio::test(start_paused = true)]
async fn waiting_to_be_cancelled_inside_a_section() {
    let outcome = scope(async |s| {
        let outside = umbel::cancelled();
        s.cancel_with("outside");
        shield(secs(1), async {
            assert_eq!(outside.await.unwrap().message(), Some("outside"));
            umbel::cancelled().await;
            unreachable!("nobody cancels a section");
        })
        .await
        .unwrap_err();
    })
    .await;
    outcome.unwrap();
}

/// R22: the ambient scope in a section is the scope around it: a section is not a scope.
#[tokio::test(start_paused = true)]
async fn the_current_scope_in_a_section_is_the_one_around_it() {
    scope(async |s: Scope<'_>| {
        shield_unbounded(async {
            assert_eq!(CancelScope::current(), Some(s.handle()));
            shield_unbounded(async { assert_eq!(CancelScope::current(), Some(s.handle())) }).await;
            let inner =
                scope(async |inner| assert_eq!(CancelScope::current(), Some(inner.handle())));
            inner.await.unwrap();
        })
        .await;
        assert_eq!(CancelScope::current(), Some(s.handle()));
    })
    .await
    .unwrap();
    shield_unbounded(async { assert_eq!(CancelScope::current(), None) }).await;
}

/// R14: a panic in a section is the body's, cancelled or not.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_section_is_the_bodys() {
    for cancelled in [false, true] {
        let log = Log::new();
        let text = panic_of(scope(async |s| {
            let _guard = log.guard("body dropped");
            if cancelled {
                s.cancel();
            }
            shield_unbounded(async {
                yield_now().await;
                boom("in the section");
            })
            .await;
        }))
        .await;
        assert_eq!((text, log.all()), ("in the section", vec!["body dropped"]));
    }
}

/// R18: a drop is no cancellation: `select!` and a foreign timeout drop the section.
#[tokio::test(start_paused = true)]
async fn a_dropped_section_is_dropped() {
    let start = Instant::now();
    for cancelled in [false, true] {
        let section = Counts::new();
        let outcome = scope(async |s| {
            if cancelled {
                s.cancel();
            }
            tokio::select! {
                biased;
                () = shield_unbounded(section.pending()) => unreachable!(),
                () = poll_fn(|_| Poll::Ready(())) => {}
            }
            assert_eq!(section.both(), (1, 1));
            yield_now().await;
        })
        .await;
        assert_eq!(outcome.is_err(), cancelled, "and from then on it protects nothing");
        let dropped = tokio::time::timeout(secs(1), shield(secs(9), section.pending()));
        assert!(dropped.await.is_err());
        assert_eq!(section.drops(), 2);
    }
    assert_eq!(start.elapsed(), secs(2));
}
