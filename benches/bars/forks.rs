//! P7: ten thousand children that are polled in place and borrow, against a `FuturesUnordered` of boxed
//! futures, which has no handles, no counts, no causes and no panics to carry.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::alloc;
use super::measure::{Host, contest, each, real};
use super::table::{self, Bar};

const FORKS: usize = 10_000;
const ROUNDS: usize = 15;

type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// P7.
pub(crate) fn borrowing() {
    let host = Host::current_thread();
    for (suspends, what) in
        [(false, "10000 forks that borrow / FuturesUnordered"), (true, "  each suspends once")]
    {
        let forks = || host.runtime.block_on(fork(suspends));
        let boxes = || host.runtime.block_on(collect(suspends));
        let result = contest(ROUNDS, &mut [&mut || forks().0, &mut || boxes().0]);
        table::timed("P7", what, &result, (0, 1), Bar::AtMost(1.1));
        let (ours, peer) = (forks().1, boxes().1);
        table::counted("P7", "    allocations for each", ours, peer, Bar::None);
    }
}

/// What each child does: reads what it borrows.
async fn read(value: &u64, suspends: bool) {
    if suspends {
        let mut suspended = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut suspended, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
    black_box(*value);
}

/// Nanoseconds and allocations for each.
async fn fork(suspends: bool) -> (f64, f64) {
    let values = values();
    alloc::start();
    let start = Instant::now();
    let all = umbel::scope(async |s| {
        for value in &values {
            s.fork(read(value, suspends));
        }
    });
    all.await.expect("nobody cancels");
    (each(start.elapsed(), FORKS), real(alloc::stop().allocations) / real(FORKS))
}

async fn collect(suspends: bool) -> (f64, f64) {
    let values = values();
    alloc::start();
    let start = Instant::now();
    let all: FuturesUnordered<Boxed<'_>> =
        values.iter().map(|value| Box::pin(read(value, suspends)) as Boxed<'_>).collect();
    all.for_each(async |()| ()).await;
    (each(start.elapsed(), FORKS), real(alloc::stop().allocations) / real(FORKS))
}

fn values() -> Vec<u64> {
    (0..).take(FORKS).collect()
}
