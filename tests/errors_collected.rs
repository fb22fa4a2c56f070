//! `collect_errors`: all errors of a `try_scope`, in the order in which they came (R14, I22).
mod common;

use std::error::Error as _;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{boom, panic_of, secs};
use tokio::time::sleep;
use umbel::{Errors, Kind, scope, shield, try_scope};

/// An error that no cancellation can become, and that cannot be copied.
#[derive(Debug, PartialEq)]
struct Failure(&'static str);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

type Outcome<T = ()> = Result<T, Failure>;

fn texts(errors: &Errors<Failure>) -> Vec<&'static str> {
    errors.iter().map(|error| error.0).collect()
}

/// Fails after some time that no cancellation shortens.
async fn cleans_up(seconds: u64, what: &'static str) -> Outcome {
    let cleanup = async {
        sleep(secs(seconds)).await;
        Err(Failure(what))
    };
    shield(secs(99), cleanup).await.expect("within the limit")
}

/// R10, R16: errors that arise while all are being cancelled, in shields and in finalizers, are kept.
#[tokio::test(start_paused = true)]
async fn all_errors_in_the_order_in_which_they_came() {
    let (work, handle) = try_scope(async |s| -> Outcome {
        s.defer(secs(9), async { Err(Failure("finalizer")) });
        s.defer(secs(9), async { Ok(()) });
        s.spawn(cleans_up(4, "third"));
        s.fork(cleans_up(3, "second"));
        s.service(cleans_up(5, "fourth"));
        s.spawn(pending::<Outcome>());
        sleep(secs(1)).await;
        Err(Failure("first"))
    })
    .with_handle();
    let errors = work.collect_errors().await.unwrap_err();
    assert_eq!(texts(&errors), ["first", "second", "third", "fourth", "finalizer"]);
    assert_eq!((errors.len(), errors.is_empty(), handle.cancel_count()), (5, false, 5));
    assert_eq!(errors.first(), Some(&Failure("first")));
    assert!(errors.cancelled().is_none());
}

/// Errors in a clean-up after a cancellation that was none of theirs: they are what comes out.
#[tokio::test(start_paused = true)]
async fn errors_of_the_clean_up_after_a_cancellation_are_kept() {
    let (work, handle) = try_scope(async |s| -> Outcome {
        s.spawn(cleans_up(2, "child"));
        s.defer(secs(9), async { Err(Failure("finalizer")) });
        sleep(secs(1)).await;
        s.cancel();
        pending().await
    })
    .with_handle();
    let errors = work.collect_errors().await.unwrap_err();
    assert_eq!(texts(&errors), ["child", "finalizer"]);
    assert_eq!((handle.cancel_count(), handle.reason().unwrap().kind()), (3, Kind::Explicit));
}

/// R3: no error and not cancelled: the value.
#[tokio::test(start_paused = true)]
async fn without_an_error_the_value() {
    let work = try_scope(async |s| -> Outcome<u8> {
        let child = s.spawn(async { Ok(7) });
        child.await.map_err(|_| Failure("no value"))
    });
    assert_eq!(work.collect_errors().await.unwrap(), 7);
}

/// A cancellation is no error: the list is empty, and says why.
#[tokio::test(start_paused = true)]
async fn a_cancellation_without_an_error_is_an_empty_list() {
    let late = try_scope(async |s| -> Outcome {
        s.spawn(pending::<Outcome>());
        pending().await
    });
    let errors = late.timeout(secs(2)).collect_errors().await.unwrap_err();
    assert_eq!((errors.len(), errors.first(), errors.is_empty()), (0, None, true));
    assert_eq!(errors.cancelled().unwrap().reason().kind(), Kind::Deadline);
    assert!(errors.to_string().contains("the deadline passed"), "{errors}");
    assert!(errors.into_vec().is_empty());
}

/// R14: a panic beats them.
#[tokio::test(start_paused = true)]
async fn a_panic_beats_all_errors() {
    let work = try_scope(async |s| -> Outcome {
        s.fork(async { Err::<(), _>(Failure("child")) });
        boom("body")
    });
    assert_eq!(panic_of(work.collect_errors()).await, "body");
}

/// I1, I22: many errors at the same moment: each is there, and each counts one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_many_errors_is_there_once() {
    for round in 0..50 {
        let (gate, waiting) = (common::Gate::new(), Arc::new(AtomicUsize::new(0)));
        let (work, handle) = try_scope(async |s| -> Result<(), u32> {
            for n in 0..20 {
                let (gate, waiting) = (gate.clone(), Arc::clone(&waiting));
                s.spawn(async move {
                    let all = async {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        gate.wait().await;
                        tokio::task::yield_now().await;
                        Err::<(), _>(n)
                    };
                    shield(secs(99), all).await.expect("within the limit")
                });
            }
            while waiting.load(Ordering::SeqCst) < 20 {
                tokio::task::yield_now().await;
            }
            gate.open();
            pending().await
        })
        .with_handle();
        let mut errors = work.collect_errors().await.unwrap_err().into_vec();
        errors.sort_unstable();
        assert_eq!(errors, (0..20).collect::<Vec<_>>(), "round {round}");
        assert_eq!(handle.cancel_count(), 20);
    }
}

/// The list can be walked, shown, and passed on; shown it names all, and so has no source.
#[tokio::test(start_paused = true)]
async fn the_list_is_an_error_itself() {
    async fn passed_on(texts: &'static [&'static str]) -> anyhow::Result<()> {
        scope(async |_| {
            let work = try_scope(async |s| -> Outcome {
                for (seconds, text) in (1..).zip(texts) {
                    s.fork(cleans_up(seconds, text));
                }
                pending().await
            });
            work.collect_errors().await
        })
        .await??;
        Ok(())
    }
    let one = passed_on(&["alone"]).await.unwrap_err();
    assert_eq!(one.to_string(), "alone");
    let two = passed_on(&["one", "two"]).await.unwrap_err();
    assert_eq!(two.to_string(), "2 errors: one; two");
    let errors = two.downcast::<Errors<Failure>>().unwrap();
    assert!(errors.source().is_none());
    assert_eq!((&errors).into_iter().count(), 2);
    assert_eq!(errors.into_iter().next_back(), Some(Failure("two")));
}
