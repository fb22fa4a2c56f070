//! Readiness: a child is waited for until it says that it is ready. Before that, how it ends is its
//! starter's to know; afterwards its handle's. It belongs to the scope from the beginning (R15).
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::{Future, pending};

use common::{Counts, Log, boom, drive, panic_of, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{Kind, Ready, Scope, StartError, checkpoint, scope};

/// Sleeps, says that it is ready, and sleeps again.
async fn sleeper(n: u64, ready: Ready<u64>) -> &'static str {
    sleep(secs(n)).await;
    ready.notify(n);
    sleep(secs(n)).await;
    "end"
}

/// R15: the start returns when the child is ready; the child goes on, and the scope waits for it.
#[tokio::test(start_paused = true)]
async fn a_start_returns_when_the_child_is_ready_and_the_scope_when_it_has_ended() {
    for n in [1, 2] {
        let start = Instant::now();
        let started = scope(async |s| {
            let started = s.start(|ready| sleeper(n, ready)).await.unwrap();
            assert_eq!((start.elapsed(), started.value), (secs(n), n));
            assert!(!started.child.is_finished());
            started
        });
        let started = started.await.unwrap();
        assert_eq!(start.elapsed(), secs(2 * n));
        assert!(started.child.is_finished());
        assert_eq!(started.child.await.unwrap(), "end");
    }
}

/// R15: a function that wants a `Ready` can be called without one that listens. What it says is
/// dropped.
#[tokio::test(start_paused = true)]
async fn readiness_can_be_ignored() {
    let start = Instant::now();
    assert_eq!(sleeper(2, Ready::ignored()).await, "end");
    assert_eq!(start.elapsed(), secs(4));
    let log = Log::new();
    Ready::ignored().notify(log.guard("value"));
    assert_eq!(log.all(), ["value"]);
}

/// R15: an error before the child is ready goes to the caller, as it is. The scope knows nothing
/// of it.
#[tokio::test(start_paused = true)]
async fn an_error_before_readiness_goes_to_the_caller_alone() {
    let (work, handle) = scope(async |s| {
        let start = s.start(|_: Ready<()>| async { Err::<(), _>("no port") });
        let Err(StartError::Ended(output)) = start.await else { panic!("it was not ready") };
        checkpoint().await;
        output
    })
    .with_handle();
    assert_eq!(work.await.unwrap(), Err("no port"));
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
}

/// R15: a child that returns without a word has ended, and what it returned comes with that.
#[tokio::test(start_paused = true)]
async fn a_child_that_returns_without_a_word_has_ended() {
    let outcome = scope(async |s| s.start(async |_: Ready<()>| 7).await.map(drop)).await.unwrap();
    let error = outcome.unwrap_err();
    assert!(matches!(error, StartError::Ended(7)));
    assert_eq!(error.to_string(), "the child ended before it was ready");
    assert!(std::error::Error::source(&error).is_none());
}

/// R13: a start in a scope that has ended, is cancelled or is stopping is refused at once, and
/// the closure is not called.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_builds_nothing() {
    for kind in [Kind::ScopeEnded, Kind::Explicit, Kind::Stopped] {
        let (mut built, start) = (0, Instant::now());
        let mut refused = async |s: Scope<'static>| {
            let start = s.start(|_: Ready<()>| {
                built += 1;
                pending::<()>()
            });
            start.await.unwrap_err()
        };
        let error = if kind == Kind::ScopeEnded {
            let ended = scope(|s: Scope<'static>| std::future::ready(s)).await.unwrap();
            refused(ended).await
        } else {
            let work = scope(async |s: Scope<'static>| {
                match kind {
                    Kind::Explicit => s.cancel(),
                    _ => drop(s.stop(secs(1))),
                }
                refused(s).await
            });
            work.await.unwrap()
        };
        assert_eq!((built, start.elapsed()), (0, secs(0)));
        let StartError::Cancelled(cancelled) = &error else { panic!("{error}") };
        assert_eq!(cancelled.reason().kind(), kind);
        assert!(error.to_string().starts_with("the child did not get ready: "));
        assert!(std::error::Error::source(&error).is_some());
    }
}

/// R15: an error after the child is ready is its handle's, and nobody else's.
#[tokio::test(start_paused = true)]
async fn an_error_after_readiness_belongs_to_the_handle() {
    let outcome = scope(async |s| {
        let start = s.start(async |ready: Ready<_>| {
            ready.notify("ready");
            checkpoint().await;
            Err::<(), _>("later")
        });
        let started = start.await.unwrap();
        assert_eq!(started.value, "ready");
        started.child.await
    });
    assert_eq!(outcome.await.unwrap().unwrap(), Err("later"));
}

/// R15: ready, and ended in the same poll: the caller gets both the value and the child's outcome.
#[tokio::test(start_paused = true)]
async fn ready_and_ended_in_one_poll_gives_both() {
    scope(async |s| {
        let start = s.named("quick").start(async |ready: Ready<_>| {
            ready.notify(1);
            2
        });
        let mut started = start.await.unwrap();
        assert_eq!((started.value, started.child.is_finished()), (1, true));
        assert_eq!(started.child.name().as_deref(), Some("quick"));
        assert_eq!((&mut started.child).await.unwrap(), 2);
        // Asked once more it panics, as every child does.
        assert_ne!(panic_of(started.child).await, "no panic");

        // Ready, and cancelled in the same poll, before the caller has looked.
        let start = s.start(async |ready: Ready<_>| {
            ready.notify(1);
            pending::<()>().await;
        });
        settle().await;
        let started = start.await.unwrap();
        started.child.cancel();
        assert_eq!(started.child.await.unwrap_err().reason().kind(), Kind::Explicit);
    })
    .await
    .unwrap();
}

/// R14: a panic before readiness goes to the scope; the caller is told if it is still there to be told.
#[tokio::test(start_paused = true)]
async fn a_panic_before_readiness_goes_to_the_scope() {
    let log = Log::new();
    let work = scope(async |s: Scope<'static>| {
        let start = s.start(|_: Ready<()>| async { boom("not ready") });
        // In a shield the caller outlives its scope's failure.
        let told = umbel::shield(secs(1), start).await.unwrap();
        let Err(StartError::Cancelled(cancelled)) = told.map(|_: umbel::Started<_, ()>| ()) else {
            panic!("it was not ready")
        };
        assert_eq!(cancelled.reason().kind(), Kind::ChildPanicked);
        log.add("told");
    });
    assert_eq!(panic_of(work).await, "not ready");
    assert_eq!(log.all(), ["told"]);
}

/// R14: a panic after readiness likewise.
#[tokio::test(start_paused = true)]
async fn a_panic_after_readiness_goes_to_the_scope() {
    let work = scope(async |s| {
        let start = s.start(async |ready: Ready<()>| {
            ready.notify(());
            checkpoint().await;
            boom("ready");
        });
        start.await.unwrap();
        pending::<()>().await;
    });
    assert_eq!(panic_of(work).await, "ready");
}

/// R15: the closure may do something before it gives the future, and be ready already.
#[tokio::test(start_paused = true)]
async fn the_closure_itself_may_be_ready() {
    let started = scope(async |s| {
        s.start(|ready| {
            ready.notify("at once");
            async { 3 }
        })
        .await
        .unwrap()
    });
    let started = started.await.unwrap();
    assert_eq!((started.value, started.child.await.unwrap()), ("at once", 3));
}

/// R15: a panic of the closure is the caller's own.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_closure_is_the_callers() {
    scope(async |s| {
        let call = async { s.start(|_: Ready<()>| -> std::future::Ready<()> { boom("closure") }) };
        assert_eq!(panic_of(call).await, "closure");
        assert!(!s.is_cancelled());
    })
    .await
    .unwrap();
}

/// R15: the body is over while starts are pending: they count as children that live. Two of them,
/// staggered; each takes 2 s to be ready and 3 s more.
#[tokio::test(start_paused = true)]
async fn pending_starts_keep_the_scope_open() {
    let child = async |ready: Ready<()>| {
        sleep(secs(2)).await;
        ready.notify(());
        sleep(secs(3)).await;
    };
    let (begin, log) = (Instant::now(), Log::new());
    let later = |s: Scope<'static>, delay| {
        let log = log.clone();
        async move {
            sleep(secs(delay)).await;
            s.start(child).await.unwrap();
            log.add("ready");
        }
    };
    scope(async |outer: Scope<'static>| {
        let opened = scope(async |s: Scope<'static>| {
            let own = s.clone();
            outer.spawn(later(own.clone(), 0));
            outer.spawn(later(own, 1));
            // Something has to live until the first of them has come.
            s.spawn(checkpoint());
        });
        opened.await.unwrap();
        assert_eq!(begin.elapsed(), secs(6));
        assert_eq!(log.all(), ["ready"; 2]);
    })
    .await
    .unwrap();
}

/// R15: the pending child fails before it is ready: the scope closes then, and the error is the
/// caller's.
#[tokio::test(start_paused = true)]
async fn a_pending_start_that_fails_lets_the_scope_close() {
    let begin = Instant::now();
    scope(async |outer: Scope<'static>| {
        let mut caller = None;
        scope(async |s: Scope<'static>| {
            let start = s.start(async |_: Ready<()>| {
                sleep(secs(7)).await;
                "crash"
            });
            caller = Some(outer.spawn(start));
        })
        .await
        .unwrap();
        assert_eq!(begin.elapsed(), secs(7));
        let Err(StartError::Ended(said)) = caller.unwrap().await.unwrap() else { panic!("ready") };
        assert_eq!(said, "crash");
        assert!(!outer.is_cancelled());
    })
    .await
    .unwrap();
}

/// The start is made at once: a child whose caller has not polled yet runs.
#[tokio::test(start_paused = true)]
async fn the_child_runs_before_its_caller_waits() {
    let counts = Counts::new();
    scope(async |s| {
        let start = s.start(|_: Ready<()>| counts.pending());
        settle().await;
        assert_eq!(counts.both(), (1, 0));
        assert!(format!("{start:?}").contains("Starting"));
        drop(start);
        settle().await;
        assert_eq!(counts.both(), (1, 1));
    })
    .await
    .unwrap();
}

/// Without a runtime a start is refused as a spawn is, and its value type never mattered.
#[test]
fn a_start_without_a_runtime_says_shutdown() {
    fn start(s: &Scope<'static>) -> impl Future<Output = Kind> + use<> {
        let start = s.start(|_: Ready<()>| pending::<()>());
        async {
            match start.await.map(|_| ()) {
                Err(StartError::Cancelled(cancelled)) => cancelled.reason().kind(),
                other => panic!("{other:?}"),
            }
        }
    }
    let mut work = drive(scope(async |s: Scope<'static>| start(&s).await));
    assert_eq!(work.ready().unwrap(), Kind::Shutdown);
}
