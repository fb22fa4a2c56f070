//! What is connected to, and what should come of it: one row for each scenario.

use std::time::Duration;

use crate::plan::{Host, Kind};
use crate::report::Report;
use crate::zone::{self, Zone};

/// How much later than expected a connection may come, on a machine that keeps nobody waiting.
const SLACK: Duration = Duration::from_millis(40);
/// How much earlier, for a clock that is read a moment after the first attempt has begun.
const EARLY: Duration = Duration::from_millis(1);

/// How much longer its runtime may take to end: it does not wait for a lookup that nobody needs any more.
const LINGER: Duration = Duration::from_millis(200);

/// What a client is told to connect to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Target {
    /// These addresses, in this order.
    Addresses(&'static [Host]),
    /// This name, through the resolver.
    Name(&'static Zone),
}

/// How it should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Connected to this host.
    Connected(Host),
    /// An error.
    Failed,
    /// Neither, for as long as anybody waited.
    Open,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// A short name.
    pub id: &'static str,
    /// What is connected to.
    pub target: Target,
    /// How it should end.
    pub ending: Ending,
    /// How many milliseconds after the start.
    pub after: u64,
}

/// What to make of one run of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Right,
    /// Another ending, or the right one later than it may come, or not the end of it all; but the machine has
    /// kept somebody waiting, and that may be why.
    Unclear,
    /// All that, and nothing to explain it; or an ending that came too early, which nothing does.
    Wrong,
}

const GOOD6: Host = Host::v6(Kind::Good);
const GOOD4: Host = Host::v4(Kind::Good);
const HOLE6: Host = Host::v6(Kind::Hole);
const HOLE4: Host = Host::v4(Kind::Hole);
const REFUSED6: Host = Host::v6(Kind::Refused);
const REFUSED4: Host = Host::v4(Kind::Refused);
const SLOW6: Host = Host::v6(Kind::Slow);
const SLOW4: Host = Host::v4(Kind::Slow);

/// Lists of addresses. To add a scenario, add a row.
#[rustfmt::skip]
pub const LISTS: [Scenario; 15] = [
    list("S1",  &[GOOD6, GOOD4],                     Ending::Connected(GOOD6), 0),
    list("S2",  &[HOLE6, GOOD4],                     Ending::Connected(GOOD4), 250),
    list("S3",  &[REFUSED6, GOOD4],                  Ending::Connected(GOOD4), 0),
    list("S4",  &[HOLE6, SLOW4],                     Ending::Connected(SLOW4), 650),
    list("S4b", &[SLOW6, GOOD4],                     Ending::Connected(GOOD4), 250),
    list("S4c", &[REFUSED6, SLOW4],                  Ending::Connected(SLOW4), 400),
    list("S4d", &[SLOW6, SLOW4],                     Ending::Connected(SLOW6), 400),
    list("S5",  &[HOLE6, HOLE4],                     Ending::Open,             0),
    list("S5b", &[REFUSED6, REFUSED4],               Ending::Failed,           0),
    list("S6",  &[HOLE6, HOLE6.next(), GOOD4],       Ending::Connected(GOOD4), 250),
    list("S7",  &[HOLE6, HOLE4, GOOD4],              Ending::Connected(GOOD4), 500),
    list("S8",  &[HOLE4, GOOD4],                     Ending::Connected(GOOD4), 250),
    list("S9",  &[REFUSED6, HOLE4, GOOD6],           Ending::Connected(GOOD6), 250),
    list("S10", &[HOLE6, REFUSED4, GOOD6],           Ending::Connected(GOOD6), 250),
    list("S11", &[HOLE6, HOLE6.next(), HOLE6.next().next(), GOOD6],
                                                     Ending::Connected(GOOD6), 750),
];

/// Names. To add one, add its zone to [`zone`], and a row here.
#[rustfmt::skip]
pub const NAMES: [Scenario; 6] = [
    name("N1", &zone::BOTH,          GOOD6, 0),
    name("N2", &zone::AAAA_LATE,     GOOD6, 30),
    name("N3", &zone::AAAA_TOO_LATE, GOOD4, 50),
    name("N4", &zone::AAAA_FAILS,    GOOD4, 0),
    name("N5", &zone::AAAA_LOST,     GOOD4, 50),
    name("N6", &zone::A_LOST,        GOOD6, 0),
];

const fn list(id: &'static str, hosts: &'static [Host], ending: Ending, after: u64) -> Scenario {
    Scenario { id, target: Target::Addresses(hosts), ending, after }
}

const fn name(id: &'static str, zone: &'static Zone, host: Host, after: u64) -> Scenario {
    Scenario { id, target: Target::Name(zone), ending: Ending::Connected(host), after }
}

impl Scenario {
    /// What it is about, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.target {
            Target::Name(zone) => zone.name.trim_end_matches(".test").replace('-', " "),
            Target::Addresses(hosts) => {
                hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// What the ending should be, in words.
    #[must_use]
    pub fn expectation(&self) -> String {
        match self.ending {
            Ending::Connected(host) => format!("{host} after {} ms", self.after),
            Ending::Failed => format!("an error after {} ms", self.after),
            Ending::Open => "no end".into(),
        }
    }

    /// Compares a run with what it should have been.
    #[must_use]
    pub fn judge(&self, report: &Report) -> Verdict {
        let due = Duration::from_millis(self.after);
        let is_late = self.ending != Ending::Open && report.decided > due + SLACK + report.stalled;
        let stays = report.over > report.decided + LINGER + report.stalled;
        if report.decided + EARLY < due {
            Verdict::Wrong
        } else if report.ending() == self.ending && !is_late && !stays {
            Verdict::Right
        } else if report.stalled.is_zero() {
            Verdict::Wrong
        } else {
            Verdict::Unclear
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Outcome;

    const CALM: Duration = Duration::ZERO;
    const BUSY: Duration = Duration::from_millis(10);

    fn judged(outcome: Outcome, millis: u64, stalled: Duration) -> Verdict {
        let decided = Duration::from_millis(millis);
        LISTS[1].judge(&Report { outcome, decided, over: decided, stalled })
    }

    #[test]
    fn a_run_is_right_only_with_the_right_winner_at_the_right_time() {
        let good = || Outcome::Connected(GOOD4.address());
        assert_eq!(judged(good(), 251, CALM), Verdict::Right);
        assert_eq!(judged(good(), 291, CALM), Verdict::Wrong);
        assert_eq!(judged(Outcome::Connected(HOLE6.address()), 251, CALM), Verdict::Wrong);
        assert_eq!(judged(Outcome::Failed("refused".into()), 251, CALM), Verdict::Wrong);
        assert_eq!(judged(Outcome::Open, 9_000, CALM), Verdict::Wrong);
    }

    #[test]
    fn a_busy_machine_makes_a_run_late_or_unclear_and_never_early() {
        let good = || Outcome::Connected(GOOD4.address());
        assert_eq!(judged(good(), 291, BUSY), Verdict::Right);
        assert_eq!(judged(good(), 301, BUSY), Verdict::Unclear);
        assert_eq!(judged(Outcome::Connected(HOLE6.address()), 251, BUSY), Verdict::Unclear);
        for stalled in [CALM, BUSY] {
            assert_eq!(judged(good(), 248, stalled), Verdict::Wrong);
        }
    }

    #[test]
    fn a_run_is_not_right_if_its_threads_are_not_gone() {
        let decided = Duration::from_millis(53);
        let outcome = || Outcome::Connected(GOOD4.address());
        let judged =
            |over, stalled| NAMES[4].judge(&Report { outcome: outcome(), decided, over, stalled });
        assert_eq!(judged(decided + LINGER, CALM), Verdict::Right);
        assert_eq!(judged(Duration::from_secs(15), CALM), Verdict::Wrong);
        assert_eq!(judged(Duration::from_secs(15), BUSY), Verdict::Unclear);
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut ids: Vec<_> = LISTS.iter().chain(&NAMES).map(|scenario| scenario.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), LISTS.len() + NAMES.len());
    }
}
