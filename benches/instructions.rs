//! How many instructions things take, counted by callgrind: `cargo bench --bench instructions`.
//!
//! Counts hardly depend on the machine and what else it does. Each scenario runs twice in a process
//! of its own, with so many rounds and with twice as many; the difference is free of whatever happens
//! once. One round is a thousand operations on a current-thread runtime.
//!
//! With `-- --keep DIR` the profiles are left in that folder, for `callgrind_annotate`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the library has one caller of each of these; the peers are called here"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Operations in a round.
const EACH: u32 = 1_000;
/// Rounds in the shorter run.
const ROUNDS: u32 = 10;
/// The argument with which this program runs one scenario.
const SCENARIO: &str = "--scenario";

/// A scenario, the operation it is about, and how many of those it does in one round.
struct Scenario {
    name: &'static str,
    what: &'static str,
    run: fn(u32),
}

const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "bare", what: "tokio::spawn + JoinHandle", run: |n| rounds(n, bare) },
    Scenario { name: "tracker", what: "TaskTracker", run: |n| rounds(n, tracker) },
    Scenario { name: "set", what: "JoinSet", run: |n| rounds(n, set) },
    Scenario { name: "children", what: "umbel::scope + spawn", run: |n| rounds(n, children) },
    Scenario {
        name: "tokens",
        what: "child_token + run_until_cancelled",
        run: |n| rounds(n, tokens),
    },
    Scenario { name: "scopes", what: "umbel::scope", run: |n| rounds(n, scopes) },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    if let Some(name) = after(SCENARIO) {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
        let count = arguments.last().and_then(|count| count.parse().ok());
        (scenario.expect("a scenario that exists").run)(count.expect("a number of rounds"));
    } else if arguments.iter().any(|argument| argument == "--bench") {
        compare(after("--keep").map(PathBuf::from).as_deref());
    } else {
        println!("nothing measured: this is for `cargo bench --bench instructions`");
    }
}

fn compare(keep: Option<&Path>) {
    let found = Command::new("valgrind").arg("--version").stderr(Stdio::null()).output();
    let Ok(version) = found else {
        println!(
            "nothing measured: valgrind is not installed, and its callgrind does the counting"
        );
        return;
    };
    println!("counted by {}", String::from_utf8_lossy(&version.stdout).trim());
    println!("instructions for each operation, {EACH} in a round, current-thread runtime");
    let [bare, tracker, set, children, tokens, scopes] = SCENARIOS.map(|scenario| {
        let each = instructions(&scenario, keep);
        println!("{:<38}{each:>9.1}", scenario.what);
        each
    });
    println!();
    let bar = |what: &str, ratio: f64, bar: f64| {
        let verdict = if ratio <= bar { "met" } else { "MISSED" };
        println!("{what:<38}{ratio:>9.3}   bar {bar:.2}   {verdict}");
    };
    bar("P3  umbel / JoinSet", children / set, 0.8);
    bar("P3  umbel / TaskTracker", children / tracker, 1.15);
    println!("{:<38}{:>9.3}", "    umbel / tokio::spawn", children / bare);
    println!("{:<38}{:>9.3}", "P1  umbel / token", scopes / tokens);
}

/// Instructions for each operation of a scenario.
fn instructions(scenario: &Scenario, keep: Option<&Path>) -> f64 {
    let once = collected(scenario.name, ROUNDS, keep);
    let twice = collected(scenario.name, 2 * ROUNDS, None);
    let more = u32::try_from(twice - once).expect("four billion instructions are enough");
    f64::from(more) / f64::from(ROUNDS * EACH)
}

/// Runs a scenario under callgrind and reads the sum that it reports.
fn collected(name: &str, rounds: u32, keep: Option<&Path>) -> u64 {
    let out = keep.map_or("/dev/null".into(), |folder| folder.join(format!("{name}.callgrind")));
    let this = std::env::current_exe().expect("this program has a path");
    let run = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(this)
        .args([SCENARIO, name, &rounds.to_string()])
        .output()
        .expect("valgrind was there a moment ago");
    let report = String::from_utf8_lossy(&run.stderr);
    let sum = report.lines().find_map(|line| line.split_once("Collected :"));
    let sum = sum.and_then(|(_, sum)| sum.trim().parse().ok());
    sum.unwrap_or_else(|| panic!("callgrind reported no sum:\n{report}"))
}

/// So many rounds of `round`, in one runtime, inside one task.
fn rounds<F: Future<Output = ()> + Send + 'static>(count: u32, round: fn() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime can be made");
    let work = async move {
        for _ in 0..count {
            round().await;
        }
    };
    runtime.block_on(runtime.spawn(work)).expect("no scenario panics");
}

async fn bare() {
    let all: Vec<_> = (0..EACH).map(|_| tokio::spawn(async {})).collect();
    for one in all {
        one.await.expect("no child fails");
    }
}

async fn tracker() {
    let tracker = TaskTracker::new();
    for _ in 0..EACH {
        drop(tracker.spawn(async {}));
    }
    tracker.close();
    tracker.wait().await;
}

async fn set() {
    let mut set = JoinSet::new();
    for _ in 0..EACH {
        set.spawn(async {});
    }
    while let Some(ended) = set.join_next().await {
        ended.expect("no child fails");
    }
}

async fn children() {
    let all = umbel::scope(async |scope| {
        for _ in 0..EACH {
            scope.spawn(async {});
        }
    });
    all.await.expect("nobody cancels");
}

/// With another child beside: the better case for a token, which gives the memory of its list back when
/// the last child goes.
async fn tokens() {
    let token = CancellationToken::new();
    let _other = token.child_token();
    for _ in 0..EACH {
        let child = token.child_token();
        let one = child.run_until_cancelled(async { black_box(1) }).await;
        assert!(black_box(one).is_some());
    }
}

async fn scopes() {
    let all = umbel::scope(async |_| {
        for _ in 0..EACH {
            let one = umbel::scope(async |_| black_box(1)).await;
            assert!(black_box(one).is_ok());
        }
    });
    all.await.expect("nobody cancels");
}
