//! Handles to scopes: from any thread, from no runtime, before the first poll and after the end they
//! give an answer, and they keep nothing alive (R7, R24, I31).
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use common::{Counts, Gate, Log, Wakes, drive, runtime, secs, settle, with_waker};
use futures_util::FutureExt as _;
use umbel::{CancelScope, Cancelled, Child, Kind, Reason, Scope, ScopeFuture, Spawner, scope};

fn is_send<T: Send>(_future: &T) {}

/// Everything that is handed out can be sent to, and shared with, other threads.
#[test]
fn handles_are_for_all_threads() {
    fn anywhere<T: Send + Sync + 'static>() {}
    anywhere::<CancelScope>();
    anywhere::<Spawner>();
    anywhere::<Scope<'static>>();
    anywhere::<Child<u8>>();
    anywhere::<Reason>();
    anywhere::<Cancelled>();
    anywhere::<umbel::WaitCancelled>();
    anywhere::<umbel::Drain>();
    anywhere::<umbel::Picture>();
    anywhere::<umbel::task::Task>();
    is_send(&scope(async |s: Scope<'static>| s.spawn(async { 1 }).await));
    is_send(&umbel::timeout(secs(1), pending::<()>()));
    is_send(&umbel::race([std::future::ready(Ok::<(), ()>(()))]));
}

/// R7: when `cancel` has returned, the whole subtree says so, in every task and on every thread.
#[tokio::test(start_paused = true)]
async fn a_returned_cancel_is_visible_below_everywhere() {
    let found = Arc::new(Mutex::new(Vec::new()));
    let outcome = scope(async |root: Scope<'static>| {
        let share = Arc::clone(&found);
        let child = root.spawn(async move {
            let inside = Arc::clone(&share);
            let _ = scope(async |inner: Scope<'static>| {
                let grandchild = inner.spawn(async move {
                    let _ = scope(async |innermost: Scope<'static>| {
                        inside.lock().unwrap().push(CancelScope::clone(&innermost));
                        pending::<()>().await;
                    })
                    .await;
                });
                share.lock().unwrap().push(CancelScope::clone(&inner));
                share.lock().unwrap().push(grandchild.handle().unwrap());
                pending::<()>().await;
            })
            .await;
        });
        found.lock().unwrap().push(child.handle().unwrap());
        settle().await;
        let all = found.lock().unwrap().clone();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|handle| !handle.is_cancelled()));
        root.cancel();
        let seen = std::thread::spawn(move || all.iter().all(CancelScope::is_cancelled));
        assert!(seen.join().unwrap());
        "not suspended since"
    })
    .await;
    outcome.unwrap();
}

/// R24: after the end a cancel is counted, and that is all; the handle answers whatever it is asked.
#[tokio::test(start_paused = true)]
async fn a_handle_answers_after_the_end() {
    let (work, handle) = scope(async |_| ()).name("over").with_handle();
    work.await.unwrap();
    assert!(handle.is_finished() && !handle.is_cancelled());
    assert_eq!(handle.name().as_deref(), Some("over"));
    assert!(handle.reason().is_none() && handle.deadline().is_none());
    assert!(handle.cancelled().await.is_none());
    handle.set_deadline(tokio::time::Instant::now().into_std());
    assert!(handle.deadline().is_none());
    handle.cancel_with("late");
    assert_eq!(handle.cancel_count(), 1);
    assert!(handle.is_cancelled());
    umbel::checkpoint().await;
    assert!(handle.picture().to_string().starts_with("scope \"over\", ended"));
    assert!(format!("{handle:?}").contains("is_finished: true"));
}

/// R24: from no runtime at all, before, during and after.
#[test]
fn a_handle_works_without_a_runtime() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    std::thread::spawn({
        let handle = handle.clone();
        move || handle.cancel()
    })
    .join()
    .unwrap();
    assert!(work.ready().is_err());
    drop(work);
    handle.cancel();
    assert_eq!(handle.cancel_count(), 2);
}

/// R24: the runtime is gone, with the scope's children on it. The handle answers, and so do theirs.
#[test]
fn a_handle_answers_after_its_runtime_is_gone() {
    let counts = Counts::new();
    let runtime = runtime();
    let mut handles = Vec::new();
    let (work, handle) = scope(async |s| {
        handles.push(s.spawn(counts.pending()));
        handles.push(s.spawn(counts.pending()));
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    runtime.block_on(async {
        work.pending();
        settle().await;
    });
    drop(runtime);
    let lost = counts.drops();
    let outcome = work.ready();
    drop(work);
    assert_eq!(lost, 2);
    assert_eq!(outcome.unwrap_err().reason().kind(), Kind::Shutdown);
    assert_eq!(handle.reason().unwrap().kind(), Kind::Shutdown);
    for mut child in handles.into_iter().map(drive) {
        assert_eq!(child.ready().unwrap_err().reason().kind(), Kind::Shutdown);
    }
    assert!(handle.is_finished());
}

/// I31: a handle keeps neither the body nor its captures nor a waker.
#[test]
fn a_handle_keeps_nothing_alive() {
    let log = Log::new();
    let captured = log.clone();
    let (work, handle) = scope(async move |_| {
        pending::<()>().await;
        drop(captured);
    })
    .with_handle();
    let count = Wakes::new();
    let waker = Waker::from(Arc::clone(&count));
    let mut work = Box::pin(work);
    assert!(with_waker(work.as_mut(), &waker).is_pending());
    drop((work, waker));
    assert_eq!(log.holders(), 1);
    assert_eq!(Arc::strong_count(&count), 1);
    assert!(handle.is_finished());
}

/// Waiting for a cancellation: before the scope is polled, while it runs, when it is over.
#[test]
fn waiting_for_a_cancellation_in_all_orders() {
    // Cancelled first, then asked.
    let (_work, handle) = scope(async |_| pending::<()>().await).with_handle();
    handle.cancel_with("first");
    assert_eq!(drive(handle.cancelled()).ready().unwrap().message(), Some("first"));
    // Asked, then polled, then cancelled.
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let (mut work, mut waiting) = (drive(work), drive(handle.cancelled()));
    waiting.pending();
    work.pending();
    handle.cancel_with("second");
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready().unwrap().message(), Some("second"));
    assert!(work.ready().is_err());
    // Asked, then dropped.
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let (mut work, mut waiting) = (drive(work), drive(handle.cancelled()));
    work.pending();
    waiting.pending();
    drop(work);
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready().unwrap().kind(), Kind::Abandoned);
    // Asked, and the scope ends by itself.
    let gate = Gate::new();
    let (work, handle) = scope(|_: Scope<'static>| gate.wait()).with_handle();
    let (mut work, mut waiting) = (drive(work), drive(handle.cancelled()));
    work.pending();
    waiting.pending();
    gate.open();
    work.ready().unwrap();
    assert_eq!(waiting.wakes(), 1);
    assert!(waiting.ready().is_none());
}

/// Whoever waits no more leaves no waker behind (I31), told or not.
#[test]
fn who_waits_no_more_leaves_no_waker() {
    type Waits = fn(&CancelScope) -> Pin<Box<dyn Future<Output = ()>>>;
    let in_all_ways: [Waits; 3] = [
        |scope| Box::pin(scope.cancelled().map(drop)),
        |scope| Box::pin(scope.stopping().map(drop)),
        |scope| Box::pin(scope.stop(secs(1)).map(drop)),
    ];
    for (wait, told) in in_all_ways.into_iter().flat_map(|wait| [(wait, false), (wait, true)]) {
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        let count = Wakes::new();
        let waker = Waker::from(Arc::clone(&count));
        let mut waiting = wait(&handle);
        assert!(with_waker(waiting.as_mut(), &waker).is_pending());
        assert_eq!(Arc::strong_count(&count), 3, "here, in the waker, at the scope");
        if told {
            handle.cancel();
            drop(work);
        }
        drop(waiting);
        assert_eq!((Arc::strong_count(&count), count.count()), (2, usize::from(told)));
    }
}

/// The same when nothing but the waiter is there to be woken: the scope has not been polled yet.
#[test]
fn a_waiter_on_a_scope_that_was_never_polled_is_woken() {
    let (_work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut waiting = drive(handle.cancelled());
    waiting.pending();
    handle.cancel();
    assert_eq!(waiting.wakes(), 1);
    assert!(waiting.ready().is_some());
}

/// Or it is dropped unpolled, or ends in its first poll.
#[test]
fn a_waiter_is_woken_by_a_scope_that_never_had_a_waker() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut waiting = drive(handle.cancelled());
    waiting.pending();
    drop(work);
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready().unwrap().kind(), Kind::Abandoned);

    let (work, handle) = scope(async |_| ()).with_handle();
    let mut waiting = drive(handle.cancelled());
    waiting.pending();
    drive(work).ready().unwrap();
    assert_eq!(waiting.wakes(), 1);
    assert!(waiting.ready().is_none());
}

/// A waiter far below hears of a cancel far above.
#[tokio::test(start_paused = true)]
async fn a_waiter_below_hears_of_a_cancel_above() {
    let (inner, inner_handle) = scope(async |_| pending::<()>().await).with_handle();
    let (outer, outer_handle) =
        scope(async |s: Scope<'static>| s.spawn(async { inner.await.is_ok() }).await.is_ok())
            .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    settle().await;
    let mut waiting = drive(inner_handle.cancelled());
    waiting.pending();
    outer_handle.cancel_with("above");
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready().unwrap().message(), Some("above"));
    outer.pending();
    settle().await;
    assert!(outer.ready().is_err());
}

/// The free function waits for the scope that it is called in.
#[test]
fn cancelled_waits_for_the_scope_it_is_called_in() {
    let mut outside = drive(umbel::cancelled());
    outside.pending();
    let mut from_within = None;
    let (work, handle) = scope(async |_| {
        from_within = Some(umbel::cancelled());
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    assert!(work.ready().is_err());
    drop(work);
    assert!(drive(from_within.unwrap()).ready().is_some());
    outside.pending();
}

/// Handles are equal if they show the same scope, and only then.
#[test]
fn handles_are_compared_by_scope() {
    let (mut one, first) = scope(async |_| ()).with_handle();
    let (_two, other) = scope(async |_| ()).with_handle();
    assert_eq!(first, one.handle());
    assert_ne!(first, other);
    let inside = drive(scope(async |s| CancelScope::clone(&s))).ready().unwrap();
    assert_ne!(first, inside);
}

/// A handle from before the first poll and the one from the body show the same scope.
#[test]
fn an_early_handle_shows_the_same_scope() {
    let found = Mutex::new(None);
    let (work, early): (ScopeFuture<'_, _, _>, _) = scope(async |s| {
        *found.lock().unwrap() = Some(CancelScope::clone(&s));
    })
    .with_handle();
    drive(work).ready().unwrap();
    assert_eq!(*found.lock().unwrap(), Some(early));
}

/// Foreign threads cancel, ask and wait while scopes come to their end: no lost and no double
/// completion, and whoever waits hears.
#[test]
fn foreign_threads_cancel_while_scopes_finish() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (tx, rx) = std::sync::mpsc::channel::<CancelScope>();
    let canceller = std::thread::spawn(move || {
        let mut count = 0;
        for handle in rx {
            handle.cancel();
            assert!(handle.is_cancelled() && handle.cancel_count() >= 1);
            assert!(handle.reason().is_some());
            count += 1;
        }
        count
    });
    runtime.block_on(async move {
        for _ in 0..500 {
            let (work, handle) = scope(async |s: Scope<'static>| {
                let child = s.spawn(async { umbel::checkpoint().await });
                tx.send(CancelScope::clone(&s)).unwrap();
                child.await
            })
            .with_handle();
            let waiting = tokio::spawn({
                let handle = handle.clone();
                async move { handle.cancelled().await }
            });
            if let Err(cancelled) = work.await {
                assert_eq!(cancelled.reason().kind(), Kind::Explicit);
            }
            assert!(handle.is_finished());
            waiting.await.unwrap();
        }
    });
    assert_eq!(canceller.join().unwrap(), 500);
}
