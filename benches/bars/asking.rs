//! P5: what it costs to ask whether one is cancelled, and how long an answer can take.

use std::future::pending;
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use umbel::CancelScope;

use super::children::{PARKED, park, settle};
use super::measure::{Host, contest, cores, each};
use super::samples::Samples;
use super::table::{self, Bar};

const ROUNDS: usize = 15;
const CALLS: usize = 1_000_000;

/// P5.
pub(crate) fn is_cancelled() {
    let host = Host::current_thread();
    let all = umbel::scope(async |near| {
        // The runtime is held up by the measurements, so that these never run; but they have nodes.
        for _ in 0..1_000 {
            near.spawn(pending::<()>());
        }
        let inner = umbel::scope(async |far| ask_both(&near, &far));
        inner.await.expect("nobody cancels");
        near.cancel();
    });
    host.runtime.block_on(all).expect("a value wins");
    worst_answers();
}

/// Asks one of the first scopes of a task, and one that was opened when there were a thousand nodes.
fn ask_both(near: &CancelScope, far: &CancelScope) {
    let token = CancellationToken::new();
    let threads = cores().min(8);
    for threads in [1, threads] {
        let result = contest(
            ROUNDS,
            &mut [
                &mut || ask(threads, || near.is_cancelled()),
                &mut || ask(threads, || far.is_cancelled()),
                &mut || ask(threads, || token.is_cancelled()),
            ],
        );
        let bar = Bar::AtMost(0.25);
        let what = |who| format!("is_cancelled, {threads} at once, {who} / token");
        table::timed("P5", &what("first scopes"), &result, (0, 2), bar);
        table::timed("P5", &what("1,000 nodes on"), &result, (1, 2), bar);
    }
}

/// Nanoseconds for each call, with so many threads calling.
fn ask(threads: usize, ask: impl Fn() -> bool + Sync) -> f64 {
    let start = Barrier::new(threads);
    let calls = || {
        start.wait();
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(black_box(&ask)());
        }
        start.elapsed()
    };
    let total: Duration = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(calls)).collect();
        let own = calls();
        others.into_iter().map(|other| other.join().expect("no thread panics")).sum::<Duration>()
            + own
    });
    each(total, threads * CALLS)
}

/// What is asked of every single answer.
const PROMPT: Duration = Duration::from_micros(10);

/// One thread cancels, another asks all the while.
fn worst_answers() {
    let host = Host::current_thread();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (ours, quiet) = host.run(ask_scope());
        rounds.push([ours, host.run(ask_token()), quiet]);
    }
    let all = [0, 1, 2].map(|side| {
        let mut all = Samples::default();
        for round in &rounds {
            all.extend(&round[side]);
        }
        all
    });
    // The system takes a core away now and then, which no answer survives. So it is the median of the
    // rounds that is judged, and beside it stands what the same loop sees with no cancel running.
    let [ours, peer, quiet] = [0, 1, 2].map(|side| {
        let mut worst: Vec<_> = rounds.iter().map(|round| round[side].worst()).collect();
        worst.sort();
        worst[worst.len() / 2]
    });
    let verdict = match ours {
        _ if ours <= PROMPT => "met",
        _ if ours <= 2 * quiet => "met but for noise",
        _ => "MISSED",
    };
    let nanos = |time: Duration| table::time(time.as_secs_f64() * 1e9);
    let what = format!("is_cancelled while {PARKED} are cancelled: worst of a round");
    table::line("P5", &what, &nanos(ours), &nanos(peer), "", "10 us", verdict);
    let [most, others, _] = [0, 1, 2].map(|side| nanos(all[side].at_share(0.9999)));
    table::line("P5", "  99.99 of 100 answers", &most, &others, "", "-", "");
    for (who, samples) in ["ours", "token", "no cancel"].iter().zip(&all) {
        let (over, len, worst) = (samples.over(PROMPT), samples.len(), nanos(samples.worst()));
        let note = format!("{who}: {over} of {len} answers over 10 us, the worst of all {worst}");
        table::note(&note);
    }
    table::note(&format!("no cancel: worst of a round {}", nanos(quiet)));
}

/// The answers with a cancel running, and for as long with none.
async fn ask_scope() -> (Samples, Samples) {
    let all = umbel::scope(async |scope| {
        for _ in 0..PARKED {
            scope.spawn(park());
        }
        settle(PARKED).await;
        let ask = || scope.is_cancelled();
        let start = Instant::now();
        let asked = sampled(ask, || scope.cancel());
        let (start, time) = (Instant::now(), start.elapsed());
        let spin = || {
            while start.elapsed() < time {
                spin_loop();
            }
        };
        (asked, sampled(ask, spin))
    });
    all.await.expect("a value wins")
}

async fn ask_token() -> Samples {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    for _ in 0..PARKED {
        drop(tracker.spawn(token.child_token().run_until_cancelled_owned(park())));
    }
    settle(PARKED).await;
    let asked = sampled(|| token.is_cancelled(), || token.cancel());
    tracker.close();
    tracker.wait().await;
    asked
}

const WARM_UP: u8 = 0;
const WARM: u8 = 1;
const RUN: u8 = 2;
const STOP: u8 = 3;

/// Asks over and over on another thread, from before `work` begins until it has ended.
fn sampled(ask: impl Fn() -> bool + Sync, work: impl FnOnce()) -> Samples {
    let phase = AtomicU8::new(WARM_UP);
    let sampler = || {
        let mut samples = Samples::default();
        for turn in 0_u32.. {
            let now = phase.load(Ordering::SeqCst);
            let start = Instant::now();
            black_box(ask());
            let time = start.elapsed();
            match now {
                WARM_UP if turn > 1_000 => phase.store(WARM, Ordering::SeqCst),
                RUN => samples.add(time),
                STOP => break,
                _ => {}
            }
        }
        samples
    };
    thread::scope(|scope| {
        let sampler = scope.spawn(sampler);
        while phase.load(Ordering::SeqCst) != WARM {
            spin_loop();
        }
        phase.store(RUN, Ordering::SeqCst);
        work();
        phase.store(STOP, Ordering::SeqCst);
        sampler.join().expect("the sampler does not panic")
    })
}
