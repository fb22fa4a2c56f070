//! The comparison, step by step.

use std::fmt;

use crate::machine;
use crate::oracle::{Mistake, Oracle};
use crate::script::Script;
use crate::view::View;

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

/// Runs a script both ways. Gives what was seen, or the first step after which they differ.
///
/// # Errors
///
/// A [`Mismatch`].
pub fn compare(script: &Script, mistake: Option<Mistake>) -> Result<Vec<View>, Box<Mismatch>> {
    let machine = machine::run(script);
    let oracle = Oracle::run(script, mistake);
    let views = machine.iter().zip(oracle);
    for (step, (machine, oracle)) in views.enumerate() {
        if *machine != oracle {
            let (script, machine) = (script.clone(), machine.clone());
            return Err(Box::new(Mismatch { script, step, machine, oracle }));
        }
    }
    Ok(machine)
}
