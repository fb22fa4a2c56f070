//! Finalizers that could not run to their end are reported (R16): cut by their limit, or lost with their
//! runtime. The hook is the process's, so these scenarios take turns.
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::pending;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{Counts, Gate, Log, boom, drive, runtime, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{Scope, UnhandledKind, drain, orphans, scope, set_unhandled_hook};

const LIMIT: Duration = secs(60);

static TURN: Mutex<()> = Mutex::new(());
static REPORTED: Mutex<Vec<(UnhandledKind, &'static Location<'static>)>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One scenario at a time. Gives what was reported in it.
fn reported(scenario: impl FnOnce()) -> Vec<UnhandledKind> {
    let _turn = lock(&TURN);
    lock(&REPORTED).clear();
    set_unhandled_hook(|unhandled| {
        assert!(unhandled.location().file().ends_with("finalizers_lost.rs"));
        assert!(unhandled.debug().is_none());
        lock(&REPORTED).push((unhandled.kind(), unhandled.location()));
    });
    scenario();
    assert_eq!(orphans(), 0, "nobody hangs");
    lock(&REPORTED).iter().map(|(kind, _)| *kind).collect()
}

/// R16: a finalizer that its limit has cut is reported, to the millisecond, and the later ones run.
#[test]
fn a_finalizer_that_is_cut_is_reported_and_the_later_ones_run() {
    let (log, cut) = (Log::new(), Counts::new());
    let kinds = reported(|| {
        runtime().block_on(async {
            let start = Instant::now();
            scope(async |s| {
                let said = log.clone();
                s.defer(LIMIT, async move { said.add("last") });
                s.defer(Duration::from_millis(1500), drop_output(cut.pending()));
                let said = log.clone();
                s.defer(LIMIT, async move { said.add("first") });
            })
            .await
            .unwrap();
            assert_eq!(start.elapsed(), Duration::from_millis(1500));
        });
    });
    assert_eq!(kinds, [UnhandledKind::FinalizerCut]);
    assert_eq!((log.all(), cut.both()), (vec!["first", "last"], (2, 1)));
}

async fn drop_output<T>(future: impl Future<Output = T>) {
    drop(future.await);
}

/// R16: cut in a dropped scope too.
#[test]
fn a_finalizer_of_a_dropped_scope_that_is_cut_is_reported() {
    let log = Log::new();
    let kinds = reported(|| {
        runtime().block_on(async {
            let start = Instant::now();
            let said = log.clone();
            let owed = scope(async move |s: Scope<'static>| {
                s.defer(LIMIT, async move { said.add("last") });
                s.defer(secs(2), pending());
                pending::<()>().await;
            });
            assert!(tokio::time::timeout(secs(1), owed).await.is_err());
            drain().await;
            assert_eq!(start.elapsed(), secs(3));
        });
    });
    assert_eq!((kinds, log.all()), (vec![UnhandledKind::FinalizerCut], vec!["last"]));
}

/// R16: one that panics has ended: nothing is reported, and the panic is resumed.
#[test]
fn a_panic_is_not_reported_as_lost() {
    let kinds = reported(|| {
        runtime().block_on(async {
            let text = common::panic_of(scope(async |s| s.defer(LIMIT, async { boom("panic") })));
            assert_eq!(text.await, "panic");
        });
    });
    assert_eq!(kinds, []);
}

/// R24, I30: the runtime is shut down before they have run, or in the middle of one: each is reported
/// once, dropped, and nobody waits for it for ever.
#[test]
fn finalizers_that_are_lost_with_their_runtime_are_reported() {
    for begun in [false, true] {
        let counts = Counts::new();
        let kinds = reported(|| {
            let runtime = runtime();
            runtime.block_on(async {
                let (one, two) = (counts.pending(), counts.pending());
                let mut owed = drive(scope(async move |s: Scope<'static>| {
                    s.defer_unbounded(one);
                    s.defer_unbounded(two);
                    if !begun {
                        pending::<()>().await;
                    }
                }));
                owed.pending();
                drop(owed);
                if begun {
                    settle().await;
                }
            });
            assert_eq!(orphans(), 1);
            drop(runtime);
        });
        assert_eq!(kinds, [UnhandledKind::FinalizerLost; 2], "{begun}");
        assert_eq!(
            counts.both(),
            (if begun { 2 } else { 0 }, 2),
            "by its scope, and after the drop"
        );
    }
}

/// R16: without a runtime there is nobody to run them after a drop; a scope that is awaited runs them
/// itself.
#[test]
fn without_a_runtime_a_drop_loses_them() {
    for dropped in [false, true] {
        let (gate, counts) = (Gate::new(), Counts::new());
        let kinds = reported(|| {
            let mut owed = drive(scope(async |s| {
                s.defer_unbounded(counts.of(async {}));
                gate.wait().await;
            }));
            owed.pending();
            if dropped {
                drop(owed);
            } else {
                gate.open();
                owed.ready().unwrap();
            }
        });
        assert_eq!(kinds.len(), usize::from(dropped));
        assert_eq!(counts.both(), (usize::from(!dropped), 1));
    }
}

/// R12, I17: what is lost is dropped before anybody is told that all is over.
#[test]
fn when_it_is_dropped_the_scope_around_is_still_open() {
    for begun in [false, true] {
        let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
        let kinds = reported(|| {
            let runtime = runtime();
            let mut outer = runtime.block_on(async {
                let seen = std::sync::Arc::clone(&seen);
                let mut outer = drive(scope(async move |s: Scope<'static>| {
                    let around = s.handle();
                    let mut owed = Box::pin(scope(async move |s: Scope<'static>| {
                        for _ in 0..2 {
                            let looks = Looks(around.clone(), s.handle(), seen.clone());
                            s.defer_unbounded(async move {
                                let _looks = looks;
                                pending::<()>().await;
                            });
                        }
                        if !begun {
                            pending::<()>().await;
                        }
                    }));
                    assert!(futures_util::poll!(owed.as_mut()).is_pending());
                }));
                outer.pending();
                if begun {
                    settle().await;
                }
                outer
            });
            outer.wakes();
            drop(runtime);
            assert_eq!(outer.wakes(), 1);
            outer.ready().unwrap();
        });
        assert_eq!(kinds, [UnhandledKind::FinalizerLost; 2], "{begun}");
        assert_eq!(*lock(&seen), [(false, false); 2], "{begun}");
    }
}

/// Notes, when it is dropped, whether the scopes have ended.
struct Looks(umbel::CancelScope, umbel::CancelScope, std::sync::Arc<Mutex<Vec<(bool, bool)>>>);

impl Drop for Looks {
    fn drop(&mut self) {
        lock(&self.2).push((self.0.is_finished(), self.1.is_finished()));
    }
}

/// R14: destructors of what is lost panic, each of them: the first goes to whoever is around, and the
/// process lives.
#[test]
fn destructors_of_what_is_lost_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("destructor");
        }
    }
    let kinds = reported(|| {
        let runtime = runtime();
        let mut outer = runtime.block_on(async {
            let mut outer = drive(scope(async move |_: Scope<'static>| {
                let mut owed = Box::pin(scope(async move |s: Scope<'static>| {
                    for _ in 0..3 {
                        let bomb = Bomb;
                        s.defer_unbounded(async move {
                            let _bomb = bomb;
                            pending::<()>().await;
                        });
                    }
                    pending::<()>().await;
                }));
                assert!(futures_util::poll!(owed.as_mut()).is_pending());
            }));
            outer.pending();
            outer
        });
        drop(runtime);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| outer.poll()));
        assert_eq!(common::text(&panic.map(drop).unwrap_err()), "destructor");
    });
    assert_eq!(kinds, [UnhandledKind::FinalizerLost; 3]);
}

/// A panic of the hook is caught, and the scope returns.
#[test]
fn a_hook_that_panics_harms_nobody() {
    let _ = reported(|| {
        set_unhandled_hook(|_| boom("the hook"));
        runtime().block_on(async {
            scope(async |s| s.defer(secs(1), sleep(secs(5)))).await.unwrap();
        });
    });
}
