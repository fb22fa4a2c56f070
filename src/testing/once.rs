//! Models in a build that has no loom: one execution, and a word about it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Write as _};
use std::time::Instant;

use super::model::Explored;

/// Runs the scenario once, on a paused clock.
pub(super) fn run_once<T: Debug>(name: String, scenario: impl AsyncFn() -> T) -> Explored {
    let started = Instant::now();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime can be built");
    let outcome = format!("{:?}", runtime.block_on(scenario()));
    // Not by a macro: those are silenced in a test that passes. Where there is no standard error, there is
    // nobody to be told.
    let _ = writeln!(
        io::stderr(),
        "model {name}: NOT explored, run once: for that, RUSTFLAGS=\"--cfg umbel_loom\""
    );
    Explored {
        name,
        executions: 1,
        threads: 1,
        preemptions: None,
        elapsed: started.elapsed(),
        outcomes: BTreeMap::from([(outcome, 1)]),
    }
}
