//! The soak finds what it looks for: a short run passes, and each mistake made on purpose is told.

use std::process::{Command, Output};

fn soak(options: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soak"))
        .args("--seed 5 --operations 20000 --threads 2".split(' '))
        .args(options.split_whitespace())
        .output()
        .expect("the soak can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_short_run_passes() {
    let run = soak("");
    let (out, err) = (text(&run.stdout), text(&run.stderr));
    assert_eq!(run.status.code(), Some(0), "{out}\n{err}");
    assert!(out.starts_with("soak --seed 5 --operations 20000 --threads 2\n"), "{out}");
    assert!(out.contains("\n20000 operations in "), "{out}");
    assert!(out.ends_with("nothing is left; the heap has not grown\n"), "{out}");
}

#[test]
fn each_flaw_is_found() {
    let found = [
        ("memory", "the heap has grown: "),
        ("forget", "bodies are left"),
        ("task", "tasks alive on the runtime: 1, and not 0"),
        ("request", "R1: region "),
        ("error", "I22: error "),
        ("panic", "I22: panic "),
        ("value", "values that nobody has dropped: "),
    ];
    for (flaw, fault) in found {
        let run = soak(&format!("--break {flaw}"));
        let err = text(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{flaw}: {err}");
        assert!(err.starts_with("soak: WRONG: ") && err.contains(fault), "{flaw}: {err}");
        assert!(err.contains("seen with --seed 5"), "{flaw}: {err}");
    }
}

#[test]
fn bad_arguments_are_refused() {
    for (options, answer) in [
        ("--operations none", "soak: --operations: `none` is not a number from 10000"),
        ("--frobnicate", "soak: there is no option `--frobnicate`"),
        ("--threads", "soak: --threads needs a value"),
    ] {
        let run = soak(options);
        assert_eq!(run.status.code(), Some(2), "{options}");
        assert!(text(&run.stderr).starts_with(answer), "{}", text(&run.stderr));
        assert!(run.stdout.is_empty());
    }
}
