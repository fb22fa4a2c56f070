//! Time: a day passes on a thread of its own, and whatever is due by then is due.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom_tests::{models, spawn};
use umbel::model::{block_on, pass_a_day};
use umbel::testing::{Explored, Model};
use umbel::{CancelScope, Kind, TimeoutError};

use crate::whole::yield_once;

const HOUR: Duration = Duration::from_secs(3_600);

/// I11, I25, I26: the time is up while the body is about to return. It gives its value, whether or not the
/// deadline still counts before the end; or `Elapsed`.
fn elapsed_against_completion(model: Model) -> Explored {
    model.floor(20).check(&[(None, 1), (Some(7), 0), (Some(7), 1)], || {
        let (outcome, handle) = block_on(timed(async {
            yield_once().await;
            7
        }));
        assert!(matches!(outcome, Ok(_) | Err(TimeoutError::Elapsed(_))));
        (outcome.ok(), handle.cancel_count())
    })
}

/// I23, I26: a limit passes while the scope is cancelled by hand. It says `Elapsed` exactly when the
/// deadline was the first cause; both may count in either order.
fn elapsed_against_a_request_bounded(model: Model) -> Explored {
    model.floor(50).bounded(3).check(&[("cancelled", 1), ("cancelled", 2), ("elapsed", 2)], || {
        let canceller = Arc::new(Mutex::new(None));
        let out = Arc::clone(&canceller);
        let (outcome, handle) = block_on(timed(async move {
            let scope = CancelScope::current().unwrap();
            *out.lock().unwrap() = Some(spawn(move || scope.cancel()));
            pending::<()>().await;
        }));
        let canceller = canceller.lock().unwrap().take();
        canceller.unwrap().join().unwrap();
        let first = handle.reason().unwrap().kind();
        let said = match outcome.unwrap_err() {
            TimeoutError::Elapsed(_) => {
                assert_eq!(first, Kind::Deadline);
                "elapsed"
            }
            _ => {
                assert_eq!(first, Kind::Explicit);
                "cancelled"
            }
        };
        (said, handle.cancel_count())
    })
}

/// I7, I26: a limit passes while the scope around is cancelled. It says `Elapsed`, or it is dropped
/// from above and says nothing.
fn elapsed_against_an_outer_request_bounded(model: Model) -> Explored {
    model.floor(50).bounded(3).check(&["elapsed", "nothing"], || {
        let (mut told, mut threads) = (None, Vec::new());
        let outcome = block_on(umbel::scope(async |s| {
            let scope = s.handle();
            threads.push(spawn(move || scope.cancel()));
            let inner = umbel::timeout(HOUR, async {
                threads.push(spawn(pass_a_day));
                pending::<()>().await;
            });
            told = Some(inner.await);
            pending::<()>().await;
        }));
        assert!(outcome.is_err());
        for thread in threads {
            thread.join().unwrap();
        }
        match told {
            Some(inner) => {
                assert!(matches!(inner, Err(TimeoutError::Elapsed(_))));
                "elapsed"
            }
            None => "nothing",
        }
    })
}

/// `timeout`, with the time up after its first poll begins; and a handle of its scope.
async fn timed<T>(work: impl Future<Output = T>) -> (Result<T, TimeoutError>, CancelScope) {
    let (mut handle, mut clock) = (None, None);
    let outcome = umbel::timeout(HOUR, async {
        handle = CancelScope::current();
        clock = Some(spawn(pass_a_day));
        work.await
    })
    .await;
    clock.unwrap().join().unwrap();
    (outcome, handle.unwrap())
}

/// I23, R17: a scope was asked to stop, and asks to be woken; the grace ends while it is about to return.
/// Either it was done, and the request counts if the end of the grace came before its own; or it is cut.
fn the_end_of_a_grace_against_completion(model: Model) -> Explored {
    model.floor(20).check(&[("cut", 1), ("done", 0), ("done", 1)], || {
        let (work, handle) = umbel::scope(async |s| {
            drop(s.stop(HOUR));
            yield_once().await;
            yield_once().await;
        })
        .with_handle();
        let clock = spawn(pass_a_day);
        let outcome = block_on(work);
        clock.join().unwrap();
        let reason = handle.reason();
        assert!(reason.is_none_or(|reason| reason.kind() == Kind::Stopped));
        (if outcome.is_ok() { "done" } else { "cut" }, handle.cancel_count())
    })
}

/// R20, I25, as in a model of a user's: a limit passes at any moment, be it when all is over.
fn a_limit_passes_by_itself(model: Model) -> Explored {
    model.floor(20).deadlines_pass().check(&["elapsed", "in time"], || {
        let limited = umbel::timeout(Duration::from_secs(3), async {
            umbel::scope(async |_| yield_once().await).await
        });
        if block_on(limited).is_ok() { "in time" } else { "elapsed" }
    })
}

models! { time:
    a_limit_passes_by_itself,
    elapsed_against_completion,
    elapsed_against_a_request_bounded,
    elapsed_against_an_outer_request_bounded,
    the_end_of_a_grace_against_completion,
}
