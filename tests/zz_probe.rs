//! probe
#![allow(clippy::unwrap_used, missing_docs)]
mod common;
use common::*;
use std::future::pending;
use std::sync::Arc;
use std::task::Waker;
use umbel::scope;

#[test]
fn a_watcher_of_an_unpolled_scope_is_woken() {
    let (_work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut w = drive(handle.cancelled());
    w.pending();
    handle.cancel();
    assert_eq!(w.wakes(), 1);
}
#[test]
fn a_watcher_of_a_scope_that_ends_in_its_first_poll() {
    let (work, handle) = scope(async |_| ()).with_handle();
    let mut w = drive(handle.cancelled());
    w.pending();
    drive(work).ready().unwrap();
    assert_eq!(w.wakes(), 1);
}
#[test]
fn two_watchers() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut w = drive(handle.cancelled());
    w.pending();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    assert_eq!((w.wakes(), work.wakes()), (1, 1));
}
#[test]
fn panicking_watcher_at_end() {
    let (work, handle) = scope(async |_| tokio::task::yield_now().await).with_handle();
    let pw = PanickingWaker::new();
    let waker = Waker::from(Arc::clone(&pw));
    let mut c = Box::pin(handle.cancelled());
    assert!(with_waker(c.as_mut(), &waker).is_pending());
    let mut work = drive(work);
    work.pending();
    let r = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.poll()));
    println!("first {:?}", r.is_err());
    drop(work);
    println!("finished {}", handle.is_finished());
    drop(c);
    drop(handle);
}
#[tokio::test(start_paused = true)]
async fn panicking_waker_on_fork_handle() {
    let pw = PanickingWaker::new();
    let waker = Waker::from(Arc::clone(&pw));
    let r = tokio::time::timeout(secs(10), catch(scope(async |s| {
        let c = s.fork(async { tokio::task::yield_now().await; 1 });
        let mut c = Box::pin(c);
        assert!(with_waker(c.as_mut(), &waker).is_pending());
        settle().await;
    }))).await;
    println!("{:?}", r.is_ok());
    assert!(r.is_ok(), "hangs");
}
#[tokio::test(start_paused = true)]
async fn panicking_watcher_and_child_panic() {
    let pw = PanickingWaker::new();
    let waker = Waker::from(Arc::clone(&pw));
    let r = tokio::time::timeout(secs(10), catch(scope(async |s| {
        let mut c = Box::pin(s.cancelled());
        assert!(with_waker(c.as_mut(), &waker).is_pending());
        s.spawn(async { boom("child") });
        pending::<()>().await;
    }))).await;
    assert!(r.is_ok(), "hangs");
    println!("{:?}", r.unwrap().is_err());
}
#[test]
fn handle_taken_outside_the_runtime() {
    let (work, _h) = scope(async |s| s.spawn(async { 7 }).await).with_handle();
    let rt = runtime();
    let r = rt.block_on(work);
    println!("{r:?}");
    assert_eq!(r.unwrap().unwrap(), 7);
}
#[tokio::test(start_paused = true)]
async fn panicking_watcher_of_a_grandchild() {
    let pw = PanickingWaker::new();
    let waker = Waker::from(Arc::clone(&pw));
    let gate = Gate::new();
    let r = tokio::time::timeout(secs(10), catch(scope(async |s| {
        let g = gate.clone();
        let (tx, rx) = tokio::sync::oneshot::channel();
        s.spawn(async move {
            let mut inner = Box::pin(scope(async |i| {
                let c = i.spawn(async move { struct D(Gate); impl Drop for D { fn drop(&mut self) { } } let _d = D(g); pending::<()>().await });
                tx.send(c.handle().unwrap()).ok();
                pending::<()>().await
            }));
            let _ = futures_util::poll!(inner.as_mut());
        });
        let h = rx.await.unwrap();
        let mut c = Box::pin(h.cancelled());
        let _ = with_waker(c.as_mut(), &waker);
        settle().await;
    }))).await;
    assert!(r.is_ok(), "hangs");
}
