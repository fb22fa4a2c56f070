//! The table of scenarios, by umbel.

use std::time::Duration;

use net_tests::Lab;
use net_tests::client::Client;
use net_tests::report::Report;
use net_tests::scenario::{LISTS, NAMES, Scenario, Verdict};

/// Longer than any scenario that has an end.
const LIMIT: Duration = Duration::from_secs(2);
/// How often a run is repeated of which nobody can say whether it was wrong or the machine was busy. One that is
/// wrong on a machine that keeps nobody waiting is wrong.
const TRIES: usize = 20;

/// Returns how many were wrong.
pub(crate) fn wrong(lab: &Lab) -> usize {
    let rows = LISTS.iter().chain(&NAMES);
    rows.filter(|scenario| !is_right(lab, scenario)).count()
}

fn is_right(lab: &Lab, scenario: &Scenario) -> bool {
    print!("{:<4} {:<58} {:<24}", scenario.id, scenario.describe(), scenario.expectation());
    let mut verdict = Verdict::Unclear;
    for _ in 0..TRIES {
        match Client::Umbel.measure(lab, scenario.target, LIMIT) {
            Ok(report) => verdict = judged(scenario, &report),
            Err(error) => {
                print!(" {error}");
                verdict = Verdict::Wrong;
            }
        }
        if verdict != Verdict::Unclear {
            break;
        }
    }
    println!(" {}", if verdict == Verdict::Right { "ok" } else { "WRONG" });
    verdict == Verdict::Right
}
fn judged(scenario: &Scenario, report: &Report) -> Verdict {
    print!(" {:.1} ms", report.decided.as_secs_f64() * 1e3);
    let verdict = scenario.judge(report);
    if verdict != Verdict::Right {
        print!(" {:?}, stalled for {:.1} ms;", report.outcome, report.stalled.as_secs_f64() * 1e3);
    }
    verdict
}
