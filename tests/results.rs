//! The results of many children as they come: each once, with the reason if there is no value; and
//! kept no longer than somebody may ask for them (R8, R12, R14).
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use common::{
    Counts, Gate, Guard, Log, boom, catch, drive, runtime, secs, settle, text, with_waker,
};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Kind, Scope, checkpoint, scope, shield};

/// Counts the bytes that each thread has allocated and not freed: a scenario has a thread of its own.
struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: usize, sign: isize) {
    let bytes = sign * isize::try_from(bytes).unwrap_or(0);
    // A thread that is being torn down allocates uncounted.
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
}

// SAFETY: everything is passed on to the system's allocator as it came.
#[expect(unsafe_code, reason = "an allocator is")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: what the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: what the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// R12: the results come in the order in which the children end. A group can be filled again when it
/// is empty.
#[tokio::test(start_paused = true)]
async fn results_come_in_the_order_of_the_ends() {
    let start = Instant::now();
    scope(async |s| {
        let mut results = s.results();
        assert!(results.next().await.is_none() && results.is_empty());
        for n in [3, 1, 2] {
            let work = async move {
                sleep(secs(n)).await;
                n
            };
            if n == 2 { results.fork(work) } else { results.spawn(work) }
        }
        for (left, n) in [(3, 1), (2, 2), (1, 3)] {
            assert_eq!((results.len(), results.is_empty()), (left, false));
            assert_eq!(results.next().await.unwrap().unwrap(), n);
            assert_eq!(start.elapsed(), secs(n));
        }
        assert!(results.next().await.is_none() && results.is_empty());
        results.spawn(async { 4 });
        assert_eq!(results.next().await.unwrap().unwrap(), 4);
        assert!(format!("{results:?}").contains("len: 0"));
    })
    .await
    .unwrap();
}

/// R12: with the number of the item in it, results can be put in order; a failure among them
/// cancels nobody, for a value that is an error is a value.
#[tokio::test(start_paused = true)]
async fn results_can_be_put_in_order() {
    let sorted = scope(async |s| {
        let results = s.results();
        for n in [3_u64, 2, 1] {
            results.spawn(async move {
                sleep(secs(n)).await;
                (n, if n == 2 { Err("two") } else { Ok(n * n) })
            });
        }
        let mut all: Vec<_> = results.map(Result::unwrap).collect().await;
        assert!(all.iter().map(|(n, _)| *n).eq([1, 2, 3]));
        all.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        all.into_iter().map(|(_, result)| result).collect::<Vec<_>>()
    });
    assert_eq!(sorted.await.unwrap(), [Ok(9), Err("two"), Ok(1)]);
}

/// R12: who leaves after the first result, and cancels, waits for the rest; their values are dropped.
#[tokio::test(start_paused = true)]
async fn leaving_early_and_cancelling_ends_the_rest() {
    let (start, counts) = (Instant::now(), Counts::new());
    let first = scope(async |s| {
        let mut results = s.results();
        for n in [3, 1, 2] {
            results.spawn(counts.of(async move {
                sleep(secs(n)).await;
                n
            }));
        }
        let first = results.next().await.unwrap().unwrap();
        s.cancel();
        first
    });
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!((start.elapsed(), counts.drops()), (secs(1), 3));
}

/// R8, R13: whoever gives no value gives the reason: the scope was cancelled, with children that run
/// and children that were never polled; or takes no more.
#[tokio::test(start_paused = true)]
async fn what_has_no_value_has_a_reason() {
    let outcome = scope(async |s: Scope<'static>| {
        let mut results = s.results::<()>();
        results.spawn(pending());
        results.fork(pending());
        settle().await;
        results.spawn(pending());
        s.cancel_with("enough");
        results.spawn(pending());
        results.fork(pending());
        assert_eq!(results.len(), 5);
        let told = shield(secs(1), async {
            for _ in 0..5 {
                let cancelled = results.next().await.unwrap().unwrap_err();
                assert_eq!(cancelled.reason().message(), Some("enough"));
                assert!(cancelled.reason().is_same(&s.reason().unwrap()));
            }
            results.next().await.is_none()
        });
        told.await.unwrap()
    });
    assert!(outcome.await.unwrap());

    let ended = scope(|s: Scope<'static>| std::future::ready(s)).await.unwrap();
    let mut results = ended.results::<()>();
    results.spawn(pending());
    let refused = results.next().await.unwrap().unwrap_err();
    assert_eq!(refused.reason().kind(), Kind::ScopeEnded);
    assert!(results.next().await.is_none());
}

/// R14: a child that panics reports it, with the reason that all get; and the panic goes its own way.
#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_and_resumed() {
    let log = Log::new();
    let outcome = catch(scope(async |s| {
        let mut results = s.results();
        results.spawn(async { boom("child") });
        results.spawn(pending::<()>());
        let told = shield(secs(1), async {
            for _ in 0..2 {
                let cancelled = results.next().await.unwrap().unwrap_err();
                assert_eq!(cancelled.reason().kind(), Kind::ChildPanicked);
                log.add("told");
            }
        });
        told.await.unwrap();
        pending::<()>().await;
    }));
    assert_eq!(text(&outcome.await.unwrap_err()), "child");
    assert_eq!(log.all(), ["told"; 2]);
}

/// `next` is safe to be cancelled: no result is lost, none comes twice, and what comes wakes the one
/// that asked last.
#[tokio::test(start_paused = true)]
async fn asking_for_the_next_can_be_given_up() {
    scope(async |s| {
        let gate = Gate::new();
        let mut results = s.results();
        let waits = gate.clone();
        results.spawn(async move {
            waits.wait().await;
            1
        });
        let mut given_up = drive(results.next());
        given_up.pending();
        let wakes = given_up.wakes();
        drop(given_up);
        let mut next = drive(results.next());
        next.pending();
        gate.open();
        settle().await;
        assert_eq!((wakes, next.wakes()), (0, 1));
        assert_eq!(next.ready().unwrap().unwrap(), 1);
        drop(next);
        assert!(results.next().await.is_none());
    })
    .await
    .unwrap();
}

/// A result is there when its child's captures are gone, whether it has a value or not.
#[tokio::test(start_paused = true)]
async fn a_result_comes_when_the_captures_are_dropped() {
    for cancelled in [false, true] {
        let log = Log::new();
        let (guard, waker) = (log.guard("capture"), Waker::from(Arc::new(Noting(log.clone()))));
        scope(async |s| {
            let mut results = s.results();
            results.spawn(Captures(
                guard,
                poll_fn(move |_| {
                    if cancelled {
                        CancelScope::current().unwrap().cancel();
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                }),
            ));
            let mut next = Box::pin(results.next());
            assert!(with_waker(next.as_mut(), &waker).is_pending());
            settle().await;
            assert_eq!(log.all(), ["capture", "woken"]);
            assert_eq!(next.await.unwrap().is_err(), cancelled);
        })
        .await
        .unwrap();
    }
}

/// A future that drops what it holds when it is dropped, and not when it is ready.
struct Captures<F>(#[expect(dead_code, reason = "held for its destructor")] Guard, F);

impl<F: Future + Unpin> Future for Captures<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.1).poll(cx)
    }
}

/// A waker that writes to a log.
struct Noting(Log);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.0.add("woken");
    }
}

/// Forks in a group may borrow, and so may their results.
#[tokio::test(start_paused = true)]
async fn forks_borrow_what_they_give() {
    let words = ["one", "two"].map(String::from);
    let longest = scope(async |s| {
        let results = s.results();
        for word in &words {
            results.fork(async move { word.as_str() });
        }
        results.map(Result::unwrap).collect::<Vec<&str>>().await
    });
    assert_eq!(longest.await.unwrap(), ["one", "two"]);
}

/// R12: the group is dropped: what waits in it is dropped at once, what comes later when its child
/// ends, and the children go on.
#[tokio::test(start_paused = true)]
async fn results_that_nobody_reads_are_dropped_when_their_child_ends() {
    let log = Log::new();
    scope(async |s| {
        let results = s.results();
        let (early, late, gate) = (log.guard("early"), log.guard("late"), Gate::new());
        let waits = gate.clone();
        results.spawn(async move { early });
        results.spawn(async move {
            waits.wait().await;
            late
        });
        settle().await;
        assert!(log.is_empty() && results.len() == 2);
        drop(results);
        assert_eq!(log.all(), ["early"]);
        gate.open();
        settle().await;
        assert_eq!(log.all(), ["early", "late"]);
        s.spawn(checkpoint());
    })
    .await
    .unwrap();
}

/// I31: many children, one after another, in one scope: nothing is kept of those that have ended, whether
/// their handles are thrown away, they are in a group that is read, or the group was dropped while they
/// ran. A hundred thousand in a debug build, a million otherwise.
#[test]
fn a_million_children_leave_nothing_behind() {
    for way in ["handles", "read", "unread"] {
        let grown = runtime().block_on(scope(async |s: Scope<'static>| {
            let mut before = 0;
            for round in 0..ROUNDS {
                let mut results = s.results();
                for n in 0..100_u64 {
                    match way {
                        "handles" => drop(s.spawn(async move { [n; 8] })),
                        _ => results.spawn(async move { [n; 8] }),
                    }
                }
                while way == "read" && results.next().await.is_some() {}
                drop(results);
                settle().await;
                if round == 10 {
                    before = BYTES.get();
                }
            }
            settle().await;
            BYTES.get() - before
        }));
        let grown = grown.unwrap();
        assert!(grown < 4096, "{way}: {grown} bytes");
    }
}

/// A hundred children each.
const ROUNDS: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
