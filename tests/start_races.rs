//! Readiness against everything that can come between: the caller leaves, the scope is cancelled, the
//! child ends, in every order. A start resolves once (I27), what a child said is dropped once, and
//! whatever the caller does, the scope's count does not change (I28).
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use common::{Counts, Driven, Gate, Guard, Log, catch, drive, secs, settle, text};
use tokio::time::{Instant, sleep};
use umbel::{
    CancelScope, Cancelled, Kind, Ready, Scope, StartError, checkpoint, scope, shield, task,
    try_scope,
};

type Kept<T> = Arc<Mutex<Option<T>>>;

/// I28: dropped before the child is ready, whether it was polled or not, a start cancels the child:
/// one request on the child, none on the scope.
#[tokio::test(start_paused = true)]
async fn dropping_a_pending_start_cancels_the_child_alone() {
    for polled in [false, true] {
        let counts = Counts::new();
        let (work, handle) = scope(async |s| {
            let mut start = drive(s.start(|_: Ready<()>| counts.pending()));
            if polled {
                start.pending();
            }
            settle().await;
            let child = CancelScope::clone(&s).picture().to_string();
            assert!(child.contains("task"));
            drop(start);
            assert_eq!(counts.drops(), 0, "it is dropped by its own task (I15)");
            settle().await;
            assert_eq!(counts.both(), (1, 1));
            checkpoint().await;
        })
        .with_handle();
        work.await.unwrap();
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
    }
}

/// I28, in a `try_scope`: likewise.
#[tokio::test(start_paused = true)]
async fn dropping_a_pending_start_of_a_try_scope_cancels_the_child_alone() {
    struct Counts(Log);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.add(if task::current().cancel_count() == 1 { "one request" } else { "others" });
        }
    }
    let log = Log::new();
    let (work, handle) = try_scope(async |s| {
        let counts = Counts(log.clone());
        let start = s.start(async move |_: Ready<()>| {
            let _counts = counts;
            pending::<Result<(), Cancelled>>().await
        });
        settle().await;
        drop(start);
        settle().await;
        assert_eq!(log.all(), ["one request"]);
        Ok::<(), Cancelled>(())
    })
    .with_handle();
    tokio::time::timeout(secs(1), work).await.unwrap().unwrap();
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
}

/// R6: dropped before the child's first turn: the child is never polled.
#[tokio::test(start_paused = true)]
async fn dropping_a_start_at_once_means_the_child_never_starts() {
    let counts = Counts::new();
    scope(async |s| drop(s.start(|_: Ready<()>| counts.pending()))).await.unwrap();
    assert_eq!(counts.both(), (0, 1));
}

/// I28: the child is ready, but the caller leaves before it has looked: the child is cancelled, and
/// what it said is dropped, once.
#[tokio::test(start_paused = true)]
async fn dropping_a_start_that_is_ready_and_was_not_told_cancels_the_child() {
    let (log, counts) = (Log::new(), Counts::new());
    let (work, handle) = scope(async |s| {
        let (value, inside) = (log.guard("value"), counts.clone());
        let start = s.start(async move |ready: Ready<Guard>| {
            ready.notify(value);
            inside.pending().await;
        });
        settle().await;
        assert!(log.is_empty());
        drop(start);
        assert_eq!(log.all(), ["value"]);
        checkpoint().await;
    })
    .with_handle();
    work.await.unwrap();
    assert_eq!((log.all(), counts.both(), handle.cancel_count()), (vec!["value"], (1, 1), 0));
}

/// Once it has returned, dropping the start's future touches nothing.
#[tokio::test(start_paused = true)]
async fn dropping_a_start_that_has_returned_touches_nothing() {
    scope(async |s| {
        let mut start = drive(s.start(async |ready: Ready<()>| {
            ready.notify(());
            sleep(secs(1)).await;
            "end"
        }));
        settle().await;
        let started = start.ready().unwrap();
        drop(start);
        assert_eq!(started.child.cancel_count(), 0);
        assert_eq!(started.child.await.unwrap(), "end");
    })
    .await
    .unwrap();
}

/// I28: the child had ended when its caller left: nothing is counted, not even on the child.
#[tokio::test(start_paused = true)]
async fn dropping_a_start_whose_child_has_ended_touches_nothing() {
    let log = Log::new();
    let (work, handle) = scope(async |s| {
        let output = log.guard("output");
        let start = s.start(|_: Ready<()>| async { output });
        settle().await;
        assert!(log.is_empty(), "the caller may still ask for it");
        drop(start);
        assert_eq!(log.all(), ["output"]);
        checkpoint().await;
    })
    .with_handle();
    work.await.unwrap();
    assert_eq!(handle.cancel_count(), 0);
}

/// What can happen to a start.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Notify,
    End,
    CancelChild,
    CancelScope,
    PollCaller,
    DropCaller,
}

/// All orders of some events.
fn orders(events: &[Event]) -> Vec<Vec<Event>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (n, &first) in events.iter().enumerate() {
        let rest: Vec<_> =
            events.iter().enumerate().filter(|&(m, _)| m != n).map(|(_, &event)| event).collect();
        all.extend(orders(&rest).into_iter().map(|order| [vec![first], order].concat()));
    }
    all
}

/// I27: readiness, the end, two ways of being cancelled and the caller's leaving, in all 720 orders
/// with a look of the caller's in between; with and without letting the child run after each. The
/// start resolves at most once; it says what the first event that counts has settled; each value is
/// dropped exactly once; and no count but those of who was addressed changes.
#[tokio::test(start_paused = true)]
async fn a_start_resolves_once_in_every_order_of_events() {
    use Event::{CancelChild, CancelScope as CancelAll, DropCaller, End, Notify, PollCaller};
    for order in orders(&[Notify, End, CancelChild, CancelAll, PollCaller, DropCaller]) {
        for runs_between in [true, false] {
            one_order(&order, runs_between).await;
        }
    }
}

async fn one_order(order: &[Event], runs_between: bool) {
    let at = |event| order.iter().position(|&other| other == event).unwrap();
    let (log, said, end) = (Log::new(), Gate::new(), Gate::new());
    let task = Kept::<CancelScope>::default();
    let inside = (log.guard("said"), log.guard("returned"), said.clone(), end.clone());
    let kept = Arc::clone(&task);
    let slot: Kept<umbel::Starting<Guard, Guard>> = Kept::default();
    let posted = Arc::clone(&slot);
    let (work, handle) = scope(async move |s: Scope<'static>| {
        let start = s.start(async move |ready: Ready<Guard>| {
            let (said, returned, word, end) = inside;
            *kept.lock().unwrap() = CancelScope::current();
            let told = async {
                word.wait().await;
                ready.notify(said);
            };
            futures_util::future::join(told, end.wait()).await;
            returned
        });
        *posted.lock().unwrap() = Some(start);
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    let task = task.lock().unwrap().clone().unwrap();
    let mut start = slot.lock().unwrap().take().map(drive);
    let (mut results, mut is_over) = (Vec::new(), false);
    for &event in order {
        match event {
            Event::Notify => said.open(),
            Event::End => end.open(),
            Event::CancelChild => task.cancel(),
            Event::CancelScope => handle.cancel(),
            // Polled once more after it has returned, it would panic.
            Event::PollCaller if results.is_empty() => {
                if let Some(Poll::Ready(result)) = start.as_mut().map(Driven::poll) {
                    results.push(result);
                }
            }
            Event::PollCaller => {}
            Event::DropCaller => start = None,
        }
        if runs_between {
            settle().await;
            is_over = is_over || work.poll().is_ready();
        }
    }
    settle().await;
    if runs_between {
        let cut = [at(Event::CancelChild), at(Event::CancelScope)].into_iter().min().unwrap();
        let is_told = at(Event::PollCaller) < at(Event::DropCaller);
        let looks = |event| at(event) < at(Event::PollCaller);
        let cut = cut.min(if is_told { usize::MAX } else { at(Event::DropCaller) });
        let is_said = at(Event::Notify) < cut && looks(Event::Notify);
        match results.pop() {
            Some(Ok(_)) => assert!(is_told && is_said, "{order:?}"),
            Some(Err(_)) => assert!(is_told && !is_said, "{order:?}"),
            None => assert!(!is_told || !is_said, "{order:?}"),
        }
    }
    drop(results);
    assert!(is_over || work.poll().is_ready(), "{order:?}");
    assert_eq!(handle.cancel_count(), 1, "{order:?}");
    assert!(matches!(task.cancel_count(), 1 | 2), "{order:?}");
    assert_eq!((log.count("said"), log.count("returned")), (1, 1), "{order:?}");
}

/// R15, I27: the start is made but not polled when the scope is cancelled; then the child is ready, without
/// a suspension, and has not been polled at all.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_polled_after_the_cancel_says_cancelled() {
    let counts = Counts::new();
    let outcome = scope(async |s| {
        let inside = counts.clone();
        let start = s.start(move |ready: Ready<()>| inside.of(async { ready.notify(()) }));
        s.cancel_with("before");
        let shielded = shield(secs(1), start).await.unwrap();
        let Err(StartError::Cancelled(cancelled)) = shielded else { panic!("it was ready") };
        cancelled.reason().message() == Some("before")
    });
    assert!(outcome.await.unwrap(), "a value wins (R3)");
    assert_eq!(counts.both(), (0, 1));
}

/// R15, I27: the caller's scope is cancelled, not the child's; the child says that it is ready and goes on.
/// The start is dropped with its caller, and takes the child along. The group has seen nothing.
#[tokio::test(start_paused = true)]
async fn a_start_whose_caller_is_cancelled_takes_its_child_along() {
    let counts = Counts::new();
    let (group, handle) = scope(async |group: Scope<'static>| {
        let (own, inside) = (group.clone(), counts.clone());
        let caller = scope(async move |s: Scope<'static>| {
            s.cancel();
            let start = own.start(async move |ready: Ready<()>| {
                ready.notify(());
                inside.pending().await;
            });
            start.await.map(drop)
        });
        assert!(caller.await.is_err());
        settle().await;
        assert_eq!(counts.drops(), counts.polls(), "it ran once at most");
        checkpoint().await;
    })
    .with_handle();
    group.await.unwrap();
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
}

/// R15, I27: a child with two children of its own; its scope is cancelled just before it is ready. All
/// are cancelled at once, for they never move.
#[tokio::test(start_paused = true)]
async fn grandchildren_of_a_starting_child_are_cancelled_with_its_scope() {
    let counts = Counts::new();
    let inside = counts.clone();
    let start = Instant::now();
    let outcome = scope(async |s: Scope<'static>| {
        let start = s.start(async move |ready: Ready<()>| {
            scope(async |own| {
                own.spawn(inside.pending());
                own.spawn(inside.pending());
                sleep(secs(2)).await;
                ready.notify(());
            })
            .await
        });
        let cancel = async {
            sleep(secs(1)).await;
            s.cancel();
        };
        futures_util::future::join(start, cancel).await.0.map(drop)
    });
    assert!(outcome.await.is_err());
    assert_eq!((counts.both(), start.elapsed()), ((2, 2), secs(1)));
}

/// R15, I27: a start into an outer scope is awaited in an inner one, where another child fails: the start
/// is dropped, its child is cancelled, and the panic goes its own way.
#[tokio::test(start_paused = true)]
async fn a_failure_beside_the_caller_drops_the_start() {
    let counts = Counts::new();
    let (work, handle) = scope(async |outer: Scope<'static>| {
        let (own, inside) = (outer.clone(), counts.clone());
        let inner = scope(async move |s: Scope<'static>| {
            s.spawn(async { common::boom("beside") });
            own.start(move |_: Ready<()>| inside.pending()).await.map(drop)
        });
        assert_eq!(text(&catch(inner).await.unwrap_err()), "beside");
        settle().await;
        assert_eq!(counts.both(), (1, 1));
    })
    .with_handle();
    work.await.unwrap();
    assert_eq!(handle.cancel_count(), 0);
}

/// R15, I27: the scope is cancelled while the child starts: the child is cancelled with it, and the start
/// says so to a caller elsewhere.
#[tokio::test(start_paused = true)]
async fn a_scope_that_is_cancelled_cancels_the_child_that_starts() {
    let log = Log::new();
    scope(async |elsewhere: Scope<'static>| {
        let mut told = None;
        let inside = log.clone();
        let outcome = scope(async |s: Scope<'static>| {
            let start = s.start(async move |ready: Ready<()>| {
                checkpoint().await;
                sleep(secs(1)).await;
                inside.add("never");
                ready.notify(());
            });
            told = Some(elsewhere.spawn(async { start.await.map(|_| ()) }));
            settle().await;
            s.cancel();
            pending::<()>().await;
        });
        assert!(outcome.await.is_err());
        let Err(StartError::Cancelled(cancelled)) = told.unwrap().await.unwrap() else {
            panic!("it was ready")
        };
        assert_eq!(cancelled.reason().kind(), Kind::Explicit);
    })
    .await
    .unwrap();
    assert!(log.is_empty());
}

/// R15, I27: the scope unwinds because a member failed, and a starting child waits for that member. It
/// ends: nobody waits for readiness that cannot come.
#[tokio::test(start_paused = true)]
async fn a_starting_child_that_waits_for_a_failed_member_ends() {
    let gate = Gate::new();
    let work = catch(scope(async |s: Scope<'static>| {
        let waits = gate.clone();
        s.spawn(async { common::boom("member") });
        let start = s.start(async move |ready: Ready<()>| {
            waits.wait().await;
            ready.notify(());
        });
        start.await.map(drop)
    }));
    assert_eq!(text(&work.await.unwrap_err()), "member");
}

/// R15, I27: the child starts inside a shield when the scope around it all is cancelled. It runs to the
/// end of the shield, where it is cancelled, and is not ready.
#[tokio::test(start_paused = true)]
async fn a_child_that_starts_in_a_shield_ends_behind_it() {
    let log = Log::new();
    let inside = log.clone();
    let outcome = scope(async |s: Scope<'static>| {
        let start = s.start(async move |ready: Ready<()>| {
            shield(secs(9), sleep(secs(1))).await.unwrap();
            inside.add("shield");
            checkpoint().await;
            inside.add("never");
            ready.notify(());
        });
        let cancel = async {
            settle().await;
            s.cancel();
        };
        futures_util::future::join(start, cancel).await.0.map(drop)
    });
    assert!(outcome.await.is_err());
    assert_eq!(log.all(), ["shield"]);
}
