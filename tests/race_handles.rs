//! What stays of a race in the hands of others: attempts that were kept, wakers, the source.

mod common;

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use common::{Gate, Wakes, drive, ms, secs, with_waker};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::sleep;
use umbel::{Attempt, CancelScope, Race, RaceError, race};

/// Attempts are counted from 0, in the order in which they start.
#[tokio::test(start_paused = true)]
async fn an_attempt_knows_its_number() {
    let race = Race::new(["a", "b", "c"], async |attempt: Attempt, name| {
        Err::<(), _>((name, attempt.number()))
    });
    let report = race.await.unwrap_err().into_report().unwrap();
    assert_eq!(report.errors().collect::<Vec<_>>(), [&("a", 0), &("b", 1), &("c", 2)]);
}

/// I31: an attempt that somebody has kept keeps no waker of a race that was dropped, and what it says is
/// heard by nobody.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_kept_keeps_no_waker() {
    let kept = Mutex::new(None);
    let (count, gate) = (Wakes::new(), Gate::new());
    let waker = Waker::from(Arc::clone(&count));
    let before = Arc::strong_count(&count);
    let race = Race::new([1, 2], async |attempt: Attempt, n| {
        *kept.lock().unwrap() = Some(attempt);
        if n == 1 {
            pending::<()>().await;
        } else {
            gate.wait().await;
        }
        Ok::<_, ()>(())
    });
    {
        let mut racing = pin!(race.delay(ms(0)));
        assert!(with_waker(racing.as_mut(), &waker).is_pending());
        kept.lock().unwrap().as_ref().unwrap().progress(secs(1));
        assert_eq!(count.take(), 1);
        assert!(with_waker(racing, &waker).is_pending());
    }
    let kept = kept.into_inner().unwrap().unwrap();
    assert_eq!(Arc::strong_count(&count), before);
    kept.progress(secs(1));
    // The gate has kept the waker of an attempt that is gone.
    gate.open();
    assert_eq!(count.take(), 0);
}

/// More candidates than there is memory for: the report tells of the next thousand.
#[tokio::test(start_paused = true)]
async fn a_report_has_room_for_a_thousand() {
    let race = Race::new(0..u64::MAX, async |_, _| pending::<Result<(), &str>>().await);
    let Err(RaceError::TimedOut(report)) = race.timeout(ms(600)).await else { panic!("a winner") };
    assert!(report.untried.iter().copied().eq(3..=1003));
    assert_eq!(report.attempts.len(), 3);
    let text = report.to_string();
    assert!(text.ends_with("16, 17, 18] and 985 more"), "{text}");
}

/// No end of errors from the stream of candidates: the report has the first thousand.
#[tokio::test(start_paused = true)]
async fn a_report_has_room_for_a_thousand_errors() {
    // So many in each millisecond.
    let errors = stream::iter(0_u32..).then(async |number| {
        if number % 500 == 0 {
            sleep(ms(1)).await;
        }
        Err::<(), _>(number)
    });
    let race = Race::from_stream(errors, async |_, ()| pending::<Result<(), u32>>().await);
    let Err(RaceError::TimedOut(report)) = race.timeout(ms(10)).await else { panic!("a winner") };
    assert!(report.source_errors.into_iter().eq(0..1000));
}

/// A task may hold a race: of candidates that own what they are, or that borrow; from a stream; with somebody
/// who listens.
#[tokio::test]
async fn a_race_may_be_a_part_of_a_task() {
    let task = tokio::spawn(async {
        let names = ["a", "b"];
        let owned = Race::new(names.map(String::from), async |_, name| Ok::<_, ()>(name));
        assert_eq!(owned.await.unwrap(), "a");
        let placed = Race::new(0..2, async |_, place: usize| Ok::<_, ()>(names[place]));
        assert_eq!(placed.on_event(|_| ()).await.unwrap(), "a");
        let suffix = String::from("!");
        let borrowed = Race::new(names.iter().map(|name| &**name), async |_, name| {
            tokio::task::yield_now().await;
            if name == "a" { Err(name) } else { Ok(format!("{name}{suffix}")) }
        });
        assert_eq!(borrowed.on_event(|_| ()).await.unwrap(), "b!");
        let streamed =
            Race::from_stream(stream::iter(names.map(Ok)), async |_, name| Err::<(), _>(name));
        assert!(streamed.on_event(|_| ()).await.is_err());
    });
    task.await.unwrap();
}

/// I5: whoever polled a race last is woken, whichever attempt is.
#[test]
fn the_last_to_poll_is_woken() {
    for woken in 0..3 {
        let gates = [(); 3].map(|()| Gate::new());
        let attempts = gates.clone().map(|gate| async move {
            gate.wait().await;
            Ok::<_, ()>(())
        });
        let (first, last) = (Wakes::new(), Wakes::new());
        let [first_waker, last_waker] = [&first, &last].map(|wakes| Waker::from(Arc::clone(wakes)));
        let mut racing = pin!(race(attempts));
        assert!(with_waker(racing.as_mut(), &first_waker).is_pending());
        assert!(with_waker(racing.as_mut(), &last_waker).is_pending());
        gates[woken].open();
        assert!(last.count() > 0, "attempt {woken} was woken, and its race is not");
        assert!(matches!(with_waker(racing, &last_waker), Poll::Ready(Ok(()))));
    }
}

/// An iterator that has ended is not asked again: it may not bear that.
#[test]
fn an_iterator_that_has_ended_is_not_asked_again() {
    let gate = Gate::new();
    let mut numbers = vec![2, 1].into_iter();
    let mut has_ended = false;
    let numbers = std::iter::from_fn(move || {
        assert!(!has_ended, "it was asked after its end");
        let next = numbers.next();
        has_ended = next.is_none();
        next
    });
    let race = Race::new(numbers, |_, _| {
        let wait = gate.wait();
        async {
            wait.await;
            Err::<(), _>("no")
        }
    });
    // No runtime: a delay of zero has no timer.
    let mut racing = drive(race.delay(ms(0)));
    racing.pending();
    racing.pending();
    gate.open();
    assert!(racing.ready().is_err());
}

/// R8: whoever is given up can tell why. The last of two attempts wins, or nobody does.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_given_up_knows_why() {
    for (is_won, limit, reasons) in [
        (true, None, ["another candidate has won"].as_slice()),
        (true, Some(ms(100)), &["the attempt took too long"]),
        (false, None, &["the time of the race is over"; 2]),
    ] {
        let scopes = Mutex::new(Vec::new());
        let mut race = Race::new(0..2, async |_, n| {
            scopes.lock().unwrap().extend(CancelScope::current());
            if is_won && n == 1 { Ok(()) } else { pending::<Result<(), ()>>().await }
        })
        .timeout(secs(1));
        if let Some(limit) = limit {
            race = race.attempt_timeout(limit);
        }
        assert_eq!(race.await.is_ok(), is_won);
        let scopes = scopes.into_inner().unwrap();
        let told = scopes.iter().filter_map(CancelScope::reason);
        let told: Vec<_> = told.filter_map(|reason| reason.message().map(String::from)).collect();
        assert_eq!(told, reasons);
    }
}
