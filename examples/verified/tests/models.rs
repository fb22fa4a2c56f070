//! What callers do to each other, in every order: `cargo models`. With a plain `cargo test` each of these
//! runs once, and says so.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::yield_now;
use umbel::testing::Model;
use verified::{Cell, Failed, Mistake};

/// The mistake that this process was started to make: see [`finds`].
fn mistake() -> Option<Mistake> {
    match std::env::var("MISTAKE").ok()?.as_str() {
        "LooksOnce" => Some(Mistake::LooksOnce),
        "LeavesInSilence" => Some(Mistake::LeavesInSilence),
        other => panic!("no such mistake: {other}"),
    }
}

/// Who asks for the value of a cell, and is counted.
async fn asked(cell: &Cell<u32>, times: &AtomicUsize) -> u32 {
    let ask = async {
        times.fetch_add(1, Ordering::SeqCst);
        yield_now().await;
        Ok::<_, Failed>(7)
    };
    cell.find(ask).await.expect("there is an answer")
}

/// Two want the same value at the same time. It is asked for once, and both have it.
#[test]
fn a_value_is_asked_for_once() {
    let model = Model::new("a value is asked for once").floor(900);
    let explored = model.check_async(&[1], async || {
        let shared = Arc::new((Cell::new(mistake()), AtomicUsize::new(0)));
        umbel::scope(async |s| {
            let other = Arc::clone(&shared);
            let other = s.spawn(async move { asked(&other.0, &other.1).await });
            assert_eq!(asked(&shared.0, &shared.1).await, 7);
            assert_eq!(other.await.unwrap(), 7);
        })
        .await
        .unwrap();
        shared.1.load(Ordering::SeqCst)
    });
    assert!(explored.preemptions.is_none(), "every schedule");
}

/// Two want the same value, and one of them is cancelled, at any moment: before he asks, while he asks or
/// waits, too late. The other has the value all the same. It was asked for once, or, if the first gave up
/// while he asked, twice.
#[test]
fn one_of_two_may_give_up() {
    let model = Model::new("one of two may give up").floor(100_000);
    let explored = model.check_async(&[1, 2], async || {
        let shared = Arc::new((Cell::new(mistake()), AtomicUsize::new(0)));
        umbel::scope(async |s| {
            let other = Arc::clone(&shared);
            let gives_up = s.spawn(async move { asked(&other.0, &other.1).await });
            gives_up.cancel();
            assert_eq!(asked(&shared.0, &shared.1).await, 7);
        })
        .await
        .unwrap();
        shared.1.load(Ordering::SeqCst)
    });
    assert!(explored.preemptions.is_none(), "every schedule");
}

/// The limit of who asks may pass at any moment, before the answer or after it. Who asks again has it.
#[test]
fn the_limit_may_pass_at_any_moment() {
    let model = Model::new("the limit may pass at any moment").floor(30).deadlines_pass();
    let explored = model.check_async(&["an answer", "the limit"], async || {
        let (cell, times) = (Cell::new(mistake()), AtomicUsize::new(0));
        let limited = umbel::timeout(Duration::from_secs(3), asked(&cell, &times)).await;
        assert_eq!(asked(&cell, &times).await, 7);
        if limited.is_ok() { "an answer" } else { "the limit" }
    });
    assert!(explored.preemptions.is_none(), "every schedule");
}

/// Runs the test of that name in a process of its own, with a mistake, and expects it to fail. loom finds
/// that somebody waits for ever in one execution, and then cannot go on.
fn finds(test: &str, mistake: &str) {
    let run = Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact", "--nocapture"])
        .env("MISTAKE", mistake)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("deadlock"), "{said}");
}

/// A wake that comes in between is lost, in one execution of many.
#[test]
#[cfg_attr(not(umbel_loom), ignore = "one execution finds nothing: `cargo models`")]
fn who_looks_once_waits_for_ever() {
    finds("a_value_is_asked_for_once", "LooksOnce");
}

/// Who gives up in silence leaves the other one waiting.
#[test]
#[cfg_attr(not(umbel_loom), ignore = "one execution finds nothing: `cargo models`")]
fn who_leaves_in_silence_is_waited_for() {
    finds("one_of_two_may_give_up", "LeavesInSilence");
}
