//! Defects that were reproduced in other crates of the field, each as the scenario that shows it, and
//! scenarios that their tests agree on.
//!
//! Elsewhere: the future that is pinned, polled once and forgotten while it borrows is in
//! `compile_fail/`; destructors after an outer abort in `orphans.rs`; wakers that re-enter, panic or
//! drop the scope in `user_code.rs`; the number of interleavings that a model explores in
//! `loom-tests/`.
mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;

use common::{Counts, Gate, Log, boom, drive, panic_of, secs, settle, with_waker};
use umbel::{CancelScope, Scope, scope, timeout};

/// moro: a nested spawn beside an idle sibling lost its wake-up, and hung.
#[tokio::test(start_paused = true)]
async fn a_nested_child_beside_an_idle_sibling_is_woken() {
    let work = scope(async |s: Scope<'_>| {
        let idle = s.fork(pending::<()>());
        let inside = s.clone();
        let outer = s.fork(async {
            let inside = inside;
            let nested = inside.fork(async {
                tokio::task::yield_now().await;
                "nested"
            });
            nested.await.unwrap()
        });
        let value = outer.await.unwrap();
        idle.cancel();
        value
    });
    assert_eq!(tokio::time::timeout(secs(1), work).await.expect("it hangs").unwrap(), "nested");
}

/// moro: a child's panic aborted the process, or poisoned the scope for good.
#[tokio::test(start_paused = true)]
async fn a_childs_panic_neither_aborts_nor_poisons() {
    let log = Log::new();
    let guard = log.guard("sibling");
    let panic = panic_of(scope(async |s| {
        s.fork(async { boom("fork") });
        s.fork(async move {
            let _guard = guard;
            pending::<()>().await;
        });
    }))
    .await;
    assert_eq!((panic, log.all().len()), ("fork", 1));
    assert_eq!(scope(async |s| s.fork(async { 7 }).await.unwrap()).await.unwrap(), 7);
}

/// moro-local: a child that started another one while being polled borrowed what was borrowed.
#[tokio::test(start_paused = true)]
async fn a_child_starts_children_while_it_is_polled() {
    let counts = Counts::new();
    scope(async |s| {
        let inside = s.clone();
        let counts = &counts;
        s.fork(async move {
            for _ in 0..10 {
                drop(inside.fork(counts.of(tokio::task::yield_now())));
            }
            inside.fork(async {}).await.unwrap();
        });
    })
    .await
    .unwrap();
    assert_eq!(counts.drops(), 10);
}

/// async-scoped, structured-spawn: the drop of a scope blocked its worker, for as long as its child
/// ran; on a current-thread runtime, for ever.
#[tokio::test(start_paused = true)]
async fn dropping_a_scope_does_not_block_its_worker() {
    let counts = Counts::new();
    let start = tokio::time::Instant::now();
    let slow = scope(async |s| {
        s.spawn(counts.of(tokio::time::sleep(secs(300))));
        pending::<()>().await;
    });
    assert!(tokio::time::timeout(secs(20), slow).await.is_err());
    assert_eq!(start.elapsed(), secs(20));
    assert_eq!(counts.drops(), 0, "the child has had no turn: nobody waited for it");
    settle().await;
    assert_eq!(counts.drops(), 1);
}

/// tokio-scoped: a child's panic was lost when nobody asked for its value.
#[tokio::test(start_paused = true)]
async fn a_childs_panic_is_not_silent() {
    let panic = panic_of(scope(async |s| {
        drop(s.spawn(async { boom("nobody asked") }));
        "value"
    }))
    .await;
    assert_eq!(panic, "nobody asked");
}

/// A body that cancels its own scope and returns in the same poll has a documented outcome: the value.
#[test]
fn a_body_that_cancels_itself_and_returns_has_returned() {
    let mut work = drive(scope(async |s| {
        s.cancel();
        "value"
    }));
    assert_eq!(work.ready().unwrap(), "value");
}

/// tokio-util's token: asking whether it is cancelled stalled for as long as a cancel with a hundred
/// thousand children took, because both took one lock. Here another thread gets its answer in the
/// midst of the cancel, from within a waker.
#[tokio::test(start_paused = true)]
async fn asking_does_not_wait_for_a_cancel_under_way() {
    struct Asks(CancelScope, Log);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            let (handle, log) = (self.0.clone(), self.1.clone());
            let asking = thread::spawn(move || {
                log.add(if handle.is_cancelled() { "cancelled" } else { "calm" });
            });
            // A question that waited for the cancel to end would wait for this, and so for ever.
            asking.join().unwrap();
        }
    }
    let (log, counts) = (Log::new(), Counts::new());
    let (work, handle) = scope(async |s| {
        for _ in 0..1000 {
            s.spawn(counts.pending());
        }
        pending::<()>().await;
    })
    .with_handle();
    let mut work = Box::pin(work);
    let waker = Waker::from(Arc::new(Asks(handle.clone(), log.clone())));
    assert!(with_waker(work.as_mut(), &waker).is_pending());
    let mut watching = Box::pin(handle.cancelled());
    assert!(with_waker(watching.as_mut(), &waker).is_pending());
    handle.cancel();
    assert_eq!(log.all(), ["cancelled"; 2]);
    assert!(work.await.is_err());
    assert_eq!(counts.drops(), 1000);
}

/// Cause and flag in two steps were seen apart: a flag without a cause.
#[test]
fn the_flag_is_never_seen_without_its_cause() {
    for _ in 0..200 {
        let (inner, inner_handle) = scope(async |_| pending::<()>().await).with_handle();
        let (outer, handle) = scope(async |_| inner.await).with_handle();
        let mut outer = drive(outer);
        outer.pending();
        let watching: Vec<_> = [inner_handle, handle.clone()]
            .into_iter()
            .map(|handle| {
                thread::spawn(move || {
                    while !handle.is_cancelled() {
                        thread::yield_now();
                    }
                    handle.reason().is_some()
                })
            })
            .collect();
        handle.cancel();
        for watching in watching {
            assert!(watching.join().unwrap());
        }
        assert!(outer.ready().is_err());
    }
}

/// From the tests of task trackers: woken exactly when closed and empty, with the close at each
/// position among the ends of the children.
#[tokio::test(start_paused = true)]
async fn closed_and_empty_at_each_position() {
    const CHILDREN: usize = 5;
    for position in 0..=CHILDREN {
        let (gates, close) = ([(); CHILDREN].map(|()| Gate::new()), Gate::new());
        let mut work = drive(scope(async |s| {
            for gate in &gates {
                s.spawn(gate.wait());
            }
            close.wait().await;
        }));
        work.pending();
        settle().await;
        for step in 0..=CHILDREN {
            if step == position {
                close.open();
                assert_eq!(work.wakes(), 1, "the body's own");
                if position < CHILDREN {
                    work.pending();
                }
            }
            if let Some(gate) = gates.get(step) {
                gate.open();
                settle().await;
                let is_last = step + 1 == CHILDREN && position < CHILDREN;
                assert_eq!(work.wakes(), usize::from(is_last), "{position}, {step}");
            }
        }
        work.ready().unwrap();
    }
}

/// From the tests of nurseries: 2N tasks, one of which panics; all have ended when it comes out.
#[tokio::test(start_paused = true)]
async fn all_tasks_have_ended_before_the_panic_goes_on() {
    let (counts, gate) = (Counts::new(), Gate::new());
    let panic = panic_of(scope(async |s| {
        for n in 0..20 {
            let (counts, wait) = (counts.clone(), gate.wait());
            s.spawn(counts.clone().of(async move {
                wait.await;
                if n == 10 {
                    boom("one of them");
                }
                scope(async |inner| drop(inner.spawn(counts.of(pending::<()>())))).await
            }));
        }
        gate.open();
    }))
    .await;
    assert_eq!(panic, "one of them");
    let drops = counts.drops();
    settle().await;
    assert_eq!(counts.drops(), drops, "nothing has ended after that");
}

/// Recursion: each task waits for two of its kind, on a runtime of one thread.
#[tokio::test(start_paused = true)]
async fn recursion_on_one_worker_does_not_deadlock() {
    fn fibonacci(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
        Box::pin(async move {
            if n < 2 {
                return n;
            }
            scope(async |s| {
                let (a, b) = (s.spawn(fibonacci(n - 1)), s.spawn(fibonacci(n - 2)));
                a.await.unwrap() + b.await.unwrap()
            })
            .await
            .unwrap()
        })
    }
    assert_eq!(fibonacci(12).await, 144);
}

/// Growth of the group moves no future: forks stay where they are while others are added.
#[tokio::test(start_paused = true)]
async fn growth_moves_no_child() {
    scope(async |s| {
        let (tx, mut rx) = tokio::sync::watch::channel(0);
        let first = s.fork(async move {
            let local = [7_u8; 64];
            let before = local.as_ptr().addr();
            rx.wait_for(|&added| added == 1000).await.unwrap();
            (before, local.as_ptr().addr())
        });
        for added in 1..=1000 {
            s.fork(async {});
            tx.send(added).unwrap();
            tokio::task::yield_now().await;
        }
        let (before, after) = first.await.unwrap();
        assert_eq!(before, after);
    })
    .await
    .unwrap();
}

/// A limit on a parent leaves the grandparent untouched.
#[tokio::test(start_paused = true)]
async fn a_limit_on_the_parent_leaves_the_grandparent_untouched() {
    scope(async |grandparent| {
        let child = grandparent.spawn(async {
            tokio::time::sleep(secs(3)).await;
            "not touched"
        });
        assert!(
            timeout(secs(1), async { scope(async |_| pending::<()>().await).await }).await.is_err()
        );
        assert!(!grandparent.is_cancelled());
        assert_eq!(child.await.unwrap(), "not touched");
    })
    .await
    .unwrap();
}
