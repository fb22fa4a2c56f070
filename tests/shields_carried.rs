//! Sections that are carried away: polled first in one place, and polled on or dropped in another
//! (R23). Whoever stayed for their sake is told (I5, I32).
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;

use common::{Counts, Gate, boom, drive, panic_of, secs, settle};
use tokio::time::sleep;
use umbel::{Scope, scope, shield, shield_unbounded};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is carried away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Section,
    ScopeWithSection,
    EarlyScopeWithSection,
}

const ALL: [What; 3] = [What::Section, What::ScopeWithSection, What::EarlyScopeWithSection];

fn work(what: What, section: impl Future<Output = ()> + Send + 'static) -> Work {
    let section = shield_unbounded(section);
    if what == What::Section {
        return Box::pin(section);
    }
    let mut around = scope(async |_| section.await);
    if what == What::EarlyScopeWithSection {
        drop(around.handle());
    }
    Box::pin(async { drop(around.await) })
}

/// R23, I5: dropped elsewhere, the section protects nobody any more, and whoever it has protected is
/// woken.
#[tokio::test(start_paused = true)]
async fn a_section_that_is_dropped_elsewhere_wakes_who_stayed_for_it() {
    for what in ALL {
        for levels in 1..=3 {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let innermost = scope(async move |_| {
                let mut work = work(what, pending());
                assert!(futures_util::poll!(work.as_mut()).is_pending());
                let _ = tx.send(work);
                pending::<()>().await;
            });
            let mut nested: Work = Box::pin(async { drop(innermost.await) });
            for _ in 1..levels {
                nested = Box::pin(async { drop(scope(async |_| nested.await).await) });
            }
            let (outer, handle) = scope(async |_| nested.await).with_handle();
            let mut outer = drive(outer);
            outer.pending();
            let carried = rx.await.unwrap();
            handle.cancel();
            outer.wakes();
            outer.pending();
            assert_eq!(outer.wakes(), 0, "{what:?}: it stays for the section");
            drop(carried);
            assert!(outer.wakes() > 0, "{what:?} in {levels} scopes");
            assert!(outer.ready().is_err());
        }
    }
}

/// The same where the task that stayed is a child, and the drop happens on another thread.
#[tokio::test(start_paused = true)]
async fn a_section_that_is_dropped_on_another_thread_wakes_the_child_that_stayed() {
    for what in ALL {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let done = scope(async move |s| {
            let child = s.spawn(async move {
                let mut work = work(what, pending());
                assert!(futures_util::poll!(work.as_mut()).is_pending());
                let _ = tx.send(work);
                pending::<()>().await;
            });
            let carried = rx.await.unwrap();
            child.cancel();
            settle().await;
            assert!(!child.is_finished());
            std::thread::spawn(move || drop(carried)).join().unwrap();
            assert!(child.await.is_err());
        });
        tokio::time::timeout(secs(5), done).await.expect("it hangs").unwrap();
    }
}

/// R23: polled elsewhere, the section runs on there, and protects nobody where it was.
#[tokio::test(start_paused = true)]
async fn a_section_that_is_polled_elsewhere_protects_nobody() {
    for what in ALL {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let (gate, section) = (Gate::new(), Counts::new());
        let inside = section.of(gate.wait());
        let (outer, handle) = scope(async move |_| {
            let mut work = work(what, inside);
            assert!(futures_util::poll!(work.as_mut()).is_pending());
            let _ = tx.send(work);
            pending::<()>().await;
        })
        .with_handle();
        let mut outer = drive(outer);
        outer.pending();
        let mut carried = drive(rx.await.unwrap());
        handle.cancel();
        outer.pending();
        outer.wakes();
        carried.pending();
        assert_eq!(outer.wakes(), 1, "{what:?}");
        assert!(outer.ready().is_err());
        assert_eq!(section.drops(), 0);
        gate.open();
        assert!(carried.wakes() > 0);
        carried.ready();
        assert_eq!(section.drops(), 1);
    }
}

/// R23, R10: a section that outlives the scope it was begun in goes on, though that was cancelled or its
/// task has ended.
#[tokio::test(start_paused = true)]
async fn a_section_survives_what_it_was_begun_in() {
    for cancelled in [false, true] {
        for in_a_child in [false, true] {
            let gate = Gate::new();
            let wait = gate.wait();
            let survivor = scope(async |s: Scope<'static>| {
                let begin = async move {
                    let mut section = Box::pin(shield(secs(60), wait));
                    assert!(futures_util::poll!(section.as_mut()).is_pending());
                    section
                };
                if in_a_child {
                    let section = s.spawn(begin).await.unwrap();
                    if cancelled {
                        s.cancel();
                    }
                    section
                } else {
                    let section = begin.await;
                    if cancelled {
                        s.cancel();
                    }
                    section
                }
            });
            let section = survivor.await.unwrap();
            let mut section = drive(section);
            section.pending();
            gate.open();
            section.ready().unwrap();
        }
    }
}

/// R23: it goes on in the scope around, and protects that one from then on.
#[tokio::test(start_paused = true)]
async fn a_section_that_is_polled_further_out_protects_there() {
    let gate = Gate::new();
    let (outer, handle) = scope(async |_| {
        let mut section = Box::pin(shield_unbounded(gate.wait()));
        let inner = scope(async |_| assert!(futures_util::poll!(section.as_mut()).is_pending()));
        inner.await.unwrap();
        section.await;
        pending::<()>().await;
    })
    .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    handle.cancel();
    outer.pending();
    assert_eq!(outer.wakes(), 1);
    gate.open();
    assert!(outer.ready().is_err());
}

/// R14, I32: the body has panicked, and nothing of it is left to protect: a section that it had only
/// looked at keeps nobody.
#[tokio::test(start_paused = true)]
async fn a_section_that_a_panicked_body_has_looked_at_keeps_nobody() {
    let mut section = Box::pin(shield_unbounded(pending::<()>()));
    let work = scope(async |_| {
        assert!(futures_util::poll!(section.as_mut()).is_pending());
        boom("the body");
    });
    let text = panic_of(async { tokio::time::timeout(secs(5), work).await.expect("it hangs") });
    assert_eq!(text.await, "the body");
}

/// R23: carried off and back: it protects again where it began.
#[tokio::test(start_paused = true)]
async fn a_section_that_comes_back_protects_again() {
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel::<Work>();
    let (back, come) = tokio::sync::oneshot::channel::<Work>();
    let gate = Gate::new();
    let wait = gate.wait();
    let (outer, handle) = scope(async move |_| {
        let mut section: Work = Box::pin(shield_unbounded(wait));
        assert!(futures_util::poll!(section.as_mut()).is_pending());
        tx.send(section).ok().unwrap();
        come.await.unwrap().await;
        pending::<()>().await;
    })
    .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    let mut section = rx.recv().await.unwrap();
    assert!(futures_util::poll!(section.as_mut()).is_pending());
    back.send(section).ok().unwrap();
    outer.pending();
    handle.cancel();
    outer.pending();
    gate.open();
    assert!(outer.ready().is_err());
}

/// R23, I5: polled elsewhere, and ready in that very poll: whoever stayed for it is told.
#[tokio::test(start_paused = true)]
async fn a_section_that_ends_at_once_elsewhere_wakes_who_stayed_for_it() {
    for what in ALL {
        for then_waits in [false, true] {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let (gate, after) = (Gate::new(), Gate::new());
            let (wait, last) = (gate.wait(), after.wait());
            let (outer, handle) = scope(async move |_| {
                let mut around: Work = if then_waits {
                    let mut section = work(what, wait);
                    Box::pin(async {
                        let both = scope(async |_| {
                            section.as_mut().await;
                            drop(section);
                            last.await;
                        });
                        drop(both.await);
                    })
                } else {
                    work(what, wait)
                };
                assert!(futures_util::poll!(around.as_mut()).is_pending());
                let _ = tx.send(around);
                pending::<()>().await;
            })
            .with_handle();
            let mut outer = drive(outer);
            outer.pending();
            let mut carried = drive(rx.await.unwrap());
            handle.cancel();
            outer.pending();
            gate.open();
            // Woken where it was parked last, it finds the section still there.
            outer.pending();
            outer.wakes();
            assert!(carried.poll().is_ready() || then_waits);
            assert!(outer.wakes() > 0, "{what:?}, {then_waits}");
            assert!(outer.ready().is_err());
        }
    }
}

/// R23, I5: the same for a section that is over but for what was started in it, when it is carried away.
#[tokio::test(start_paused = true)]
async fn a_section_whose_children_end_elsewhere_wakes_who_stayed_for_it() {
    for what in ALL {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let (end, over, carry) = (Gate::new(), Gate::new(), Gate::new());
        let (wait_end, wait_over, wait_carry) = (end.wait(), over.wait(), carry.wait());
        let (outer, handle) = scope(async move |_| {
            let mut work = work(what, async {
                let inner = scope(async |s| {
                    s.spawn(shield_unbounded(wait_end));
                    pending::<()>().await;
                });
                tokio::select! { biased; _ = inner => {} () = wait_over => {} }
            });
            tokio::select! { biased; () = &mut work => {} () = wait_carry => {} }
            let _ = tx.send(work);
            pending::<()>().await;
        })
        .with_handle();
        let mut outer = drive(outer);
        outer.pending();
        settle().await;
        over.open();
        outer.pending();
        carry.open();
        outer.pending();
        let mut carried = drive(rx.await.unwrap());
        handle.cancel();
        end.open();
        settle().await;
        outer.pending();
        outer.wakes();
        carried.ready();
        assert!(outer.wakes() > 0, "{what:?}");
        assert!(outer.ready().is_err());
    }
}

/// R10: a section that was begun and is kept unpolled keeps the scopes around; its drop lets them end.
#[tokio::test(start_paused = true)]
async fn a_section_that_is_kept_unpolled_keeps_its_scope_until_it_is_dropped() {
    let gate = Gate::new();
    let (work, handle) = scope(async |_| {
        let mut section = Box::pin(shield_unbounded(pending::<()>()));
        assert!(futures_util::poll!(section.as_mut()).is_pending());
        gate.wait().await;
        drop(section);
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    work.pending();
    gate.open();
    assert!(work.ready().is_err());
}

/// R4: a scope that was begun beside a section is cancelled with what is around both, and is none of those
/// that absorb, also while it is awaited in the section. There it suspends, until the section's limit.
#[tokio::test(start_paused = true)]
async fn a_scope_begun_beside_a_section_does_not_return_in_it() {
    let (mut section, counts) = (None, Counts::new());
    let (work, handle) = scope(async |_| {
        let mut beside = Box::pin(scope(|_| counts.pending()));
        assert!(futures_util::poll!(beside.as_mut()).is_pending());
        section = Some(shield(secs(5), beside).await);
    })
    .with_handle();
    let cancels = async {
        sleep(secs(1)).await;
        handle.cancel();
    };
    let (outcome, ()) = tokio::join!(work, cancels);
    assert!(outcome.is_ok(), "a value wins (R3)");
    assert_eq!(section.unwrap().unwrap_err().after(), secs(5));
    assert_eq!(counts.drops(), 1);
}
