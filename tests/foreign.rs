//! Every await of every foreign future is a place where a cancelled body ends (R2). What tokio's
//! primitives promise for dropped waiters holds here too: no permit, no item, no wake-up is lost.

mod common;

use std::future::pending;
use std::sync::Arc;

use common::{Driven, Log, drive, settle};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use umbel::{CancelScope, Cancelled, scope};

/// A scope that waits for `future`, polled once, and its handle.
fn waiting<T>(
    future: impl Future<Output = T>,
) -> (Driven<impl Future<Output = Result<T, Cancelled>>>, CancelScope) {
    let (work, handle) = scope(async |_| future.await).with_handle();
    let mut work = drive(work);
    work.pending();
    (work, handle)
}

/// Set and cancelled before the waiter had its turn: cancelled is looked at first, and nothing is
/// consumed. The event is still there for a second waiter.
#[test]
fn an_event_set_before_the_cancel_is_not_lost() {
    let notify = Notify::new();
    let (mut first, handle) = waiting(notify.notified());
    notify.notify_one();
    handle.cancel();
    assert!(first.ready().is_err());
    drive(notify.notified()).ready();
}

/// A notified waiter is cancelled: the notification passes to the next.
#[test]
fn a_notification_passes_to_the_next_waiter() {
    let notify = Notify::new();
    let (mut first, handle) = waiting(notify.notified());
    let (mut second, _) = waiting(notify.notified());
    notify.notify_one();
    handle.cancel();
    assert!(first.ready().is_err());
    assert_eq!(second.wakes(), 1);
    second.ready().unwrap();
}

/// Three wait, the second is cancelled: the others are woken.
#[test]
fn the_other_waiters_are_not_disturbed() {
    let notify = Notify::new();
    let (mut first, _) = waiting(notify.notified());
    let (mut second, handle) = waiting(notify.notified());
    let (mut third, _) = waiting(notify.notified());
    handle.cancel();
    assert!(second.ready().is_err());
    notify.notify_waiters();
    first.ready().unwrap();
    third.ready().unwrap();
}

/// A waiter for a lock is cancelled before or after the lock was released: it never holds it, and the
/// lock is free.
#[test]
fn a_cancelled_waiter_never_holds_the_lock() {
    for release_first in [true, false] {
        let lock = Mutex::new(());
        let held = lock.try_lock().unwrap();
        let (mut waiter, handle) = waiting(lock.lock());
        if release_first {
            drop(held);
            handle.cancel();
        } else {
            handle.cancel();
            drop(held);
        }
        assert!(waiter.ready().is_err());
        assert!(lock.try_lock().is_ok());
    }
}

/// The first of two is cancelled as the permit is freed: the second gets it.
#[test]
fn a_permit_goes_to_the_next_in_line() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let (mut first, handle) = waiting(semaphore.acquire());
    let (mut second, _) = waiting(semaphore.acquire());
    drop(held);
    handle.cancel();
    assert!(first.ready().is_err());
    let permit = second.ready().unwrap().unwrap();
    drop(permit);
    assert_eq!(semaphore.available_permits(), 1);
}

/// A blocked receiver or sender is cancelled: no ghost is left in the channel.
#[test]
fn a_cancelled_receiver_or_sender_leaves_no_ghost() {
    let (tx, mut rx) = mpsc::channel(1);
    let (mut receiver, handle) = waiting(rx.recv());
    handle.cancel();
    assert!(receiver.ready().is_err());
    drop(receiver);
    assert_eq!(rx.try_recv(), Err(mpsc::error::TryRecvError::Empty));
    tx.try_send(1).unwrap();
    let (mut sender, handle) = waiting(tx.send(2));
    handle.cancel();
    assert!(sender.ready().is_err());
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Err(mpsc::error::TryRecvError::Empty)));
}

/// An item is sent to a waiting receiver that is cancelled in the same turn: still in the channel.
#[test]
fn an_item_sent_to_a_cancelled_receiver_is_still_there() {
    let (tx, mut rx) = mpsc::channel(1);
    let (mut receiver, handle) = waiting(rx.recv());
    tx.try_send(1).unwrap();
    handle.cancel();
    assert!(receiver.ready().is_err());
    drop(receiver);
    assert_eq!(rx.try_recv(), Ok(1));
}

/// In a scope that is cancelled already nothing is begun: nothing is taken, nothing is sent.
#[test]
fn in_a_cancelled_scope_nothing_is_begun() {
    let (tx, mut rx) = mpsc::channel(2);
    tx.try_send(1).unwrap();
    for receive in [true, false] {
        let (work, handle) =
            scope(
                async |_| {
                    if receive { rx.recv().await.is_some() } else { tx.send(2).await.is_ok() }
                },
            )
            .with_handle();
        handle.cancel();
        assert!(drive(work).ready().is_err());
    }
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Err(mpsc::error::TryRecvError::Empty)));
}

/// Resolved and cancelled, in each order: cancelled first, the waiter never goes on; resolved first, it
/// does if it was polled in between. The value is never lost half way.
#[test]
fn a_promise_and_a_cancel_in_each_order() {
    for resolved_first in [true, false] {
        for poll_between in [true, false] {
            let (tx, mut rx) = oneshot::channel();
            let log = Log::new();
            let (mut waiter, handle) = waiting(async {
                let value = (&mut rx).await;
                log.add("went on");
                value
            });
            let mut tx = Some(tx);
            let mut outcome = None;
            for resolve in [resolved_first, !resolved_first] {
                if resolve {
                    let _ = tx.take().unwrap().send(7);
                } else {
                    handle.cancel();
                }
                if poll_between && outcome.is_none() {
                    if let std::task::Poll::Ready(ready) = waiter.poll() {
                        outcome = Some(ready);
                    }
                }
            }
            let outcome = outcome.unwrap_or_else(|| waiter.ready());
            drop(waiter);
            if resolved_first && poll_between {
                assert_eq!((outcome.unwrap(), log.all().len()), (Ok(7), 1));
            } else {
                assert!(outcome.is_err() && log.is_empty());
                assert_eq!(rx.try_recv(), Ok(7), "still to be had");
            }
        }
    }
}

/// A blocking thread cannot be stopped: its caller stops waiting, it goes on, its result is dropped.
#[test]
fn a_blocking_thread_goes_on_and_its_result_is_dropped() {
    let runtime = common::runtime();
    let log = Log::new();
    let (start, started) = std::sync::mpsc::channel::<()>();
    let value = log.guard("result");
    let in_thread = log.clone();
    runtime.block_on(async {
        let outcome = scope(async |s| {
            let thread = tokio::task::spawn_blocking(move || {
                started.recv().unwrap();
                in_thread.add("finished");
                value
            });
            s.cancel();
            thread.await
        });
        assert!(outcome.await.is_err());
        assert!(log.is_empty());
        start.send(()).unwrap();
    });
    drop(runtime);
    assert_eq!(log.all(), ["finished", "result"]);
}

/// A scope in a `JoinSet`, in a `select!`, under tokio's timeout: it is a future as any other.
#[tokio::test(start_paused = true)]
async fn scopes_go_where_futures_go() {
    let mut set = tokio::task::JoinSet::new();
    for n in 0..3 {
        set.spawn(async move { scope(async |s| s.spawn(async move { n }).await).await });
    }
    let mut sum = 0;
    while let Some(joined) = set.join_next().await {
        sum += joined.unwrap().unwrap().unwrap();
    }
    assert_eq!(sum, 3);
    let first = tokio::select! {
        biased;
        _ = scope(async |_| pending::<()>().await) => "never",
        outcome = scope(async |_| "first") => outcome.unwrap(),
    };
    assert_eq!(first, "first");
    let shared = Arc::new(Notify::new());
    let child = Arc::clone(&shared);
    let boxed: std::pin::Pin<Box<dyn Future<Output = _>>> =
        Box::pin(scope(async move |s| drop(s.spawn(async move { child.notify_one() }))));
    boxed.await.unwrap();
    settle().await;
    drive(shared.notified()).ready();
}
