use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use umbel::model::{Defect, with_defect};

/// One model: a name, what it must have explored, and what it must have seen.
#[derive(Debug)]
pub struct Model {
    name: &'static str,
    floor: usize,
    preemptions: Option<usize>,
}

/// Settings of loom that make it stop early and report success.
const SILENT_LIMITS: [&str; 4] =
    ["LOOM_MAX_DURATION", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_PREEMPTIONS", "LOOM_MAX_BRANCHES"];

impl Model {
    /// A model that must explore at least `floor` executions, all there are.
    #[must_use]
    pub fn new(name: &'static str, floor: usize) -> Self {
        Self { name, floor, preemptions: None }
    }

    /// Explores only schedules with at most `bound` preemptions; the run says so.
    #[must_use]
    pub fn bounded(mut self, bound: usize) -> Self {
        self.preemptions = Some(bound);
        self
    }

    /// Explores the model. Each execution returns its outcome; all of `expected`, and no others, must
    /// have been seen.
    ///
    /// # Panics
    ///
    /// If an execution panics or deadlocks, or the exploration was not what it must be.
    pub fn check<T>(self, expected: &[T], execution: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Debug + Ord + Send + 'static,
    {
        for limit in SILENT_LIMITS {
            assert!(std::env::var_os(limit).is_none(), "{limit} would bound the models in silence");
        }
        let seen: Arc<Mutex<BTreeMap<T, usize>>> = Arc::default();
        let outcomes = Arc::clone(&seen);
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 100_000;
        builder.preemption_bound = self.preemptions;
        let explore = move || {
            builder.check(move || {
                let outcome = execution();
                let mut seen = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                *seen.entry(outcome).or_default() += 1;
            });
        };
        let started = std::time::Instant::now();
        match seeded_defect() {
            Some(defect) => with_defect(defect, explore),
            None => explore(),
        }
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let executions: usize = seen.values().sum();
        let bound = self
            .preemptions
            .map_or("every schedule".to_owned(), |bound| format!("BOUNDED to {bound} preemptions"));
        println!(
            "model {:<34} {executions:>8} executions, {:>6.2} s, {bound}, {seen:?}",
            self.name,
            started.elapsed().as_secs_f64(),
        );
        assert!(executions >= self.floor, "only {executions} executions, below {}", self.floor);
        let found: Vec<&T> = seen.keys().collect();
        let mut wanted: Vec<&T> = expected.iter().collect();
        wanted.sort();
        assert_eq!(found, wanted, "the outcomes seen are not the outcomes there are");
    }
}

/// The mistake to switch on, if this process was started to see a model catch it.
fn seeded_defect() -> Option<Defect> {
    let name = std::env::var("UMBEL_SEEDED_DEFECT").ok()?;
    let known = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
    Some(known.unwrap_or_else(|| panic!("no such defect: {name}")))
}

/// A waker that counts: not part of what loom explores.
#[derive(Debug, Default)]
pub struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    /// A bell and the waker that rings it.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    /// How often it rang.
    #[must_use]
    pub fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
