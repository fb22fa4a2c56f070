//! Shields: exact at both ends, whenever the cancel comes.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom_tests::{models, spawn};
use umbel::model::block_on;
use umbel::testing::{Explored, Model};

use crate::whole::yield_once;

/// I12, I13: a section that has begun ends, and the body goes no further than its next suspension.
fn cancel_against_shield(model: Model) -> Explored {
    model.floor(100).check(&[0, 3], || {
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let (work, handle) = umbel::scope(async move |_| {
            umbel::shield_unbounded(async {
                count.fetch_add(1, Ordering::SeqCst);
                yield_once().await;
                count.fetch_add(1, Ordering::SeqCst);
            })
            .await;
            count.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await;
            count.fetch_add(1, Ordering::SeqCst);
        })
        .with_handle();
        let canceller = spawn(move || handle.cancel());
        assert!(block_on(work).is_err());
        canceller.join().unwrap();
        steps.load(Ordering::SeqCst)
    })
}

/// I12 across tasks: a child whose scope was opened in the section is not reached by a cancel outside.
fn cancel_against_a_child_in_a_shield_bounded(model: Model) -> Explored {
    model.floor(100).bounded(2).check(&[None, Some(7)], || {
        let got = Arc::new(std::sync::Mutex::new(None));
        let slot = Arc::clone(&got);
        let (work, handle) = umbel::scope(async move |_| {
            let child = umbel::shield_unbounded(umbel::scope(async |s| s.spawn(async { 7 }).await));
            *slot.lock().unwrap() = Some(child.await.unwrap().unwrap());
            pending::<()>().await;
        })
        .with_handle();
        let canceller = spawn(move || handle.cancel());
        assert!(block_on(work).is_err());
        canceller.join().unwrap();
        got.lock().unwrap().take()
    })
}

/// I12, I18: a shield in a child keeps the child, and the scope that was cancelled waits for it.
fn cancel_against_a_shield_in_a_child_bounded(model: Model) -> Explored {
    model.floor(100).bounded(3).check(&[0, 2], || {
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let outcome = block_on(umbel::scope(async move |s| {
            s.spawn(async move {
                umbel::shield_unbounded(async {
                    count.fetch_add(1, Ordering::SeqCst);
                    yield_once().await;
                    count.fetch_add(1, Ordering::SeqCst);
                })
                .await;
                pending::<()>().await;
            });
            s.cancel();
            pending::<()>().await;
        }));
        assert!(outcome.is_err());
        steps.load(Ordering::SeqCst)
    })
}

models! { shields:
    cancel_against_shield,
    cancel_against_a_child_in_a_shield_bounded,
    cancel_against_a_shield_in_a_child_bounded,
}
