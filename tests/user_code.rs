//! Wakers, destructors and clones are the user's code: they run with no lock of ours held, may call
//! back into the library, and may panic (R25).
mod common;

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use common::{Gate, Log, PanickingWaker, boom, catch, drive, runtime, secs, settle, with_waker};
use umbel::{CancelScope, Scope, scope};

/// A waker that calls `self.0`.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker_that(calls: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Calls(calls)))
}

/// All that can be asked of a handle.
fn use_fully(handle: &CancelScope) {
    handle.cancel();
    let _ = (handle.reason(), handle.deadline(), handle.name(), handle.cancel_count());
    handle.set_deadline(None);
    let _ = handle.picture().to_string();
    let _ = drive(handle.cancelled()).poll();
}

/// A waker that goes back to the scope it was woken by, and to the one above that.
#[test]
fn a_waker_may_call_back_into_the_library() {
    let (inner, inner_handle) = scope(async |_| pending::<()>().await).with_handle();
    let (outer, outer_handle) = scope(async |_| inner.await).with_handle();
    let mut outer = Box::pin(outer);
    let log = Log::new();
    let waker = waker_that({
        let (inner, outer, log) = (inner_handle.clone(), outer_handle.clone(), log.clone());
        move || {
            use_fully(&inner);
            use_fully(&outer);
            log.add("woken");
        }
    });
    assert!(with_waker(outer.as_mut(), &waker).is_pending());
    let mut waiting = Box::pin(inner_handle.cancelled());
    assert!(with_waker(waiting.as_mut(), &waker).is_pending());
    inner_handle.cancel();
    assert!(log.count("woken") >= 2, "{:?}", log.all());
    assert!(with_waker(outer.as_mut(), Waker::noop()).is_ready());
}

/// A waker that goes back to its scope when the last of it is dropped, which happens when that scope ends.
#[test]
fn the_destructor_of_a_waker_may_call_back_into_the_library() {
    struct Last(Mutex<Option<CancelScope>>, Log);
    impl Wake for Last {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Last {
        fn drop(&mut self) {
            if let Some(scope) = self.0.lock().unwrap().take() {
                use_fully(&scope);
            }
            self.1.add("waker dropped");
        }
    }
    for keeps_handle in [false, true] {
        let (log, gate) = (Log::new(), Gate::new());
        let (around, around_handle) = scope(async |_| {
            let kept = Mutex::new(None);
            let mut work = Box::pin(scope(|s: Scope<'static>| {
                *kept.lock().unwrap() = keeps_handle.then(|| s.handle());
                gate.wait()
            }));
            let asks = Last(Mutex::new(Some(CancelScope::current().unwrap())), log.clone());
            let waker = Waker::from(Arc::new(asks));
            assert!(with_waker(work.as_mut(), &waker).is_pending());
            drop(waker);
            gate.open();
            assert!(log.is_empty());
            assert!(with_waker(work.as_mut(), Waker::noop()).is_ready());
            assert_eq!(log.all(), ["waker dropped"]);
        })
        .with_handle();
        assert!(drive(around).ready().is_ok());
        assert_eq!(around_handle.cancel_count(), 1);
    }
}

/// A waker that drops the scope it wakes, there and then.
#[test]
fn a_waker_may_drop_the_scope() {
    type Slot = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;
    for child in [false, true] {
        let runtime = runtime();
        let _enter = runtime.enter();
        let log = Log::new();
        let guard = log.guard("body");
        let (work, handle) = scope(async move |s: Scope<'static>| {
            let _guard = guard;
            if child {
                s.spawn(pending::<()>());
            }
            pending::<()>().await;
        })
        .with_handle();
        let slot = Slot::default();
        let waker = waker_that({
            let slot = Arc::clone(&slot);
            move || drop(slot.lock().unwrap().take())
        });
        let mut work: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async { drop(work.await) });
        assert!(with_waker(work.as_mut(), &waker).is_pending());
        *slot.lock().unwrap() = Some(work);
        handle.cancel();
        assert_eq!(log.all(), ["body"]);
        assert!(handle.is_cancelled());
        assert_eq!(handle.is_finished(), !child);
    }
}

/// A destructor that cancels, asks, spawns and opens scopes.
#[tokio::test(start_paused = true)]
async fn a_destructor_may_call_back_into_the_library() {
    struct Busy(Scope<'static>, Log);
    impl Drop for Busy {
        fn drop(&mut self) {
            use_fully(&self.0);
            drop(self.0.spawn(pending::<()>()));
            drop(self.0.fork(pending::<()>()));
            assert!(umbel::check().is_err());
            let mut inner = drive(scope(async |_| ()));
            inner.pending();
            drop(inner);
            self.1.add("dropped");
        }
    }
    let log = Log::new();
    let outcome = scope(async |s: Scope<'static>| {
        let (in_child, in_fork) = (Busy(s.clone(), log.clone()), Busy(s.clone(), log.clone()));
        s.spawn(async move {
            let _busy = in_child;
            pending::<()>().await;
        });
        s.fork(async move {
            let _busy = in_fork;
            pending::<()>().await;
        });
        let _busy = Busy(s.clone(), log.clone());
        settle().await;
        s.cancel();
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["dropped"; 3]);
}

/// A waker that panics while a scope is cancelled: the others are woken all the same, and the canceller
/// is not struck by a stranger's panic (R24).
#[test]
fn a_panicking_waker_does_not_keep_the_others_from_being_woken() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let panicking = PanickingWaker::new();
    let mut work = drive(work);
    work.pending();
    let mut first = drive(handle.cancelled());
    let mut bad = Box::pin(handle.cancelled());
    let mut last = drive(handle.cancelled());
    first.pending();
    assert!(with_waker(bad.as_mut(), &Waker::from(Arc::clone(&panicking))).is_pending());
    last.pending();
    assert!(catch_unwind(AssertUnwindSafe(|| handle.cancel())).is_ok());
    assert_eq!((first.wakes(), last.wakes(), work.wakes(), panicking.count()), (1, 1, 1, 1));
    assert!(work.ready().is_err());
    assert!(handle.is_finished());
}

/// A waker that panics while a scope comes to its end: the scope has ended, whoever hears of the
/// panic, and dropping its future afterwards is harmless.
#[test]
fn a_waker_that_panics_at_the_end_of_a_scope_does_no_harm() {
    let gate = Gate::new();
    let (work, handle) = scope(|_: Scope<'static>| gate.wait()).with_handle();
    let mut bad = Box::pin(handle.cancelled());
    let waker = Waker::from(PanickingWaker::new());
    assert!(with_waker(bad.as_mut(), &waker).is_pending());
    let mut work = drive(work);
    work.pending();
    gate.open();
    let _ = catch_unwind(AssertUnwindSafe(|| work.poll()));
    assert!(handle.is_finished());
    let hook = Arc::new(std::panic::take_hook());
    let log = Log::new();
    let (seen, usual, here) = (log.clone(), Arc::clone(&hook), std::thread::current().id());
    // The hook is the process's, and other tests run meanwhile: what they say goes where it always does.
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == here {
            seen.add("a panic inside the library");
        }
        usual(panic);
    }));
    drop(work);
    std::panic::set_hook(Box::new(move |panic| hook(panic)));
    assert!(log.is_empty(), "{:?}", log.all());
    assert_eq!(handle.cancel_count(), 0);
    handle.cancel();
    assert_eq!(handle.cancel_count(), 1);
}

/// A waker that panics when a fork's value is delivered: the fork has ended, and its scope does.
#[tokio::test(start_paused = true)]
async fn a_panicking_waker_on_a_forks_handle_leaves_no_scope_hanging() {
    let waker = Waker::from(PanickingWaker::new());
    let work = catch(scope(async |s| {
        let mut child = Box::pin(s.fork(async {
            tokio::task::yield_now().await;
            1
        }));
        assert!(with_waker(child.as_mut(), &waker).is_pending());
        settle().await;
    }));
    assert!(tokio::time::timeout(secs(1), work).await.is_ok(), "the scope never returned");
}

/// A waker that panics while a child's failure is delivered: the child has ended, and its scope does.
#[tokio::test(start_paused = true)]
async fn a_panicking_waker_beside_a_failing_child_leaves_no_scope_hanging() {
    for forked in [false, true] {
        let waker = Waker::from(PanickingWaker::new());
        let work = catch(scope(async |s| {
            let mut bad = Box::pin(s.cancelled());
            assert!(with_waker(bad.as_mut(), &waker).is_pending());
            let child = async { boom("child") };
            drop(if forked { s.fork(child) } else { s.spawn(child) });
            pending::<()>().await;
        }));
        let outcome = tokio::time::timeout(secs(1), work).await.expect("the scope never returned");
        assert!(outcome.is_err());
    }
}

/// A waker that panics when somebody waits for a grandchild: the scopes above close all the same.
#[tokio::test(start_paused = true)]
async fn a_panicking_waker_deep_down_leaves_no_scope_hanging() {
    let waker = Waker::from(PanickingWaker::new());
    let gate = Gate::new();
    let work = catch(scope(async |s| {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let in_child = gate.clone();
        s.spawn(async move {
            // Left half open: its child is waited for in its place.
            let mut open = Box::pin(scope(async |inner| {
                let on_drop = OpensOnDrop(in_child);
                let grandchild = inner.spawn(async move {
                    let _on_drop = on_drop;
                    pending::<()>().await;
                });
                let _ = tx.send(grandchild.handle().unwrap());
                pending::<()>().await;
            }));
            assert!(futures_util::poll!(open.as_mut()).is_pending());
        });
        let grandchild = rx.await.unwrap();
        let mut bad = Box::pin(grandchild.cancelled());
        let _ = with_waker(bad.as_mut(), &waker);
    }));
    assert!(tokio::time::timeout(secs(1), work).await.is_ok(), "the scope never returned");
    assert!(gate.is_open());
}

/// Opens a gate when it is dropped.
struct OpensOnDrop(Gate);

impl Drop for OpensOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Contents of a message, a name and a panic are dropped outside every lock too: their destructors
/// may ask the scope that they came from.
#[tokio::test(start_paused = true)]
async fn a_payload_may_call_back_when_it_is_dropped() {
    struct Payload(CancelScope, Log);
    impl Drop for Payload {
        fn drop(&mut self) {
            use_fully(&self.0);
            self.1.add("payload dropped");
        }
    }
    let log = Log::new();
    let outcome = catch(scope(async |s: Scope<'static>| {
        for _ in 0..3 {
            let payload = Payload(CancelScope::clone(&s), log.clone());
            s.spawn(async move { std::panic::resume_unwind(Box::new(payload)) });
        }
        pending::<()>().await;
    }))
    .await;
    let first = outcome.unwrap_err();
    assert_eq!(log.all(), ["payload dropped"; 2], "the later ones are dropped, the first resumed");
    drop(first);
    assert_eq!(log.all().len(), 3);
}
