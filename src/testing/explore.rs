//! Models on loom.
#![expect(clippy::disallowed_types, reason = "the tally is no part of what is explored")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::model::{Explored, Model};
use crate::context::clock;
use crate::ground::runtime::{Thread, spawn_thread, threads};

/// Settings of loom that make it stop early and report success.
const SILENT_LIMITS: [&str; 4] =
    ["LOOM_MAX_DURATION", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_PREEMPTIONS", "LOOM_MAX_BRANCHES"];

/// Thread switches in one execution, above which loom panics.
const SWITCHES: usize = 100_000;

impl Model {
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
        let (tally, deadlines_pass) = (Arc::clone(tally), self.deadlines_pass);
        self.builder().check(move || {
            threads::reset();
            let time = deadlines_pass.then(|| spawn_thread("time", clock::pass_a_day));
            let outcome = execution();
            // It may have nothing left to do, but it does that in this execution.
            time.into_iter().flatten().for_each(Thread::join);
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
