//! The driver of models: loom, with what it may leave out in silence refused.
#![expect(clippy::disallowed_types, reason = "the tally is no part of what is explored")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ground::runtime::threads;

/// A model: code whose every schedule is run, what must have been explored of it, and what it must
/// have come to.
#[derive(Debug)]
#[must_use = "a model explores nothing until it is checked"]
pub struct Model {
    name: String,
    floor: usize,
    preemptions: Option<usize>,
}

/// Settings of loom that make it stop early and report success.
const SILENT_LIMITS: [&str; 4] =
    ["LOOM_MAX_DURATION", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_PREEMPTIONS", "LOOM_MAX_BRANCHES"];

/// Thread switches in one execution, above which loom panics.
const SWITCHES: usize = 100_000;

impl Model {
    /// A model of this name, which must explore one execution at least, and all there are.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), floor: 1, preemptions: None }
    }

    /// Asks for at least so many executions: a model that suddenly explores fewer has lost something.
    pub fn floor(mut self, executions: usize) -> Self {
        self.floor = executions;
        self
    }

    /// Explores only schedules in which a thread is interrupted at most so many times. The result says
    /// so.
    pub fn bounded(mut self, preemptions: usize) -> Self {
        self.preemptions = Some(preemptions);
        self
    }

    /// Runs `execution` in every schedule. What it returns is its outcome: all of `expected`, and no
    /// others, must have been seen. Outcomes are told apart by their `Debug` texts.
    ///
    /// # Panics
    ///
    /// As [`explore`](Self::explore), and if there were other outcomes than the expected ones.
    pub fn check<T>(
        self,
        expected: &[T],
        execution: impl Fn() -> T + Send + Sync + 'static,
    ) -> Explored
    where
        T: Debug + Send + 'static,
    {
        self.explore(execution).expect(expected)
    }

    /// As [`check`](Self::check), for each of the `combinations` in turn: the executions and the outcomes
    /// of all of them together are looked at.
    ///
    /// # Panics
    ///
    /// As [`check`](Self::check); before that the combination is printed.
    pub fn check_each<C, T>(
        self,
        expected: &[T],
        combinations: impl IntoIterator<Item = C>,
        execution: impl Fn(&C) -> T + Clone + Send + Sync + 'static,
    ) -> Explored
    where
        C: Debug + Send + Sync + 'static,
        T: Debug + Send + 'static,
    {
        let (started, tally) = (Instant::now(), Arc::new(Mutex::new(Tally::default())));
        for combination in combinations {
            let told = Told(format!("{}: {combination:?}", self.name));
            let execution = execution.clone();
            self.run(&tally, move || execution(&combination));
            drop(told);
        }
        self.conclude(started, &tally).expect(expected)
    }

    /// Runs `execution` in every schedule, whatever it comes to.
    ///
    /// # Panics
    ///
    /// If an execution panics or deadlocks; if there were fewer executions than the floor; if the
    /// environment sets a limit that loom keeps in silence.
    pub fn explore<T>(self, execution: impl Fn() -> T + Send + Sync + 'static) -> Explored
    where
        T: Debug + Send + 'static,
    {
        let (started, tally) = (Instant::now(), Arc::new(Mutex::new(Tally::default())));
        self.run(&tally, execution);
        self.conclude(started, &tally)
    }

    fn run<T: Debug>(
        &self,
        tally: &Arc<Mutex<Tally>>,
        execution: impl Fn() -> T + Send + Sync + 'static,
    ) {
        for limit in SILENT_LIMITS {
            assert!(std::env::var_os(limit).is_none(), "{limit} would bound the models in silence");
        }
        let tally = Arc::clone(tally);
        self.builder().check(move || {
            threads::reset();
            let outcome = execution();
            lock(&tally).note(format!("{outcome:?}"), threads::count());
        });
    }

    fn conclude(self, started: Instant, tally: &Mutex<Tally>) -> Explored {
        let Tally { outcomes, threads } = std::mem::take(&mut *lock(tally));
        let explored = Explored {
            name: self.name,
            executions: outcomes.values().sum(),
            threads,
            preemptions: self.preemptions,
            elapsed: started.elapsed(),
            outcomes,
        };
        println!("model {explored}");
        let (seen, floor) = (explored.executions, self.floor);
        assert!(seen >= floor, "{}: only {seen} executions, below {floor}", explored.name);
        explored
    }

    fn builder(&self) -> loom::model::Builder {
        let mut builder = loom::model::Builder::new();
        builder.max_branches = SWITCHES;
        builder.preemption_bound = self.preemptions;
        builder
    }
}

/// What is being explored: printed if that fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed in {}", self.0);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the executions came to, and how often.
#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<String, usize>,
    threads: usize,
}

impl Tally {
    fn note(&mut self, outcome: String, threads: usize) {
        *self.outcomes.entry(outcome).or_default() += 1;
        self.threads = self.threads.max(threads);
    }
}

/// What there was to explore of a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explored {
    /// The name of the model.
    pub name: String,
    /// How many executions there were.
    pub executions: usize,
    /// The most threads that took part in one of them, the first included. Threads that were started
    /// otherwise than by umbel are not counted.
    pub threads: usize,
    /// How many preemptions the schedules were bounded to; if none, every schedule was run.
    pub preemptions: Option<usize>,
    /// How long it took.
    pub elapsed: Duration,
    /// Each outcome, and in how many executions it was seen.
    pub outcomes: BTreeMap<String, usize>,
}

impl Explored {
    fn expect<T: Debug>(self, expected: &[T]) -> Self {
        let seen: Vec<&String> = self.outcomes.keys().collect();
        let expected: BTreeSet<String> = expected.iter().map(|one| format!("{one:?}")).collect();
        let expected: Vec<&String> = expected.iter().collect();
        assert_eq!(seen, expected, "the outcomes seen are not the outcomes there are");
        self
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, executions, threads, .. } = self;
        let seconds = self.elapsed.as_secs_f64();
        write!(f, "{name:<48} {threads} threads {executions:>8} executions {seconds:>7.2} s, ")?;
        match self.preemptions {
            None => f.write_str("every schedule")?,
            Some(bound) => write!(f, "BOUNDED to {bound} preemptions")?,
        }
        f.write_str(":")?;
        self.outcomes.iter().try_for_each(|(outcome, seen)| write!(f, " {outcome} {seen},"))
    }
}
