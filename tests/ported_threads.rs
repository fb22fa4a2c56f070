//! Threads: scenarios of AnyIO and Trio that `blocking.rs` and `handles.rs` do not have (R3, R7, R13, R24).
mod common;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use common::{Counts, Gate, Log, runtime};
use tokio::runtime::Builder;
use umbel::{CancelScope, Kind, Scope, check, scope};

/// R3, R24, as in Trio's `test_from_thread_host_cancelled`: the thread cancels the scope and goes on to
/// call into the library. No call fails, and what it returns it has returned; the body is gone.
#[test]
fn calls_from_a_thread_go_on_after_it_has_cancelled_the_scope() {
    let log = Log::new();
    let mut child = None;
    let outcome = runtime().block_on(scope(async |s: Scope<'static>| {
        let (own, body) = (s.clone(), log.guard("body"));
        child = Some(s.spawn_blocking(move |cx| {
            assert!(cx.check().is_ok() && check().is_ok());
            own.cancel_with("from a thread");
            own.cancel();
            let late = own.spawn(async { 1 });
            assert!(late.is_finished() && late.id().is_none());
            assert_eq!((own.cancel_count(), cx.is_cancelled()), (2, true));
            assert!(own.deadline().is_none() && own.picture().to_string().contains("cancelled"));
            check().unwrap_err().into_reason()
        }));
        let _body = body;
        pending::<()>().await;
    }));
    assert_eq!(outcome.unwrap_err().reason().message(), Some("from a thread"));
    assert_eq!(log.all(), ["body"]);
    let child = child.unwrap();
    assert_eq!(child.cancel_count(), 0);
    let told = runtime().block_on(child).unwrap();
    assert_eq!((told.kind(), told.message()), (Kind::Explicit, Some("from a thread")));
}

/// When the scope of a round ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    /// When a first child has run.
    Late,
    /// At once: mostly before a thread has begun.
    Soon,
    /// Before the threads may begin.
    First,
}

/// R13, I20, as in Trio's stress test of posting into its loop: foreign threads start children while the
/// scope ends. Each child that was admitted has run by then; each other one is refused and never polled.
#[test]
fn threads_that_spawn_until_the_end_are_served_or_refused() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rounds = [Ends::Late, Ends::Soon, Ends::First].into_iter().cycle();
    for ends in rounds.take(75) {
        let ran = Arc::new(AtomicUsize::new(0));
        let mut posting = Vec::new();
        let (begun, over) = (Gate::new(), Arc::new(Barrier::new(3)));
        let (work, handle) = scope(async |s: Scope<'static>| {
            for _ in 0..2 {
                let (s, ran, begun) = (s.clone(), Arc::clone(&ran), begun.clone());
                let over = Arc::clone(&over);
                posting.push(thread::spawn(move || {
                    if ends == Ends::First {
                        over.wait();
                    }
                    let post = |_| {
                        let (ran, begun) = (Arc::clone(&ran), begun.clone());
                        s.spawn(async move {
                            ran.fetch_add(1, Ordering::SeqCst);
                            begun.open();
                        })
                    };
                    (0..100).map(post).collect::<Vec<_>>()
                }));
            }
            if ends == Ends::Late {
                begun.wait().await;
            }
        })
        .with_handle();
        runtime.block_on(work).unwrap();
        let ended = ran.load(Ordering::SeqCst);
        assert!(handle.is_finished());
        if ends == Ends::First {
            over.wait();
        }
        let children: Vec<_> = posting.into_iter().flat_map(|t| t.join().unwrap()).collect();
        let admitted = children.iter().filter(|child| child.id().is_some()).count();
        assert_eq!(
            (children.len(), admitted),
            (200, ended),
            "all of those before the scope returned"
        );
        assert_eq!(ran.load(Ordering::SeqCst), ended, "and nothing afterwards");
        assert!(children.iter().all(umbel::Child::is_finished));
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
        match ends {
            Ends::Late => assert_ne!(admitted, 0),
            Ends::Soon => {}
            Ends::First => assert_eq!(admitted, 0),
        }
    }
}

/// R7, R24, as in Eio's use of a context from the wrong domain, which is refused there: here cancelling
/// and asking from any thread work, and what the other thread has done is visible when it returns.
#[test]
fn another_core_may_cancel_and_ask() {
    let runtime = runtime();
    let counts = Counts::new();
    let outcome = runtime.block_on(scope(async |outer: Scope<'static>| {
        let child = outer.spawn(counts.pending());
        let below = child.handle().unwrap();
        let from_outside: CancelScope = outer.handle();
        let asked = thread::spawn(move || {
            assert!(!from_outside.is_cancelled());
            from_outside.cancel_with("another core");
            // The other thread is in no scope of its own.
            (below.is_cancelled(), check().is_ok(), CancelScope::current().is_none())
        });
        assert_eq!(asked.join().unwrap(), (true, true, true));
        assert_eq!(check().unwrap_err().reason().message(), Some("another core"));
        child.await
    }));
    assert_eq!(outcome.unwrap_err().reason().message(), Some("another core"));
    assert_eq!(counts.drops(), 1);
}

/// R24, as in Trio's `test_TrioToken_run_sync_soon_too_late`: a request that comes too late is counted,
/// from any thread, and nothing more happens.
#[test]
fn a_late_request_from_a_thread_is_counted_only() {
    let (work, handle) = scope(async |_| "value").with_handle();
    assert_eq!(runtime().block_on(work).unwrap(), "value");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            thread::spawn(move || (0..100).for_each(|_| handle.cancel()))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((handle.cancel_count(), handle.is_finished()), (400, true));
}
