//! The driver of models: loom, with what it may leave out in silence refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::time::Duration;

#[cfg(not(any(umbel_loom, loom)))]
use super::once::run_once;

/// A model: code whose every schedule is run, what must have been explored of it, and what it must
/// have come to.
///
/// Built with `RUSTFLAGS="--cfg umbel_loom"`, scopes run on [loom]: a spawned child is a thread of it, and
/// wherever a scope, a handle or a child touches what threads share, loom tries every order. Functions that
/// open scopes, spawn, fork, race and set limits are explored as they are. Give such a build a folder of its
/// own, and name the test to be run: what is not a model does not work in it.
///
/// ```sh
/// RUSTFLAGS="--cfg umbel_loom" cargo test --test models --target-dir target/models
/// ```
///
/// Without the flag a model is **not** explored: its scenario runs once, on a paused clock, and a line on
/// standard error says so.
///
/// # Examples
///
/// ```
/// use umbel::testing::Model;
///
/// # if cfg!(umbel_loom) { return }
/// // Whether the child's value or the cancellation is first is for the schedule to say.
/// Model::new("a child is cancelled").floor(20).check_async(&[None, Some(7)], async || {
///     umbel::scope(async |s| {
///         let child = s.spawn(async { 7 });
///         child.cancel();
///         child.await.ok()
///     })
///     .await
///     .unwrap()
/// });
/// ```
///
/// # What it cannot see
///
/// loom switches threads where umbel's own words and locks are used, and nowhere else: what stands between
/// two such points happens at once. Locks and atomics of std, and tokio's channels, are no such points; if
/// the order of *their* uses matters, use loom's in that build. An execution has five threads at most, the
/// first included. There is no runtime and no clock: tokio's timers and its input and output panic, and
/// deadlines of scopes pass only where [`deadlines_pass`](Self::deadlines_pass) is asked for.
///
/// [loom]: https://docs.rs/loom
#[derive(Debug)]
#[must_use = "a model explores nothing until it is checked"]
pub struct Model {
    pub(super) name: String,
    pub(super) floor: usize,
    pub(super) preemptions: Option<usize>,
    pub(super) deadlines_pass: bool,
}

impl Model {
    /// A model of this name, which must explore one execution at least, and all there are.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), floor: 1, preemptions: None, deadlines_pass: false }
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

    /// Has time pass: at some moment, early or late, a whole day does, and every shorter limit that a scope
    /// has by then is over. That is one thread more. Otherwise none ever is.
    pub fn deadlines_pass(mut self) -> Self {
        self.deadlines_pass = true;
        self
    }

    /// Runs `scenario` in every schedule, on the first thread. What it returns is its outcome: all of
    /// `expected`, and no others, must have been seen. Outcomes are told apart by their `Debug` texts.
    ///
    /// Without `--cfg umbel_loom` it is run once, and must come to one of `expected`.
    ///
    /// # Panics
    ///
    /// If an execution panics or deadlocks; if there were other outcomes than the expected ones, or fewer
    /// executions than the floor; if the environment sets a limit that loom keeps in silence.
    pub fn check_async<T, S>(self, expected: &[T], scenario: S) -> Explored
    where
        T: Debug + Send + 'static,
        S: AsyncFn() -> T + Send + Sync + 'static,
    {
        #[cfg(any(umbel_loom, loom))]
        return self.check(expected, move || crate::ground::runtime::block_on(scenario()));
        #[cfg(not(any(umbel_loom, loom)))]
        {
            let explored = run_once(self.name, scenario);
            let seen = explored.outcomes.keys().next().expect("it has run");
            assert!(texts(expected).contains(seen), "{}: {seen} is not expected", explored.name);
            explored
        }
    }
}

fn texts<T: Debug>(outcomes: &[T]) -> BTreeSet<String> {
    outcomes.iter().map(|one| format!("{one:?}")).collect()
}

/// What there was to explore of a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explored {
    /// The name of the model.
    pub name: String,
    /// How many executions there were. One, and it has been explored nothing, without `--cfg umbel_loom`.
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
    #[cfg(any(umbel_loom, loom))]
    pub(super) fn expect<T: Debug>(self, expected: &[T]) -> Self {
        let seen: Vec<&String> = self.outcomes.keys().collect();
        let expected = texts(expected);
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
