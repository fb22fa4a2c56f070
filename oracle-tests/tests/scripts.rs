//! The library and the model of its rules see the same; the scripts on which they agree are about
//! something; and a model that gets a rule wrong is found out.

use std::sync::{LazyLock, Mutex, PoisonError};

use oracle_tests::check::{self, compare};
use oracle_tests::coverage::Coverage;
use oracle_tests::generate::{self, runner, script, words};
use oracle_tests::oracle::Mistake;
use proptest::test_runner::TestCaseError;

/// So many scripts are run each time.
const SCRIPTS: u32 = 4_000;

/// What they have shown; or the smallest one on which the two do not agree.
static AGREED: LazyLock<Result<Coverage, String>> = LazyLock::new(|| {
    let coverage = Mutex::new(Coverage::default());
    let lock = || coverage.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = runner(SCRIPTS, 1).run(&words(), |words| {
        let script = script(&words);
        let agreed =
            compare(&script).map_err(|mismatch| TestCaseError::fail(mismatch.to_string()))?;
        lock().add(&script, &agreed);
        Ok(())
    });
    let coverage = std::mem::take(&mut *lock());
    outcome.map(|()| coverage).map_err(|failure| failure.to_string())
});

/// Every script, every step, everything that can be seen.
///
/// More scripts, or others: `UMBEL_SCRIPTS=100000 UMBEL_SEED=7 cargo test -p oracle-tests`.
#[test]
fn the_library_does_as_the_rules_say() {
    if let Err(failure) = &*AGREED {
        panic!("{failure}");
    }
}

/// Each of these must have been seen in so many of the scripts at least.
const FLOOR: usize = 5;

const MUST_BE_SEEN: &[&str] = &[
    "answer: Clean",
    "answer: OrphansAreLeft",
    "answer: cancelled",
    "answer: not cancelled",
    "child cancelled: Abandoned",
    "child cancelled: ChildFailed",
    "child cancelled: ChildPanicked",
    "child cancelled: Deadline",
    "child cancelled: Explicit",
    "child cancelled: Stopped",
    "child gives: a value",
    "child gives: cancelled, Abandoned",
    "child gives: cancelled, ChildFailed",
    "child gives: cancelled, ChildPanicked",
    "child gives: cancelled, Deadline",
    "child gives: cancelled, Explicit",
    "child gives: cancelled, ScopeEnded",
    "child gives: cancelled, Stopped",
    "child: Dropped",
    "child: Failed",
    "child: Panicked",
    "child: Returned",
    "child: Running",
    "child: Unpolled",
    "child: asked to stop",
    "child: kept by a shield",
    "child: returned and cancelled",
    "child: several requests",
    "finalizer: Dropped",
    "finalizer: Failed",
    "finalizer: Panicked",
    "finalizer: Returned",
    "finalizer: Running",
    "finalizer: Waiting",
    "fork cancelled: Abandoned",
    "fork cancelled: ChildFailed",
    "fork cancelled: ChildPanicked",
    "fork cancelled: Deadline",
    "fork cancelled: Explicit",
    "fork cancelled: Stopped",
    "fork gives: a value",
    "fork gives: cancelled, Abandoned",
    "fork gives: cancelled, ChildFailed",
    "fork gives: cancelled, ChildPanicked",
    "fork gives: cancelled, Deadline",
    "fork gives: cancelled, Explicit",
    "fork gives: cancelled, ScopeEnded",
    "fork gives: cancelled, Stopped",
    "fork: Dropped",
    "fork: Failed",
    "fork: Panicked",
    "fork: Returned",
    "fork: Running",
    "fork: Unpolled",
    "fork: asked to stop",
    "fork: kept by a shield",
    "fork: returned and cancelled",
    "fork: several requests",
    "op: cancel",
    "op: check",
    "op: defer",
    "op: drain",
    "op: drop",
    "op: fail",
    "op: forget",
    "op: fork",
    "op: lift the deadline",
    "op: open",
    "op: open early",
    "op: open fallible",
    "op: panic",
    "op: return",
    "op: service",
    "op: set a deadline",
    "op: several at once",
    "op: shield",
    "op: shield unbounded",
    "op: spawn",
    "op: stop",
    "op: wait",
    "orphans",
    "reported: a finalizer cut",
    "reported: an error",
    "scope cancelled: Abandoned",
    "scope cancelled: ChildFailed",
    "scope cancelled: ChildPanicked",
    "scope cancelled: Deadline",
    "scope cancelled: Explicit",
    "scope cancelled: ScopeEnded",
    "scope cancelled: Stopped",
    "scope gives: a panic",
    "scope gives: a value",
    "scope gives: an error",
    "scope gives: cancelled, Deadline",
    "scope gives: cancelled, Explicit",
    "scope gives: cancelled, Stopped",
    "scope: Dropped",
    "scope: Failed",
    "scope: Panicked",
    "scope: Returned",
    "scope: Running",
    "scope: Unpolled",
    "scope: asked to stop",
    "scope: kept by a shield",
    "scope: returned and cancelled",
    "scope: several requests",
    "scope: waits for what is left",
    "service cancelled: Abandoned",
    "service cancelled: ChildFailed",
    "service cancelled: ChildPanicked",
    "service cancelled: Deadline",
    "service cancelled: Explicit",
    "service cancelled: ScopeEnded",
    "service cancelled: Stopped",
    "service gives: a value",
    "service gives: cancelled, Abandoned",
    "service gives: cancelled, ChildFailed",
    "service gives: cancelled, ChildPanicked",
    "service gives: cancelled, Deadline",
    "service gives: cancelled, Explicit",
    "service gives: cancelled, ScopeEnded",
    "service gives: cancelled, Stopped",
    "service: Dropped",
    "service: Failed",
    "service: Panicked",
    "service: Returned",
    "service: Running",
    "service: Unpolled",
    "service: asked to stop",
    "service: kept by a shield",
    "service: returned and cancelled",
    "service: several requests",
    "service: waits for what is left",
    "several finalizers of a scope",
    "shield gives: a panic",
    "shield gives: a value",
    "shield gives: elapsed",
    "shield: Dropped",
    "shield: Panicked",
    "shield: Returned",
    "shield: Running",
    "shield: Unpolled",
    "told to stop",
    "unfinished children named",
];

/// Every operation has been done by somebody, and has come to everything that it can come to.
#[test]
fn the_scripts_are_about_something() {
    let coverage = AGREED.as_ref().unwrap_or_else(|failure| panic!("{failure}"));
    assert!(coverage.of("a race") * 100 < coverage.scripts(), "too many depend on the order");
    if generate::is_chosen() {
        return;
    }
    let rare: Vec<_> = MUST_BE_SEEN.iter().filter(|name| coverage.of(name) < FLOOR).collect();
    let all = coverage.all().map(|(name, count)| format!("    {name}: {count}\n"));
    assert!(rare.is_empty(), "seen too rarely: {rare:?}; of\n{}", all.collect::<String>());
}

const MISTAKES: [Mistake; 13] = [
    Mistake::ChargedAbove,
    Mistake::SpreadsBeside,
    Mistake::DropCounts,
    Mistake::ValueLoses,
    Mistake::InnerAbsorbs,
    Mistake::LastCause,
    Mistake::IgnoredShield,
    Mistake::ForgottenOrphans,
    Mistake::LostPanic,
    Mistake::EndlessServices,
    Mistake::FinalizersInOrder,
    Mistake::HardStop,
    Mistake::FarthestDeadline,
];

/// The comparison can fail: a model with any of these mistakes does not agree with the library on a
/// fraction of the scripts that the model without it has agreed on.
#[test]
fn a_model_that_is_wrong_is_found_out() {
    let mut left = MISTAKES.to_vec();
    for script in generate::scripts(SCRIPTS as usize / 4, 1) {
        if left.is_empty() {
            return;
        }
        let seen = check::machine(&script);
        left.retain(|&mistake| check::oracle(&script, Some(mistake)) == seen);
    }
    assert!(left.is_empty(), "nobody has noticed {left:?}");
}
