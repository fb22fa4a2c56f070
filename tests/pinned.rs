//! Children on threads of their own: what they make stays there, and the threads end before the scope.
mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Gate, Log, boom, panic_of, runtime};
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use umbel::{CancelScope, Kind, scope, task};

/// Drives a future without any runtime of tokio's.
fn without_a_runtime<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let (mut future, mut cx) = (Box::pin(future), std::task::Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => thread::park(),
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Counts when its thread ends. It is slow about it, so that who does not wait is seen to be early.
struct Last(Arc<AtomicUsize>);

impl Drop for Last {
    fn drop(&mut self) {
        // Not by yielding: on a busy machine each turn of the others may be a long one.
        thread::sleep(Duration::from_millis(2));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn leave_in_thread(ended: &Arc<AtomicUsize>) {
    let last = Last(Arc::clone(ended));
    LAST.with(|slot| slot.replace(Some(last)));
}

/// R12: the destructors of the thread's own thread-locals have run when the scope returns: when the
/// child returned, when it was cancelled, with a runtime and without.
#[test]
fn the_thread_has_ended_when_the_scope_returns() {
    for (cancelled, with_runtime) in [(false, true), (true, true), (false, false), (true, false)] {
        let ended = Arc::new(AtomicUsize::new(0));
        let started = [Gate::new(), Gate::new(), Gate::new()];
        let work = scope(async |s| {
            for started in started.clone() {
                let ended = Arc::clone(&ended);
                s.spawn_pinned(move || async move {
                    leave_in_thread(&ended);
                    started.open();
                    if cancelled {
                        pending::<()>().await;
                    }
                });
            }
            if cancelled {
                for started in &started {
                    started.wait().await;
                }
                s.cancel();
                pending::<()>().await;
            }
        });
        let outcome = if with_runtime { runtime().block_on(work) } else { without_a_runtime(work) };
        assert_eq!(outcome.is_err(), cancelled);
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }
}

/// An interpreter whose state is shared by `Rc`: all of it stays on the thread it was made on.
#[test]
fn an_interpreter_stays_on_its_thread() {
    let (send, mut lines) = mpsc::channel::<(i32, oneshot::Sender<i32>)>(1);
    let home = thread::current().id();
    let (at, outcome) = runtime()
        .block_on(scope(async |s| {
            let interpreter = s.named("interpreter").spawn_pinned(move || {
                let made_on = thread::current().id();
                let total = Rc::new(Cell::new(0));
                async move {
                    while let Some((number, answer)) = lines.recv().await {
                        let total = Rc::clone(&total);
                        let adding = tokio::task::spawn_local(async move {
                            total.set(total.get() + number);
                            assert_eq!(thread::current().id(), made_on);
                            answer.send(total.get()).unwrap();
                        });
                        adding.await.unwrap();
                    }
                    assert_eq!(thread::current().id(), made_on);
                    assert_eq!(thread::current().name(), Some("interpreter"));
                    assert_eq!(task::current().name().as_deref(), Some("interpreter"));
                    (made_on, total.get())
                }
            });
            for (number, sum) in [(1, 1), (2, 3), (3, 6)] {
                let (answer, answered) = oneshot::channel();
                send.send((number, answer)).await.unwrap();
                assert_eq!(answered.await.unwrap(), sum);
            }
            drop(send);
            interpreter.await.unwrap()
        }))
        .unwrap();
    assert_ne!(at, home);
    assert_eq!(outcome, 6);
}

/// Its place is the ambient one there (R22), and the runtime is one with timers.
#[test]
fn it_has_a_place_and_a_runtime_of_its_own() {
    runtime()
        .block_on(scope(async |s| {
            let home = tokio::runtime::Handle::current().id();
            let child = s.spawner().spawn_pinned(move || async move {
                assert_ne!(tokio::runtime::Handle::current().id(), home);
                tokio::time::sleep(Duration::from_nanos(1)).await;
                // Children of its scopes run where those of its own scope do (R13).
                let inner = scope(async |inner| {
                    inner.spawn(async { tokio::runtime::Handle::current().id() }).await.unwrap()
                });
                assert_eq!(inner.await.unwrap(), home);
                CancelScope::current()
            });
            let handle = child.handle();
            assert_eq!(child.await.unwrap(), handle);
        }))
        .unwrap();
}

/// A zero byte in a name is no reason to panic.
#[test]
fn any_name_will_do() {
    let outcome = runtime().block_on(scope(async |s| {
        s.named("a\0b").spawn_pinned(|| async { thread::current().name().map(str::len) }).await
    }));
    assert_eq!(outcome.unwrap().unwrap(), Some(5));
}

/// R2: cancelled alone, it is dropped where it is suspended, on its thread; its scope is not touched.
#[test]
fn it_is_cancelled_alone() {
    let log = Log::new();
    runtime()
        .block_on(scope(async |s| {
            let (started, guard) = (Gate::new(), log.guard("dropped"));
            let there = started.clone();
            let child = s.spawn_pinned(move || async move {
                let _guard = guard;
                there.open();
                pending::<()>().await;
            });
            started.wait().await;
            child.cancel();
            assert_eq!(child.await.unwrap_err().reason().kind(), Kind::Explicit);
            assert_eq!((log.all(), s.cancel_count()), (vec!["dropped"], 0));
        }))
        .unwrap();
}

/// A child refused starts no thread: what makes it is dropped before the call returns (R13).
#[test]
fn a_child_refused_is_not_made() {
    let log = Log::new();
    let outcome = runtime().block_on(scope(async |s| {
        s.cancel();
        let guard = log.guard("dropped");
        let child = s.spawn_pinned(move || {
            drop(guard);
            async {}
        });
        assert_eq!(log.all(), ["dropped"]);
        child.now_or_never().unwrap().unwrap_err()
    }));
    assert_eq!(outcome.unwrap().reason().kind(), Kind::Explicit);
}

/// R14: panics of the closure, of the future and of its destructor go to the scope.
#[test]
fn panics_go_to_the_scope() {
    struct Boom;
    impl Drop for Boom {
        fn drop(&mut self) {
            boom("dropping");
        }
    }
    for what in ["making", "polling", "dropping"] {
        let ended = Arc::new(AtomicUsize::new(0));
        let text = runtime().block_on(panic_of(scope(async |s| {
            let there = Arc::clone(&ended);
            let child = s.spawn_pinned(move || {
                leave_in_thread(&there);
                assert!(CancelScope::current().is_some());
                if what == "making" {
                    boom("making");
                }
                async move {
                    let _boom = (what == "dropping").then(|| Boom);
                    if what == "polling" {
                        boom("polling");
                    }
                    CancelScope::current().unwrap().cancel();
                    pending::<()>().await;
                }
            });
            let _ = child.await;
            pending::<()>().await;
        })));
        assert_eq!(text, what);
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }
}

/// R18: the scope is dropped from outside; the one around it waits for the thread's very end. So do
/// local tasks that it had started there: they are dropped with its runtime.
#[test]
fn the_scope_around_waits_for_a_thread_that_was_left() {
    let (ended, log) = (Arc::new(AtomicUsize::new(0)), Log::new());
    runtime()
        .block_on(scope(async |_| {
            let started = Gate::new();
            let inner = scope(async |s| {
                let (there, ended) = (started.clone(), Arc::clone(&ended));
                let (child, local) = (log.guard("child"), log.guard("local task"));
                s.spawn_pinned(move || async move {
                    let _child = child;
                    leave_in_thread(&ended);
                    tokio::task::spawn_local(async move {
                        let _local = local;
                        pending::<()>().await;
                    });
                    tokio::task::yield_now().await;
                    there.open();
                    pending::<()>().await;
                });
                pending::<()>().await;
            });
            tokio::select! { _ = inner => unreachable!(), () = started.wait() => {} }
        }))
        .unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert_eq!(log.all(), ["child", "local task"]);
}

/// The value of a child whose handle is gone is dropped before the scope returns (R12).
#[test]
fn an_unasked_value_is_dropped() {
    let log = Log::new();
    let value = log.guard("value");
    runtime()
        .block_on(scope(async |s| drop(s.spawn_pinned(move || async move { value }))))
        .unwrap();
    assert_eq!(log.all(), ["value"]);
}
