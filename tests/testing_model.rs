//! `Model` in a build without loom: once, and not in silence. What it does with loom, the models of this
//! repository and those of `examples/verified` show.
#![cfg(feature = "testing")]

use std::panic::catch_unwind;
use std::process::Command;
use std::time::Duration;

use umbel::testing::{Explored, Model};

fn run(expected: &[Option<u32>]) -> Explored {
    Model::new("a child in a hurry").floor(1_000).check_async(expected, async || {
        let child = umbel::scope(async |s| {
            let child = s.spawn(tokio::time::sleep(Duration::from_secs(3_600)));
            child.await.map(|()| 7).ok()
        });
        child.await.expect("nobody cancels it")
    })
}

/// It is run, on a paused clock, and nothing more is claimed.
#[test]
fn it_runs_once() {
    let explored = run(&[None, Some(7)]);
    assert_eq!(explored.executions, 1);
    assert_eq!(explored.outcomes.into_iter().collect::<Vec<_>>(), [("Some(7)".to_owned(), 1)]);
}

/// An outcome that is not expected is a failure all the same.
#[test]
fn its_outcome_is_checked() {
    let payload = catch_unwind(|| run(&[None])).unwrap_err();
    let said = payload.downcast_ref::<String>().expect("words");
    assert_eq!(said, "a child in a hurry: Some(7) is not expected");
}

/// That nothing was explored is said where it is seen, though the test passes and its output is kept back.
#[test]
fn it_says_that_nothing_was_explored() {
    let this = std::env::current_exe().unwrap();
    let run = Command::new(this).args(["it_runs_once", "--exact"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success());
    assert!(said.starts_with("model a child in a hurry: NOT explored, run once"), "{said}");
}
