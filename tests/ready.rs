//! `Ready`: the word that a starting child gives. It may be given from anywhere, once, or never (R15).
mod common;

use std::future::pending;
use std::sync::Arc;
use std::task::Waker;

use common::{Gate, Guard, Log, PanickingWaker, Wakes, drive, secs, settle, with_waker};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use umbel::{Cancelled, Ready, Scope, StartError, TryScope, checkpoint, scope, try_scope};

/// The word may come from another thread, on which there is no runtime.
#[tokio::test]
async fn the_word_may_come_from_another_thread() {
    scope(async |s| {
        let start = s.start(async |ready: Ready<_>| {
            let word = move || ready.notify(std::thread::current().id());
            let thread = std::thread::spawn(word);
            let id = thread.thread().id();
            thread.join().unwrap();
            checkpoint().await;
            id
        });
        let started = start.await.unwrap();
        assert_eq!(started.value, started.child.await.unwrap());
    })
    .await
    .unwrap();
}

/// The word may come from a grandchild, or from a sibling, while the child itself waits.
#[tokio::test(start_paused = true)]
async fn the_word_may_come_from_another_child() {
    let start = Instant::now();
    scope(async |s: Scope<'static>| {
        let own = s.clone();
        let started = s.start(async move |ready: Ready<_>| {
            own.spawn(async {
                sleep(secs(1)).await;
                ready.notify("sibling");
            });
            sleep(secs(3)).await;
        });
        assert_eq!(started.await.unwrap().value, "sibling");
        assert_eq!(start.elapsed(), secs(1));
    })
    .await
    .unwrap();
    assert_eq!(start.elapsed(), secs(3));
}

/// A word that is dropped unused is no word: the caller waits for the child's end.
#[tokio::test(start_paused = true)]
async fn a_word_that_is_dropped_is_not_given() {
    let start = Instant::now();
    scope(async |s| {
        let pending = s.start(async |ready: Ready<()>| {
            drop(ready);
            sleep(secs(2)).await;
            "late"
        });
        let Err(StartError::Ended(output)) = pending.await else { panic!("it was ready") };
        assert_eq!((output, start.elapsed()), ("late", secs(2)));
    })
    .await
    .unwrap();
}

/// I27: the child has ended and its caller was told so. A word that comes after that is nobody's: it
/// wakes nobody, and what it says is dropped at once.
#[tokio::test(start_paused = true)]
async fn a_word_after_the_end_reaches_nobody() {
    let log = Log::new();
    scope(async |s| {
        let (send, receive) = oneshot::channel();
        let end = Gate::new();
        let waits = end.clone();
        let mut start = drive(s.start(async move |ready: Ready<Guard>| {
            let _ = send.send(ready);
            waits.wait().await;
        }));
        start.pending();
        let ready = receive.await.unwrap();
        end.open();
        settle().await;
        assert_eq!(start.wakes(), 1);
        assert!(matches!(start.ready(), Err(StartError::Ended(()))));
        ready.notify(log.guard("value"));
        assert_eq!((log.all(), start.wakes()), (vec!["value"], 0));
    })
    .await
    .unwrap();
}

/// I27: a word that comes after the end and before the caller has looked is in time.
#[tokio::test(start_paused = true)]
async fn a_word_between_the_end_and_the_look_is_in_time() {
    scope(async |s| {
        let (send, receive) = oneshot::channel();
        let start = s.start(async move |ready: Ready<_>| {
            let _ = send.send(ready);
            "end"
        });
        let ready: Ready<_> = receive.await.unwrap();
        settle().await;
        ready.notify("word");
        let started = start.await.unwrap();
        assert_eq!((started.value, started.child.await.unwrap()), ("word", "end"));
    })
    .await
    .unwrap();
}

/// I6: readiness is one wake of the caller, through the waker that it used last. The end of the child
/// afterwards is none.
#[tokio::test(start_paused = true)]
async fn readiness_is_one_wake_through_the_latest_waker() {
    scope(async |s| {
        let (word, end) = (Gate::new(), Gate::new());
        let (waits, ends) = (word.clone(), end.clone());
        let mut start = drive(s.start(async move |ready: Ready<()>| {
            waits.wait().await;
            ready.notify(());
            ends.wait().await;
        }));
        let late = Wakes::new();
        start.pending();
        assert!(with_waker(start.future(), &Waker::from(Arc::clone(&late))).is_pending());
        word.open();
        settle().await;
        assert_eq!((start.wakes(), late.take()), (0, 1));
        let started = start.ready().unwrap();
        end.open();
        settle().await;
        assert!(started.child.is_finished());
        // The handle was last polled by the caller's second waker, and tells it.
        assert!((start.wakes(), late.take()) <= (0, 1));
    })
    .await
    .unwrap();
}

/// R14: a waker of the caller's that panics does not keep the child from being ready.
#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_does_not_disturb_the_child() {
    scope(async |s| {
        let word = Gate::new();
        let waits = word.clone();
        let mut start = Box::pin(s.start(async move |ready: Ready<_>| {
            waits.wait().await;
            ready.notify(1);
            2
        }));
        let waker = PanickingWaker::new();
        assert!(with_waker(start.as_mut(), &Waker::from(Arc::clone(&waker))).is_pending());
        settle().await;
        word.open();
        settle().await;
        assert!(waker.count() >= 1);
        let started = start.await.unwrap();
        assert_eq!((started.value, started.child.await.unwrap()), (1, 2));
        assert!(!s.is_cancelled());
    })
    .await
    .unwrap();
}

/// The word outlives the scope and is given then: nothing happens, and the value is dropped.
#[tokio::test(start_paused = true)]
async fn a_word_outlives_the_scope() {
    let log = Log::new();
    let (send, receive) = oneshot::channel();
    let outcome = scope(async |s| {
        s.cancel_with("over");
        let start = s.start(async move |ready: Ready<Guard>| {
            let _ = send.send(ready);
            pending::<()>().await;
        });
        start.await.map(drop)
    });
    assert!(outcome.await.unwrap().is_err());
    assert!(receive.await.is_err(), "the closure was not called");

    let (send, receive) = oneshot::channel();
    scope(async |s| {
        let start = s.start(async move |ready: Ready<Guard>| {
            let _ = send.send(ready);
        });
        drop(start.await);
    })
    .await
    .unwrap();
    receive.await.unwrap().notify(log.guard("value"));
    assert_eq!((log.all(), log.holders()), (vec!["value"], 1));
}

/// R15, in a `try_scope`: before it is ready a child's error is its caller's alone, and the scope does not
/// hear of it; afterwards it is the scope's.
#[tokio::test(start_paused = true)]
async fn an_error_is_the_callers_before_and_the_scopes_after() {
    let outcome = try_scope(async |s: TryScope<'_, Failed>| {
        let early = s.start(async |_: Ready<()>| Err::<(), _>(Failed::Said("early")));
        assert!(matches!(early.await, Err(Failed::Said("early"))));
        assert!(!s.is_cancelled());
        let late = s.start(async |ready: Ready<u8>| {
            ready.notify(7);
            settle().await;
            Err::<(), _>(Failed::Said("late"))
        });
        assert_eq!(late.await?.value, 7);
        pending::<()>().await;
        Ok(())
    })
    .await;
    assert!(matches!(outcome, Err(Failed::Said("late"))), "{outcome:?}");
}

#[derive(Debug)]
enum Failed {
    Said(&'static str),
    Cancelled,
}

impl From<Cancelled> for Failed {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
