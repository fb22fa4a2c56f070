//! Seeded defects that random schedules find. All of them are loom's to find; these show that the
//! scenarios and the scripts can fail.

use std::process::Command;

const FOUND: [(&str, &str); 8] = [
    ("LostRecheck", "scenarios::a_growing_tree_is_cancelled_at_two_places"),
    ("ChargedToParent", "scripts::scripts_come_out_even"),
    ("DoubleDecrement", "scenarios::the_children_of_a_dropped_scope_are_waited_for"),
    ("ForgottenWake", "scenarios::services_end_when_the_last_worker_has"),
    ("LateAdmission", "scenarios::children_are_admitted_or_refused_while_the_scope_ends"),
    ("LastCause", "scenarios::the_children_of_a_dropped_scope_are_waited_for"),
    ("DoubleDecrement", "scripts::scripts_come_out_even"),
    ("LateAdmission", "scripts::scripts_come_out_even"),
];

#[test]
fn seeded_defects_are_found() {
    if std::env::var_os("UMBEL_SEEDED_DEFECT").is_some() {
        return;
    }
    for (defect, test) in FOUND {
        let run = Command::new(std::env::current_exe().expect("this is a program"))
            .args([test, "--exact"])
            .env("UMBEL_SEEDED_DEFECT", defect)
            .output()
            .expect("this program can be started");
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(text.contains("running 1 test"), "there is no {test}:\n{text}");
        assert!(!run.status.success(), "{defect} was not found by {test}:\n{text}");
        println!("defect {defect:<22} found by {test}");
    }
}
