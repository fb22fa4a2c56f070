//! P9, its second half: how much later than the configured delay the second address is connected to.

use std::time::{Duration, Instant};

use net_tests::Lab;
use net_tests::plan::{Host, Kind};
use umbel::net::Connector;

use super::sample::{quartiles, verdict};

const DELAYS: [u64; 5] = [10, 50, 100, 250, 500];
/// How often for each delay.
const RUNS: usize = 21;
/// How many milliseconds later it may be.
const BAR: f64 = 5.0;

pub(crate) fn table(lab: &Lab) {
    println!("\nP9   a black hole, then a good host: connected so long after the configured delay");
    for delay in DELAYS.map(Duration::from_millis) {
        match lab.on_a_thread(|| later(delay)) {
            Ok(times) => row(delay, times),
            Err(error) => println!("     {error}"),
        }
    }
}

fn row(delay: Duration, times: Vec<f64>) {
    let worst = times.iter().copied().fold(0.0, f64::max);
    let [_, median, _] = quartiles(times);
    let verdict = verdict(median <= BAR);
    println!(
        "     {delay:>7.0?}   {median:+.2} ms, at worst {worst:+.2} ms, bar {BAR:+} ms: {verdict}"
    );
}

/// By how many milliseconds, each time.
fn later(delay: Duration) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let connector = Connector::new().delay(delay);
    let hosts = [Host::v6(Kind::Hole).socket(), Host::v4(Kind::Good).socket()];
    let once = || {
        let start = Instant::now();
        let stream = runtime.block_on(connector.connect_addrs(hosts));
        let time = start.elapsed();
        drop(stream.expect("the second host is good"));
        (time.as_secs_f64() - delay.as_secs_f64()) * 1e3
    };
    (0..RUNS).map(|_| once()).collect()
}
