//! P6: ten thousand regions, each inside the one before. The cost of one must not grow with the depth.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::thread;
use std::time::Instant;

use futures_util::poll;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::children::{park, settle};
use super::measure::{Host, contest, each};
use super::table::{self, Bar};

const ROUNDS: usize = 9;
const DEEP: usize = 10_000;
const SHALLOW: usize = 100;

type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// P6.
pub(crate) fn deep_trees() {
    // Polling and dropping a future in ten thousand others takes stack, whoever made them.
    on_stack(1 << 30, || {
        compare("nested scopes", "nested tokens", nested_scopes, nested_tokens);
    });
    // Tasks do not nest: what is usual for a thread has to do.
    on_stack(2 << 20, || {
        compare("chain of tasks", "chain with tokens", chain_of_scopes, chain_of_tokens);
    });
}

fn on_stack(bytes: usize, code: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(bytes).spawn_scoped(scope, code);
        thread.expect("there is room for the stack").join().expect("no benchmark panics");
    });
}

/// Each kind at both depths.
fn compare<F, G>(ours: &str, peer: &str, open: fn(usize) -> F, open_peer: fn(usize) -> G)
where
    F: Future<Output = ()>,
    G: Future<Output = ()>,
{
    let host = Host::current_thread();
    let result = contest(
        ROUNDS,
        &mut [
            &mut || times(&host, DEEP, open),
            &mut || times(&host, SHALLOW, open),
            &mut || times(&host, DEEP, open_peer),
            &mut || times(&host, SHALLOW, open_peer),
        ],
    );
    let what = |who| format!("{who}, open + cancel + close: {DEEP} / {SHALLOW}");
    table::timed("P6", &what(ours), &result, (0, 1), Bar::AtMost(1.3));
    table::timed("P6", &format!("  {}", what(peer)), &result, (2, 3), Bar::None);
}

/// Nanoseconds for each region, with as many regions in all at either depth.
fn times<F: Future<Output = ()>>(host: &Host, depth: usize, open: fn(usize) -> F) -> f64 {
    let start = Instant::now();
    for _ in 0..DEEP / depth {
        host.runtime.block_on(open(depth));
    }
    each(start.elapsed(), DEEP)
}

async fn nested_scopes(depth: usize) {
    let (work, handle) = umbel::scope(async |_| scopes_below(depth - 1).await).with_handle();
    let mut work = pin!(work);
    assert!(poll!(&mut work).is_pending());
    handle.cancel();
    assert!(work.await.is_err());
}

fn scopes_below(depth: usize) -> Boxed<'static> {
    Box::pin(async move {
        if depth == 0 {
            return pending::<()>().await;
        }
        let _ = umbel::scope(async |_| scopes_below(depth - 1).await).await;
    })
}

async fn nested_tokens(depth: usize) {
    let token = CancellationToken::new();
    let mut work = pin!(token.run_until_cancelled(tokens_below(&token, depth - 1)));
    assert!(poll!(&mut work).is_pending());
    token.cancel();
    let _ = work.await;
}

fn tokens_below(parent: &CancellationToken, depth: usize) -> Boxed<'_> {
    Box::pin(async move {
        if depth == 0 {
            return pending::<()>().await;
        }
        let token = parent.child_token();
        let _ = token.run_until_cancelled(tokens_below(&token, depth - 1)).await;
    })
}

async fn chain_of_scopes(length: usize) {
    let (work, handle) = umbel::scope(async |scope| {
        let _ = scope.spawn(scopes_onward(length - 1)).await;
    })
    .with_handle();
    let mut work = pin!(work);
    assert!(poll!(&mut work).is_pending());
    settle(1).await;
    handle.cancel();
    assert!(work.await.is_err());
}

/// A task that opens a scope and spawns the next.
fn scopes_onward(left: usize) -> Boxed<'static> {
    Box::pin(async move {
        if left == 0 {
            return park().await;
        }
        let _ = umbel::scope(async |scope| {
            let _ = scope.spawn(scopes_onward(left - 1)).await;
        })
        .await;
    })
}

async fn chain_of_tokens(length: usize) {
    let token = CancellationToken::new();
    let mut work = pin!(next_with_token(token.clone(), length));
    assert!(poll!(&mut work).is_pending());
    settle(1).await;
    token.cancel();
    work.await;
}

async fn next_with_token(token: CancellationToken, left: usize) {
    let tracker = TaskTracker::new();
    let next = tracker.spawn(tokens_onward(token.child_token(), left - 1));
    let _ = token.run_until_cancelled(next).await;
    tracker.close();
    tracker.wait().await;
}

fn tokens_onward(token: CancellationToken, left: usize) -> Boxed<'static> {
    Box::pin(async move {
        if left == 0 {
            let _ = token.run_until_cancelled(park()).await;
        } else {
            next_with_token(token, left).await;
        }
    })
}
