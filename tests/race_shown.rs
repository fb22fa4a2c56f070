//! What a race tells in words, and what the parts of its report are.

mod common;

use std::future::pending;
use std::time::Duration;

use common::{Timeline, ms, secs};
use futures_util::stream;
use tokio::time::sleep;
use umbel::{Attempt, CancelScope, Race, RaceEventKind, WhenFull, scope, stopping};

/// Each way in which an attempt can end is shown, in the order of starts.
#[tokio::test(start_paused = true)]
async fn every_outcome_has_its_words() {
    let names = ["fails", "slow", "old", "late", "loses", "wins", "never"];
    let race = Race::new(names, async |_, name| {
        match name {
            "fails" => return Err("refused"),
            "slow" => pending().await,
            "wins" => sleep(ms(10)).await,
            _ => drop(stopping().await),
        }
        sleep(ms(20)).await;
        if name == "loses" { Err("too late") } else { Ok(()) }
    });
    let race = race.delay(ms(100)).max_in_flight(3, WhenFull::EvictOldest).grace(ms(50));
    let ((), report) = race.with_report().await.unwrap();
    let words = [
        "\"fails\": refused (after 0.0ns)",
        "\"slow\": given up for a newer attempt (after 350.0ms)",
        "\"old\": given up for a newer attempt (after 320.0ms)",
        "\"late\": succeeded too late (after 250.0ms)",
        "\"loses\": given up (after 150.0ms)",
        "\"wins\": won (after 30.0ms)",
        "not tried: [\"never\"]",
    ];
    assert_eq!(report.to_string(), words.join("; "));
    assert_eq!(report.winner().unwrap().number, 5);
    assert_eq!(report.errors().collect::<Vec<_>>(), [&"refused"]);
}

/// One that took too long, and one that was cancelled for a reason of its own.
#[tokio::test(start_paused = true)]
async fn a_limit_and_a_cancellation_have_their_words() {
    let race = Race::new(["slow", "quits"], async |_, name| {
        if name == "quits" {
            CancelScope::current().unwrap().cancel_with("no more");
        }
        pending::<Result<(), &str>>().await
    });
    let error = race.attempt_timeout(ms(100)).await.unwrap_err();
    let text = error.to_string();
    let head =
        "all 2 candidates failed: \"slow\": timed out (after 100.0ms); \"quits\": cancelled: ";
    assert!(text.starts_with(head) && text.contains("no more (at tests/race_shown.rs:"), "{text}");
}

/// The errors themselves.
#[tokio::test(start_paused = true)]
async fn every_error_has_its_words() {
    let none = Race::new(Vec::<u8>::new(), async |_, _| Ok::<(), &str>(()));
    assert_eq!(none.await.unwrap_err().to_string(), "a race without candidates");
    let lost = stream::iter([Err::<u8, _>("no name"), Err("no server")]);
    let lost = Race::from_stream(lost, async |_, _| Ok(()));
    let lost = lost.await.unwrap_err();
    assert_eq!(lost.to_string(), "a race without candidates: no name; no server");
    let late = Race::new(["a", "b"], async |_, _| pending::<Result<(), &str>>().await);
    let late = late.timeout(ms(200)).await.unwrap_err();
    let words = "no winner after 200.0ms: \"a\": given up (after 200.0ms); not tried: [\"b\"]";
    assert_eq!(late.to_string(), words);
    let failed = Race::new(["a", "b"], async |_, name| {
        sleep(ms(1)).await;
        Err::<(), _>(format!("{name} refused"))
    });
    let failed = failed.await.unwrap_err();
    let words =
        "all 2 candidates failed: \"a\": a refused (after 1.0ms); \"b\": b refused (after 1.0ms)";
    assert_eq!(failed.to_string(), words);
}

/// A race is told to listeners as it goes, and the report says the same afterwards.
#[tokio::test(start_paused = true)]
async fn listeners_are_told_at_that_moment() {
    let line = Timeline::new();
    let mut told = Vec::new();
    let race = Race::new(["a", "b", "c"], async |attempt: Attempt, name| {
        match name {
            "a" => attempt.progress(ms(400)),
            "b" => return Err("refused"),
            _ => {}
        }
        sleep(secs(1)).await;
        Ok(())
    });
    let race = race.on_event(|event| {
        assert_eq!(event.at.as_millis(), line.now());
        let what = match event.kind {
            RaceEventKind::Started => "starts".to_owned(),
            RaceEventKind::Progress(held) => format!("holds {held:?}"),
            RaceEventKind::Ended(outcome) => outcome.to_string(),
            _ => "?".to_owned(),
        };
        told.push(format!("{} {} {what}", event.at.as_millis(), event.candidate));
    });
    let ((), report) = race.with_report().await.unwrap();
    let words = [
        "0 a starts",
        "0 a holds 400ms",
        "400 b starts",
        "400 b refused",
        "400 c starts",
        "1000 a won",
        "1000 c given up",
    ];
    assert_eq!(told, words);
    assert_eq!(report.attempts.iter().map(|a| a.number).collect::<Vec<_>>(), [0, 1, 2]);
}

/// Neither a race nor what is around it is hidden from whoever prints it, nor is an attempt.
#[tokio::test(start_paused = true)]
async fn a_race_can_be_printed() {
    let race = Race::new([1], async |attempt: Attempt, _| Err::<(), _>(format!("{attempt:?}")));
    assert_eq!(format!("{race:?}"), "Race(..)");
    let race = race.with_report();
    assert_eq!(format!("{race:?}"), "Reported(..)");
    let report = race.await.unwrap_err().into_report().unwrap();
    assert_eq!(report.elapsed, Duration::ZERO);
    assert_eq!(report.errors().collect::<Vec<_>>(), ["Attempt { number: 0, .. }"]);
}

/// In a picture a race and its attempts are shown as such, with the place where the race was made.
#[tokio::test(start_paused = true)]
async fn a_picture_shows_a_race_and_its_attempts() {
    let picture = scope(async |s| {
        let race = Race::new(0..2, async |_, _| pending::<Result<(), ()>>().await);
        let (_, picture) = tokio::join!(race.timeout(secs(1)), async {
            sleep(ms(500)).await;
            s.picture().to_string()
        });
        picture
    })
    .await
    .unwrap();
    let shown: Vec<_> = picture.lines().map(|line| line.rsplit_once("  ").unwrap().0).collect();
    assert_eq!(shown, ["scope", "└─ race", "   ├─ attempt", "   └─ attempt"]);
}
