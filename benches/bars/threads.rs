//! P8: one scope, and many threads that spawn into it.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::measure::{Contest, Host, contest, each};
use super::table::{self, Bar};

const ROUNDS: usize = 9;
const SPAWNS: usize = 80_000;

/// P8.
pub(crate) fn spawn_from_many() {
    let busy = Host::workers(2);
    for threads in [1, 2, 4, 8] {
        let bar = if threads == 8 { Bar::AtMost(0.5) } else { Bar::None };
        show(&measure(&busy, threads), &format!("from {threads}, {}", busy.name), bar);
    }
    // Nobody runs the children while they are spawned: what is left is the cost of spawning.
    let still = Host::current_thread();
    for threads in [1, 8] {
        let what = format!("from {threads}, runtime at rest");
        show(&measure(&still, threads), &what, Bar::None);
    }
    regions_in_tasks(8);
}

fn show(result: &Contest, what: &str, bar: Bar) {
    let token = format!("spawn {what}, each / child_token + drop");
    table::timed("P8", &token, result, (0, 1), bar);
    table::timed("P8", "  the same / tracker.spawn with a child token", result, (0, 3), Bar::None);
    table::timed("P8", "  the same / bare tokio spawn", result, (0, 2), Bar::None);
    let own = table::time(result.excess(0, 2));
    table::note(&format!("of which {own} are more than the bare spawn takes"));
}

fn measure(host: &Host, threads: usize) -> Contest {
    let runtime = &host.runtime;
    let token = CancellationToken::new();
    // A token without any child gives the memory of its list back, over and over.
    let _other = token.child_token();
    let scoped = || {
        let all = umbel::scope(async |scope| {
            let spawner = scope.spawner();
            from_threads(threads, || drop(black_box(spawner.spawn(async {}))))
        });
        runtime.block_on(all).expect("nobody cancels")
    };
    let tokens = || from_threads(threads, || drop(black_box(token.child_token())));
    let bare = || {
        let time = from_threads(threads, || drop(black_box(runtime.spawn(async {}))));
        // Behind all others in the queue: the next side finds it empty.
        runtime.block_on(runtime.spawn(async {})).expect("no task panics");
        time
    };
    let tracked = || {
        let tracker = TaskTracker::new();
        let time = from_threads(threads, || {
            let child = token.child_token().run_until_cancelled_owned(async {});
            drop(black_box(tracker.spawn_on(child, runtime.handle())));
        });
        tracker.close();
        runtime.block_on(tracker.wait());
        time
    };
    contest(ROUNDS, &mut [&mut { scoped }, &mut { tokens }, &mut { bare }, &mut { tracked }])
}

/// What a token's children have in common is their parent's lock; scopes of different tasks have none
/// in common, though their tasks are in one scope.
fn regions_in_tasks(tasks: usize) {
    let host = Host::workers(tasks);
    let result = contest(
        ROUNDS,
        &mut [&mut || host.run(scopes_in_tasks(tasks)), &mut || host.run(tokens_in_tasks(tasks))],
    );
    let what = format!("region around ready, in {tasks} tasks at once, each / token");
    table::timed("P8", &what, &result, (0, 1), Bar::None);
}

async fn scopes_in_tasks(tasks: usize) -> f64 {
    let start = Instant::now();
    let all = umbel::scope(async |scope| {
        for _ in 0..tasks {
            scope.spawn(async move {
                for _ in 0..SPAWNS / tasks {
                    let one = umbel::scope(async |_| black_box(1)).await;
                    assert!(black_box(one).is_ok());
                }
            });
        }
    });
    all.await.expect("nobody cancels");
    each(start.elapsed(), SPAWNS)
}

async fn tokens_in_tasks(tasks: usize) -> f64 {
    let start = Instant::now();
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    for _ in 0..tasks {
        let token = token.clone();
        drop(tracker.spawn(async move {
            for _ in 0..SPAWNS / tasks {
                let child = token.child_token();
                let one = child.run_until_cancelled(async { black_box(1) }).await;
                assert!(black_box(one).is_some());
            }
        }));
    }
    tracker.close();
    tracker.wait().await;
    each(start.elapsed(), SPAWNS)
}

/// Nanoseconds of the wall clock for each operation, with so many threads doing their share: from the
/// first that begins to the last that ends.
fn from_threads(threads: usize, operation: impl Fn() + Sync) -> f64 {
    let gate = Barrier::new(threads);
    let work = || {
        gate.wait();
        let start = Instant::now();
        for _ in 0..SPAWNS / threads {
            operation();
        }
        (start, Instant::now())
    };
    let (starts, ends): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().map(|one| one.join().expect("no thread panics")).unzip()
    });
    let (first, last) = (starts.into_iter().min(), ends.into_iter().max());
    let time = last.zip(first).map(|(last, first)| last - first);
    each(time.expect("there is a thread"), SPAWNS)
}
