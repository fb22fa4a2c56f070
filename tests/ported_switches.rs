//! Eio's fibers that race, join and are forked elsewhere, and the staggered connection attempts of Trio,
//! with what `race` covers (R1, R12, R14). A connector after RFC 8305 is not there yet.
mod common;

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;

use common::{Counts, Gate, Log, boom, drive, panic_of, secs};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use umbel::{
    AttemptOutcome, Race, RaceError, Scope, TimeoutError, checkpoint, race, scope,
    shield_unbounded, task, timeout,
};

type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<T, &'static str>> + Send + 'a>>;

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            boom("dropped");
        }
    }
}

/// R14, as in Eio's `Fiber.first`: the first finishes, the second does, both do; one fails, both fail; one
/// panics. An error alone ends no race.
#[tokio::test(start_paused = true)]
async fn the_cases_of_a_race_between_two() {
    let run = async |seconds, outcome: Result<&'static str, &'static str>| {
        sleep(secs(seconds)).await;
        outcome
    };
    let first = race([run(1, Ok("a")), run(2, Ok("b"))]).await;
    assert_eq!(first.unwrap(), "a");
    let second = race([run(2, Ok("a")), run(1, Ok("b"))]).await;
    assert_eq!(second.unwrap(), "b");
    let both = race([run(1, Ok("a")), run(1, Ok("b"))]).await;
    assert!(["a", "b"].contains(&both.unwrap()));
    let one_fails = race([run(1, Err("a")), run(2, Ok("b"))]).await;
    assert_eq!(one_fails.unwrap(), "b");
    let RaceError::AllFailed(report) =
        race([run(2, Err("a")), run(1, Err("b"))]).await.unwrap_err()
    else {
        panic!("another outcome")
    };
    assert_eq!(report.errors().copied().collect::<Vec<_>>(), ["a", "b"]);

    // A panic comes out if it comes before there is a winner, or in the end of a loser. What has not
    // panicked by the time that another has won is cancelled, and panics no more.
    let crash = |seconds, early: bool| -> Attempt<'_, &str> {
        Box::pin(async move {
            let _bomb = (!early).then(|| Bomb);
            sleep(secs(seconds)).await;
            boom("crashed")
        })
    };
    let winner = || -> Attempt<'_, &str> { Box::pin(run(2, Ok("a"))) };
    assert_eq!(panic_of(race([winner(), crash(1, true)])).await, "crashed");
    assert_eq!(panic_of(race([winner(), crash(3, false)])).await, "dropped");
    assert_eq!(race([winner(), crash(3, true)]).await.unwrap(), "a");
}

/// I21, as in Eio's races over queues: what a branch did not take is still in its queue. Once one has won
/// the other is not polled, so nothing is taken and then thrown away.
#[test]
fn a_race_over_two_queues_loses_no_item() {
    let ((to_a, mut a), (to_b, mut b)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    for items_before in [true, false] {
        let branch = async |queue: &mut mpsc::UnboundedReceiver<char>| queue.recv().await.ok_or(());
        let mut racing = drive(race([branch(&mut a), branch(&mut b)]));
        if !items_before {
            racing.pending();
        }
        to_a.send('a').unwrap();
        to_b.send('b').unwrap();
        let winner = racing.output().unwrap();
        drop(racing);
        let left: Vec<_> = [a.try_recv(), b.try_recv()].into_iter().flatten().collect();
        let expected = if winner == 'a' { ['b'] } else { ['a'] };
        assert_eq!(left, expected);
    }
}

/// R12, as in Eio's `Fiber.pair`, `all`, `any` and `n_any`: both values, all run, the first one, and all
/// that had ended when the first one did.
#[tokio::test(start_paused = true)]
async fn pairs_all_any_and_those_that_had_ended() {
    let text = String::from("ab");
    let pair = scope(async |s| {
        let (left, right) = (s.fork(async { &text[..1] }), s.fork(async { &text[1..] }));
        [left.await.unwrap(), right.await.unwrap()].concat()
    });
    assert_eq!(pair.await.unwrap(), "ab");

    let run = Counts::new();
    let all = scope(async |s| (0..5).for_each(|_| drop(s.fork(run.of(checkpoint())))));
    all.await.unwrap();
    assert_eq!(run.drops(), 5);

    let any = race((0..3).map(|n| std::future::ready(Ok::<_, ()>(n))));
    assert_eq!(any.await.unwrap(), 0);

    let ended = RefCell::new(Vec::new());
    let any = race([0, 2, 1, 3].map(|n| {
        let ended = &ended;
        async move {
            if n == 1 {
                return pending().await;
            }
            shield_unbounded(checkpoint()).await;
            ended.borrow_mut().push(n);
            Ok::<_, ()>(n)
        }
    }));
    let winner = any.await.unwrap();
    let mut ended = ended.into_inner();
    assert_eq!(ended[0], winner);
    ended.sort_unstable();
    assert_eq!(ended, [0, 2, 3], "a section that was begun is ended");
}

/// R10, as in Eio's `fork_promise` inherits from its switch: started from inside a section into a scope
/// outside of it, a child is cancelled with that scope. The section it was started from goes on.
#[tokio::test(start_paused = true)]
async fn a_child_started_from_a_section_is_not_in_it() {
    let log = Log::new();
    let outcome = scope(async |s: Scope<'_>| {
        let own = s.clone();
        shield_unbounded(async {
            let guard = log.guard("child");
            let child = own.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            checkpoint().await;
            own.cancel();
            assert!(child.await.is_err());
            log.add("the section");
        })
        .await;
        checkpoint().await;
        log.add("never");
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["child", "the section"]);
}

/// What an attempt takes, and whether it succeeds.
#[derive(Clone, Copy, Debug)]
struct Takes(u64, Result<(), &'static str>);

/// When each attempt began, in milliseconds, and a guard for its socket.
struct Attempts {
    begun: RefCell<Vec<u128>>,
    sockets: Log,
}

impl Attempts {
    fn new() -> Self {
        Self { begun: RefCell::default(), sockets: Log::new() }
    }

    /// Attempts that start `delay` milliseconds after one another.
    async fn run(
        &self,
        delay: u64,
        all: &[Takes],
    ) -> Result<(usize, u128), RaceError<Takes, &'static str>> {
        let start = Instant::now();
        let attempts = Race::new(all.iter().copied(), async |attempt, Takes(millis, outcome)| {
            self.begun.borrow_mut().push(start.elapsed().as_millis());
            let socket = self.sockets.guard("closed");
            sleep(std::time::Duration::from_millis(millis)).await;
            outcome.map(|()| (attempt.number(), socket))
        });
        let (winner, socket) = attempts.delay(std::time::Duration::from_millis(delay)).await?;
        assert_eq!(
            self.sockets.all().len() + 1,
            self.begun.borrow().len(),
            "the losers are closed"
        );
        drop(socket);
        Ok((winner, start.elapsed().as_millis()))
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.begun.borrow())
    }
}

/// R12, as in Trio's `test_basic_fallthrough` and `test_custom_delay`: exact times of the winner and of
/// all starts.
#[tokio::test(start_paused = true)]
async fn staggered_attempts_start_and_win_on_time() {
    let slow = Takes(1000, Ok(()));
    let attempts = Attempts::new();
    let won = attempts.run(250, &[slow, slow, Takes(200, Ok(()))]).await.unwrap();
    assert_eq!((won, format!("{attempts:?}")), ((2, 700), "[0, 250, 500]".into()));
    let attempts = Attempts::new();
    let won = attempts.run(450, &[slow, slow, slow]).await.unwrap();
    assert_eq!((won, format!("{attempts:?}")), ((0, 1000), "[0, 450, 900]".into()));
}

/// R14, as in Trio's `test_custom_errors_expedite`: the failure of the newest attempt starts the next.
#[tokio::test(start_paused = true)]
async fn a_failure_starts_the_next_attempt() {
    let attempts = Attempts::new();
    let plan = [
        Takes(100, Err("refused")),
        Takes(200, Err("reset")),
        Takes(10_000, Ok(())),
        Takes(250, Ok(())),
    ];
    let won = attempts.run(250, &plan).await.unwrap();
    assert_eq!((won, format!("{attempts:?}")), ((3, 800), "[0, 100, 300, 550]".into()));
}

/// R14, as in Trio's `test_one_host_*`: one address, quick or slow, succeeds, fails, or crashes when the
/// connection stands. The socket is closed in each case.
#[tokio::test(start_paused = true)]
async fn one_address_decides_alone() {
    for millis in [10, 100_000] {
        let attempts = Attempts::new();
        let won = attempts.run(250, &[Takes(millis, Ok(()))]).await.unwrap();
        assert_eq!(won, (0, u128::from(millis)));
        let failed = attempts.run(250, &[Takes(millis, Err("refused"))]).await.unwrap_err();
        let report = failed.into_report().unwrap();
        assert!(matches!(report.attempts[0].outcome, AttemptOutcome::Failed("refused")));
        assert_eq!(attempts.sockets.count("closed"), 2);
    }
    let log = Log::new();
    let crashing = race([async {
        let _socket = log.guard("closed");
        checkpoint().await;
        if true {
            boom("after the connection stood");
        }
        Ok::<(), ()>(())
    }]);
    assert_eq!(panic_of(crashing).await, "after the connection stood");
    assert_eq!(log.all(), ["closed"]);
}

/// R20, R1, as in Trio's `test_cancel` for connections: the limit around the race absorbs at its
/// very time, each socket is closed, and whoever ran the race was charged nothing.
#[tokio::test(start_paused = true)]
async fn a_limit_over_attempts_closes_every_socket() {
    scope(async |s| {
        let caller = s.spawn(async {
            let (start, sockets) = (Instant::now(), Log::new());
            let attempts = (0..4).map(async |_| {
                let _socket = sockets.guard("closed");
                sleep(secs(10)).await;
                Ok::<_, ()>(())
            });
            let late = timeout(secs(5), race(attempts)).await;
            assert!(matches!(late, Err(TimeoutError::Elapsed(_))));
            assert_eq!((start.elapsed(), sockets.all()), (secs(5), vec!["closed"; 4]));
            checkpoint().await;
            (task::current().cancel_count(), task::current().is_cancelled())
        });
        assert_eq!(caller.await.unwrap(), (0, false));
    })
    .await
    .unwrap();
}

/// R3, as in Trio's `test_multi_success`: many succeed in the same instant. One value comes out, and the
/// sockets of all others are closed by then.
#[tokio::test(start_paused = true)]
async fn of_many_that_succeed_at_once_one_stays_open() {
    let (sockets, gate) = (Log::new(), Gate::new());
    let racing = race((0..10).map(|_| {
        let socket = sockets.guard("closed");
        let wait = gate.wait();
        async move {
            wait.await;
            Ok::<_, ()>(socket)
        }
    }));
    let (winner, ()) = tokio::join!(racing, async { gate.open() });
    assert_eq!(sockets.all().len(), 9);
    drop(winner.unwrap());
    assert_eq!(sockets.all().len(), 10);
}
