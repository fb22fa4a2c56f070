//! The driver: draws schedules, counts them, and asks what they came to.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use umbel::model::{Defect, tasks, with_defect};

/// How many schedules of one scenario are run.
#[derive(Clone, Debug)]
pub struct Schedules {
    name: String,
    seed: u64,
    each: usize,
    is_quiet: bool,
}

/// In a schedule by PCT so many changes of priority are made: what takes fewer to go wrong is found with
/// a probability that is known.
const DEPTH: usize = 4;

/// The futures of a task stand on a stack of their own.
const STACK: usize = 512 * 1024;

impl Schedules {
    /// So many schedules drawn evenly, and as many by PCT.
    pub fn new(name: impl Into<String>, each: usize) -> Self {
        Self { name: name.into(), seed: 1, each, is_quiet: false }
    }

    /// For one of many scenarios of a test.
    #[must_use]
    pub fn quiet(mut self, seed: u64) -> Self {
        self.is_quiet = true;
        self.seed = seed;
        self
    }

    /// Runs the scenario. What it returns is its outcome: all of `expected`, and no others, must have
    /// been seen.
    ///
    /// # Panics
    ///
    /// If an execution panics or deadlocks, or was not run, or came to something else.
    pub fn check<T>(&self, expected: &[T], execution: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Debug + Ord + Send + 'static,
    {
        let seen = self.explore(execution);
        let found: Vec<&T> = seen.keys().collect();
        let mut wanted: Vec<&T> = expected.iter().collect();
        wanted.sort();
        assert_eq!(found, wanted, "{}: the outcomes seen are not the expected ones", self.name);
    }

    /// Runs the scenario, and says how often it came to what.
    ///
    /// # Panics
    ///
    /// If an execution panics or deadlocks, or was not run.
    pub fn explore<T>(
        &self,
        execution: impl Fn() -> T + Send + Sync + 'static,
    ) -> BTreeMap<T, usize>
    where
        T: Debug + Ord + Send + 'static,
    {
        let started = Instant::now();
        let (execution, seen) = (Arc::new(execution), Arc::new(Mutex::new(BTreeMap::new())));
        let run = |scheduler: Box<dyn Scheduler + Send>| {
            let (execution, seen) = (Arc::clone(&execution), Arc::clone(&seen));
            Runner::new(scheduler, config()).run(move || {
                let outcome = execution();
                while tasks() > 0 {
                    shuttle::thread::yield_now();
                }
                *lock(&seen).entry(outcome).or_insert(0) += 1;
            })
        };
        let both = || {
            run(Box::new(RandomScheduler::new_from_seed(self.seed, self.each)))
                + run(Box::new(PctScheduler::new_from_seed(self.seed, DEPTH, self.each)))
        };
        let executions = match seeded_defect() {
            Some(defect) => with_defect(defect, both),
            None => both(),
        };
        let seen = std::mem::take(&mut *lock(&seen));
        assert_eq!(executions, 2 * self.each, "{}: not all schedules were run", self.name);
        assert_eq!(executions, seen.values().sum::<usize>(), "{}: lost some", self.name);
        if !self.is_quiet {
            let seconds = started.elapsed().as_secs_f64();
            println!("{:<44} {executions:>6} schedules {seconds:>6.2} s: {seen:?}", self.name);
        }
        seen
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK;
    // That orderings are not explored is known, and said.
    config.silence_warnings = true;
    config
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mistake to switch on, if this process was started to see it caught.
fn seeded_defect() -> Option<Defect> {
    let name = std::env::var("UMBEL_SEEDED_DEFECT").ok()?;
    let known = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
    Some(known.unwrap_or_else(|| panic!("no such defect: {name}")))
}
