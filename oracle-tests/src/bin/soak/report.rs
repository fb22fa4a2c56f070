//! What the run says about itself.

use std::time::Duration;

use oracle_tests::ledger::audit::Totals;
use oracle_tests::ledger::journal::Operation;

use crate::arguments::Arguments;

pub(crate) fn intro(arguments: &Arguments) {
    let Arguments { seed, operations, threads, .. } = arguments;
    println!("soak --seed {seed} --operations {operations} --threads {threads}");
    if let Some(flaw) = arguments.flaw {
        println!("with a flaw made on purpose: {flaw:?}");
    }
    println!("part  operations   per second   programs   heap at rest");
}

pub(crate) fn part(n: u8, totals: &Totals, took: Duration, live: usize) {
    let operations: u64 = totals.operations.iter().sum();
    let (rate, programs) = (rate(operations, took), totals.programs);
    println!("{n:>4} {operations:>11} {rate:>12} {programs:>10} {live:>8} bytes");
}

pub(crate) fn outro(totals: &Totals, took: Duration) {
    let operations: u64 = totals.operations.iter().sum();
    let rate = rate(operations, took);
    println!("{operations} operations in {:.1} s: {rate} per second", took.as_secs_f64());
    for (operation, count) in Operation::ALL.into_iter().zip(totals.operations) {
        println!("  {count:>10} {operation:?}");
    }
    let t = totals;
    println!("{} regions, {} of them dropped early", t.regions, t.regions_dropped);
    println!(
        "{} children = {} with a value + {} failed + {} panicked + {} cancelled + {} refused",
        t.children, t.valued, t.failed, t.panicked, t.cancelled, t.refused
    );
    println!("{} requests in exact counts, {} counted", t.requests, t.counted);
    println!("{} finalizers, {} cut by their limit", t.finalizers, t.finalizers_cut);
    println!("{} errors returned, {} reported", t.errors_returned, t.errors_reported);
    println!("{} panics resumed, {} discarded", t.panics_resumed, t.panics_discarded);
    println!("nothing is left; the heap has not grown");
}

fn rate(operations: u64, took: Duration) -> u128 {
    u128::from(operations) * 1_000_000 / took.as_micros().max(1)
}
