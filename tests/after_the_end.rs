//! Handles that outlive not only their scope but all that was around it: they answer, and what they
//! say is about nobody else, though the places in the tree have been given to others (R24, I31).
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;

use common::{Gate, Log, boom, catch, drive, secs, settle};
use tokio::time::Instant;
use umbel::{CancelScope, Cancelled, Scope, scope};

/// All questions, of a handle whose scope has ended uncancelled.
#[track_caller]
fn has_ended_quietly(handle: &CancelScope) {
    assert!(handle.is_finished() && !handle.is_cancelled());
    assert_eq!((handle.cancel_count(), handle.deadline()), (0, None));
    assert!(handle.reason().is_none() && handle.name().is_none());
    assert_eq!(handle.picture().to_string().lines().count(), 1);
    let _ = format!("{handle:?}");
    assert!(drive(handle.cancelled()).ready().is_none());
}

/// Opens scopes with deadlines, so that free places in the tree are taken by others.
async fn others(depth: u32, inside: &CancelScope) {
    let nested: Pin<Box<dyn Future<Output = ()> + '_>> = match depth {
        0 => Box::pin(async { has_ended_quietly(inside) }),
        _ => Box::pin(others(depth - 1, inside)),
    };
    scope(async |s: Scope<'_>| {
        s.fork(pending::<()>()).cancel();
        nested.await;
    })
    .name("other")
    .timeout(secs(5))
    .await
    .expect("nothing takes long");
}

/// A child's handle, after its scope is gone.
#[tokio::test(start_paused = true)]
async fn a_childs_handle_outlives_its_scope() {
    for forked in [false, true] {
        let handle = scope(async |s| {
            let child = if forked { s.fork(async {}) } else { s.spawn(async {}) };
            child.handle()
        });
        let handle = handle.timeout(secs(5)).await.expect("it ends").expect("it was started");
        has_ended_quietly(&handle);
        others(3, &handle).await;
    }
}

/// A scope's handle, after the scope around it is gone.
#[tokio::test(start_paused = true)]
async fn a_scopes_handle_outlives_the_scope_around_it() {
    let handle = async || {
        scope(async |_| scope(async |inner| CancelScope::clone(&inner)).await)
            .timeout(secs(5))
            .await
            .expect("it ends")
            .expect("it ends")
    };
    let root = handle().await;
    has_ended_quietly(&root);
    scope(async |_| {
        let nested = handle().await;
        has_ended_quietly(&nested);
        others(3, &nested).await;
        others(3, &root).await;
    })
    .await
    .expect("it ends");
}

/// A handle from within a child task, after the task and its scope are gone.
#[tokio::test(start_paused = true)]
async fn a_handle_from_a_task_outlives_the_task_and_its_scope() {
    let handle = scope(async |s: Scope<'static>| {
        let child = s.spawn(async { scope(async |inner| CancelScope::clone(&inner)).await });
        child.await.expect("it ends").expect("it ends")
    });
    let handle = handle.timeout(secs(5)).await.expect("it ends");
    has_ended_quietly(&handle);
    others(3, &handle).await;
}

type Work = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + Send>>;

/// A future that was first polled in a task that has ended, in a scope that has ended too.
async fn survivor_of_all(body: impl Future<Output = ()> + Send + 'static) -> (Work, CancelScope) {
    let (work, handle) = scope(async |_| body.await).with_handle();
    let survivor = scope(async |s: Scope<'static>| {
        let mut work: Work = Box::pin(work);
        let child = s.spawn(async move {
            assert!(futures_util::poll!(work.as_mut()).is_pending());
            work
        });
        child.await.expect("it ends")
    });
    (survivor.timeout(secs(5)).await.expect("it ends"), handle)
}

/// The questions of a survivor of all that was around it (R23).
#[tokio::test(start_paused = true)]
async fn a_survivor_of_everything_answers() {
    let (work, handle) = survivor_of_all(pending()).await;
    assert!(handle.is_cancelled() && !handle.is_finished());
    assert_eq!(handle.deadline(), None);
    assert!(handle.reason().is_some());
    handle.set_deadline((Instant::now() + secs(50)).into_std());
    assert_eq!(work.await.expect_err("its task is gone").reason().kind(), umbel::Kind::ScopeEnded);
    others(3, &scope(async |s| CancelScope::clone(&s)).await.expect("it ends")).await;
}

/// It panics while it is dropped: no scope that has nothing to do with it is struck.
#[tokio::test(start_paused = true)]
async fn a_survivor_that_panics_when_dropped_strikes_nobody_else() {
    struct Bomb(Log);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.add("dropped");
            boom("a survivor");
        }
    }
    let log = Log::new();
    let bomb = Bomb(log.clone());
    let outcome = catch(scope(async |first| {
        let (work, _handle) = survivor_of_all(async move {
            let _bomb = bomb;
            pending::<()>().await;
        })
        .await;
        // Strangers, in the places of those that are gone.
        let gate = Gate::new();
        let wait = gate.wait();
        let stranger = first.spawn(async move {
            scope(async |s| {
                wait.await;
                s.cancel_count()
            })
            .await
        });
        settle().await;
        drop(work);
        gate.open();
        assert_eq!(log.all(), ["dropped"]);
        stranger.await.map(Result::ok)
    }))
    .await;
    // `first` is the nearest scope around that is alive: the panic is for it, or for whoever drains.
    if let Ok(outcome) = outcome {
        assert_eq!(outcome.expect("it ends").expect("not cancelled"), Some(0));
    }
}

/// A child that is cancelled from above, and leaves something behind that takes one turn more to end:
/// its handle still knows why, when all is over.
#[tokio::test(start_paused = true)]
async fn a_cancelled_child_that_left_something_behind_keeps_its_reason() {
    for forked in [false, true] {
        let (work, scope_handle) = scope(async |s: Scope<'static>| {
            let child = async {
                let _ = scope(async |inner| {
                    inner.spawn(pending::<()>());
                    pending::<()>().await;
                })
                .await;
            };
            let child = if forked { s.fork(child) } else { s.spawn(child) };
            *FOUND.lock().expect("no panic under it") = child.handle();
            pending::<()>().await;
        })
        .with_handle();
        let mut work = drive(work);
        work.pending();
        settle().await;
        scope_handle.cancel_with("above");
        let child = FOUND.lock().expect("no panic under it").take().expect("it was started");
        while work.poll().is_pending() {
            assert_eq!(child.reason().expect("cancelled").message(), Some("above"));
            settle().await;
        }
        assert!(child.is_cancelled() && child.is_finished());
        drop(work);
        assert_eq!(child.reason().expect("cancelled").message(), Some("above"));
    }
}

static FOUND: std::sync::Mutex<Option<CancelScope>> = std::sync::Mutex::new(None);

/// The same when the cancel comes after the child has ended, while what it left behind takes its turn.
#[tokio::test(start_paused = true)]
async fn a_child_cancelled_after_its_end_keeps_its_reason() {
    struct Cancels(CancelScope);
    impl std::task::Wake for Cancels {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.cancel_with("above");
        }
    }
    let gate = Gate::new();
    let wait = gate.wait();
    let (work, scope_handle) = scope(async |s: Scope<'static>| {
        let child = s.spawn(async move {
            let open = scope(async |inner| {
                inner.spawn(pending::<()>());
                pending::<()>().await;
            });
            futures_util::future::select(Box::pin(open), wait).await;
        });
        let handle = child.handle().expect("it was started");
        let waker = std::task::Waker::from(std::sync::Arc::new(Cancels(CancelScope::clone(&s))));
        let mut child = Box::pin(child);
        assert!(common::with_waker(child.as_mut(), &waker).is_pending());
        (handle, child)
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    gate.open();
    // The child returns, and then its handle's waker cancels the scope.
    settle().await;
    assert!(scope_handle.is_cancelled());
    let (handle, _child) = work.ready().expect("the body had returned");
    drop(work);
    assert!(handle.is_finished());
    assert_eq!(handle.is_cancelled(), handle.reason().is_some(), "flag and cause go together");
}
