//! The seeded defects, each caught by its model.

/// Each seeded defect is caught by the model named for it.
#[test]
fn seeded_defects_are_caught() {
    let killers = [
        ("WeakMark", "cancel::mark_publishes"),
        ("LostRecheck", "whole::cancel_against_parking"),
        ("ChargedToParent", "cancel::cancel_parent_and_child"),
        ("MissedAttach", "cancel::cancel_against_open"),
        ("DoubleDecrement", "settle::last_child_against_completion"),
        ("ForgottenWake", "whole::cancel_against_parking"),
        ("LateAdmission", "settle::admission_against_close"),
        ("LastCause", "cancel::first_cause"),
        ("EarlyReturn", "cancel::two_cancellers_and_a_task_below"),
        ("EarlyRecycle", "cancel::handle_cancel_against_close"),
        ("IgnoredShield", "shields::cancel_against_a_child_in_a_shield_bounded"),
        ("BrokenShield", "shields::cancel_against_shield"),
        ("LateFinalizer", "owed::finalizer_against_close"),
        ("UntendedZombie", "owed::finalizer_of_a_zombie"),
        ("UnheardReady", "owed::ready_against_the_end_of_the_child"),
        ("ForgottenServices", "owed::services_end_last"),
        ("UnannouncedStop", "owed::stop_against_waiting"),
        ("AdmittedWhileStopping", "owed::admission_against_stop"),
    ];
    assert_eq!(killers.len(), umbel::model::Defect::ALL.len(), "every defect has its killer");
    if std::env::var_os("UMBEL_SEEDED_DEFECT").is_some() {
        return;
    }
    for (defect, model) in killers {
        let started = std::time::Instant::now();
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args([model, "--exact"])
            .env("UMBEL_SEEDED_DEFECT", defect)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(text.contains("running 1 test"), "no model {model}:\n{text}");
        assert!(!run.status.success(), "{defect} was not caught by {model}:\n{text}");
        println!(
            "defect {defect:<22} caught by {model} in {:.2} s",
            started.elapsed().as_secs_f64()
        );
    }
}
