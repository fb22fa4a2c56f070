//! How things are timed: side by side, in rounds, and by their ratio.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Each side once, in turn; nanoseconds per operation.
pub(crate) type Side<'a> = &'a mut dyn FnMut() -> f64;

/// The results of all rounds: a row per side.
pub(crate) struct Contest(Vec<Vec<f64>>);

/// A ratio over the rounds: its median and its quartiles.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Runs all sides in each of `rounds` rounds, after one that does not count. Every other round runs
/// them in reverse, so that none profits from its place.
pub(crate) fn contest(rounds: usize, sides: &mut [Side<'_>]) -> Contest {
    let mut times = vec![Vec::with_capacity(rounds); sides.len()];
    for side in &mut *sides {
        side();
    }
    for round in 0..rounds {
        for place in 0..sides.len() {
            let side = if round % 2 == 0 { place } else { sides.len() - 1 - place };
            times[side].push(sides[side]());
        }
    }
    Contest(times)
}

impl Contest {
    /// The median of one side's times.
    pub(crate) fn time(&self, side: usize) -> f64 {
        quantile(self.0[side].clone(), 2)
    }

    /// The ratios of two sides, round by round: what slows a whole round down falls out.
    pub(crate) fn ratio(&self, side: usize, other: usize) -> Ratio {
        let pairs = self.0[side].iter().zip(&self.0[other]);
        let ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
        Ratio {
            median: quantile(ratios.clone(), 2),
            low: quantile(ratios.clone(), 1),
            high: quantile(ratios, 3),
        }
    }

    /// The median of what one side took more than another, round by round.
    pub(crate) fn excess(&self, side: usize, other: usize) -> f64 {
        let pairs = self.0[side].iter().zip(&self.0[other]);
        quantile(pairs.map(|(one, other)| one - other).collect(), 2)
    }
}

/// The value that `quarters` of four quarters are below.
fn quantile(mut values: Vec<f64>, quarters: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * quarters / 4]
}

/// A count as a number to calculate with.
pub(crate) fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("no count here is beyond four billion"))
}

/// Nanoseconds for each of `operations`.
pub(crate) fn each(time: Duration, operations: usize) -> f64 {
    time.as_secs_f64() * 1e9 / real(operations)
}

/// A runtime, and what to call it in the table.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) runtime: Runtime,
}

impl Host {
    pub(crate) fn current_thread() -> Self {
        let runtime = Builder::new_current_thread().build();
        Self { name: "1 thread".into(), runtime: runtime.expect("a runtime can be made") }
    }

    pub(crate) fn workers(count: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(count).build();
        Self { name: format!("{count} workers"), runtime: runtime.expect("a runtime can be made") }
    }

    pub(crate) fn both() -> [Self; 2] {
        [Self::current_thread(), Self::workers(2)]
    }

    /// Runs `work` as a task of its own, so that on several workers it is on one of them.
    pub(crate) fn run<F>(&self, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.runtime.spawn(work);
        self.runtime.block_on(task).expect("no benchmark panics")
    }
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
