//! Primitives to wait on, in a scope that is cancelled: scenarios of AnyIO, Trio and Eio that `foreign.rs`
//! does not have (R2, R6).
mod common;

use std::future::pending;

use common::{Counts, Log, drive, settle};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use umbel::{Scope, checkpoint, scope};

/// R2, not as in Eio's `condition.md`: a waiter that is cancelled while somebody else holds the mutex is
/// dropped at once. It does not take the mutex again to unwind: a guard it had given back is given back.
#[tokio::test(start_paused = true)]
async fn a_waiter_on_a_condition_does_not_come_back_for_the_lock() {
    let (mutex, condition, log) = (Mutex::new(0), Notify::new(), Log::new());
    let (waiter, handle) = scope(async |_| {
        let mut count = mutex.lock().await;
        while *count == 0 {
            let notified = condition.notified();
            drop(count);
            notified.await;
            count = mutex.lock().await;
        }
        log.add("never");
    })
    .with_handle();
    let mut waiter = drive(waiter);
    waiter.pending();
    let mut held = mutex.try_lock().expect("the waiter has given it back");
    handle.cancel();
    assert!(waiter.ready().is_err(), "though the lock is held by another");
    *held += 1;
    drop(held);
    condition.notify_one();
    assert_eq!((*mutex.try_lock().unwrap(), log.is_empty()), (1, true));
    drive(condition.notified()).ready();
}

/// R2, as in Trio's `test_parking_lot_cancel`: three are parked, the second is cancelled, all are let go.
/// The order: first the end of the second, then the first and the third.
#[tokio::test(start_paused = true)]
async fn of_three_that_are_parked_the_second_is_cancelled() {
    let lot = Semaphore::new(0);
    let log = Log::new();
    scope(async |s: Scope<'_>| {
        let parked = [("1", "gone 1"), ("2", "gone 2"), ("3", "gone 3")].map(|(woken, gone)| {
            let (lot, log) = (&lot, &log);
            s.fork(async move {
                let _gone = log.guard(gone);
                lot.acquire().await.unwrap().forget();
                log.add(woken);
            })
        });
        settle().await;
        parked[1].cancel();
        checkpoint().await;
        lot.add_permits(2);
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["gone 2", "1", "gone 1", "3", "gone 3"]);
    assert_eq!(lot.available_permits(), 0);
}

/// R2, as in AnyIO's `test_acquire_cancelled` and `test_notification_handover_on_cancel`, between tasks:
/// the first in line is cancelled in the turn in which it was its turn. The second goes on, at once.
#[tokio::test(start_paused = true)]
async fn the_next_in_line_goes_on_without_time_passing() {
    let permits = std::sync::Arc::new(Semaphore::new(1));
    let start = tokio::time::Instant::now();
    scope(async |s| {
        let held = permits.acquire().await.unwrap();
        let wait = || {
            let permits = permits.clone();
            async move { drop(permits.acquire().await.unwrap()) }
        };
        let (first, second) = (s.spawn(wait()), s.spawn(wait()));
        settle().await;
        drop(held);
        first.cancel();
        second.await.unwrap();
        assert!(first.await.is_err(), "it was given the permit, and had no turn to take it");
    })
    .await
    .unwrap();
    assert_eq!((permits.available_permits(), start.elapsed()), (1, std::time::Duration::ZERO));
}

/// R6, as in AnyIO's `test_receive_when_cancelled` and `test_send_when_cancelled`, for children: those of
/// a cancelled scope begin nothing, so nothing is taken and nothing is sent.
#[test]
fn children_of_a_cancelled_scope_take_and_send_nothing() {
    let (sender, mut receiver) = mpsc::channel(4);
    sender.try_send(1).unwrap();
    let polled = Counts::new();
    let outcome = drive(scope(async |s| {
        s.fork(polled.of(async { receiver.recv().await.is_some() }));
        s.fork(polled.of(async { sender.send(2).await.is_ok() }));
        s.cancel();
        pending::<()>().await;
    }))
    .output();
    assert!(outcome.is_err());
    assert_eq!((polled.both(), receiver.try_recv()), ((0, 2), Ok(1)));
    assert!(receiver.try_recv().is_err());
}
