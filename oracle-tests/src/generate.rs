//! Scripts by the thousand, from fixed seeds.
//!
//! A script is generated as words of bytes (see `bytes`) and shrinks as such. It is a value, and not a
//! machine that is asked for its next step: the same scripts are run elsewhere, by a fuzzer and on
//! threads, where nobody knows the model's state while they are made. So proptest's plain strategies do,
//! and no preconditions are needed: what does not apply is passed over.

use std::env;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};

use crate::bytes::{self, Word};
use crate::script::Script;

/// Words of which a script is made.
pub fn words() -> impl Strategy<Value = Vec<Word>> {
    vec(any::<Word>(), 1..48)
}

/// The script that the words stand for.
#[must_use]
pub fn script(words: &[Word]) -> Script {
    bytes::from_words(&mut words.iter().copied())
}

/// A runner that makes the same cases each time. `UMBEL_SCRIPTS` says how many; `UMBEL_SEED`, from
/// which seed. What has failed before is tried first.
#[must_use]
pub fn runner(cases: u32, seed: u64) -> TestRunner {
    let cases =
        number("UMBEL_SCRIPTS").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(cases);
    let seed = number("UMBEL_SEED").unwrap_or(seed);
    let failed = FileFailurePersistence::Direct("proptest-regressions/scripts.txt");
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(failed)),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Whether somebody has asked for other scripts than those that are run each time.
#[must_use]
pub fn is_chosen() -> bool {
    number("UMBEL_SCRIPTS").or_else(|| number("UMBEL_SEED")).is_some()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// So many scripts, the same ones each time.
///
/// # Panics
///
/// Never: every word will do.
pub fn scripts(count: usize, seed: u64) -> impl Iterator<Item = Script> {
    let mut runner = runner(0, seed);
    let new = move || words().new_tree(&mut runner).expect("all words will do").current();
    std::iter::repeat_with(new).take(count).map(|words| script(&words))
}
