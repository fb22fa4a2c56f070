//! Collecting what many children give: scenarios of AnyIO's gathering functions, Java's joiners and Eio's
//! lists that `results.rs` and `bounded.rs` do not have (R12, R14).
mod common;

use common::{Counts, secs, settle};
use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};
use umbel::{Cancelled, Child, Kind, TryScope, scope, timeout, try_scope};

#[derive(Debug, PartialEq)]
enum Failure {
    Of(u64),
    Cancelled,
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// Takes `seconds`, and fails if they are `bad`.
async fn takes(seconds: u64, bad: Option<u64>) -> Result<u64, Failure> {
    sleep(secs(seconds)).await;
    if bad == Some(seconds) { Err(Failure::Of(seconds)) } else { Ok(seconds) }
}

/// R14, as in AnyIO's `TestCreateTask::test_wait`: whoever only wants to know that a child has ended waits on
/// its handle, as often as he likes. The value is still to be had, and a failure raises nothing.
#[tokio::test(start_paused = true)]
async fn waiting_for_an_end_takes_nothing() {
    scope(async |s| {
        let child = s.spawn(takes(2, Some(2)));
        let (start, end) = (Instant::now(), child.handle().unwrap());
        assert!(end.cancelled().await.is_none());
        assert!(end.cancelled().await.is_none());
        assert_eq!((start.elapsed(), child.is_finished()), (secs(2), true));
        assert_eq!(child.await.unwrap(), Err(Failure::Of(2)));
    })
    .await
    .unwrap();
}

/// R14, as in AnyIO's `test_map_results_ordering`, `_empty` and `_propagates`: results in the order of the
/// inputs, none of none, and one error that cancels the rest.
#[tokio::test(start_paused = true)]
async fn a_parallel_map_is_a_list_of_children() {
    let map = async |inputs: &[u64], bad| {
        try_scope(async |s| {
            let children: Vec<Child<u64>> =
                inputs.iter().map(|&input| s.spawn(takes(input, bad))).collect();
            Ok::<_, Failure>(try_join_all(children).await?)
        })
        .await
    };
    let start = Instant::now();
    assert_eq!(map(&[3, 1, 2], None).await, Ok(vec![3, 1, 2]));
    assert_eq!(map(&[], None).await, Ok(vec![]));
    assert_eq!(start.elapsed(), secs(3));
    assert_eq!(map(&[3, 1, 2], Some(1)).await, Err(Failure::Of(1)));
    assert_eq!(start.elapsed(), secs(4));
}

/// R14, as Java's `awaitAll`: in a plain scope an error cancels nobody, and all are heard.
#[tokio::test(start_paused = true)]
async fn a_plain_scope_waits_for_all_whatever_they_say() {
    let outcomes = scope(async |s| {
        let children: Vec<_> = (1..=3).map(|n| s.spawn(takes(n, Some(1)))).collect();
        join_all(children).await
    });
    let outcomes: Vec<_> = outcomes.await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [Err(Failure::Of(1)), Ok(2), Ok(3)]);
}

/// R1, as Java's `allUntil`: whoever has heard of two failures cancels the rest. Every child's outcome is
/// there, of those that did not get to their ends too.
#[tokio::test(start_paused = true)]
async fn a_condition_on_the_results_cancels_the_rest() {
    let start = Instant::now();
    let outcome = scope(async |s| {
        let children: Vec<_> = (0..6)
            .map(|n| {
                s.spawn(async move {
                    sleep(secs(n)).await;
                    if n % 2 == 0 { Err(n) } else { Ok(n) }
                })
            })
            .collect();
        let (mut failures, mut outcomes) = (0, Vec::new());
        for mut child in children {
            if failures == 2 {
                child.cancel();
            }
            let outcome = (&mut child).await;
            failures += usize::from(matches!(outcome, Ok(Err(_))));
            outcomes.push(outcome);
        }
        outcomes
    });
    let mut outcomes = outcome.await.unwrap();
    assert_eq!(start.elapsed(), secs(2));
    for cancelled in outcomes.split_off(3) {
        assert_eq!(cancelled.unwrap_err().reason().kind(), Kind::Explicit);
    }
    let heard: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(heard, [Err(0), Ok(1), Err(2)]);
}

/// R20, as Java's `onTimeout`: a limit around the loop and not around the scope leaves what was heard.
#[tokio::test(start_paused = true)]
async fn a_limit_leaves_the_results_that_there_are() {
    let (start, mut partial) = (Instant::now(), Vec::new());
    scope(async |s| {
        let mut results = s.results();
        for n in [1, 2, 30] {
            results.spawn(takes(n, None));
        }
        let late = timeout(secs(5), async {
            while let Some(result) = results.next().await {
                partial.push(result.unwrap());
            }
        });
        assert!(late.await.is_err());
        assert_eq!(results.len(), 1);
        s.cancel();
    })
    .await
    .unwrap();
    assert_eq!((partial, start.elapsed()), (vec![Ok(1), Ok(2)], secs(5)));
}

/// R6, as in Eio's "failure while queued": one place, and the child that has it fails. Those in the queue are
/// never polled.
#[tokio::test(start_paused = true)]
async fn what_is_queued_never_starts_after_a_failure() {
    let (queued, start) = (Counts::new(), Instant::now());
    let outcome = try_scope(async |s: TryScope<'_, Failure>| {
        s.spawn(takes(1, Some(1)));
        for _ in 0..3 {
            s.spawn(queued.of(takes(1, None)));
        }
        settle().await;
        Ok(())
    })
    .max_children(1)
    .await;
    assert_eq!((outcome, start.elapsed()), (Err(Failure::Of(1)), secs(1)));
    assert_eq!(queued.both(), (0, 3));
}
