//! Races, counted: requests and whom they are charged to, values and where they went, polls and wakes.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;

use common::{Counts, Gate, Timeline, drive, ms, secs};
use tokio::time::sleep;
use umbel::{CancelScope, Race, RaceError, Reported, WhenFull, race, scope, task};

/// An attempt that fails, if it ends.
type Boxed = Pin<Box<dyn Future<Output = Result<(), ()>>>>;

/// What a race can come to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Won,
    Failed,
    Late,
    Evicted,
    TimedOut,
}

const ENDS: [End; 5] = [End::Won, End::Failed, End::Late, End::Evicted, End::TimedOut];

/// R1, I3: however a race ends, nobody around it is charged: neither scope nor task, not even while its
/// losers are being cancelled.
#[tokio::test(start_paused = true)]
async fn no_end_of_a_race_is_charged_to_anybody_around_it() {
    for end in ENDS {
        let work = scope(async |outer| {
            let child = outer.spawn(async move {
                scope(async |s| {
                    let handle = CancelScope::clone(&s);
                    let before = sample(&handle);
                    let seen = come_to(end, &handle).await;
                    assert!(seen.len() >= 3, "{end:?}: it was told of {} events", seen.len());
                    assert!(seen.iter().all(|sample| *sample == before), "{end:?}: {seen:?}");
                    assert_eq!((before, sample(&handle)), ((0, 0), (0, 0)));
                    assert!(!handle.is_cancelled() && umbel::check().is_ok());
                })
                .await
                .unwrap();
            });
            child.await.unwrap();
            assert_eq!(outer.cancel_count(), 0);
        });
        work.await.unwrap();
    }
}

/// The counts of a scope, and of the task in it.
fn sample(scope: &CancelScope) -> (u64, u64) {
    (scope.cancel_count(), task::current().cancel_count())
}

/// A race that ends so: the counts around it, at each of its events.
async fn come_to(end: End, around: &CancelScope) -> Vec<(u64, u64)> {
    let mut seen = Vec::new();
    let race = Race::new([1, 2, 3], async |_, n| match end {
        End::Won if n == 2 => Ok(()),
        End::Evicted if n == 3 => Ok(()),
        End::Failed => Err(()),
        _ => pending().await,
    });
    let race = match end {
        End::Won | End::Failed => race,
        End::Late => race.timeout(secs(1)),
        End::Evicted => race.max_in_flight(1, WhenFull::EvictOldest),
        End::TimedOut => race.attempt_timeout(ms(100)),
    };
    let outcome = race.on_event(|_| seen.push(sample(around))).await;
    let is_so = match end {
        End::Won | End::Evicted => outcome.is_ok(),
        End::Failed | End::TimedOut => matches!(outcome, Err(RaceError::AllFailed(_))),
        End::Late => matches!(outcome, Err(RaceError::TimedOut(_))),
    };
    assert!(is_so, "{end:?}");
    seen
}

/// A cancellation from outside in the moment of the win: counted once, where it was addressed.
#[tokio::test(start_paused = true)]
async fn a_cancellation_in_the_moment_of_the_win_counts_once() {
    let (outer, handle) = scope(async |_| {
        let inner = scope(async |s| {
            let race = Race::new([1, 2], async |_, n| {
                sleep(ms(300 - 250 * (n - 1))).await;
                Ok::<_, ()>(n)
            });
            let won = race.await;
            assert_eq!(s.cancel_count(), 0);
            won
        });
        inner.await
    })
    .with_handle();
    let canceller = async {
        sleep(ms(300)).await;
        handle.cancel();
    };
    let (outcome, ()) = tokio::join!(outer, canceller);
    assert_eq!(outcome.unwrap().unwrap().unwrap(), 1, "a value wins (R3)");
    assert_eq!(handle.cancel_count(), 1);
}

/// A value, counted when it is made and when it is dropped.
struct Open(Rc<[Cell<usize>; 2]>);

impl Open {
    fn new(counts: &Rc<[Cell<usize>; 2]>) -> Self {
        counts[0].set(counts[0].get() + 1);
        Self(Rc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0[1].set(self.0[1].get() + 1);
    }
}

/// What may happen to a race of three, in any order.
const EVENTS: usize = 4;

/// I11, I17: three that succeed and a cancellation from outside, in every order, and with a poll after any
/// of them, or none. Every value that was made is either returned or dropped, and never two are returned.
#[test]
fn every_value_is_returned_or_dropped_whatever_comes_first() {
    let (mut returned, mut absorbed) = (0, 0);
    for order in orders() {
        for polls in 0..1 << EVENTS {
            let made = Rc::new([Cell::new(0), Cell::new(0)]);
            let is_returned = play(&order, polls, &made);
            let [opened, closed] = [made[0].get(), made[1].get()];
            assert_eq!(opened, closed, "{order:?} {polls:b}: the returned one is dropped by now");
            assert!(opened <= 3 && (opened > 0 || !is_returned), "{order:?} {polls:b}");
            *(if is_returned { &mut returned } else { &mut absorbed }) += 1;
        }
    }
    assert_eq!(returned + absorbed, 24 * 16);
    assert!(returned > 0 && absorbed > 0, "both outcomes were seen: {returned}, {absorbed}");
}

/// All orders of the events.
fn orders() -> Vec<[usize; EVENTS]> {
    let digits = |n: usize| [n / 64 % 4, n / 16 % 4, n / 4 % 4, n % 4];
    let is_order = |order: &[usize; EVENTS]| (0..EVENTS).all(|event| order.contains(&event));
    (0..256).map(digits).filter(is_order).collect()
}

/// Whether the race has given a value. Events below 3 let an attempt succeed, the last one cancels.
fn play(order: &[usize; EVENTS], polls: usize, made: &Rc<[Cell<usize>; 2]>) -> bool {
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let attempts = gates.clone().map(|gate| {
        let made = Rc::clone(made);
        async move {
            gate.wait().await;
            Ok::<_, ()>(Open::new(&made))
        }
    });
    let (outer, handle) = scope(async |_| race(attempts).await).with_handle();
    let mut outer = drive(outer);
    outer.pending();
    for (place, event) in order.iter().enumerate() {
        match gates.get(*event) {
            Some(gate) => gate.open(),
            None => handle.cancel(),
        }
        if polls & 1 << place != 0 {
            if let std::task::Poll::Ready(outcome) = outer.poll() {
                return in_hand(outcome, made);
            }
        }
    }
    let outcome = outer.output();
    in_hand(outcome, made)
}

/// Whether it is a value; then it is the only one that is open.
fn in_hand<C>(
    outcome: Result<Result<Open, RaceError<usize, ()>>, C>,
    made: &Rc<[Cell<usize>; 2]>,
) -> bool {
    let value = outcome.ok().map(|won| won.expect("an attempt wins or the race is cancelled"));
    let is_open = made[0].get() - made[1].get();
    assert_eq!(is_open, usize::from(value.is_some()), "all others are closed when it returns");
    value.is_some()
}

/// The first attempt shares the waker of its race, and is polled with it. The others are polled when they
/// were woken, and the race is woken once, however many were.
#[test]
fn attempts_are_polled_when_they_are_woken() {
    let (counts, gates) = ([(); 3].map(|()| Counts::new()), [(); 3].map(|()| Gate::new()));
    let attempts = [0, 1, 2].map(|n| {
        let gate = gates[n].clone();
        counts[n].of(async move {
            gate.wait().await;
            if n == 2 { Ok(n) } else { Err("refused") }
        })
    });
    let mut racing = drive(race(attempts));
    let polls = || counts.each_ref().map(Counts::polls);
    racing.pending();
    assert_eq!((polls(), racing.wakes()), ([1, 1, 1], 0));
    racing.pending();
    assert_eq!((polls(), racing.wakes()), ([2, 1, 1], 0), "nobody was woken");
    gates[1].open();
    assert_eq!((polls(), racing.wakes()), ([2, 1, 1], 1));
    racing.pending();
    assert_eq!((polls(), racing.wakes()), ([3, 2, 1], 0));
    gates[0].open();
    gates[2].open();
    assert_eq!(racing.wakes(), 4, "the first waited at its gate three times");
    assert_eq!(racing.ready().unwrap(), 2);
    assert_eq!((polls(), racing.wakes()), ([4, 2, 2], 0));
    assert_eq!(counts.each_ref().map(Counts::drops), [1, 1, 1]);
}

/// Two that are woken in one instant wake their race once.
#[test]
fn two_wakes_are_one_wake_of_the_race() {
    let (gate, counts) = (Gate::new(), Counts::new());
    let attempts: [Boxed; 3] = [
        Box::pin(pending()),
        Box::pin(counts.of(wait_and_fail(&gate))),
        Box::pin(counts.of(wait_and_fail(&gate))),
    ];
    let mut racing = drive(race(attempts));
    racing.pending();
    gate.open();
    assert_eq!(racing.wakes(), 1);
    racing.pending();
    assert_eq!((counts.both(), racing.wakes()), ((4, 2), 0));
}

fn wait_and_fail(gate: &Gate) -> impl Future<Output = Result<(), ()>> + use<> {
    let wait = gate.wait();
    async {
        wait.await;
        Err(())
    }
}

/// An attempt that wakes itself has its turn in the next poll, so that it does not keep the others from
/// theirs.
#[test]
fn an_attempt_that_wakes_itself_does_not_keep_its_race() {
    let counts = Counts::new();
    let busy = counts.of(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let attempts: [Boxed; 2] = [Box::pin(pending()), Box::pin(busy)];
    let mut racing = drive(race(attempts));
    for polls in 1..=5 {
        racing.pending();
        assert_eq!((counts.polls(), racing.wakes()), (polls, 1));
    }
}

/// So many candidates at once, and the last of them wins.
const MANY: usize = 10_000;

/// So many of them start in one poll of their race.
const STARTS: usize = 64;

/// Ten thousand at once: each is polled when it starts, and the one that is woken once more. The first is
/// polled with the race.
#[test]
fn ten_thousand_attempts_are_polled_once_each() {
    let (gate, first, others) = (Gate::new(), Counts::new(), Counts::new());
    let attempts = (0..MANY).map(|n| {
        let (gate, is_last) = (gate.clone(), n == MANY - 1);
        let counts = if n == 0 { &first } else { &others };
        counts.of(async move {
            if !is_last {
                pending::<()>().await;
            }
            gate.wait().await;
            Ok::<_, ()>(n)
        })
    });
    let mut racing = drive(race(attempts));
    let mut polls = 0;
    while {
        racing.pending();
        polls += 1;
        racing.wakes() > 0
    } {}
    assert_eq!(polls, MANY.div_ceil(STARTS));
    assert_eq!((first.polls(), others.polls()), (polls, MANY - 1));
    gate.open();
    assert_eq!(racing.wakes(), 1);
    assert_eq!(racing.ready().unwrap(), MANY - 1);
    assert_eq!((first.both(), others.both()), ((polls + 1, 1), (MANY, MANY - 1)));
}

/// Ten thousand that all fail, one after another: each is polled once.
#[test]
fn ten_thousand_failures_are_polled_once_each() {
    let counts = Counts::new();
    let attempts = (0..MANY).map(|n| counts.of(std::future::ready(Err::<(), _>(n))));
    let mut racing: common::Driven<Reported<_>> = drive(race(attempts).with_report());
    let Err(RaceError::AllFailed(report)) = racing.output() else { panic!("another outcome") };
    assert!(report.errors().copied().eq(0..MANY));
    assert_eq!(counts.both(), (MANY, MANY));
}

/// Losers are dropped in the order in which they started, and the winner's future before them.
#[tokio::test(start_paused = true)]
async fn losers_end_in_the_order_of_their_starts() {
    let line = Timeline::new();
    let ends = RefCell::new(Vec::new());
    let race = Race::new(["a", "b", "c", "d"], async |_, name| {
        let _mark = line.guard(name);
        if name == "c" { Ok(()) } else { pending::<Result<(), ()>>().await }
    });
    race.on_event(|event| ends.borrow_mut().push((*event.candidate, event.at.as_millis())))
        .await
        .unwrap();
    assert_eq!(line.take(), [("c", 500), ("a", 500), ("b", 500)]);
    let ends = ends.into_inner();
    assert_eq!(ends[3..], [("c", 500), ("a", 500), ("b", 500)]);
}
