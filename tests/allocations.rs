//! What is allocated, exactly, once everything is warm: by a scope nothing, by a spawned child its
//! task and nothing else. In a binary of its own, for the sake of its allocator.
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::pin::pin;

use common::{Gate, runtime, secs, settle};
use umbel::{Attempt, CancelScope, Race, Scope, check, race, scope};

/// Counts the allocations of each thread by itself: a scenario has a thread of its own.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down allocates uncounted.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator as it came.
#[expect(unsafe_code, reason = "an allocator is")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: what the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: what the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: what the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How much is allocated while `future` runs.
async fn allocations_of<T>(future: impl Future<Output = T>) -> usize {
    let before = ALLOCATIONS.get();
    drop(future.await);
    ALLOCATIONS.get() - before
}

/// Runs `once` a few times, and gives what the last run allocated.
async fn warm(once: impl AsyncFn()) -> usize {
    for _ in 0..50 {
        once().await;
    }
    allocations_of(once()).await
}

fn in_a_runtime<T>(scenario: impl Future<Output = T>) -> T {
    runtime().block_on(scenario)
}

/// A scope inside a scope, around a future that is ready: nothing at all.
#[test]
fn a_nested_scope_around_a_ready_future_allocates_nothing() {
    let allocated = in_a_runtime(scope(async |_| {
        warm(async || assert_eq!(scope(async |_| 7).await.unwrap(), 7)).await
    }));
    assert_eq!(allocated.unwrap(), 0);
}

/// One that suspends: nothing either.
#[test]
fn a_nested_scope_that_suspends_allocates_nothing() {
    let allocated = in_a_runtime(scope(async |_| {
        warm(async || scope(async |_| tokio::task::yield_now().await).await.unwrap()).await
    }));
    assert_eq!(allocated.unwrap(), 0);
}

/// Ten, one in the other.
#[test]
fn ten_nested_scopes_allocate_nothing() {
    macro_rules! nested {
        ($s:ident) => { tokio::task::yield_now().await };
        ($s:ident $($rest:ident)+) => {
            scope(async |$s| { let _ = &$s; nested!($($rest)+) }).await.unwrap()
        };
    }
    let allocated =
        in_a_runtime(scope(async |_| warm(async || nested!(a b c d e f g h i j k)).await));
    assert_eq!(allocated.unwrap(), 0);
}

/// The first scope of a task makes the tree: that, and no more, for each awaited outside all others.
#[test]
fn a_root_scope_allocates_its_tree_and_little_else() {
    let allocated = in_a_runtime(warm(async || scope(async |_| ()).await.unwrap()));
    assert!(allocated <= 2, "the tree, and the room for its nodes: {allocated}");
}

/// Asking costs nothing: neither outside, nor in a calm scope, nor by a handle.
#[test]
fn questions_allocate_nothing() {
    let allocated = in_a_runtime(scope(async |s: Scope<'static>| {
        let handle = CancelScope::clone(&s);
        warm(async || {
            assert!(check().is_ok() && !handle.is_cancelled() && !handle.is_finished());
            assert_eq!((handle.cancel_count(), handle.deadline()), (0, None));
            assert!(handle.reason().is_none());
            umbel::checkpoint().await;
        })
        .await
    }));
    assert_eq!(allocated.unwrap(), 0);
    assert_eq!(in_a_runtime(warm(async || check().unwrap())), 0);
}

/// A spawned child: its task, one allocation, that of `tokio::spawn`.
#[test]
fn a_spawned_child_allocates_its_task_and_nothing_else() {
    let plain = in_a_runtime(warm(async || {
        tokio::spawn(async {}).await.unwrap();
    }));
    assert_eq!(plain, 1, "what tokio itself takes");
    let allocated =
        in_a_runtime(scope(async |s| warm(async || s.spawn(async {}).await.unwrap()).await));
    assert_eq!(allocated.unwrap(), plain);
}

/// Without a handle kept it is the same.
#[test]
fn a_spawned_child_whose_handle_is_dropped_allocates_its_task_and_nothing_else() {
    let allocated = in_a_runtime(scope(async |s| {
        warm(async || {
            drop(s.spawn(async {}));
            settle().await;
        })
        .await
    }));
    assert_eq!(allocated.unwrap(), 1);
}

/// A forked child: the future in a box, a place for its value, and its entry among the forks.
#[test]
fn a_forked_child_allocates_a_few_boxes() {
    let allocated =
        in_a_runtime(scope(async |s| warm(async || s.fork(async {}).await.unwrap()).await));
    let allocated = allocated.unwrap();
    assert!(allocated <= 4, "{allocated}");
}

/// A cancel: the reason, and what it takes to carry the mark down.
#[test]
fn a_cancelled_nested_scope_allocates_its_reason() {
    let allocated = in_a_runtime(scope(async |_| {
        warm(async || {
            let cancelled = scope(async |s| {
                s.cancel();
                pending::<()>().await;
            });
            assert!(cancelled.await.is_err());
        })
        .await
    }));
    let allocated = allocated.unwrap();
    assert!(allocated <= 3, "{allocated}");
}

/// Further requests, and requests after the end: counted, and nothing else.
#[test]
fn later_requests_allocate_nothing() {
    let allocated = in_a_runtime(async {
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        handle.cancel();
        let while_open = warm(async || handle.cancel()).await;
        assert!(work.await.is_err());
        (while_open, warm(async || handle.cancel()).await)
    });
    assert_eq!(allocated, (0, 0));
}

/// A limit: a timer, if it is the nearest; one that is longer than the limit above has none.
#[test]
fn a_limit_allocates_one_timer_if_it_is_the_nearest() {
    let in_scope = |outer| {
        let allocated = in_a_runtime(
            scope(async |_| {
                warm(async || {
                    let gate = scope(async |_| tokio::task::yield_now().await);
                    gate.timeout(secs(100)).await.unwrap();
                })
                .await
            })
            .timeout(secs(outer)),
        );
        allocated.unwrap()
    };
    let (nearest, further) = (in_scope(1000), in_scope(10));
    assert!(nearest <= 2, "{nearest}");
    assert_eq!(nearest - further, 1, "the timer itself");
}

/// Memory stays flat: a scope that has had ten thousand children in turn takes as much as at first.
#[test]
fn a_scope_recycles_what_its_children_used() {
    let (first, last) = in_a_runtime(scope(async |s| {
        let batch = async || {
            let gate = Gate::new();
            for _ in 0..10 {
                s.spawn(gate.wait());
            }
            settle().await;
            gate.open();
            settle().await;
        };
        let first = warm(batch).await;
        for _ in 0..1000 {
            batch().await;
        }
        (first, allocations_of(batch()).await)
    }))
    .unwrap();
    assert_eq!(first, last);
}

/// A scope that is dropped half way, with nothing in it, leaves its reason, and nothing for forks to come
/// to.
#[test]
fn a_nested_scope_that_is_dropped_allocates_its_reason() {
    let count = in_a_runtime(scope(async |_| {
        warm(async || {
            let mut work = pin!(scope(async |_| pending::<()>().await));
            assert!(futures_util::poll!(work.as_mut()).is_pending());
        })
        .await
    }))
    .unwrap();
    assert_eq!(count, 1);
}

/// A race that its first attempt wins at once, however many others there are: with a closure, what the
/// attempt has in its hands to tell of its progress; of futures, nothing.
#[test]
fn a_race_that_is_won_at_once_allocates_once_or_not_at_all() {
    let by_closure =
        async || assert_eq!(Race::new(0..9, async |_, n| Ok::<_, ()>(n)).await.unwrap(), 0);
    let of_futures =
        async || assert_eq!(race([(); 9].map(|()| ready(Ok::<_, ()>(7)))).await.unwrap(), 7);
    let in_turn = async || [warm(by_closure).await, warm(of_futures).await];
    assert_eq!(in_a_runtime(scope(async |_| in_turn().await)).unwrap(), [1, 0]);
    // Outside all scopes it has a tree to make, as two scopes have that are one in the other.
    let tree = async || scope(async |_| scope(async |_| ()).await.unwrap()).await.unwrap();
    let tree = in_a_runtime(warm(tree));
    assert_eq!(tree, 3);
    assert_eq!(in_a_runtime(in_turn()), [tree + 1, tree]);
}

/// Nor does it ask for a timer: there is none in this runtime.
#[test]
fn a_race_that_is_won_at_once_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let race =
        Race::new(0..9, async |_, n| Ok::<_, ()>(n)).timeout(secs(1)).attempt_timeout(secs(1));
    assert_eq!(runtime.block_on(race).unwrap(), 0);
    let race = Race::new(0..9, async |_, n| if n == 7 { Ok(n) } else { Err(()) });
    assert_eq!(runtime.block_on(race).unwrap(), 7, "nor one in which each fails at once");
}

/// I31: what an attempt tells after the end of its race is not kept, however often it tells it.
#[test]
fn an_attempt_that_was_kept_has_nobody_to_tell() {
    let told = in_a_runtime(async {
        let race = Race::new([1], async |attempt: Attempt, _| Ok::<_, ()>(attempt));
        let kept = race.await.unwrap();
        allocations_of(async { (0..100).for_each(|_| kept.progress(secs(1))) }).await
    });
    assert_eq!(told, 0);
}
