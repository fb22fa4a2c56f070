//! Names, through the system's resolver and a DNS server that misbehaves.

use std::time::Duration;

use net_tests::Lab;
use net_tests::client::Client;
use net_tests::scenario::{NAMES, Scenario};

use super::lists::{FIRST, cell, head};
use super::sample::Sample;
use super::wanted::Wanted;

/// Longer than the resolver's patience.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn table(lab: &Lab, wanted: &Wanted) {
    let rows: Vec<_> = NAMES.iter().filter(|scenario| wanted.has(scenario.id)).collect();
    if rows.is_empty() {
        return;
    }
    head("names, by how they are answered");
    let gone: Vec<_> = rows.into_iter().map(|scenario| (scenario, row(lab, scenario))).collect();
    println!("as above, but CAP: nothing after 20 s");
    head("the same, until the runtime and its threads were gone");
    for (scenario, times) in gone {
        first(scenario);
        for (client, time) in times {
            cell(client, || time);
        }
        println!();
    }
}

/// Prints how long each client took, and returns how long it took until it was gone.
fn row(lab: &Lab, scenario: &Scenario) -> Vec<(Client, String)> {
    first(scenario);
    let mut gone = Vec::new();
    for client in Client::ALL {
        cell(client, || {
            let sample = Sample::take(client, lab, scenario.target, LIMIT);
            gone.push((client, if client.is_library() { sample.over() } else { "-".into() }));
            sample.decided()
        });
    }
    println!();
    gone
}

fn first(scenario: &Scenario) {
    print!("{:<5}{:<rest$}", scenario.id, scenario.describe(), rest = FIRST - 5);
}
