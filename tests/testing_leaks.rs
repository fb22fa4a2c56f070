//! `assert_no_leaks`: each kind of leak is found and named, and what is none is not.
#![cfg(feature = "testing")]

mod common;

use std::future::{Future, pending};
use std::panic::Location;

use common::{Gate, boom, catch, drive, secs, text};
use tokio::time::{Instant, sleep};
use umbel::testing::{assert_no_leaks, assert_no_leaks_within};
use umbel::{Cancelled, drain, scope, shield, try_scope};

/// What the check says about a body that leaves something behind.
async fn said<T>(body: impl Future<Output = T>) -> String {
    let payload = catch(assert_no_leaks(body)).await.err().expect("it is found");
    payload.downcast_ref::<String>().expect("a panic of the check").clone()
}

/// The line below the call, as it is shown.
#[track_caller]
fn next_line() -> String {
    let here = Location::caller();
    format!("{}:{}", here.file(), here.line() + 1)
}

#[track_caller]
fn assert_names(said: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
}

/// Lives on for so many seconds, cancelled or not.
async fn stubborn(seconds: u64) {
    umbel::shield_unbounded(sleep(secs(seconds))).await;
}

/// What the body returns comes out, and it may have used everything.
#[tokio::test(start_paused = true)]
async fn a_clean_body_gives_its_value() {
    let value = assert_no_leaks(async {
        let task = tokio::spawn(sleep(secs(3)));
        let value = scope(async |s| {
            s.defer(secs(1), async {});
            s.service(pending::<()>());
            let blocking = s.spawn_blocking(|_| 1);
            blocking.await.unwrap() + s.spawn(async { 41 }).await.unwrap()
        })
        .await;
        task.await.unwrap();
        value
    })
    .await;
    assert_eq!(value.unwrap(), 42);
}

/// R18: an orphan that ends by itself within the limit is none; one that does not is named.
#[tokio::test(start_paused = true)]
async fn an_orphan_is_named_with_its_line() {
    let line = format!("{}:{}", file!(), line!() + 3);
    let body = async |seconds| {
        let mut work = drive(scope(async |s| {
            s.named("stubborn").spawn(stubborn(seconds));
            pending::<()>().await;
        }));
        work.pending();
        tokio::task::yield_now().await;
        drop(work);
    };
    assert_no_leaks_within(secs(9), body(8)).await;
    let said = said(body(8)).await;
    assert_names(&said, &["task \"stubborn\", cancelled", &line, "dropped, waiting"]);
    assert!(!said.contains("that no scope has started"), "{said}");
}

/// A child of a scope that is held and not awaited, with the line of the call.
#[tokio::test(start_paused = true)]
async fn a_child_of_a_scope_that_is_held_is_named_with_its_line() {
    let mut line = String::new();
    let mut held = None;
    let said = said(async {
        let work = scope(async |s| {
            line = next_line();
            s.spawn(pending::<()>());
            pending::<()>().await;
        });
        held = Some(drive(work));
        held.as_mut().unwrap().pending();
    })
    .await;
    drop(held);
    assert_names(&said, &[&line, "└─ task  "]);
}

/// A scope that was forgotten is named, though it has no children.
#[tokio::test(start_paused = true)]
async fn a_forgotten_scope_is_named_with_its_line() {
    let mut line = String::new();
    let said = said(async {
        line = next_line();
        let work = scope(async |_| pending::<()>().await);
        let mut work = drive(work);
        work.pending();
        std::mem::forget(work);
    })
    .await;
    assert_names(&said, &["scope  ", &line]);
}

/// R22: one that was asked for its handle first, too.
#[tokio::test(start_paused = true)]
async fn a_scope_with_an_early_handle_is_named_as_well() {
    let mut line = String::new();
    let said = said(async {
        line = next_line();
        let work = scope(async |_| pending::<()>().await).name("early");
        let (work, _handle) = work.with_handle();
        let mut work = drive(work);
        work.pending();
        std::mem::forget(work);
    })
    .await;
    assert_names(&said, &["scope \"early\"", &line]);
}

/// Of a plain task there is only the number; of a scope that is open in one there is the line.
#[tokio::test(start_paused = true)]
async fn tasks_of_nobody_are_counted() {
    let said_of_plain = said(async {
        drop(tokio::spawn(pending::<()>()));
        drop(tokio::spawn(sleep(secs(60))));
    })
    .await;
    assert_names(&said_of_plain, &["2 tasks that no scope has started"]);
    let mut line = String::new();
    let said_of_scope = said(async {
        line = next_line();
        let work = async { scope(async |_| pending::<()>().await).await };
        drop(tokio::spawn(work));
    })
    .await;
    assert_names(&said_of_scope, &["1 task that no scope has started", &line]);
}

/// What was there before, and what ends in time, does not count.
#[tokio::test(start_paused = true)]
async fn only_what_the_body_started_counts() {
    let gate = Gate::new();
    let before = tokio::spawn(gate.wait());
    assert_no_leaks(async {
        drop(tokio::spawn(async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        }));
        drop(tokio::spawn(sleep(secs(1) / 2)));
    })
    .await;
    gate.open();
    before.await.unwrap();
}

/// A limit is a limit, on tokio's clock.
#[tokio::test(start_paused = true)]
async fn the_patience_has_an_end() {
    let start = Instant::now();
    assert_names(&said(async { drop(tokio::spawn(sleep(secs(2)))) }).await, &["1 task"]);
    assert_eq!(start.elapsed(), secs(1));
    assert_no_leaks_within(secs(2), async { drop(tokio::spawn(sleep(secs(2)))) }).await;
}

/// When it is over, who is on his way still has his turns: on a busy machine he may have had none before.
#[tokio::test(start_paused = true)]
async fn who_needs_turns_after_the_last_moment_has_them() {
    let late = async {
        sleep(secs(2)).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    };
    assert_no_leaks_within(secs(2), async { drop(tokio::spawn(late)) }).await;
}

/// R16, R18: finalizers of a dropped scope that are not over.
#[tokio::test(start_paused = true)]
async fn finalizers_that_are_not_over_are_named_with_the_line_of_the_scope() {
    let mut line = String::new();
    let said = said(async {
        line = next_line();
        let work = scope(async |s| {
            s.defer_unbounded(pending::<()>());
            pending::<()>().await;
        });
        let mut work = drive(work);
        work.pending();
        drop(work);
    })
    .await;
    assert_names(&said, &["its finalizers are not over", &line]);
    assert!(!said.contains("that no scope has started"), "{said}");
}

#[derive(Debug)]
struct Failure;

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Self
    }
}

/// R14: an error that no scope returns, with the line of the scope.
#[tokio::test(start_paused = true)]
async fn an_error_that_nobody_heard_is_named() {
    let mut line = String::new();
    let said = said(async {
        line = next_line();
        let outcome = try_scope(async |s| {
            s.spawn(async {
                shield(secs(9), sleep(secs(1))).await.unwrap();
                Err::<(), _>(Failure)
            });
            tokio::task::yield_now().await;
            Err::<(), _>(Failure)
        });
        assert!(outcome.await.is_err());
    })
    .await;
    assert_names(&said, &["did not return", "Failure", &line]);
}

/// R16: a finalizer that its limit cut, with the line where it was registered.
#[tokio::test(start_paused = true)]
async fn a_finalizer_that_was_cut_is_named() {
    let mut line = String::new();
    let said = said(scope(async |s| {
        line = next_line();
        s.defer(secs(1), pending());
    }))
    .await;
    assert_names(&said, &["did not end within its limit", &line]);
}

/// The hook is told all the same.
#[tokio::test(start_paused = true)]
async fn the_hook_stays_and_is_told() {
    static TOLD: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let line = line!() + 5;
    umbel::set_unhandled_hook(move |unhandled| {
        let is_mine = unhandled.location().line() == line;
        TOLD.fetch_add(usize::from(is_mine), std::sync::atomic::Ordering::SeqCst);
    });
    let cut = scope(async |s| s.defer(secs(1), pending()));
    assert_names(&said(cut).await, &["did not end"]);
    assert_eq!(TOLD.load(std::sync::atomic::Ordering::SeqCst), 1);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        boom("of an orphan");
    }
}

/// Drops a scope with a child that panics when it is told.
async fn orphaned_bomb() {
    let mut work = drive(scope(async |s| {
        s.spawn(async {
            let _bomb = Bomb;
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    work.pending();
    tokio::task::yield_now().await;
    drop(work);
}

/// R14: the panic of an orphan. Nobody else who drains has it.
#[tokio::test(start_paused = true)]
async fn a_panic_that_nobody_resumed_is_named() {
    assert_names(&said(orphaned_bomb()).await, &["nobody has resumed", "of an orphan"]);
    // Whoever drains in this process may be given the panic of another runtime: there is none but ours.
    assert_no_leaks(async {
        orphaned_bomb().await;
        assert_eq!(text(&catch(drain()).await.unwrap_err()), "of an orphan");
    })
    .await;
}

/// Tests beside this one do not matter: what they leave, report and let panic is theirs.
#[test]
fn another_runtime_does_not_matter() {
    let leaks = std::thread::spawn(|| {
        common::runtime().block_on(async {
            let said = said(async {
                drop(tokio::spawn(pending::<()>()));
                scope(async |s| s.defer(secs(1), pending())).await.unwrap();
            });
            assert_names(&said.await, &["1 task", "did not end"]);
        });
    });
    let clean = std::thread::spawn(|| {
        for _ in 0..100 {
            common::runtime()
                .block_on(assert_no_leaks(scope(async |s| s.spawn(async {}).await)))
                .unwrap()
                .unwrap();
        }
    });
    leaks.join().unwrap();
    clean.join().unwrap();
}

/// On several threads a child may end on another one than the check. That takes no time of this clock's, which
/// is the real one here, but as much as the machine likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_body_on_several_threads() {
    for _ in 0..100 {
        let sum = assert_no_leaks_within(
            secs(3_600),
            scope(async |s| {
                let children: Vec<_> = (0..8).map(|n| s.spawn(async move { n })).collect();
                let mut sum = 0;
                for child in children {
                    sum += child.await.unwrap();
                }
                sum
            }),
        );
        assert_eq!(sum.await.unwrap(), 28);
    }
}

/// A check that could see nothing, or would be disturbed, says so.
#[tokio::test(start_paused = true)]
async fn a_check_in_the_wrong_place_says_so() {
    async fn refused(body: impl Future<Output = ()>) -> String {
        let payload = catch(body).await.unwrap_err();
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).expect("a panic in words")
    }
    let inside = scope(async |_| refused(assert_no_leaks(async {})).await).await.unwrap();
    assert_names(&inside, &["goes around scopes"]);
    let mut twice = String::new();
    assert_no_leaks(async { twice = refused(assert_no_leaks(async {})).await }).await;
    assert_names(&twice, &["one check for leaks at a time"]);
}

/// A body that panics is heard, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_body_that_panics_is_heard() {
    let panicking = async {
        drop(tokio::spawn(pending::<()>()));
        boom("body");
    };
    assert_eq!(text(&catch(assert_no_leaks(panicking)).await.unwrap_err()), "body");
    assert_no_leaks(async {}).await;
}
