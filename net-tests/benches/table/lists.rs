//! Lists of addresses.

use std::time::Duration;

use net_tests::Lab;
use net_tests::client::Client;
use net_tests::scenario::LISTS;

use super::sample::Sample;
use super::wanted::Wanted;

/// How long is waited for a library of ours or of Rust's, and for other programs.
const LIMIT: Duration = Duration::from_secs(10);
const LIMIT_OF_PROGRAMS: Duration = Duration::from_secs(5);

/// The width of a client's column.
pub(crate) const COLUMN: usize = 12;
/// The width of the scenario's.
pub(crate) const FIRST: usize = 64;

pub(crate) fn table(lab: &Lab, wanted: &Wanted) {
    let rows: Vec<_> = LISTS.iter().filter(|scenario| wanted.has(scenario.id)).collect();
    if rows.is_empty() {
        return;
    }
    head("addresses, in this order");
    for scenario in rows {
        print!("{:<5}{:<rest$}", scenario.id, scenario.describe(), rest = FIRST - 5);
        for client in Client::ALL {
            let limit = if client.is_library() { LIMIT } else { LIMIT_OF_PROGRAMS };
            cell(client, || Sample::take(client, lab, scenario.target, limit).decided());
        }
        println!();
    }
    note();
}

/// Names the columns.
pub(crate) fn head(first: &str) {
    print!("\n{first:<FIRST$}");
    for client in Client::ALL {
        print!("{:>COLUMN$}", client.name());
    }
    println!("\n{}", "-".repeat(FIRST + COLUMN * Client::ALL.len()));
}

/// Prints what `measure` gives, if the client is installed.
pub(crate) fn cell(client: Client, measure: impl FnOnce() -> String) {
    let shown = if client.is_there() { measure() } else { "-".into() };
    print!("{shown:>COLUMN$}");
}

fn note() {
    println!(
        "milliseconds, median of 5, and the family of the address; CAP: nothing after 10 s, or after 5 s \
         for curl, node and asyncio; what took longer than 2 s was measured once"
    );
}
