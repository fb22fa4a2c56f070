//! P3 and P4: children that end by themselves, and children that are cancelled.

use std::future::{Future, pending};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alloc;
use super::measure::{Host, contest, each, real};
use super::table::{self, Bar};

const ROUNDS: usize = 15;
pub(crate) const PARKED: usize = 100_000;

/// P3.
pub(crate) fn spawn_and_join() {
    for host in &Host::both() {
        for (count, times) in [(1_000, 50), (100_000, 1)] {
            let result = contest(
                ROUNDS,
                &mut [
                    &mut || host.run(repeat(times, count, in_scope)),
                    &mut || host.run(repeat(times, count, in_join_set)),
                    &mut || host.run(repeat(times, count, in_tracker)),
                ],
            );
            let what = |peer| format!("spawn + join {count}, {}, each / {peer}", host.name);
            table::timed("P3", &what("JoinSet"), &result, (0, 1), Bar::AtMost(0.9));
            table::timed("P3", &what("TaskTracker"), &result, (0, 2), Bar::AtMost(1.25));
        }
    }
    count_allocations();
    count_bytes();
}

/// Nanoseconds for each child, over some repetitions.
async fn repeat<F: Future>(times: usize, count: usize, work: fn(usize) -> F) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        work(count).await;
    }
    each(start.elapsed(), times * count)
}

async fn in_scope(count: usize) {
    let all = umbel::scope(async |scope| {
        for _ in 0..count {
            scope.spawn(async {});
        }
    });
    all.await.expect("nobody cancels");
}

async fn in_join_set(count: usize) {
    let mut set = JoinSet::new();
    for _ in 0..count {
        set.spawn(async {});
    }
    while let Some(ended) = set.join_next().await {
        ended.expect("no child fails");
    }
}

async fn in_tracker(count: usize) {
    let tracker = TaskTracker::new();
    for _ in 0..count {
        drop(tracker.spawn(async {}));
    }
    tracker.close();
    tracker.wait().await;
}

/// How much the number of allocations grows with the number of children.
fn count_allocations() {
    let (ours, set, tracker) = (growth(in_scope), growth(in_join_set), growth(in_tracker));
    // A thousandth is for the slab, which grows in steps.
    let bar = Bar::AtMost(1.001);
    table::counted("P3", "  allocations for each child / JoinSet", ours, set, bar);
    table::counted("P3", "  allocations for each child / TaskTracker", ours, tracker, bar);
}

fn growth<F: Future<Output = ()> + Send + 'static>(work: fn(usize) -> F) -> f64 {
    let host = Host::current_thread();
    let allocations = |count| {
        host.run(async move {
            alloc::start();
            work(count).await;
            alloc::stop().allocations
        })
    };
    // The first run is for what the runtime keeps: its queue.
    let most = [0; 2].map(|_| allocations(2 * PARKED))[1];
    real(most - allocations(PARKED)) / real(PARKED)
}

/// What a child costs in memory while it waits, its share of the scope and of the set included.
fn count_bytes() {
    let host = Host::current_thread();
    for count in [1_000, 10_000, PARKED] {
        // The second run, when the runtime's queue is as large as it gets.
        let ours = [0; 2].map(|_| host.run(park_in_scope(count)).live)[1];
        let set = [0; 2].map(|_| host.run(park_in_set(count)).live)[1];
        let tracker = [0; 2].map(|_| host.run(park_in_tracker(count)).live)[1];
        let bytes = |live| real(live) / real(count);
        let (ours, set, tracker) = (bytes(ours), bytes(set), bytes(tracker));
        let what = |peer| format!("  bytes for each of {count} parked / {peer}");
        table::counted("P3", &what("JoinSet"), ours, set, Bar::AtMost(set));
        table::counted("P3", &what("TaskTracker + token"), ours, tracker, Bar::None);
    }
}

/// How many children have been polled and wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A child that waits for ever.
pub(crate) async fn park() {
    WAITING.fetch_add(1, Ordering::SeqCst);
    pending::<()>().await;
}

/// Waits until all children do.
pub(crate) async fn settle(count: usize) {
    while WAITING.load(Ordering::SeqCst) < count {
        tokio::task::yield_now().await;
    }
    WAITING.store(0, Ordering::SeqCst);
}

/// How children that are parked were got rid of.
struct Parked {
    /// Bytes that they took.
    live: usize,
    /// Nanoseconds for each, from the request to the end of all.
    cancel: f64,
}

async fn park_in_scope(count: usize) -> Parked {
    alloc::start();
    let all = umbel::scope(async |scope| {
        for _ in 0..count {
            scope.spawn(park());
        }
        settle(count).await;
        let live = alloc::stop().live;
        let start = Instant::now();
        scope.cancel();
        (live, start)
    });
    let (live, start) = all.await.expect("a value wins");
    Parked { live, cancel: each(start.elapsed(), count) }
}

async fn park_in_set(count: usize) -> Parked {
    alloc::start();
    let mut set = JoinSet::new();
    for _ in 0..count {
        set.spawn(park());
    }
    settle(count).await;
    let live = alloc::stop().live;
    let start = Instant::now();
    set.abort_all();
    while let Some(ended) = set.join_next().await {
        drop(black_box(ended));
    }
    drop(set);
    Parked { live, cancel: each(start.elapsed(), count) }
}

async fn park_in_tracker(count: usize) -> Parked {
    alloc::start();
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    for _ in 0..count {
        drop(tracker.spawn(token.child_token().run_until_cancelled_owned(park())));
    }
    settle(count).await;
    let live = alloc::stop().live;
    let start = Instant::now();
    token.cancel();
    tracker.close();
    tracker.wait().await;
    drop((tracker, token));
    Parked { live, cancel: each(start.elapsed(), count) }
}

/// P4.
pub(crate) fn cancel_and_drain() {
    for host in &Host::both() {
        let result = contest(
            ROUNDS,
            &mut [
                &mut || host.run(park_in_scope(PARKED)).cancel,
                &mut || host.run(park_in_set(PARKED)).cancel,
                &mut || host.run(park_in_tracker(PARKED)).cancel,
            ],
        );
        let what = |peer| format!("cancel + drain {PARKED}, {}, each / {peer}", host.name);
        table::timed("P4", &what("JoinSet"), &result, (0, 1), Bar::AtMost(1.0));
        table::timed("P4", &what("tracker + token"), &result, (0, 2), Bar::AtMost(0.7));
    }
}
