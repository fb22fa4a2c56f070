//! P1 and P2: a scope around a future that is ready, and around one that is polled for nothing.

use std::future::{Future, pending};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use futures_util::poll;
use tokio_util::sync::CancellationToken;

use super::alloc;
use super::measure::{Host, contest, each, real};
use super::table::{self, Bar};

const READY: usize = 100_000;
const POLLS: usize = 100_000;
const ROUNDS: usize = 15;

/// P1. Both inside a region of their own kind, as they stand in a program.
pub(crate) fn ready() {
    let host = Host::current_thread();
    let what = "scope around a ready future / child_token + run_until_c.";
    for (company, what) in [(Company::None, what), (Company::Another, "  beside another region")] {
        let scopes = || host.runtime.block_on(enter_scopes(company));
        let tokens = || host.runtime.block_on(enter_tokens(company));
        let result = contest(ROUNDS, &mut [&mut || scopes().time, &mut || tokens().time]);
        table::timed("P1", what, &result, (0, 1), Bar::AtMost(0.6));
        let (ours, peer) = (scopes().allocations, tokens().allocations);
        let what = "    allocations for each, once warm";
        table::counted("P1", what, ours, peer, Bar::AtMost(0.0));
    }
}

/// What lives in the parent while regions come and go. A token without any child gives the memory of
/// its list back, so to be alone is the worse case for it.
#[derive(Clone, Copy)]
enum Company {
    None,
    Another,
}

/// For each region.
struct Entered {
    time: f64,
    allocations: f64,
}

/// Times `enter` by its first call, and counts the allocations of the second.
async fn measured(enter: impl AsyncFn()) -> Entered {
    let start = Instant::now();
    enter().await;
    let time = each(start.elapsed(), READY);
    alloc::start();
    enter().await;
    Entered { time, allocations: real(alloc::stop().allocations) / real(READY) }
}

async fn enter_scopes(company: Company) -> Entered {
    let all = umbel::scope(async |_| {
        let mut other = pin!(umbel::scope(async |_| pending::<()>().await));
        if let Company::Another = company {
            assert!(poll!(&mut other).is_pending());
        }
        measured(async || {
            for _ in 0..READY {
                let one = umbel::scope(async |_| black_box(1)).await;
                assert!(black_box(one).is_ok());
            }
        })
        .await
    });
    all.await.expect("nobody cancels")
}

async fn enter_tokens(company: Company) -> Entered {
    let token = CancellationToken::new();
    let all = token.run_until_cancelled(async {
        let _other = matches!(company, Company::Another).then(|| token.child_token());
        measured(async || {
            for _ in 0..READY {
                let child = token.child_token();
                let one = child.run_until_cancelled(async { black_box(1) }).await;
                assert!(black_box(one).is_some());
            }
        })
        .await
    });
    all.await.expect("nobody cancels")
}

/// One scope in another, as many as are counted off, around a future that is never ready.
macro_rules! scopes {
    () => { pending::<()>().await };
    ($level:literal $($deeper:literal)*) => { umbel::scope(async |_| { scopes!($($deeper)*) }).await };
}

/// The same with child tokens.
macro_rules! tokens {
    ($parent:ident) => { pending::<()>().await };
    ($parent:ident $level:literal $($deeper:literal)*) => {{
        let token = $parent.child_token();
        token.run_until_cancelled(async { tokens!(token $($deeper)*) }).await
    }};
}

/// P2.
pub(crate) fn idle() {
    let host = Host::current_thread();
    let _context = host.runtime.enter();
    let root = CancellationToken::new();
    let mut one = Polled::new(async {
        let _ = scopes!(1);
    });
    let mut one_peer = Polled::new(async {
        let _ = tokens!(root 1);
    });
    let mut eight = Polled::new(async {
        let _ = scopes!(1 2 3 4 5 6 7 8);
    });
    let mut eight_peer = Polled::new(async {
        let _ = tokens!(root 1 2 3 4 5 6 7 8);
    });
    let mut bare = Polled::new(pending());
    let result = contest(
        ROUNDS,
        &mut [
            &mut || one.poll(),
            &mut || one_peer.poll(),
            &mut || eight.poll(),
            &mut || eight_peer.poll(),
            &mut || bare.poll(),
        ],
    );
    let bar = Bar::AtMost(0.25);
    table::timed("P2", "idle poll through 1 scope / run_until_cancelled", &result, (0, 1), bar);
    table::timed("P2", "idle poll through 8 scopes / run_until_cancelled", &result, (2, 3), bar);
    let floor = table::time(result.time(4));
    table::note(&format!("of which {floor} are the loop and the poll of the pending future"));
}

/// A future that is polled by hand, with one waker, as a task's is.
struct Polled<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    waker: Waker,
}

struct Deaf;

impl Wake for Deaf {
    fn wake(self: Arc<Self>) {}
}

impl<'a> Polled<'a> {
    fn new(future: impl Future<Output = ()> + 'a) -> Self {
        Self { future: Box::pin(future), waker: Waker::from(Arc::new(Deaf)) }
    }

    fn poll(&mut self) -> f64 {
        let mut cx = Context::from_waker(&self.waker);
        let start = Instant::now();
        for _ in 0..POLLS {
            let polled = black_box(self.future.as_mut()).poll(black_box(&mut cx));
            assert!(polled.is_pending());
        }
        each(start.elapsed(), POLLS)
    }
}
