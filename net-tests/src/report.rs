//! What a client has to say about one connection, and the line in which it says so.

use std::net::IpAddr;
use std::time::Duration;

use crate::plan::Host;
use crate::scenario::Ending;

/// The share of its time after which a client has waited to the end: not every clock is exact.
const NEARLY: f64 = 0.99;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Connected to this address.
    Connected(IpAddr),
    /// An error, in words.
    Failed(String),
    /// Given up, when the time for it had passed.
    Open,
}

/// One measured connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub decided: Duration,
    /// How long it took until what it had used was gone: the client's runtime, with its threads.
    pub over: Duration,
    /// For how much of that the machine has kept somebody waiting, as far as anybody has noticed.
    pub stalled: Duration,
}

impl Report {
    /// The line that says this: address, seconds, seconds, error, seconds, with tabs between.
    #[must_use]
    pub fn line(&self) -> String {
        let (address, error) = match &self.outcome {
            Outcome::Connected(address) => (address.to_string(), ""),
            Outcome::Failed(error) => (String::new(), error.as_str()),
            Outcome::Open => (String::new(), ""),
        };
        let [decided, over, stalled] =
            [self.decided, self.over, self.stalled].map(|time| time.as_secs_f64());
        let error = error.replace(['\t', '\n'], " ");
        format!("{address}\t{decided:.6}\t{over:.6}\t{error}\t{stalled:.6}")
    }

    /// Reads such a line. Who has no address after `limit` was still waiting, whatever it says.
    #[must_use]
    pub fn read(line: &str, limit: Duration) -> Option<Self> {
        let mut cells = line.trim_end_matches(['\r', '\n']).split('\t');
        let address = cells.next()?;
        let [decided, over] = [seconds(cells.next()?)?, seconds(cells.next()?)?];
        let error = cells.next().unwrap_or_default();
        // Others' programs do not say.
        let stalled = cells.next().map_or(Some(Duration::ZERO), seconds)?;
        if !address.is_empty() {
            let outcome = Outcome::Connected(address.parse().ok()?);
            return Some(Self { outcome, decided, over, stalled });
        }
        // Some have no time for what did not happen.
        let decided = if decided.is_zero() { over } else { decided };
        let waiting = decided.as_secs_f64() >= NEARLY * limit.as_secs_f64();
        let outcome = if waiting { Outcome::Open } else { Outcome::Failed(error.to_owned()) };
        Some(Self { outcome, decided, over, stalled })
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.outcome {
            // An address that is none of the lab's is an error, of somebody's.
            Outcome::Connected(address) => {
                Host::at(address).map_or(Ending::Failed, Ending::Connected)
            }
            Outcome::Failed(_) => Ending::Failed,
            Outcome::Open => Ending::Open,
        }
    }
}

fn seconds(cell: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(cell.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn a_line_says_all_of_a_report() {
        let decided = Duration::from_micros(251_700);
        for outcome in [
            Outcome::Connected("2001:db8:1::10".parse().expect("an address")),
            Outcome::Failed("Connection refused".into()),
        ] {
            let report = Report { outcome, decided, over: 2 * decided, stalled: decided / 2 };
            assert_eq!(Report::read(&report.line(), LIMIT), Some(report));
        }
    }

    #[test]
    fn who_ends_after_the_limit_without_an_address_was_still_waiting() {
        let read = |line| Report::read(line, LIMIT).expect("a report").outcome;
        assert_eq!(read("\t0.000000\t5.001000\tConnection timed out"), Outcome::Open);
        assert_eq!(read("\t0.000000\t4.999000\tResolving timed out"), Outcome::Open);
        assert_eq!(read("\t0.000000\t4.900000\tno route"), Outcome::Failed("no route".into()));
    }

    #[test]
    fn what_is_no_report_is_not_read_as_one() {
        for line in ["", "Traceback", "x\t1\t1\t", "\t-1\t1\t"] {
            assert_eq!(Report::read(line, LIMIT), None, "{line:?}");
        }
    }
}
