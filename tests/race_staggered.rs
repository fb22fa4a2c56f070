//! Staggered races as a user has them: races in races, what losers get to end in, where candidates come
//! from, what is told. When attempts start and end, address by address, is beside `src/net`.

mod common;

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use common::{Log, Timeline, ms, secs};
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::sleep;
use umbel::{
    Attempt, AttemptOutcome, CancelScope, Kind, Race, RaceError, RaceReport, WhenFull, scope,
    stopping,
};

/// Takes `millis`, and then succeeds; says when it begins and when it is dropped.
async fn succeeds(
    line: &Timeline,
    name: [&'static str; 2],
    millis: u64,
) -> Result<(), &'static str> {
    line.add(name[0]);
    let _mark = line.guard(name[1]);
    sleep(ms(millis)).await;
    Ok(())
}

async fn hangs(line: &Timeline, name: [&'static str; 2]) -> Result<(), &'static str> {
    line.add(name[0]);
    let _mark = line.guard(name[1]);
    pending().await
}

const Q6: [&str; 2] = ["quic over 6", "quic over 6 ends"];
const Q4: [&str; 2] = ["quic over 4", "quic over 4 ends"];
const T6: [&str; 2] = ["tcp over 6", "tcp over 6 ends"];
const T4: [&str; 2] = ["tcp over 4", "tcp over 4 ends"];

/// Two protocols, each over two addresses: what wins in the inner race wins in the outer one, and
/// everything else in both has ended at that time.
#[tokio::test(start_paused = true)]
async fn a_race_of_races_has_one_winner() {
    let line = Timeline::new();
    let quic = || Race::new([Q6, Q4], |_, name| hangs(&line, name));
    let tcp = || {
        Race::new([T6, T4], async |_, name| match name {
            T4 => succeeds(&line, name, 20).await,
            name => hangs(&line, name).await,
        })
    };
    let both = Race::new([0, 1], async |_, n| if n == 0 { quic().await } else { tcp().await });
    both.await.unwrap();
    assert_eq!(
        line.take(),
        [
            (Q6[0], 0),
            (Q4[0], 250),
            (T6[0], 250),
            (T4[0], 500),
            (T4[1], 520),
            (T6[1], 520),
            (Q6[1], 520),
            (Q4[1], 520),
        ]
    );
}

/// The same, and the first protocol is in time: the other one is not begun.
#[tokio::test(start_paused = true)]
async fn an_inner_race_that_wins_in_time_is_the_only_one() {
    let line = Timeline::new();
    let quic = || {
        Race::new([Q6, Q4], async |_, name| match name {
            Q4 => succeeds(&line, name, 30).await,
            name => hangs(&line, name).await,
        })
    };
    let tcp = || Race::new([T6, T4], |_, name| hangs(&line, name));
    let both = Race::new([0, 1], async |_, n| if n == 0 { quic().await } else { tcp().await });
    let ((), report) = both.delay(ms(500)).with_report().await.unwrap();
    assert_eq!(line.take(), [(Q6[0], 0), (Q4[0], 250), (Q4[1], 280), (Q6[1], 280)]);
    assert_eq!(report.untried, [1]);
}

/// R17: with a grace, losers are asked to stop. The race waits for what they have to say, and no longer;
/// nobody starts meanwhile.
#[tokio::test(start_paused = true)]
async fn losers_say_goodbye_within_the_grace() {
    let line = Timeline::new();
    let race = Race::new(["polite", "winner", "never"], async |_, name| {
        line.add(name);
        if name == "winner" {
            sleep(ms(10)).await;
            return Ok(name);
        }
        stopping().await;
        line.add("asked");
        sleep(ms(80)).await;
        line.add("goodbye");
        Err("stopped")
    });
    let (winner, report) = race.grace(secs(1)).with_report().await.unwrap();
    assert_eq!((winner, line.now()), ("winner", 340));
    assert_eq!(line.take(), [("polite", 0), ("winner", 250), ("asked", 260), ("goodbye", 340)]);
    assert_eq!(ends(&report), ["polite given up 340", "winner won 260"]);
    assert_eq!(report.elapsed, ms(340));
}

/// One that does not listen is cut off when the grace is over.
#[tokio::test(start_paused = true)]
async fn a_loser_that_does_not_stop_is_cut_off() {
    let line = Timeline::new();
    let race = Race::new(["deaf", "winner"], async |_, name| {
        let _mark = line.guard(name);
        if name == "deaf" {
            pending::<()>().await;
        }
        sleep(ms(10)).await;
        Ok::<_, ()>(())
    });
    race.grace(secs(1)).await.unwrap();
    assert_eq!(line.take(), [("winner", 260), ("deaf", 1260)]);
}

/// A loser that succeeds within the grace has succeeded too late: its value is dropped before the race
/// returns, and the report says so.
#[tokio::test(start_paused = true)]
async fn a_loser_that_succeeds_within_the_grace_is_closed() {
    let line = Timeline::new();
    let race = Race::new([("slow", 400), ("winner", 10)], async |_, (name, millis)| {
        let value = line.guard(name);
        sleep(ms(millis)).await;
        Ok::<_, ()>(value)
    });
    let (value, report) = race.grace(secs(1)).with_report().await.unwrap();
    assert_eq!(line.take(), [("slow", 400)]);
    assert!(matches!(report.attempts[0].outcome, AttemptOutcome::Lost { succeeded: true, .. }));
    assert_eq!((report.attempts[0].ended, report.elapsed), (ms(400), ms(400)));
    drop(value);
    assert_eq!(line.take(), [("winner", 400)]);
}

/// Who is given up before the race is decided gets the grace too, and the next one does not wait for it.
#[tokio::test(start_paused = true)]
async fn who_gives_way_has_a_grace_and_the_next_does_not_wait() {
    for is_limit in [false, true] {
        let line = Timeline::new();
        let race = Race::new(["old", "new"], async |_, name| {
            line.add(name);
            if name == "old" {
                stopping().await;
                sleep(ms(500)).await;
                line.add("goodbye");
                return Ok(name);
            }
            sleep(ms(100)).await;
            Ok::<_, &str>(name)
        });
        let race = race.grace(secs(1)).max_in_flight(1, WhenFull::EvictOldest);
        let race = if is_limit { race.attempt_timeout(ms(150)) } else { race };
        let (winner, report) = race.with_report().await.unwrap();
        let start = if is_limit { 150 } else { 250 };
        assert_eq!(line.take(), [("old", 0), ("new", start), ("goodbye", start + 500)]);
        assert_eq!((winner, line.now()), ("new", start + 500), "the race waits for the end of all");
        let how = if is_limit { "timed out" } else { "given up for a newer attempt" };
        assert_eq!(report.attempts[0].outcome.to_string(), how);
    }
}

/// R12: what losers have started, and what their scopes owe, has ended when the race returns.
#[tokio::test(start_paused = true)]
async fn children_and_finalizers_of_losers_have_ended() {
    let log = Log::new();
    let race = Race::new([false, true], async |_, is_winner| {
        if is_winner {
            return Ok(());
        }
        scope(async |s| {
            let (guard, log) = (log.guard("child"), log.clone());
            s.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            s.defer(secs(60), async move {
                sleep(secs(3)).await;
                log.add("finalizer");
            });
            pending::<()>().await;
        })
        .await
        .map_err(|_| "cancelled")
    });
    let line = Timeline::new();
    race.await.unwrap();
    assert_eq!((log.all(), line.now()), (vec!["child", "finalizer"], 3250));
}

/// An attempt that is cancelled for a reason of its own has failed, and the race goes on.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cancelled_by_itself_has_failed() {
    let race = Race::new(["quits", "wins"], async |_, name| {
        if name == "quits" {
            CancelScope::current().unwrap().cancel_with("no more");
            pending::<()>().await;
        }
        Ok::<_, &str>(name)
    });
    let (winner, report) = race.with_report().await.unwrap();
    assert_eq!((winner, report.elapsed), ("wins", Duration::ZERO));
    let AttemptOutcome::Cancelled(cancelled) = &report.attempts[0].outcome else {
        panic!("{report}")
    };
    assert_eq!(cancelled.reason().message(), Some("no more"));
}

/// So has one that somebody else cancels, through the handle of its scope: it alone is charged.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cancelled_by_others_has_failed() {
    let handle = Mutex::new(None);
    let race = Race::new(["cut", "wins"], async |_, name| {
        if name == "cut" {
            *handle.lock().unwrap() = CancelScope::current();
            pending::<()>().await;
        }
        Ok::<_, ()>(name)
    });
    let cutter = async {
        sleep(ms(100)).await;
        handle.lock().unwrap().as_ref().unwrap().cancel();
    };
    let (outcome, ()) = tokio::join!(race.with_report(), cutter);
    let (winner, report) = outcome.unwrap();
    assert_eq!((winner, report.elapsed), ("wins", ms(100)));
    assert!(matches!(report.attempts[0].outcome, AttemptOutcome::Cancelled(_)));
    assert_eq!(handle.into_inner().unwrap().unwrap().cancel_count(), 1);
}

/// All of them may be; that is no cancellation of the race.
#[tokio::test(start_paused = true)]
async fn a_race_whose_attempts_were_all_cancelled_has_failed() {
    let quits = Race::new([1, 2], async |_, _| {
        CancelScope::current().unwrap().cancel();
        pending::<Result<(), &str>>().await
    });
    let Err(RaceError::AllFailed(report)) = quits.await else { panic!("another outcome") };
    assert_eq!((report.attempts.len(), report.errors().count()), (2, 0));
}

/// R23: a race that outlives its cancelled scope says so.
#[tokio::test(start_paused = true)]
async fn a_race_that_survives_a_cancelled_scope_says_so() {
    let line = Timeline::new();
    let mut racing = Box::pin(Race::new([1, 2], async |_, _| {
        let _mark = line.guard("attempt");
        pending::<Result<(), &str>>().await
    }));
    let outcome = scope(async |s| {
        assert!(futures_util::poll!(&mut racing).is_pending());
        s.cancel_with("above");
        pending::<()>().await;
    });
    assert!(outcome.await.is_err());
    let error = racing.await.unwrap_err();
    assert!(error.report().is_none());
    let RaceError::Cancelled(cancelled) = error else { panic!("another outcome") };
    assert_eq!(cancelled.reason().kind(), Kind::Explicit);
    assert_eq!(line.take(), [("attempt", 0)], "the second has not started");
}

/// An endless source: it is asked for one more than has started, and not for its end.
#[tokio::test(start_paused = true)]
async fn an_endless_iterator_is_asked_one_ahead() {
    let asked = Cell::new(0);
    let numbers = (0..).inspect(|_| asked.set(asked.get() + 1));
    let race = Race::new(numbers, async |_, n: u64| if n == 1000 { Ok(n) } else { Err(()) });
    assert_eq!(race.await.unwrap(), 1000);
    assert_eq!(asked.get(), 1001);
    asked.set(0);
    let numbers = (0..).inspect(|_| asked.set(asked.get() + 1));
    let race = Race::new(numbers, async |_, _: u64| pending::<Result<(), ()>>().await);
    let Err(RaceError::TimedOut(report)) = race.timeout(ms(600)).await else { panic!("a winner") };
    assert_eq!((report.attempts.len(), report.untried, asked.get()), (3, vec![3], 4));
}

/// A stream that says when it is dropped.
struct Marked<S>(S, #[expect(dead_code, reason = "it is there to be dropped")] common::Mark);

impl<S: Stream + Unpin> Stream for Marked<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

/// The source is dropped when somebody has won, and not when the losers have ended.
#[tokio::test(start_paused = true)]
async fn the_stream_is_dropped_at_the_win() {
    let line = Timeline::new();
    let names = stream::iter([Ok("slow"), Ok("quick")]).chain(stream::pending());
    let race = Race::from_stream(Marked(names, line.guard("stream")), async |_, name| {
        let _mark = line.guard(name);
        if name == "slow" {
            stopping().await;
        }
        sleep(ms(100)).await;
        Ok::<_, ()>(name)
    });
    assert_eq!(race.grace(secs(1)).await.unwrap(), "quick");
    assert_eq!(line.take(), [("quick", 350), ("stream", 350), ("slow", 450)]);
}

/// Progress that another thread, and a task, tell between two polls of the race.
#[tokio::test(start_paused = true)]
async fn progress_may_be_told_from_anywhere() {
    let tell = |attempt: Attempt, is_thread: bool| async move {
        if is_thread {
            let teller = std::thread::spawn(move || attempt.progress(ms(1000)));
            teller.join().unwrap();
        } else {
            tokio::spawn(async move {
                sleep(ms(200)).await;
                attempt.progress(ms(800));
            });
        }
        pending::<Result<(), ()>>().await
    };
    for is_thread in [true, false] {
        let mut starts = Vec::new();
        let race = Race::new([1, 2], async |attempt, n| match n {
            1 => tell(attempt, is_thread).await,
            _ => Ok(()),
        });
        race.on_event(|event| starts.push((event.number, event.at))).await.unwrap();
        starts.dedup_by_key(|(number, _)| *number);
        let second = starts.iter().find(|(number, _)| *number == 1);
        assert_eq!(second, Some(&(1, ms(1000))));
    }
}

/// The word of an attempt that is over holds back nobody.
#[tokio::test(start_paused = true)]
async fn progress_of_an_attempt_that_is_over_is_nothing() {
    let kept = Mutex::new(None);
    let race = Race::new([1, 2, 3], async |attempt: Attempt, n| {
        match n {
            1 => {
                *kept.lock().unwrap() = Some(attempt);
                return Err("at once");
            }
            2 => kept.lock().unwrap().take().unwrap().progress(secs(100)),
            _ => return Ok(n),
        }
        pending().await
    });
    let (winner, report) = race.with_report().await.unwrap();
    assert_eq!((winner, report.elapsed), (3, ms(250)));
}

/// An extension that no clock can hold is for good.
#[tokio::test(start_paused = true)]
async fn progress_without_end_holds_back_for_good() {
    let race = Race::new([1, 2], async |attempt: Attempt, _| {
        attempt.progress(Duration::MAX);
        pending::<Result<(), ()>>().await
    });
    let Err(RaceError::TimedOut(report)) = race.timeout(secs(10_000)).await else { panic!("no") };
    assert_eq!((report.attempts.len(), report.untried), (1, vec![2]));
}

/// Attempts may borrow, and need not be `Send`.
#[tokio::test(start_paused = true)]
async fn attempts_may_borrow_and_stay_on_their_thread() {
    let (shared, text) = (Rc::new(7), String::from("borrowed"));
    let race =
        Race::new([1, 2], async |_, n| if n == 2 { Ok((&*shared, &*text)) } else { Err(()) });
    assert_eq!(race.await.unwrap(), (&7, "borrowed"));
}

/// A race that owns what it needs may be a task of its own.
#[tokio::test(start_paused = true)]
async fn a_race_may_be_spawned() {
    let (suffix, names) = (Arc::new("!".to_owned()), vec!["a".to_owned(), "b".to_owned()]);
    let race = Race::new(names, move |_, name: String| {
        let suffix = Arc::clone(&suffix);
        async move { if name == "b" { Ok(name + &suffix) } else { Err("no") } }
    });
    assert_eq!(tokio::spawn(race).await.unwrap().unwrap(), "b!");
}

/// What became of each, in a line.
fn ends<T: std::fmt::Display, E: std::fmt::Display>(report: &RaceReport<T, E>) -> Vec<String> {
    let end = |a: &umbel::AttemptReport<T, E>| {
        format!("{} {} {}", a.candidate, a.outcome, a.ended.as_millis())
    };
    report.attempts.iter().map(end).collect()
}
