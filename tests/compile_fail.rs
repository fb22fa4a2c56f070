//! Programs that must not compile, each with an accepted twin that differs in as little as possible:
//! a rejection counts only if the twin passes.
//!
//! The texts are those of one version of the compiler. With another the rejected programs are not
//! looked at, and the test says so; write the texts anew with `TRYBUILD=overwrite`.

use std::process::Command;

/// The version whose texts stand in `tests/compile_fail/*.stderr`.
const TEXTS_OF: &str = "rustc 1.95.";

#[test]
fn rejected_programs_and_their_accepted_twins() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_pass/*.rs");
    let rustc = Command::new("rustc").arg("--version").output().expect("there is a compiler");
    let version = String::from_utf8_lossy(&rustc.stdout).into_owned();
    if version.starts_with(TEXTS_OF) || std::env::var_os("TRYBUILD").is_some() {
        cases.compile_fail("tests/compile_fail/*.rs");
    } else {
        eprintln!("NOT CHECKED: rejected programs, whose texts are of {TEXTS_OF}x, not {version}");
    }
}
