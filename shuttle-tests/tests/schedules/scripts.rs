//! Random scripts, each in many schedules. Whatever comes of them, the sums must be right.

use std::sync::Arc;

use oracle_tests::bytes::{self, Word};
use oracle_tests::ledger::audit::Totals;
use oracle_tests::script::Script;
use shuttle_tests::{Schedules, world};

/// Of the operations of a script so many come first, to build a tree: children, scopes, shields and
/// finalizers. Then come so many of every sort.
const BUILD: usize = 50;
const STRIKE: usize = 40;

/// Bytes that stand for `Open`, `Start`, `Shield` and `Defer` (`bytes::CODES`). If that changes, too little is
/// done, and the test below says so.
const BUILDERS: [u8; 8] = [0, 10, 10, 10, 10, 10, 28, 44];

fn script(seed: u64) -> Script {
    let mut dice = fastrand::Rng::with_seed(seed);
    let word = |n| {
        let mut word: Word = std::array::from_fn(|_| dice.u8(..));
        if n < BUILD {
            word[0] = BUILDERS[dice.usize(..BUILDERS.len())];
        }
        word
    };
    bytes::from_words(&mut (0..BUILD + STRIKE).map(word))
}

const SCRIPTS: u64 = 60;
/// For each of the two schedulers.
const EACH: usize = 10;

/// R1, R12 to R16, R18, I22: the sums of each run are right (`ledger::audit` says which), and over all of
/// them there was everything that can come of a child, an error and a panic.
#[test]
fn scripts_come_out_even() {
    let mut sums = Totals::default();
    for seed in 0..SCRIPTS {
        let script = Arc::new(script(seed));
        let runs = Arc::clone(&script);
        let schedules = Schedules::new(format!("script {seed}"), EACH).quiet(seed);
        for (totals, count) in schedules.explore(move || world::run(&runs)) {
            (0..count).for_each(|_| sums += totals);
        }
    }
    println!("{} schedules of {SCRIPTS} scripts: {sums:?}", sums.programs);
    assert_eq!(sums.programs, SCRIPTS * 2 * EACH as u64);
    assert!(sums.children > 10_000 && sums.regions > 8_000, "the scripts do less than they did");
    let seen = [
        sums.valued,
        sums.failed,
        sums.panicked,
        sums.cancelled,
        sums.refused,
        sums.regions_dropped,
        sums.finalizers,
        sums.errors_returned,
        sums.errors_reported,
        sums.panics_resumed,
        sums.panics_of_orphans,
        sums.counted,
    ];
    assert!(seen.iter().all(|count| *count > 0), "something was not seen: {seen:?}");
}
