//! One cell of a table: some runs of a client, and their median.

use std::time::Duration;

use net_tests::Lab;
use net_tests::client::Client;
use net_tests::plan::Host;
use net_tests::report::{Outcome, Report};
use net_tests::scenario::Target;

/// How often a cell is measured.
const RUNS: usize = 5;
/// What takes longer than this is measured once: it does not depend on a millisecond.
const LONG: Duration = Duration::from_secs(2);

/// The runs of one client in one scenario, shortest first.
pub(crate) struct Sample(Vec<Report>);

impl Sample {
    pub(crate) fn take(client: Client, lab: &Lab, target: Target, limit: Duration) -> Self {
        let mut runs = Vec::new();
        while runs.len() < RUNS {
            match client.measure(lab, target, limit) {
                Ok(report) => runs.push(report),
                Err(error) => {
                    eprintln!("{error}");
                    break;
                }
            }
            if runs.iter().any(|run: &Report| run.decided > LONG) {
                break;
            }
        }
        runs.sort_by_key(|run| run.decided);
        Self(runs)
    }

    fn median(&self) -> Option<&Report> {
        self.0.get(self.0.len() / 2)
    }

    /// The time until it was decided, and how.
    pub(crate) fn decided(&self) -> String {
        let Some(run) = self.median() else { return "?".into() };
        match &run.outcome {
            Outcome::Connected(address) => {
                let host = Host::at(*address).map_or_else(String::new, |host| host.to_string());
                format!("{} {}", millis(run.decided), host.get(..2).unwrap_or("??"))
            }
            Outcome::Failed(_) => format!("{} err", millis(run.decided)),
            Outcome::Open => "CAP".into(),
            _ => "?".into(),
        }
    }

    /// The time until everything was gone.
    pub(crate) fn over(&self) -> String {
        self.median().map_or_else(|| "?".into(), |run| millis(run.over))
    }
}

/// What is said beside a bar.
pub(crate) fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// The lower quartile, the median and the upper quartile.
pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarters| values[(values.len() - 1) * quarters / 4])
}
