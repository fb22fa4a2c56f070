//! Random programs of scopes, children, cancels, drops and panics, from fixed seeds. Whatever they do:
//! nothing hangs, no child outlives its scope (R12), every handle says finished in the end, and
//! everything is dropped, once.

mod common;

use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use common::{boom, catch, secs, settle};
use futures_util::FutureExt as _;
use umbel::{CancelScope, Child, Scope, scope};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A small generator of random numbers: xorshift.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, sides: u64) -> u64 {
        (self.next() >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }
}

/// What all parts of one program share.
#[derive(Default)]
struct World {
    /// Bodies that exist.
    alive: Arc<AtomicUsize>,
    handles: Mutex<Vec<CancelScope>>,
    /// Futures that were polled once and laid aside, for anybody to take.
    aside: Mutex<Vec<Boxed>>,
    /// Runs on several threads. There the clock cannot be paused, and nobody looks at it.
    threads: bool,
}

impl World {
    fn note(&self, handle: CancelScope) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    fn any_handle(&self, dice: &mut Dice) -> Option<CancelScope> {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let count = u64::try_from(handles.len()).unwrap_or(0);
        (count > 0).then(|| handles[usize::try_from(dice.below(count)).unwrap_or(0)].clone())
    }

    /// Some time.
    async fn pause(&self, length: u64) {
        if self.threads {
            for _ in 0..length {
                tokio::task::yield_now().await;
            }
        } else {
            tokio::time::sleep(secs(length)).await;
        }
    }

    fn lay_aside(&self, work: Boxed) {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).push(work);
    }

    fn pick_up(&self) -> Option<Boxed> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Counts something while it exists.
struct Token(Arc<AtomicUsize>);

impl Token {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A piece of a program.
fn piece(world: Arc<World>, seed: u64, depth: u32) -> Boxed {
    let token = Token::of(&world.alive);
    Box::pin(async move {
        let _token = token;
        let mut dice = Dice::new(seed);
        match dice.below(if depth == 0 { 4 } else { 10 }) {
            0 => {}
            1 => tokio::task::yield_now().await,
            2 => world.pause(dice.below(20)).await,
            3 => pending::<()>().await,
            _ => scoped(&world, &mut dice, depth - 1).await,
        }
    })
}

/// A piece in a scope of its own, which does several things, one after another.
async fn scoped(world: &Arc<World>, dice: &mut Dice, depth: u32) {
    let children = Arc::new(AtomicUsize::new(0));
    let (inside, of_scope, seed) = (Arc::clone(world), Arc::clone(&children), dice.next());
    let mut work = scope(async move |s: Scope<'static>| {
        inside.note(CancelScope::clone(&s));
        let mut dice = Dice::new(seed);
        let mut kept: Vec<Child<()>> = Vec::new();
        for _ in 0..=dice.below(8) {
            step(&inside, &mut dice, &s, &of_scope, &mut kept, depth).await;
        }
    });
    if dice.one_in(3) {
        world.note(work.handle());
    }
    if !world.threads && dice.one_in(4) {
        work = work.timeout(secs(dice.below(30)));
    }
    if dice.one_in(4) {
        // A panic stays here; everywhere else it goes up.
        let _ = AssertUnwindSafe(work).catch_unwind().await;
    } else {
        let _ = work.await;
    }
    assert_eq!(children.load(Ordering::SeqCst), 0, "a child has outlived its scope");
}

/// One of the things that a body does.
async fn step(
    world: &Arc<World>,
    dice: &mut Dice,
    s: &Scope<'static>,
    children: &Arc<AtomicUsize>,
    kept: &mut Vec<Child<()>>,
    depth: u32,
) {
    let seed = dice.next();
    let next = || piece(Arc::clone(world), seed, depth);
    match dice.below(14) {
        0..=3 => {
            let (token, work) = (Token::of(children), next());
            let work = async move {
                let _token = token;
                work.await;
            };
            let child = if dice.one_in(3) { s.fork(work) } else { s.spawn(work) };
            child.handle().into_iter().for_each(|handle| world.note(handle));
            if dice.one_in(2) {
                kept.push(child);
            }
        }
        4 => {
            if let Some(child) = kept.pop() {
                let _ = child.await;
            }
        }
        5 => kept.pop().into_iter().for_each(|child| child.cancel()),
        6 => world.any_handle(dice).into_iter().for_each(|handle| handle.cancel()),
        7 => next().await,
        8 => {
            // Polled once, and dropped.
            let _ = next().now_or_never();
        }
        9 => {
            let mut work = next();
            if futures_util::poll!(work.as_mut()).is_pending() {
                world.lay_aside(work);
            }
        }
        10 => {
            if let Some(work) = world.pick_up() {
                work.await;
            }
        }
        11 => {
            let patience = Box::pin(world.pause(dice.below(10)));
            let _ = futures_util::future::select(patience, next()).await;
        }
        12 => settle().await,
        _ if dice.one_in(6) => boom("in a random program"),
        _ => umbel::checkpoint().await,
    }
}

/// The whole of a program.
async fn program(world: &Arc<World>, seed: u64) {
    for n in 0..4 {
        let _ = catch(piece(Arc::clone(world), 4 * seed + n, 5)).await;
    }
}

/// What was laid aside goes on if its scopes ended by themselves: it has until `end`. Orphans may lay
/// aside more until they have ended. What a program has tied into a knot (a child that awaits what
/// awaits the child) is undone by a cancel.
async fn finish(world: &World, end: impl AsyncFn()) {
    loop {
        while catch(umbel::drain()).await.is_err() {}
        let Some(work) = world.pick_up() else { break };
        let _ = catch(futures_util::future::select(Box::pin(end()), work)).await;
    }
    let handles = world.handles.lock().unwrap_or_else(PoisonError::into_inner).clone();
    handles.iter().filter(|handle| !handle.is_finished()).for_each(CancelScope::cancel);
    let mut turns = 0;
    // Other threads have their turns when the machine gives them; then there is no number that is enough.
    while world.alive.load(Ordering::SeqCst) > 0 && (world.threads || turns < 1_000_000) {
        tokio::task::yield_now().await;
        turns += 1;
    }
    while catch(umbel::drain()).await.is_err() {}
}

fn check(world: &World, seed: u64) {
    assert_eq!(world.alive.load(Ordering::SeqCst), 0, "seed {seed}: bodies are left");
    let handles = world.handles.lock().unwrap_or_else(PoisonError::into_inner);
    for handle in handles.iter() {
        assert!(handle.is_finished(), "seed {seed}: {handle:?}\n{}", handle.picture());
        assert_eq!(handle.is_cancelled(), handle.reason().is_some(), "seed {seed}: {handle:?}");
        let _ = handle.deadline();
    }
}

/// On one thread and a paused clock: a limit ends what does not end by itself, in time.
fn run_on_one_thread(seed: u64) {
    let world = Arc::new(World::default());
    common::runtime().block_on(async {
        let start = tokio::time::Instant::now();
        let whole = scope(async |_| program(&world, seed).await).timeout(secs(100));
        let _ = catch(whole).await;
        assert!(start.elapsed() <= secs(101), "seed {seed}: it was late");
        finish(&world, async || tokio::time::sleep(secs(100)).await).await;
    });
    check(&world, seed);
}

/// On several threads: a cancel from another one ends it.
fn run_on_threads(runtime: &tokio::runtime::Runtime, seed: u64) {
    let world = Arc::new(World { threads: true, ..World::default() });
    let inside = Arc::clone(&world);
    let (whole, handle) = scope(async move |_| program(&inside, seed).await).with_handle();
    let whole = runtime.spawn(catch(whole));
    for _ in 0..seed % 64 {
        std::thread::yield_now();
    }
    handle.cancel();
    runtime.block_on(async {
        let _ = whole.await;
        finish(&world, settle).await;
    });
    check(&world, seed);
}

/// Only one of the tests may look at the process's orphans at a time.
static TURN: Mutex<()> = Mutex::new(());

/// The seeds are fixed; a failure names the one that failed.
#[test]
fn random_programs_end_and_leave_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for seed in 0..10_000 {
        run_on_one_thread(seed);
    }
}

/// The programs are the same each time, their interleavings are not.
#[test]
fn random_programs_on_threads_end_and_leave_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build();
    let runtime = runtime.expect("a runtime can be built");
    for seed in 0..2_000 {
        run_on_threads(&runtime, seed);
    }
}
