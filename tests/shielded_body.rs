//! A cancelled scope whose body is in a shield: the forks beside the body are dropped, and not left
//! where they stand (R10, I14).
mod common;

use std::future::pending;

use common::{Counts, Gate, drive, secs, settle};
use tokio::sync::Mutex;
use umbel::{Scope, scope, shield};

/// I14: a fork holds the lock that the body's shielded clean-up needs. It is dropped, and the clean-up
/// gets the lock.
#[tokio::test(start_paused = true)]
async fn a_fork_does_not_keep_what_the_shielded_body_needs() {
    for cancelled_within in [false, true] {
        let lock = Mutex::new(());
        let (work, handle) = scope(async |s| {
            s.fork(async {
                let _guard = lock.lock().await;
                pending::<()>().await;
            });
            settle().await;
            if cancelled_within {
                s.cancel();
            }
            shield(secs(60), lock.lock()).await.is_ok()
        })
        .with_handle();
        let cancel = async {
            settle().await;
            settle().await;
            handle.cancel();
        };
        let outcome = futures_util::future::join(work, cancel).await.0;
        assert!(outcome.unwrap(), "cancelled within: {cancelled_within}");
    }
}

/// I6, I16: of the forks, who has no shield is dropped in the next poll, unpolled; who has one goes on;
/// and whatever is woken later, nobody is dropped twice.
#[tokio::test(start_paused = true)]
async fn forks_with_a_shield_go_on_beside_a_shielded_body() {
    let (bare, shielded, body) = (Counts::new(), Counts::new(), Gate::new());
    let fork = Gate::new();
    let (in_fork, in_body) = (fork.clone(), body.clone());
    let (work, handle) = scope(async |s: Scope<'_>| {
        s.fork(bare.pending());
        s.fork(shielded.of(async move {
            shield(secs(60), in_fork.wait()).await.unwrap();
            pending::<()>().await;
        }));
        shield(secs(60), in_body.wait()).await.unwrap();
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    work.pending();
    assert_eq!((bare.both(), shielded.both()), ((1, 0), (1, 0)));
    handle.cancel();
    work.pending();
    assert_eq!((bare.both(), shielded.drops()), ((1, 1), 0));
    body.open();
    work.pending();
    assert_eq!(shielded.drops(), 0);
    fork.open();
    assert!(work.ready().is_err());
    assert_eq!((bare.both(), shielded.drops()), ((1, 1), 1));
}
