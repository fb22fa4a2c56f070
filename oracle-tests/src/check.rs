//! The comparison, step by step.

use std::fmt;

use crate::machine;
use crate::oracle::{Mistake, Oracle};
use crate::script::{Number, Script};
use crate::view::{Body, View};

/// The library and the model do not agree.
pub struct Mismatch {
    script: Script,
    step: usize,
    machine: View,
    oracle: View,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "they differ after step {} of\n{}", self.step, self.script)?;
        for line in self.machine.differences(&self.oracle) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What was seen of a script on which both agree.
pub struct Agreed {
    pub views: Vec<View>,
    /// What comes of the script depends on which of two tasks has its turn first.
    pub is_a_race: bool,
}

/// Runs a script both ways. The rules leave open in which order tasks have their turns. Where that makes
/// a difference, which is rare, the model may have them in either order.
///
/// # Errors
///
/// A [`Mismatch`]: the first step after which they differ.
pub fn compare(script: &Script) -> Result<Agreed, Box<Mismatch>> {
    let machine = machine(script);
    let oracle = oracle(script, None);
    let reversed = heard(script, Oracle::run_reversed(script));
    if machine == oracle || machine == reversed {
        return Ok(Agreed { views: machine, is_a_race: oracle != reversed });
    }
    Err(mismatch(script, machine, oracle))
}

/// What is seen of the library.
#[must_use]
pub fn machine(script: &Script) -> Vec<View> {
    heard(script, machine::run(script))
}

/// What must be seen, if the rules are those of `docs/rules.md`, or with a mistake.
#[must_use]
pub fn oracle(script: &Script, mistake: Option<Mistake>) -> Vec<View> {
    heard(script, Oracle::run(script, mistake))
}

/// Without the outcomes that were given to bodies in the poll in which those were dropped: nobody can
/// tell them from outcomes that have not been given.
fn heard(script: &Script, mut views: Vec<View>) -> Vec<View> {
    let things = script.things();
    for view in &mut views {
        let has_dropped =
            |body: Number| view.things.get(&body).is_some_and(|seen| seen.body == Body::Dropped);
        let holder = |number: Number| things[number].holder();
        let unheard: Vec<Number> =
            (0..things.len()).filter(|&number| holder(number).is_some_and(has_dropped)).collect();
        for number in unheard {
            if let Some(seen) = view.things.get_mut(&number) {
                seen.outcome = None;
            }
        }
    }
    views
}

fn mismatch(script: &Script, machine: Vec<View>, oracle: Vec<View>) -> Box<Mismatch> {
    let mut pairs = machine.into_iter().zip(oracle).enumerate();
    let (step, (machine, oracle)) =
        pairs.find(|(_, (machine, oracle))| machine != oracle).expect("they differ");
    Box::new(Mismatch { script: script.clone(), step, machine, oracle })
}
