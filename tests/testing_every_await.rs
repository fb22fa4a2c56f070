//! `cancel_at_every_await`: what breaks at an await is found, and the await is named by its line.
#![cfg(feature = "testing")]
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use common::secs;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::sleep;
use umbel::testing::{Outcome, Summary, cancel_at_every_await};
use umbel::{Kind, scope, shield};

/// What a check that fails says.
fn said(check: impl FnOnce() -> Summary) -> String {
    let payload = catch_unwind(AssertUnwindSafe(check)).expect_err("it is found");
    payload.downcast_ref::<String>().expect("a panic of the check").clone()
}

#[track_caller]
fn assert_names(said: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
}

/// Permits that are lent and come back.
struct Pool(Mutex<u32>);

impl Pool {
    fn new() -> Self {
        Self(Mutex::new(1))
    }

    fn add(&self, change: i32) {
        let mut free = self.0.lock().expect("nobody panics");
        *free = free.checked_add_signed(change).expect("no permit is lent twice");
    }

    fn free(&self) -> u32 {
        *self.0.lock().expect("nobody panics")
    }
}

struct Lent<'a>(&'a Pool);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

async fn lend_well(pool: &Pool) -> u32 {
    pool.add(-1);
    let _lent = Lent(pool);
    sleep(secs(1)).await;
    yield_now().await;
    7
}

const SLEEPS: u32 = line!() + 7;
const YIELDS: u32 = line!() + 9;

async fn lend_badly(pool: &Pool) -> u32 {
    {
        let _first = Lent(pool);
        pool.add(-1);
        sleep(secs(1)).await;
    }
    pool.add(-1);
    yield_now().await;
    pool.add(1);
    7
}

/// Every await is stopped in each of four ways, and nobody stops the first and the last run of each
/// sort.
#[test]
fn a_good_scenario_is_run_to_the_end_and_the_runs_are_counted() {
    let seen = Mutex::new(Vec::new());
    let summary = cancel_at_every_await(async || Pool::new(), async |pool| lend_well(pool).await)
        .check(async |pool, outcome| {
            assert_eq!(pool.free(), 1);
            seen.lock().unwrap().push(match outcome {
                Outcome::Returned(7) => "returned",
                Outcome::Cancelled(cancelled) => {
                    assert_eq!(cancelled.reason().kind(), Kind::Explicit);
                    "cancelled"
                }
                Outcome::Dropped => "dropped",
                _ => unreachable!(),
            });
        });
    assert_eq!((summary.suspensions, summary.runs), (2, 12));
    let mut expected = vec!["returned"];
    for stopped in ["dropped", "cancelled"] {
        expected.extend([stopped; 4]);
        expected.extend(["returned"; 2]);
    }
    expected.pop();
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// The line of the await that broke it is named, and the line that awaits that; the others are not.
#[test]
fn the_await_that_broke_it_is_named() {
    let line = line!() + 1;
    let check = cancel_at_every_await(async || Pool::new(), async |pool| lend_badly(pool).await);
    let said = said(|| check.check(async |pool, _| assert_eq!(pool.free(), 1)));
    let (bad, good) = (format!("{}:{YIELDS}:", file!()), format!("{}:{SLEEPS}:", file!()));
    let outer = format!("{}:{line}:", file!());
    assert_names(&said, &["4 of 12 runs failed", "suspension 2 of 2", "panicked: assertion"]);
    // The compiler has another name for it where a build has line tables, and no more debug information.
    let named = ["testing_every_await::lend_badly", "{async_fn#0}"];
    let mut ways = named.iter().map(|name| format!("{bad}17  in {name}\n    {outer}"));
    assert!(ways.any(|way| said.contains(&way)) && !said.contains(&good), "{said}");
}

/// R18: children that do not end are left behind, and named where they were started.
#[test]
fn what_is_left_behind_is_named() {
    async fn pays((): &()) {
        let paid = scope(async |s| {
            let child = s.spawn(shield(secs(60), sleep(secs(30))));
            yield_now().await;
            child.await
        });
        let _ = paid.await;
    }
    let line = line!() - 6;
    let check = cancel_at_every_await(async || (), pays).only_dropped();
    let said = said(|| check.check(async |(), _| {}));
    let spawned = format!("task, cancelled  {}:{line}", file!());
    let dropped = "dropped at suspension 1 of 2, when it was about to go on";
    assert_names(&said, &["2 of 6 runs failed", dropped, &spawned]);
}

/// A value on its way: lost only by who is stopped when he is about to go on.
#[test]
fn a_value_that_has_come_and_is_not_taken_is_lost() {
    #[derive(Default)]
    struct World {
        sent: Arc<AtomicBool>,
        taken: Cell<bool>,
    }
    async fn take(world: &World) {
        let (sender, receiver) = oneshot::channel();
        let arrived = Arc::clone(&world.sent);
        let send = async move { arrived.store(sender.send(()).is_ok(), Ordering::SeqCst) };
        drop(tokio::spawn(send));
        world.taken.set(receiver.await.is_ok());
    }
    let said = said(|| {
        cancel_at_every_await(async || World::default(), take).only_dropped().check(
            async |world, _| {
                assert_eq!(world.sent.load(Ordering::SeqCst), world.taken.get(), "sent, not taken");
            },
        )
    });
    assert_names(&said, &["1 of 4 runs failed", "suspension 1 of 1, when it was about to go on"]);
}

/// R10: a shield is cut by a drop, and spared by a cancellation.
#[test]
fn a_shield_is_dropped_and_not_cancelled() {
    async fn pay(pool: &Pool) {
        pool.add(-1);
        let work = async {
            yield_now().await;
            pool.add(1);
        };
        shield(secs(9), work).await.unwrap();
    }
    let check = || cancel_at_every_await(async || Pool::new(), pay);
    let summary = check().only_cancelled().check(async |pool, outcome| {
        assert_eq!(pool.free(), 1);
        assert!(outcome.returned().is_some());
    });
    assert_eq!((summary.suspensions, summary.runs), (1, 4));
    let said = said(|| check().check(async |pool, _| assert_eq!(pool.free(), 1)));
    assert_names(&said, &["2 of 8 runs failed", "1. dropped at", "2. dropped at"]);
}

/// All that is suspended at once is named: a body and what runs beside it.
#[test]
fn awaits_beside_each_other_are_all_named() {
    let line = line!() + 2;
    let both = async |(): &()| {
        let one = async { sleep(secs(1)).await };
        let other = async { sleep(secs(1)).await };
        tokio::join!(one, other);
        panic!("both are over");
    };
    let said = said(|| cancel_at_every_await(async || (), both).check(async |(), _| {}));
    assert_names(&said, &["fails when nobody stops it: panicked: both are over"]);
    let (one, other) = (format!("{}:{}:42", file!(), line), format!("{}:{}:44", file!(), line + 1));
    assert_names(&said, &[&one, &other, "beside that"]);
}

/// A scenario without an await is checked for nothing.
#[test]
fn a_scenario_that_never_suspends_is_an_error() {
    let said = said(|| cancel_at_every_await(async || (), async |()| ()).check(async |(), _| {}));
    assert_names(&said, &["never suspends: nothing was checked", file!()]);
}

/// One that suspends more often, or less often, the next time.
#[test]
fn a_scenario_that_is_not_the_same_in_each_run_is_an_error() {
    let run = |times: fn(usize) -> usize| {
        let runs = AtomicUsize::new(0);
        said(|| {
            let suspend = async |(): &()| {
                for _ in 0..times(runs.fetch_add(1, Ordering::SeqCst)) {
                    yield_now().await;
                }
            };
            cancel_at_every_await(async || (), suspend).check(async |(), _| {})
        })
    };
    let fewer = run(|run| if run == 0 { 2 } else { 1 });
    assert_names(&fewer, &["suspended 2 times at first, and 1 times later"]);
    let more = run(|run| 1 + usize::from(run > 2));
    assert_names(&more, &["suspended 1 times at first, and 2 times later"]);
    let ended = run(|run| 2 - usize::from(run == 3));
    assert_names(
        &ended,
        &["it is not the same in each run: this time it ended after 1 suspension"],
    );
}

/// One that never ends, by itself or when it was stopped, says where it waits.
#[test]
fn a_scenario_that_has_no_end_is_an_error() {
    let line = line!() + 1;
    let waits = async |(): &()| poll_fn(|cx| poll_for_ever(cx.waker())).await;
    let waiting = said(|| cancel_at_every_await(async || (), waits).check(async |(), _| {}));
    assert_names(&waiting, &["waits for ever", &format!("{}:{line}:", file!())]);
    let spins = async |(): &()| {
        loop {
            yield_now().await;
        }
    };
    let spinning = said(|| cancel_at_every_await(async || (), spins).check(async |(), _| {}));
    assert_names(&spinning, &["polled 10000 times"]);
    let deaf = async |(): &()| {
        let _ = shield(secs(1), async { yield_now().await }).await;
        let leaves = umbel::CancelScope::current().is_some_and(|scope| scope.is_cancelled());
        if leaves {
            umbel::shield_unbounded(pending::<()>()).await;
        }
    };
    let stuck = said(|| cancel_at_every_await(async || (), deaf).check(async |(), _| {}));
    assert_names(&stuck, &["cancelled at suspension 1 of 1", "waits for ever"]);
}

fn poll_for_ever(waker: &std::task::Waker) -> Poll<()> {
    drop(waker.clone());
    Poll::Pending
}

/// The world's own tasks go with the world; what the check awaits may use it.
#[test]
fn the_world_is_used_by_the_check_and_goes() {
    async fn server() -> mpsc::UnboundedSender<oneshot::Sender<u32>> {
        let (asks, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<u32>>();
        tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let _ = answer.send(7);
            }
        });
        asks
    }
    async fn ask(asks: &mpsc::UnboundedSender<oneshot::Sender<u32>>) -> u32 {
        let (answer, answered) = oneshot::channel();
        asks.send(answer).unwrap();
        answered.await.unwrap()
    }
    let summary = cancel_at_every_await(server, ask)
        .check(async |asks, _| assert_eq!(ask(asks).await, 7, "it still answers"));
    assert_eq!(summary.suspensions, 1);
}

/// An error that no scope returns is a failure, unless it is meant.
#[test]
fn errors_that_nobody_hears_may_be_allowed() {
    let check = || {
        cancel_at_every_await(
            async || (),
            async |()| {
                let _ = umbel::try_scope(async |s| {
                    s.spawn(async { Err::<(), _>(anyhow::anyhow!("on purpose")) });
                    let _ = shield(secs(1), sleep(secs(1) / 2)).await;
                    Ok::<(), anyhow::Error>(())
                })
                .await;
            },
        )
    };
    let said = said(|| check().check(async |(), _| {}));
    assert_names(&said, &["it left behind:", "on purpose"]);
    check().allow_unhandled().check(async |(), _| {});
}

/// The kinds of a failure are told apart, and no more than eight are told in full.
#[test]
fn a_long_list_is_cut() {
    let said = said(|| {
        let many = async |(): &()| {
            for _ in 0..9 {
                yield_now().await;
            }
        };
        cancel_at_every_await(async || (), many)
            .only_dropped()
            .check(async |(), outcome| assert!(outcome.returned().is_some()))
    });
    assert_names(&said, &["18 of 20 runs failed", "\n8. dropped", "\nand more\n"]);
    let told: BTreeSet<&str> = said.lines().filter(|line| line.contains(". dropped")).collect();
    assert_eq!(told.len(), 8);
}
