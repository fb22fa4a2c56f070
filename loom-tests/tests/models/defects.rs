//! The seeded defects, each caught by its model.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use libtest_mimic::Trial;
use loom_tests::page::{Kill, Run};
use umbel::model::{Defect, with_defect};

use crate::run::lock;

/// Each defect, and the model that catches it.
pub(crate) const KILLERS: &[(Defect, &str)] = &[
    (Defect::WeakMark, "cancel::mark_publishes"),
    (Defect::LostRecheck, "whole::cancel_against_parking"),
    (Defect::ChargedToParent, "cancel::cancel_parent_and_child"),
    (Defect::MissedAttach, "cancel::cancel_against_open"),
    (Defect::DoubleDecrement, "settle::last_child_against_completion"),
    (Defect::ForgottenWake, "whole::cancel_against_parking"),
    (Defect::LateAdmission, "settle::admission_against_close"),
    (Defect::LastCause, "cancel::first_cause"),
    (Defect::EarlyReturn, "cancel::two_cancellers_and_a_task_below"),
    (Defect::EarlyRecycle, "cancel::handle_cancel_against_close"),
    (Defect::IgnoredShield, "shields::cancel_against_a_child_in_a_shield_bounded"),
    (Defect::BrokenShield, "shields::cancel_against_shield"),
    (Defect::LateFinalizer, "owed::finalizer_against_close"),
    (Defect::UntendedZombie, "owed::finalizer_of_a_zombie"),
    (Defect::UnheardReady, "owed::ready_against_the_end_of_the_child"),
    (Defect::ForgottenServices, "owed::services_end_last"),
    (Defect::UnannouncedStop, "owed::stop_against_waiting"),
    (Defect::AdmittedWhileStopping, "owed::admission_against_stop"),
    (Defect::WeakGlance, "cancel::mark_publishes"),
    (Defect::WakeUnderLock, "locks::wakers_call_back"),
    (Defect::DropUnderLock, "locks::replaced_wakers_call_back"),
    (Defect::TornAdmission, "settle::admission_against_close"),
    (Defect::TornRelease, "settle::last_child_against_drop"),
    (Defect::TornWait, "tokens::cancel_token"),
    (Defect::TornUntend, "locks::finalizer_against_the_last_look"),
    (Defect::EarlyWake, "locks::the_woken_see_every_mark"),
    (Defect::LateGuard, "owed::admission_against_stop"),
    (Defect::SleepingTask, "locks::tasks_below_are_woken"),
    (Defect::MissedTree, "cancel::cancel_against_first_scope_of_a_task"),
    (Defect::MissedGraft, "whole::graft_against_cancel_bounded"),
    (Defect::UncountedOrphan, "whole::orphans_are_drained"),
    (Defect::UnheardWord, "owed::ready_of_a_child_that_goes_on"),
    (Defect::KeptWaker, "bodies::handles_keep_nothing"),
    (Defect::ElapsedAnyway, "time::elapsed_against_a_request_bounded"),
    (Defect::AbsorbedBelow, "absorb::the_inheriting_never_returns"),
    (Defect::EarlyEnd, "bodies::a_body_goes_before_its_scope_returns"),
    (Defect::DeafRace, "children::a_race_hears_its_attempts"),
];

/// Names the defect to switch on in the process that is to fail by it.
const VARIABLE: &str = "UMBEL_SEEDED_DEFECT";

/// Runs a model, with the defect that this process was started to see it catch.
pub(crate) fn seeded<T>(model: impl FnOnce() -> T) -> T {
    let Ok(name) = std::env::var(VARIABLE) else { return model() };
    let known = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
    let defect = known.unwrap_or_else(|| panic!("no such defect: {name}"));
    with_defect(defect, model)
}

/// Sees that a defect is caught, in a process of its own.
pub(crate) fn trial((defect, killer): (Defect, &'static str), run: &Arc<Mutex<Run>>) -> Trial {
    let run = Arc::clone(run);
    let name = format!("{defect:?}");
    Trial::test(format!("defects::{name}"), move || {
        let started = Instant::now();
        let output = Command::new(std::env::current_exe()?)
            .args([killer, "--exact"])
            .env(VARIABLE, &name)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !text.contains("running 1 test") {
            return Err(format!("no model {killer}:\n{text}").into());
        }
        // It may also abort: a panic that meets another ends the process.
        if output.status.success() {
            return Err(format!("{name} was not caught by {killer}:\n{text}").into());
        }
        let elapsed = started.elapsed();
        println!("defect {name:<22} caught by {killer} in {:.2} s", elapsed.as_secs_f64());
        lock(&run).kills.insert(name.clone(), Kill { defect: name.clone(), killer, elapsed });
        Ok(())
    })
}
