//! Depth and width: whatever walks the tree does it without recursion, and without looking at the
//! same things again and again (R26). Ten thousand nested scopes and chains of ten thousand tasks end,
//! are cancelled and are dropped; so are a hundred thousand children of one scope.
//!
//! The stack below is large because *polling* nested futures is recursive, with any library.
#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use common::{Counts, Gate, drive, runtime, secs, settle};
use umbel::{CancelScope, Kind, Scope, scope};

const DEEP: usize = 10_000;
const WIDE: usize = 100_000;

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How it all ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    ByItself,
    Cancelled,
    Dropped,
}

const ENDS: [End; 3] = [End::ByItself, End::Cancelled, End::Dropped];

fn with_a_large_stack(scenario: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 30).spawn(scenario).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The handles of all scopes, outermost first.
type Handles = Arc<Mutex<Vec<CancelScope>>>;

fn nest(depth: usize, handles: Handles, timed: bool, inside: Boxed) -> Boxed {
    if depth == 0 {
        return inside;
    }
    Box::pin(async move {
        let mut level = scope(move |s: Scope<'static>| {
            handles.lock().unwrap().push(CancelScope::clone(&s));
            nest(depth - 1, handles, timed, inside)
        });
        if timed {
            level = level.timeout(secs(1_000_000 - depth as u64));
        }
        let _ = level.await;
    })
}

fn nested_scopes(end: End, timed: bool) {
    let counts = Counts::new();
    let (gate, handles) = (Gate::new(), Handles::default());
    let inside = counts.of(gate.wait());
    let mut work = drive(nest(DEEP, Arc::clone(&handles), timed, Box::pin(inside)));
    work.pending();
    assert_eq!(counts.both(), (1, 0));
    let handles = handles.lock().unwrap();
    let (outermost, innermost) = (handles.first().unwrap(), handles.last().unwrap());
    if timed {
        assert_eq!(innermost.deadline(), outermost.deadline(), "the nearest is in force");
        outermost.set_deadline(None);
        assert_eq!(innermost.deadline(), handles[1].deadline());
    }
    match end {
        End::ByItself => {
            gate.open();
            work.ready();
        }
        End::Cancelled => {
            outermost.cancel();
            assert!(innermost.is_cancelled());
            assert_eq!(innermost.reason().unwrap().kind(), Kind::Explicit);
            work.ready();
        }
        End::Dropped => drop(work),
    }
    assert_eq!(counts.drops(), 1);
    assert!(handles.iter().all(CancelScope::is_finished));
    assert!(handles.iter().all(|handle| handle.is_cancelled() == (end != End::ByItself)));
    let counted = handles.iter().map(CancelScope::cancel_count).sum::<u64>();
    assert_eq!(counted, u64::from(end == End::Cancelled));
}

/// R26: nested scopes in one task.
#[test]
fn ten_thousand_nested_scopes() {
    with_a_large_stack(|| {
        for end in ENDS {
            nested_scopes(end, false);
        }
    });
}

/// R26, R20: each with a deadline of its own, the outermost's the nearest. (That walk overflowed the
/// stack elsewhere, at five thousand.)
#[test]
fn ten_thousand_nested_deadlines() {
    with_a_large_stack(|| {
        let runtime = runtime();
        let _enter = runtime.enter();
        for end in ENDS {
            nested_scopes(end, true);
        }
    });
}

/// A task that opens a scope, in which it spawns the next such task.
fn chain(depth: usize, counts: Counts, gate: Gate) -> Boxed {
    Box::pin(async move {
        if depth == 0 {
            return counts.of(gate.wait()).await;
        }
        let _ = scope(async |s| s.spawn(chain(depth - 1, counts, gate)).await).await;
    })
}

fn chain_of_tasks(end: End) {
    let (counts, gate) = (Counts::new(), Gate::new());
    runtime().block_on(async {
        scope(async |_| {
            let (counts, gate) = (counts.clone(), gate.clone());
            let (work, handle) =
                scope(|_: Scope<'static>| chain(DEEP, counts.clone(), gate.clone())).with_handle();
            let mut work = drive(work);
            work.pending();
            while counts.polls() == 0 {
                settle().await;
            }
            match end {
                End::ByItself => gate.open(),
                End::Cancelled => handle.cancel(),
                End::Dropped => return drop(work),
            }
            while work.poll().is_pending() {
                assert!(!handle.is_finished());
                settle().await;
            }
        })
        .await
        .unwrap();
    });
    assert_eq!(counts.drops(), 1, "the enclosing scope has waited, {end:?}");
}

/// R26: a chain of tasks, each in a scope of the one before.
#[test]
fn a_chain_of_ten_thousand_tasks() {
    ENDS.into_iter().for_each(chain_of_tasks);
}

/// A chain of tasks is dropped by its runtime, in the order that tokio likes.
#[test]
fn a_chain_of_ten_thousand_tasks_goes_with_its_runtime() {
    let (counts, gate) = (Counts::new(), Gate::new());
    let runtime = runtime();
    let mut work = drive(chain(DEEP, counts.clone(), gate));
    runtime.block_on(async {
        work.pending();
        while counts.polls() == 0 {
            settle().await;
        }
    });
    drop(runtime);
    assert_eq!(counts.drops(), 1);
    drop(work);
}

/// Children in their tens of thousands: all waiting, none polled yet, or all done.
async fn wide(end: End, polled: bool) {
    let counts = Counts::new();
    let gate = Gate::new();
    scope(async |_| {
        let (work, handle) = scope(async |s| {
            for _ in 0..WIDE {
                s.spawn(counts.of(gate.wait()));
            }
            pending::<()>().await;
        })
        .with_handle();
        let mut work = drive(work);
        work.pending();
        if polled {
            while counts.polls() < WIDE {
                settle().await;
            }
        }
        match end {
            End::ByItself => {
                gate.open();
                while counts.drops() < WIDE {
                    settle().await;
                }
                handle.cancel();
            }
            End::Cancelled => handle.cancel(),
            End::Dropped => return drop(work),
        }
        while work.poll().is_pending() {
            settle().await;
        }
        assert_eq!(counts.drops(), WIDE);
    })
    .await
    .unwrap();
    assert_eq!(counts.drops(), WIDE);
    if !polled && end != End::ByItself {
        assert_eq!(counts.polls(), 0);
    }
}

/// R26: a hundred thousand children of one scope.
#[test]
fn a_hundred_thousand_children() {
    for end in ENDS {
        for polled in [true, false] {
            runtime().block_on(wide(end, polled));
        }
    }
}

/// R26: a hundred thousand forks of one scope.
#[test]
fn a_hundred_thousand_forks() {
    for end in ENDS {
        let (counts, gate) = (Counts::new(), Gate::new());
        let (work, handle) = scope(async |s| {
            for _ in 0..WIDE {
                s.fork(counts.of(gate.wait()));
            }
            gate.wait().await;
        })
        .with_handle();
        let mut work = drive(work);
        work.pending();
        match end {
            End::ByItself => {
                gate.open();
                while work.poll().is_pending() {}
            }
            End::Cancelled => {
                handle.cancel();
                assert!(work.ready().is_err());
            }
            End::Dropped => drop(work),
        }
        assert_eq!(counts.drops(), WIDE, "{end:?}");
        assert!(handle.is_finished());
    }
}

/// A hundred thousand scopes side by side in one task, and a cancel of the one around them.
#[test]
fn a_hundred_thousand_scopes_side_by_side() {
    let counts = Counts::new();
    let mut work = drive(scope(async |s| {
        let open = |_| {
            let mut work = Box::pin(scope(|_| counts.pending()));
            let _ = common::with_waker(work.as_mut(), std::task::Waker::noop());
            work
        };
        let all: Vec<_> = (0..WIDE).map(open).collect();
        s.cancel();
        pending::<()>().await;
        drop(all);
    }));
    assert!(work.ready().is_err());
    assert_eq!(counts.both(), (WIDE, WIDE));
}
