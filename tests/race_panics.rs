//! Panics of whatever a race is made of: of the closure that makes attempts, of an attempt, of the source
//! of the candidates, of a listener. The others have ended before the panic goes on, and nothing starts
//! (R14).

mod common;

use std::future::{Future, pending};
use std::sync::Arc;
use std::task::Waker;

use common::{Gate, Mark, PanickingWaker, Timeline, boom, drive, ms, panic_of, secs, with_waker};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::sleep;
use umbel::{Race, RaceEventKind, race, scope};

type Attempt = std::pin::Pin<Box<dyn Future<Output = Result<(), ()>>>>;

fn hangs(mark: Mark) -> Attempt {
    Box::pin(async move {
        let _mark = mark;
        pending().await
    })
}

/// The closure, when it is asked for the second attempt.
#[tokio::test(start_paused = true)]
async fn the_closure_panics() {
    let line = Timeline::new();
    let race = Race::new(["first", "second", "third"], |_, name| match name {
        "first" => hangs(line.guard(name)),
        _ => boom(name),
    });
    assert_eq!(panic_of(race).await, "second");
    assert_eq!((line.now(), line.take()), (250, vec![("first", 250)]));
}

/// An attempt, whether it is the first or not, at once or later.
#[tokio::test(start_paused = true)]
async fn an_attempt_panics() {
    for (culprit, after) in [("first", 300), ("second", 0), ("second", 20)] {
        let line = Timeline::new();
        let race = Race::new(["first", "second", "third"], async |_, name| {
            let _mark = line.guard(name);
            if name == culprit {
                sleep(ms(after)).await;
                boom(name);
            }
            pending::<Result<(), ()>>().await
        });
        assert_eq!(panic_of(race).await, culprit);
        let at = if culprit == "first" { 300 } else { 250 + u128::from(after) };
        let mut ends = line.take();
        ends.sort_unstable();
        assert_eq!(ends, [("first", at), ("second", at)]);
        assert_eq!(line.now(), at);
    }
}

/// The iterator, and the stream, when they are asked for the second candidate.
#[tokio::test(start_paused = true)]
async fn the_source_panics() {
    let line = Timeline::new();
    let names = (0..3).map(|n| if n == 1 { boom("iterator") } else { "first" });
    let race = Race::new(names, |_, name| hangs(line.guard(name)));
    assert_eq!(panic_of(race).await, "iterator");
    assert_eq!(line.take(), [("first", 0)]);
    let names = stream::once(async { Ok("first") }).chain(stream::once(async {
        sleep(ms(100)).await;
        boom("stream")
    }));
    let race = Race::from_stream(Box::pin(names), |_, name| hangs(line.guard(name)));
    assert_eq!(panic_of(race).await, "stream");
    assert_eq!((line.now(), line.take()), (100, vec![("first", 100)]));
}

/// A listener, whatever it is told: a winner that nobody has got is dropped with the others.
#[tokio::test(start_paused = true)]
async fn a_listener_panics() {
    for culprit in ["starts", "further", "ends"] {
        let line = Timeline::new();
        let race = Race::new(["first", "second"], async |attempt: umbel::Attempt, name| {
            let mark = line.guard(name);
            if name == "first" {
                return pending().await;
            }
            sleep(ms(10)).await;
            attempt.progress(ms(1));
            sleep(ms(10)).await;
            Ok::<_, ()>(mark)
        });
        let race = race.on_event(|event| match event.kind {
            RaceEventKind::Started if event.number == 1 && culprit == "starts" => boom(culprit),
            RaceEventKind::Progress(_) if culprit == "further" => boom(culprit),
            RaceEventKind::Ended(_) if culprit == "ends" => boom(culprit),
            _ => {}
        });
        assert_eq!(panic_of(race).await, culprit);
        let (at, seconds) = match culprit {
            "starts" => (250, 0),
            "further" => (260, 1),
            _ => (270, 1),
        };
        let mut ends = line.take();
        ends.sort_unstable();
        let expected = [("first", at), ("second", at)];
        assert_eq!(ends, expected[..=seconds], "{culprit}");
    }
}

/// A loser that panics when it is dropped: it is the race that panics, and the winner's value is dropped.
#[tokio::test(start_paused = true)]
async fn a_loser_panics_in_its_destructor() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("a destructor");
        }
    }
    let line = Timeline::new();
    let race = Race::new([false, true], async |_, is_winner| {
        let bomb = if is_winner { None } else { Some(Bomb) };
        if bomb.is_some() {
            pending::<()>().await;
        }
        Ok::<_, ()>(line.guard("value"))
    });
    assert_eq!(panic_of(race).await, "a destructor");
    assert_eq!(line.take(), [("value", 250)]);
}

/// A child of a loser that panics while it is being stopped: so does the race, after its end.
#[tokio::test(start_paused = true)]
async fn a_losers_child_panics() {
    let race = Race::new([false, true], async |_, is_winner| {
        if is_winner {
            return Ok::<_, ()>(());
        }
        let work = scope(async |s| {
            s.spawn(async {
                umbel::stopping().await;
                boom("a child")
            });
            pending::<()>().await;
        });
        work.await.map_err(drop)
    });
    assert_eq!(panic_of(race.grace(secs(1))).await, "a child");
}

/// A race that has panicked is dropped as any other.
#[test]
fn a_race_that_has_panicked_can_be_dropped() {
    let mut racing = drive(Race::new([1], |_, _| -> Attempt { boom("closure") }));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| racing.poll()));
    assert_eq!(common::text(&polled.map(drop).unwrap_err()), "closure");
    drop(racing);
}

/// R14: the waker of whoever awaits the race panics; whoever has woken an attempt goes on to the next one.
#[test]
fn a_panicking_waker_does_not_keep_the_others_from_being_woken() {
    let (gate, panicking) = (Gate::new(), PanickingWaker::new());
    let candidates: [Attempt; 2] = [Box::pin(pending()), Box::pin(wait(&gate))];
    let mut racing = Box::pin(race(candidates));
    assert!(with_waker(racing.as_mut(), &Waker::from(Arc::clone(&panicking))).is_pending());
    let mut other = drive(gate.wait());
    other.pending();
    gate.open();
    assert_eq!((panicking.count(), other.wakes()), (1, 1));
    assert!(with_waker(racing.as_mut(), Waker::noop()).is_ready());
}

fn wait(gate: &Gate) -> impl Future<Output = Result<(), ()>> + use<> {
    let wait = gate.wait();
    async {
        wait.await;
        Ok(())
    }
}
