//! The ten parts of a run, and what must hold when everything is at rest.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use umbel::{Unhandled, UnhandledKind};

use oracle_tests::ledger::audit::{Totals, audit};
use oracle_tests::ledger::journal::{Journal, Pages};
use oracle_tests::ledger::tokens::{Failure, Payload, Value, values};

use crate::arguments::{Arguments, Flaw};
use crate::{heap, regions, report};

const PARTS: u8 = 10;
/// How many operations one program has.
const TURNS: u64 = 400;
/// The first parts make what is made once: the lists of the library.
const SETTLED: usize = 2;
/// How much more may be in use later, in bytes. A list keeps the room that it once needed: the library
/// has one of the scopes without an owner, with 16 bytes for each of the most that there were at once.
/// Nothing that is lost by one program in a hundred stays below this in a run of ten million operations.
const SLACK: usize = 4_096;
/// How long the runtime's workers may take to come to rest when there is nothing left to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the library's hooks have told.
#[derive(Default)]
struct Heard {
    journals: Mutex<HashMap<u64, Arc<Journal>>>,
    finalizers_cut: AtomicU64,
    finalizers_lost: AtomicU64,
    foreign_panics: AtomicU64,
}

/// What one part does.
struct Shift {
    heard: Arc<Heard>,
    seed: u64,
    flaw: Option<Flaw>,
    /// Programs are numbered, from the first of this part to before the first of the next.
    next: AtomicU64,
    end: u64,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    totals: Totals,
    faults: Vec<String>,
    /// Programs whose outermost scope was dropped: they may still run.
    orphaned: Vec<Arc<Journal>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let heard = Arc::new(Heard::default());
    listen(&heard, arguments.flaw);
    let programs = arguments.operations.div_ceil(TURNS);
    let first_of = |part: u8| programs * u64::from(part) / u64::from(PARTS);
    heard.make_room(first_of(1) + 1);
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut heaps = [0; PARTS as usize];
    for (part, live) in (0..PARTS).zip(&mut heaps) {
        let began = Instant::now();
        let runtime = runtime(arguments.threads)?;
        let sums = work(&runtime, arguments, &heard, first_of(part)..first_of(part + 1))?;
        totals += sums;
        at_rest(&runtime, &heard, &totals)?;
        drop(runtime);
        *live = heap::live();
        report::part(part + 1, &sums, began.elapsed(), *live);
    }
    flat(&heaps)?;
    // The hook keeps the map, and whoever looks for leaks would ask whose it is.
    heard.journals().shrink_to_fit();
    report::outro(&totals, started.elapsed());
    Ok(())
}

/// Each part has one of its own: a worker keeps the room that it once needed, and how much that was is up to the
/// machine.
fn runtime(threads: usize) -> Result<Runtime, String> {
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_time().build();
    runtime.map_err(|error| format!("there is no runtime: {error}"))
}

/// Hears what nobody else is told of.
fn listen(heard: &Arc<Heard>, flaw: Option<Flaw>) {
    let ear = Arc::clone(heard);
    umbel::set_unhandled_hook(move |unhandled| ear.unhandled(unhandled, flaw));
    let (ear, usual) = (Arc::clone(heard), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        // Panics that a program makes do without the hook.
        ear.foreign_panics.fetch_add(1, Ordering::SeqCst);
        usual(panic);
    }));
}

impl Heard {
    fn journals(&self) -> MutexGuard<'_, HashMap<u64, Arc<Journal>>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So that the map does not grow in the middle of the run.
    fn make_room(&self, programs: u64) {
        self.journals().reserve(usize::try_from(programs).unwrap_or_default());
    }

    fn unhandled(&self, unhandled: &Unhandled<'_>, flaw: Option<Flaw>) {
        match unhandled.kind() {
            UnhandledKind::FinalizerCut => &self.finalizers_cut,
            UnhandledKind::FinalizerLost => &self.finalizers_lost,
            _ => {
                if flaw != Some(Flaw::Error) {
                    self.error(unhandled);
                }
                return;
            }
        }
        .fetch_add(1, Ordering::SeqCst);
    }

    fn error(&self, unhandled: &Unhandled<'_>) {
        let Some((number, error)) = Failure::numbers(unhandled) else { return };
        let journal = self.journals().get(&number).cloned();
        if let Some(journal) = journal {
            journal.open().errors[error].nobody += 1;
        }
    }
}

/// Runs the programs of one part, and audits them.
fn work(
    runtime: &Runtime,
    arguments: &Arguments,
    heard: &Arc<Heard>,
    numbers: std::ops::Range<u64>,
) -> Result<Totals, String> {
    let shift = Arc::new(Shift {
        heard: Arc::clone(heard),
        seed: arguments.seed,
        flaw: arguments.flaw,
        next: AtomicU64::new(numbers.start),
        end: numbers.end,
        books: Mutex::default(),
    });
    let drained = runtime.block_on(async {
        let runners = (0..arguments.threads * 4).map(|_| {
            let shift = Arc::clone(&shift);
            tokio::spawn(async move { shift.programs().await })
        });
        for runner in runners.collect::<Vec<_>>() {
            runner.await.map_err(|error| format!("a runner has ended early: {error}"))?;
        }
        if arguments.flaw == Some(Flaw::Task) {
            tokio::spawn(std::future::pending::<()>());
        }
        Ok::<u64, String>(drain().await)
    })?;
    let orphaned = std::mem::take(&mut shift.books().orphaned);
    for journal in orphaned {
        shift.audit(&journal);
    }
    let mut books = shift.books();
    if (books.totals.panics_of_orphans > 0) != (drained > 0) {
        let count = books.totals.panics_of_orphans;
        books.faults.push(format!("R14: of {count} panics of orphans {drained} were resumed"));
    }
    match books.faults.first() {
        None => Ok(books.totals),
        Some(first) => Err(format!("{first} (faults in all: {})", books.faults.len())),
    }
}

/// Waits for all orphans. Gives the number of their panics.
async fn drain() -> u64 {
    let mut panics = 0;
    while let Err(payload) = AssertUnwindSafe(umbel::drain()).catch_unwind().await {
        drop(Payload::catch(payload));
        panics += 1;
    }
    panics
}

impl Shift {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn programs(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.end {
                return;
            }
            self.program(number).await;
        }
    }

    /// Runs one program: outermost scopes, one after another, as long as it has turns.
    async fn program(&self, number: u64) {
        let journal = Arc::new(Journal::new(number, TURNS));
        self.heard.journals().insert(number, Arc::clone(&journal));
        let mut dice = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_orphaned = dice.u8(0..16) == 0;
        while journal.open().turns > 0 {
            let patience = is_orphaned.then(|| dice.u32(0..24));
            let root = regions::root(Arc::clone(&journal), dice.u64(..), patience);
            if self.flaw == Some(Flaw::Forget) && number % 4 == 0 {
                forget_half_way(root);
                journal.open().turns = 0;
            } else {
                root.await;
            }
        }
        match self.flaw {
            Some(Flaw::Memory) => drop(Box::leak(std::hint::black_box(Box::new([0_u8; 256])))),
            Some(Flaw::Value) => std::mem::forget(Value::new(0)),
            _ => {}
        }
        if is_orphaned {
            self.books().orphaned.push(journal);
        } else {
            self.audit(&journal);
        }
    }

    /// Makes a journal say what was not: a request more, a panic less. What it says besides stays true, so
    /// that one check and no other can find it.
    fn spoil(&self, pages: &mut Pages) {
        match self.flaw {
            Some(Flaw::Request) => {
                let mut regions = pages.regions.iter_mut();
                if let Some(region) = regions.find(|region| region.requests > 0) {
                    region.requests += 1;
                }
            }
            Some(Flaw::Panic) => {
                if let Some(panic) = pages.panics.iter_mut().find(|panic| panic.owner > 0) {
                    panic.owner = 0;
                }
            }
            _ => {}
        }
    }

    fn audit(&self, journal: &Journal) {
        self.heard.journals().remove(&journal.number);
        let mut pages = journal.open();
        self.spoil(&mut pages);
        let (totals, faults) = audit(&mut pages);
        let mut books = self.books();
        books.totals += totals;
        let faults = faults.into_iter();
        books.faults.extend(faults.map(|fault| format!("program {}: {fault}", journal.number)));
    }
}

/// What `mem::forget` leaks (R19).
fn forget_half_way(work: impl Future<Output = ()> + Send) {
    let mut work = Box::pin(work);
    let _ = work.as_mut().now_or_never();
    std::mem::forget(work);
}

/// Everything has ended, and been waited for.
fn at_rest(runtime: &Runtime, heard: &Heard, totals: &Totals) -> Result<(), String> {
    equal("orphans", umbel::orphans(), 0)?;
    equal("programs that are still on", heard.journals().len(), 0)?;
    // tokio takes the last tasks off its books, with their values, a moment after they have ended.
    wait_for_workers(runtime);
    let (tasks, values) = (runtime.metrics().num_alive_tasks(), values());
    equal("tasks alive on the runtime", tasks, 0)?;
    equal("values that nobody has dropped", values, 0)?;
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    equal("finalizers reported as cut", count(&heard.finalizers_cut), totals.finalizers_cut)?;
    equal("finalizers reported as lost", count(&heard.finalizers_lost), 0)?;
    equal("panics that no program has made", count(&heard.foreign_panics), 0)?;
    equal("requests counted", totals.counted, totals.requests)
}

/// Returns when every worker sleeps: then what there was to do is done, on the busiest machine.
fn wait_for_workers(runtime: &Runtime) {
    let (since, metrics) = (Instant::now(), runtime.metrics());
    // The count is odd from going to sleep to waking.
    let sleeps = |worker| metrics.worker_park_unpark_count(worker) % 2 == 1;
    while !(0..metrics.num_workers()).all(sleeps) && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn equal<T: Copy + PartialEq + std::fmt::Display>(
    what: &str,
    found: T,
    wanted: T,
) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found}, and not {wanted}")) }
}

/// At no quiet point after the first ones may the heap be larger than it has been.
fn flat(heaps: &[usize; PARTS as usize]) -> Result<(), String> {
    let (first, rest) = heaps.split_at(SETTLED);
    let most = first.iter().max().copied().unwrap_or_default();
    match rest.iter().enumerate().find(|(_, live)| **live > most + SLACK) {
        None => Ok(()),
        Some((n, live)) => {
            let part = n + SETTLED + 1;
            Err(format!("the heap has grown: {live} bytes after part {part}, {most} before"))
        }
    }
}
