//! Exactly what happens, poll by poll: how often something is polled, woken and dropped (R6, R12, I6,
//! I9, I14, I15, I16).
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use common::{Counts, Gate, Log, Wakes, drive, settle, with_waker};
use umbel::{CancelScope, Scope, scope, shield_unbounded};

/// A ready body: one poll of the scope, one of the body, no wake.
#[test]
fn a_ready_body_takes_one_poll_and_no_wake() {
    let counts = Counts::new();
    let mut work = drive(scope(|_| counts.of(std::future::ready(7))));
    assert_eq!(counts.both(), (0, 0), "nothing happens before the first poll");
    assert_eq!(work.ready().unwrap(), 7);
    assert_eq!(counts.both(), (1, 1), "and the body is dropped with the last");
    assert_eq!(work.wakes(), 0);
}

/// A scope polls its body once for each poll of its own, and adds no wake.
#[test]
fn a_scope_adds_no_poll_and_no_wake() {
    let counts = Counts::new();
    let gate = Gate::new();
    let mut work = drive(scope(|_| counts.of(gate.wait())));
    for n in 1..=3 {
        work.pending();
        assert_eq!(counts.polls(), n);
    }
    assert_eq!(work.wakes(), 0);
    gate.open();
    assert_eq!(work.wakes(), 3, "the gate's, one for each wait");
    work.ready().unwrap();
    assert_eq!((counts.both(), work.wakes()), ((4, 1), 0));
}

/// I6: a cancel wakes the scope's task once, and so do a hundred. The body is dropped in the poll that
/// follows, which is the last, and is not polled in it (I9).
#[test]
fn a_cancel_is_one_wake_and_one_drop() {
    for requests in [1, 100] {
        let counts = Counts::new();
        let (work, handle) = scope(|_| counts.pending()).with_handle();
        let mut work = drive(work);
        work.pending();
        (0..requests).for_each(|_| handle.cancel());
        assert_eq!(work.wakes(), 1);
        assert_eq!(counts.both(), (1, 0), "dropped by its task, never by the canceller (I15)");
        assert!(work.ready().is_err());
        assert_eq!((counts.both(), work.wakes()), ((1, 1), 0));
        assert_eq!(handle.cancel_count(), requests);
    }
}

/// R2, I9: cancelled from within its own poll: dropped when that poll suspends, without a wake.
#[test]
fn a_cancel_from_within_needs_no_wake() {
    let counts = Counts::new();
    let body = counts.pending();
    let mut work = drive(scope(async |s| {
        s.cancel();
        body.await;
    }));
    assert!(work.ready().is_err());
    assert_eq!((counts.both(), work.wakes()), ((1, 1), 0));
}

/// The newest waker is the one that is woken, however often the scope was polled with others.
#[test]
fn the_latest_waker_is_woken() {
    let (work, handle) = scope(|_| pending::<()>()).with_handle();
    let mut work = Box::pin(work);
    let (first, second) = (Wakes::new(), Wakes::new());
    let (old, new) = (Waker::from(Arc::clone(&first)), Waker::from(Arc::clone(&second)));
    for waker in [&old, &new, &old, &old, &new] {
        assert!(with_waker(work.as_mut(), waker).is_pending());
    }
    handle.cancel();
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(with_waker(work.as_mut(), &new).is_ready());
    drop((old, new, handle));
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
}

/// I6 downwards: a cancel of the outermost of nested scopes is one wake, of the one task.
#[test]
fn cancelling_nested_scopes_is_one_wake_of_their_task() {
    let counts = Counts::new();
    let (inner, inner_handle) = scope(|_| counts.pending()).with_handle();
    let (outer, outer_handle) = scope(|_| scope(|_| inner)).with_handle();
    let mut outer = drive(outer);
    outer.pending();
    outer_handle.cancel();
    assert_eq!(outer.wakes(), 1);
    inner_handle.cancel();
    assert_eq!(outer.wakes(), 0, "it was marked already");
    assert!(outer.ready().is_err());
    assert_eq!(counts.both(), (1, 1));
}

/// I9: nested, and cancelled from outside: nothing of the user's is polled in the poll that decides.
#[test]
fn nothing_is_polled_once_the_outermost_is_cancelled() {
    let counts: Vec<_> = (0..3).map(|_| Counts::new()).collect();
    let (outer, handle) = scope(|_: Scope<'static>| {
        counts[0].of(scope(|_: Scope<'static>| {
            counts[1].of(scope(|_: Scope<'static>| counts[2].pending()))
        }))
    })
    .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    handle.cancel();
    assert!(outer.ready().is_err());
    for counts in &counts {
        assert_eq!(counts.both(), (1, 1));
    }
}

/// I6 across tasks: one cancel, one wake for each descendant task, none for siblings and parents.
///
/// ```text
/// root ─┬─ task ── cancelled scope ─┬─ task 0
///       ├─ tasks 3, 4               ├─ task 1
///       │                           └─ task ── scope ── task 2
/// ```
#[tokio::test(start_paused = true)]
async fn a_cancel_polls_each_descendant_task_at_most_once_more() {
    let counts: Vec<_> = (0..5).map(|_| Counts::new()).collect();
    scope(async |root| {
        let inside = counts.clone();
        let (cancelled, handle) = scope(async move |s: Scope<'static>| {
            s.spawn(inside[0].pending());
            s.spawn(inside[1].pending());
            let deeper = scope(async move |s: Scope<'static>| {
                s.spawn(inside[2].pending());
                pending::<()>().await;
            });
            let _ = s.spawn(async { deeper.await.is_ok() }).await;
        })
        .with_handle();
        let host = root.spawn(cancelled);
        root.spawn(counts[3].pending());
        root.spawn(counts[4].pending());
        settle().await;
        assert!(counts.iter().all(|counts| counts.both() == (1, 0)));
        handle.cancel();
        assert!(host.await.unwrap().is_err());
        for (n, counts) in counts.iter().enumerate() {
            // Inside: woken, and dropped without another poll. Outside: not touched.
            assert_eq!(counts.both(), (1, usize::from(n < 3)), "{n}");
        }
        root.cancel();
    })
    .await
    .unwrap();
    assert!(counts.iter().all(|counts| counts.both() == (1, 1)));
}

/// I6: a closing scope with a hundred children is woken once, when the last has ended.
#[tokio::test(start_paused = true)]
async fn a_closing_scope_is_woken_once_for_all_its_children() {
    let gate = Gate::new();
    let mut work = drive(scope(async |s| {
        for _ in 0..100 {
            s.spawn(gate.wait());
        }
    }));
    work.pending();
    settle().await;
    assert_eq!(work.wakes(), 0);
    gate.open();
    settle().await;
    assert_eq!(work.wakes(), 1);
    work.ready().unwrap();
}

/// A body that still runs is not woken by its children's ends.
#[tokio::test(start_paused = true)]
async fn a_running_body_is_not_woken_by_its_children() {
    let mut work = drive(scope(async |s| {
        for _ in 0..10 {
            s.spawn(async {});
        }
        pending::<()>().await;
    }));
    work.pending();
    settle().await;
    assert_eq!(work.wakes(), 0);
}

/// R12 poll by poll: `Pending` until the child is gone, `Ready` in the poll after.
#[tokio::test(start_paused = true)]
async fn the_scope_is_ready_in_the_poll_after_its_last_child_ended() {
    for cancelled in [false, true] {
        let counts = Counts::new();
        let (gate, child) = (Gate::new(), Counts::new());
        let (work, handle) = scope(|s: Scope<'static>| {
            s.spawn(child.of(gate.wait()));
            counts.of(poll_fn(move |_| if cancelled { Poll::Pending } else { Poll::Ready(()) }))
        })
        .with_handle();
        let mut work = drive(work);
        work.pending();
        if cancelled {
            handle.cancel();
            assert_eq!(work.wakes(), 1);
            work.pending();
        }
        assert_eq!(counts.both(), (1, 1), "the body is over");
        work.pending();
        assert!(!handle.is_finished());
        gate.open();
        settle().await;
        assert_eq!(child.drops(), 1);
        assert_eq!(work.wakes(), 1);
        assert_eq!(work.ready().is_err(), cancelled);
        assert!(handle.is_finished());
        assert_eq!(counts.both(), (1, 1), "once, and never polled afterwards (I16)");
    }
}

/// I14: a cancelled scope whose outcome is left to an ancestor drops its body at once; it is not left
/// where it is, holding a lock that another branch's clean-up needs.
#[test]
fn a_cancelled_body_is_dropped_and_not_frozen() {
    let log = Log::new();
    let (outer, handle) = scope(async |outer: Scope<'_>| {
        let frozen = scope(async |_| {
            let _guard = log.guard("left branch");
            pending::<()>().await;
        });
        let canceller = poll_fn(|_| {
            outer.cancel();
            Poll::<()>::Pending
        });
        let last = poll_fn(|_| {
            log.add("right branch looks");
            Poll::<()>::Pending
        });
        tokio::join!(biased; async { drop(frozen.await) }, canceller, last);
    })
    .with_handle();
    let mut outer = drive(outer);
    assert!(outer.ready().is_err());
    assert_eq!(log.all(), ["right branch looks", "left branch"]);
    assert!(handle.is_finished());
}

/// I14: polled once more between the mark and the ancestor's turn, an inner scope drops its body in
/// that very poll.
#[test]
fn an_inner_scope_that_is_polled_after_the_mark_drops_its_body_in_that_poll() {
    let counts = Counts::new();
    let outcome = drive(scope(async |outer| {
        let mut inner = drive(scope(|_| counts.pending()));
        inner.pending();
        outer.cancel();
        inner.pending();
        assert_eq!(counts.both(), (1, 1), "dropped, not polled, and the outcome left to the outer");
        inner.pending();
    }))
    .ready();
    outcome.unwrap();
    assert_eq!(counts.both(), (1, 1));
}

/// I16: polling again after the end is the caller's mistake, and says so.
#[test]
#[should_panic(expected = "polled after it had returned")]
fn polling_after_the_end_panics() {
    let mut work = drive(scope(async |_| ()));
    work.ready().unwrap();
    let _ = work.poll();
}

/// A child's handle is woken once, and gives its value once.
#[tokio::test(start_paused = true)]
async fn a_childs_handle_is_woken_once() {
    for forked in [false, true] {
        let gate = Gate::new();
        let wait = async |gate: Gate| {
            gate.wait().await;
            7
        };
        let mut handles = Vec::new();
        let mut work = drive(scope(async |s| {
            let child = wait(gate.clone());
            handles.push(drive(if forked { s.fork(child) } else { s.spawn(child) }));
            handles[0].pending();
            handles[0].pending();
        }));
        work.pending();
        settle().await;
        gate.open();
        settle().await;
        if work.poll().is_pending() {
            settle().await;
            work.ready().unwrap();
        }
        drop(work);
        assert_eq!(handles[0].wakes(), 1);
        assert_eq!(handles[0].ready().unwrap(), 7);
    }
}

/// A waiter for a scope's cancellation is woken once, however often that is cancelled.
#[test]
fn a_waiter_is_woken_once() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    let mut waiting: Vec<_> = (0..3).map(|_| drive(handle.cancelled())).collect();
    waiting.iter_mut().for_each(common::Driven::pending);
    drop(waiting.pop());
    handle.cancel();
    handle.cancel();
    for waiting in &mut waiting {
        assert_eq!(waiting.wakes(), 1);
        assert!(waiting.ready().is_some());
    }
    assert!(work.ready().is_err());
}

/// An abandoned scope wakes its children once, and nobody above.
#[tokio::test(start_paused = true)]
async fn abandoning_wakes_each_child_once() {
    let (counts, gate) = (Counts::new(), Gate::new());
    let mut outer = drive(scope(async |_| {
        let mut dropped = Box::pin(scope(async |s| {
            for _ in 0..3 {
                s.spawn(counts.pending());
            }
            pending::<()>().await;
        }));
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
        gate.wait().await;
        drop(dropped);
        pending::<()>().await;
    }));
    outer.pending();
    settle().await;
    assert_eq!(counts.both(), (3, 0));
    gate.open();
    assert_eq!(outer.wakes(), 1);
    outer.pending();
    settle().await;
    assert_eq!(counts.both(), (3, 3));
    assert_eq!(outer.wakes(), 0, "the last child's end is nothing to a body that still runs");
}

/// The handle of a scope says `finished` only when the children have ended, from one poll to the next.
#[tokio::test(start_paused = true)]
async fn finished_means_finished() {
    let gate = Gate::new();
    let (work, handle) = scope(async |s| drop(s.spawn(gate.wait()))).with_handle();
    let mut work = drive(work);
    let states = |handle: &CancelScope| (handle.is_cancelled(), handle.is_finished());
    assert_eq!(states(&handle), (false, false));
    work.pending();
    assert_eq!(states(&handle), (false, false));
    gate.open();
    settle().await;
    assert_eq!(states(&handle), (false, false), "the owner has not been told yet");
    work.ready().unwrap();
    assert_eq!(states(&handle), (false, true));
}

/// Output of a future of a type that counts its drops: the library drops no value that it delivers
/// (I11).
#[test]
fn a_value_that_wins_is_not_dropped_by_the_library() {
    let log = Log::new();
    let value = log.guard("value");
    let got = drive(scope(async |s| {
        s.cancel();
        value
    }))
    .ready()
    .unwrap();
    assert!(log.is_empty());
    drop(got);
    assert_eq!(log.all(), ["value"]);
}

/// A fork needs no wake where its scope is being polled, however far in; from elsewhere it needs one (I5).
#[tokio::test(start_paused = true)]
async fn a_fork_wakes_its_scope_only_from_elsewhere() {
    let (log, here) = (Log::new(), Arc::new(Mutex::new(None)));
    let outside = here.clone();
    let in_fork = || {
        let log = log.clone();
        async move { log.add("polled") }
    };
    let mut work = drive(scope(async |s: Scope<'static>| {
        s.fork(in_fork());
        scope(async |_| drop(s.fork(in_fork()))).await.unwrap();
        *outside.lock().unwrap() = Some(s);
        pending::<()>().await;
    }));
    work.pending();
    assert_eq!((log.count("polled"), work.wakes()), (2, 0));
    let s = here.lock().unwrap().take().unwrap();
    scope(async |_| drop(s.fork(in_fork()))).await.unwrap();
    assert_eq!((log.count("polled"), work.wakes()), (2, 1));
    work.pending();
    assert_eq!((log.count("polled"), work.wakes()), (3, 0));
}

/// I6: a scope that is dropped within its parent takes no shield away from it: nobody is woken.
#[test]
fn dropping_a_scope_within_its_parent_wakes_nobody() {
    let (opened, gate) = (Gate::new(), Gate::new());
    let (work, handle) = scope(async |_| {
        let mut beside = drive(scope(async |_| pending::<()>().await));
        beside.pending();
        shield_unbounded(async {
            opened.wait().await;
            scope(async |_| drop(beside)).await.unwrap();
            gate.wait().await;
        })
        .await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    work.pending();
    opened.open();
    assert!(work.wakes() > 0);
    work.pending();
    assert_eq!(work.wakes(), 0);
    gate.open();
    assert!(work.ready().is_ok(), "it returned with the end of the shield (R3)");
}

/// Where no shield is, nobody can have stayed for one: a scope that is dropped elsewhere wakes nobody (I6).
#[tokio::test(start_paused = true)]
async fn dropping_a_survivor_elsewhere_wakes_nobody() {
    let (gate, out) = (Gate::new(), Mutex::new(None));
    let wait = gate.wait();
    let (work, handle) = scope(async |s| {
        s.spawn(shield_unbounded(wait));
        let mut survivor = drive(scope(async |_| pending::<()>().await));
        survivor.pending();
        *out.lock().unwrap() = Some(survivor);
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    handle.cancel();
    work.pending();
    assert_eq!(work.wakes(), 1, "the cancel");
    drop(out.lock().unwrap().take());
    assert_eq!(work.wakes(), 0);
    gate.open();
    settle().await;
    assert!(work.ready().is_err());
}
