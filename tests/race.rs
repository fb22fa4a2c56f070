//! Races: the first success wins, the others are cancelled, each counted on its own scope, and have
//! ended when the race returns.
mod common;

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;

use common::{Counts, Gate, Log, boom, drive, ms, panic_of, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{
    AttemptOutcome, Kind, Race, RaceError, TimeoutError, WhenFull, race, scope, task, timeout,
};

/// Takes `seconds`, and then gives `outcome`.
async fn after<T, E>(seconds: u64, outcome: Result<T, E>) -> Result<T, E> {
    sleep(secs(seconds)).await;
    outcome
}

/// The first to succeed wins, in its own time; a failure before it does not end the race.
#[tokio::test(start_paused = true)]
async fn the_first_success_wins() {
    let start = Instant::now();
    let winner = race([after(1, Err("first")), after(3, Ok(3)), after(2, Ok(2))]).await;
    assert_eq!(winner.unwrap(), 2);
    assert_eq!(start.elapsed(), secs(2));
}

/// One candidate: its success, its failure.
#[tokio::test(start_paused = true)]
async fn one_candidate_decides_alone() {
    assert_eq!(race([after(1, Ok::<_, &str>(1))]).await.unwrap(), 1);
    let error = race([after::<(), _>(1, Err("refused"))]).await.unwrap_err();
    let attempts = &error.report().unwrap().attempts;
    assert!(
        matches!(attempts[..], [ref one] if matches!(one.outcome, AttemptOutcome::Failed("refused")))
    );
    assert_eq!(error.to_string(), "the only candidate failed: 0: refused (after 1.0s)");
}

/// All fail: every error is there, in the order in which they started, and when it came.
#[tokio::test(start_paused = true)]
async fn all_errors_are_kept_in_order() {
    let error =
        race([after::<(), _>(3, Err("third")), after(1, Err("first")), after(2, Err("second"))])
            .await
            .unwrap_err();
    let attempts = error.report().unwrap().attempts.iter();
    let ends: Vec<_> = attempts.map(|a| (a.candidate, a.ended, a.outcome.to_string())).collect();
    let end = |n, at, error: &str| (n, secs(at), error.to_owned());
    assert_eq!(ends, [end(0, 3, "third"), end(1, 1, "first"), end(2, 2, "second")]);
}

/// Those that had no turn are told by their places in the list.
#[tokio::test(start_paused = true)]
async fn those_without_a_turn_are_known_by_their_places() {
    let racing = race([(); 4].map(|()| pending::<Result<(), ()>>()));
    let racing = racing.max_in_flight(2, WhenFull::Hold).timeout(secs(1));
    let Err(RaceError::TimedOut(report)) = racing.await else { panic!("another outcome") };
    let tried: Vec<_> = report.attempts.iter().map(|attempt| attempt.candidate).collect();
    assert_eq!((tried, report.untried), (vec![0, 1], vec![2, 3]));
}

/// The losers are dropped before the race returns, with all that they started; each once.
#[tokio::test(start_paused = true)]
async fn the_losers_have_ended_when_the_race_returns() {
    let (counts, log) = (Counts::new(), Log::new());
    let loser = || {
        let guard = log.guard("a loser's child");
        counts.of(async {
            scope(async |s| {
                s.spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                pending::<()>().await;
            })
            .await
            .map_err(drop)
        })
    };
    let winner: Pin<Box<dyn Future<Output = Result<(), ()>>>> = Box::pin(after(1, Ok(())));
    let candidates: Vec<Pin<Box<dyn Future<Output = _>>>> =
        vec![Box::pin(loser()), winner, Box::pin(loser())];
    race(candidates).await.unwrap();
    assert_eq!(counts.drops(), 2);
    assert_eq!(log.all(), ["a loser's child"; 2]);
}

/// Several succeed in the same moment: exactly one value comes out, the others are dropped.
#[tokio::test(start_paused = true)]
async fn of_several_winners_one_comes_out_and_the_others_are_dropped() {
    let log = Log::new();
    let candidate = |name| {
        let value = log.guard(name);
        async move {
            sleep(secs(1)).await;
            Ok::<_, ()>(value)
        }
    };
    let winner = race(["a", "b", "c"].map(candidate)).await.unwrap();
    assert_eq!(log.all().len(), 2);
    drop(winner);
    assert_eq!(log.all().len(), 3);
}

/// The counts: one request on each loser, none on the task, and a foreign timeout is none the wiser.
#[tokio::test(start_paused = true)]
async fn losing_is_charged_to_the_losers_alone() {
    scope(async |s| {
        let child = s.spawn(async {
            for _ in 0..3 {
                let winner = race((1..=4).map(|n| after(n, Ok::<_, ()>(n)))).await;
                assert_eq!(winner.unwrap(), 1);
            }
            (task::current().cancel_count(), task::current().is_cancelled())
        });
        assert_eq!(child.await.unwrap(), (0, false));
        assert_eq!((s.cancel_count(), s.is_cancelled()), (0, false));
    })
    .await
    .unwrap();
}

/// A limit around the race: it absorbs at that very time, and every candidate is dropped.
#[tokio::test(start_paused = true)]
async fn an_outer_limit_ends_the_race_in_time() {
    let (start, counts) = (Instant::now(), Counts::new());
    let outcome =
        timeout(secs(5), race((0..4).map(|_| counts.of(after(10, Ok::<(), ()>(())))))).await;
    assert!(matches!(outcome, Err(TimeoutError::Elapsed(_))));
    assert_eq!(start.elapsed(), secs(5));
    assert_eq!(counts.drops(), 4);
}

/// An outer cancel when one candidate has won, and the race still waits for the end of a loser's
/// child: the outer scope absorbs, and the winner's value is dropped, not leaked.
#[tokio::test(start_paused = true)]
async fn a_winner_that_was_not_returned_is_dropped() {
    let (log, gate) = (Log::new(), Gate::new());
    let (value, wait) = (log.guard("winner"), gate.wait());
    let (outer, handle) = scope(async |_| {
        let winner: Pin<Box<dyn Future<Output = Result<_, ()>> + Send>> = Box::pin(async {
            wait.await;
            Ok(value)
        });
        let loser = Box::pin(async {
            let _ = scope(async |s| s.spawn(pending::<()>()).await).await;
            Err(())
        });
        race([loser, winner]).await.is_ok()
    })
    .with_handle();
    let mut outer = drive(outer);
    outer.pending();
    settle().await;
    gate.open();
    outer.pending();
    assert!(log.is_empty(), "it waits with the value in its hands");
    handle.cancel();
    while outer.poll().is_pending() {
        settle().await;
    }
    assert_eq!(log.all(), ["winner"]);
}

/// Dropped half way: every candidate is.
#[test]
fn a_dropped_race_drops_its_candidates() {
    let counts = Counts::new();
    let mut racing = drive(race((0..3).map(|_| counts.of(pending::<Result<(), ()>>()))));
    racing.pending();
    assert_eq!(counts.both(), (3, 0));
    drop(racing);
    assert_eq!(counts.both(), (3, 3));
    drop(race([(); 3].map(|()| counts.of(pending::<Result<(), ()>>()))));
    assert_eq!(counts.both(), (3, 6));
}

/// A panic comes out, though another candidate had succeeded in the same poll, and after the others
/// have ended.
#[tokio::test(start_paused = true)]
async fn a_candidates_panic_comes_out_after_the_others_have_ended() {
    let log = Log::new();
    let candidate = |name: &'static str| {
        let log = log.clone();
        async move {
            let _guard = log.guard(name);
            sleep(secs(1)).await;
            match name {
                "bad" => boom("candidate"),
                _ => pending::<Result<(), ()>>().await,
            }
        }
    };
    assert_eq!(panic_of(race(["slow", "bad", "slow"].map(candidate))).await, "candidate");
    assert_eq!(log.all().len(), 3);
}

/// Candidates may borrow, and need not be `Send`.
#[tokio::test(start_paused = true)]
async fn candidates_may_borrow_and_stay_on_their_thread() {
    let (shared, text) = (Rc::new(7), String::from("borrowed"));
    let winner = race([0, 1].map(|n| {
        let (shared, text) = (Rc::clone(&shared), &text);
        async move {
            sleep(secs(n)).await;
            Ok::<_, ()>((*shared, text.as_str()))
        }
    }))
    .await;
    assert_eq!(winner.unwrap(), (7, "borrowed"));
    assert_eq!(Rc::strong_count(&shared), 1);
}

/// A hundred candidates, ready at once.
#[test]
fn ready_candidates_need_one_poll() {
    let mut racing = drive(race((0..100).map(|n| ready(Ok::<_, ()>(n)))));
    assert!(racing.ready().unwrap() < 100);
    assert_eq!(racing.wakes(), 0);
}

/// A race that survived its scope says that it was cancelled, and no candidate is to blame (R23).
#[tokio::test(start_paused = true)]
async fn a_race_that_survives_a_cancelled_scope_says_so() {
    let mut racing = Box::pin(race([pending::<Result<(), ()>>()]));
    let outcome = scope(async |s| {
        assert!(futures_util::poll!(&mut racing).is_pending());
        s.cancel_with("above");
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
    let Err(RaceError::Cancelled(cancelled)) = racing.await else { panic!("another outcome") };
    assert_eq!(
        (cancelled.reason().kind(), cancelled.reason().message()),
        (Kind::Explicit, Some("above"))
    );
}

/// A race of borrowed candidates, made by a closure, is `Send`, and so are those who wait for it.
#[tokio::test]
async fn a_race_of_what_a_closure_makes_can_be_spawned() {
    type Answer<'a> = Pin<Box<dyn Future<Output = Result<usize, ()>> + Send + 'a>>;
    trait Source: Send + Sync {
        fn ask<'a>(&'a self, name: &'a str) -> Answer<'a>;
    }
    impl Source for usize {
        fn ask<'a>(&'a self, name: &'a str) -> Answer<'a> {
            Box::pin(async move { Ok(self + name.len()) })
        }
    }
    async fn ask_all(sources: &[Box<dyn Source>], name: &str) -> Option<usize> {
        race(sources.iter().map(|source| source.ask(name))).await.ok()
    }
    let won = scope(async |s| {
        let sources: [Box<dyn Source>; 1] = [Box::new(4)];
        s.spawn(async move { ask_all(&sources, "stem").await }).await.unwrap()
    });
    assert_eq!(won.await.unwrap(), Some(8));
}

/// An attempt that keeps the thread has used up nobody's time but its own: the next one starts when that is over,
/// and the one after it a whole delay later.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_blocks_takes_its_time_from_nobody() {
    let race = Race::new([0, 1, 2], async |_, number| match number {
        0 => {
            // The clock goes on at the first poll.
            let _ = futures_util::poll!(pin!(tokio::time::advance(ms(300))));
            Err(())
        }
        1 => pending().await,
        _ => Ok(()),
    });
    let ((), report) = race.with_report().await.unwrap();
    let starts: Vec<_> = report.attempts.iter().map(|attempt| attempt.started).collect();
    assert_eq!(starts, [ms(0), ms(300), ms(550)]);
}
