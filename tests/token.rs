//! Scopes and `CancellationToken`: a token that follows a scope, and a scope that follows a token.
#![cfg(feature = "cancellation-token")]
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use common::{Log, drive, runtime, secs, settle, with_waker};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use umbel::{CancelScope, Kind, Scope, drain, orphans, scope, shield_unbounded};

const CUT: Option<&str> = Some("its cancellation token was cancelled");

fn message(cancelled: &umbel::Cancelled) -> Option<&str> {
    cancelled.reason().message()
}

// From a scope to a token.

/// R7: when `cancel` has returned, the token is cancelled, with no turn of anybody in between. No
/// runtime is needed.
#[test]
fn a_token_is_cancelled_within_the_call() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let early = handle.token();
    let mut work = drive(work);
    work.pending();
    let late = handle.token();
    assert!(!early.is_cancelled() && !late.is_cancelled());
    handle.cancel();
    assert!(early.is_cancelled() && late.is_cancelled());
    assert!(handle.token().is_cancelled(), "cancelled from the start");
    assert!(work.ready().is_err());
}

/// Whatever the cause: from above, by a deadline, by a drop, by a panic of a child.
#[tokio::test(start_paused = true)]
async fn every_cause_reaches_the_token() {
    let inherited = scope(async |outer| {
        let _ = scope(async |inner| {
            let token = inner.token();
            outer.cancel();
            assert!(token.is_cancelled());
            pending::<()>().await;
        })
        .await;
    });
    assert!(inherited.await.is_err());

    let mut token = None;
    let late = scope(async |s| {
        token = Some(s.token());
        sleep(secs(2)).await;
    });
    assert!(late.timeout(secs(1)).await.is_err());
    assert!(token.unwrap().is_cancelled(), "by its deadline");

    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let token = handle.token();
    let mut work = drive(work);
    work.pending();
    drop(work);
    assert!(token.is_cancelled(), "by being dropped");

    let (work, handle) = scope(async |s| {
        s.spawn(async { common::boom("child") });
        pending::<()>().await;
    })
    .with_handle();
    let token = handle.token();
    assert!(common::catch(work).await.is_err());
    assert!(token.is_cancelled(), "by the panic of a child");
}

/// R10: what is cancelled above a shield has not reached what is in it.
#[tokio::test]
async fn a_token_of_a_shielded_scope_is_not_cancelled_from_above() {
    scope(async |s| {
        let outside = s.token();
        s.cancel();
        assert!(outside.is_cancelled());
        shield_unbounded(async {
            let inside = scope(async |inner| inner.token().is_cancelled()).await;
            assert!(!inside.unwrap());
        })
        .await;
    })
    .await
    .unwrap();
}

/// A scope that ends uncancelled leaves its tokens as they are; a token asked for afterwards says what
/// the handle says (R24).
#[tokio::test]
async fn a_scope_that_ends_cancels_no_token() {
    let (work, handle) = scope(async |_| yield_now().await).with_handle();
    let token = handle.token();
    work.await.unwrap();
    assert!(handle.is_finished() && !token.is_cancelled());
    assert!(!handle.token().is_cancelled());
    handle.cancel();
    assert!(handle.token().is_cancelled(), "a handle goes on counting requests");
    assert!(!token.is_cancelled(), "but nobody is told any more");
}

/// One direction: a token is its holder's, and cancels neither the scope nor other tokens.
#[tokio::test]
async fn cancelling_the_token_cancels_nothing_else() {
    scope(async |s| {
        let (mine, other) = (s.token(), s.token());
        mine.cancel();
        settle().await;
        assert!(!s.is_cancelled() && !other.is_cancelled());
        assert_eq!(s.cancel_count(), 0);
        assert!(!s.token().is_cancelled());
    })
    .await
    .unwrap();
}

/// Whoever awaits the token is woken, on whichever thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_awaits_the_token_is_woken() {
    for _ in 0..50 {
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.token().cancelled().await })
            })
            .collect();
        let canceller = std::thread::spawn(move || {
            handle.cancel();
            assert!(handle.token().is_cancelled());
        });
        assert!(work.await.is_err());
        canceller.join().unwrap();
        for waiting in waiting {
            waiting.await.unwrap();
        }
    }
}

/// R25: whoever is woken by the token may use the library, and ask for tokens.
#[test]
fn whoever_is_woken_by_the_token_may_use_the_library() {
    struct Asks(CancelScope, Log);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            assert!(self.0.token().is_cancelled() && self.0.reason().is_some());
            self.0.cancel();
            self.1.add("woken");
        }
    }
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let mut work = drive(work);
    work.pending();
    let (log, token) = (Log::new(), handle.token());
    let waker = Waker::from(Arc::new(Asks(handle.clone(), log.clone())));
    let mut waiting = Box::pin(token.cancelled());
    assert!(with_waker(waiting.as_mut(), &waker).is_pending());
    handle.cancel();
    assert_eq!(log.all(), ["woken"]);
    assert!(work.ready().is_err());
}

// From a token to a scope.

/// The scope is cancelled with one request, that says why and where the link was made.
#[tokio::test]
async fn a_scope_follows_a_token() {
    let token = CancellationToken::new();
    let (work, handle) = scope(async |s| {
        s.link(&token);
        yield_now().await;
        assert!(!s.is_cancelled());
        token.cancel();
        pending::<()>().await;
    })
    .with_handle();
    let cancelled = work.await.unwrap_err();
    assert_eq!((cancelled.reason().kind(), message(&cancelled)), (Kind::Explicit, CUT));
    assert_eq!(cancelled.reason().location().file(), file!());
    assert_eq!(handle.cancel_count(), 1);
}

/// A token that is cancelled already cancels at once: before the first poll the body never starts (R6).
#[tokio::test]
async fn a_cancelled_token_cancels_at_once() {
    let token = CancellationToken::new();
    token.cancel();
    let (work, handle) = scope(async |_| unreachable!("cancelled before it began")).with_handle();
    handle.link(&token);
    assert!(handle.is_cancelled());
    let outcome: Result<(), _> = work.await;
    assert_eq!(message(&outcome.unwrap_err()), CUT);
}

/// Linked before the first poll: what waits for the token runs where the link was made.
#[tokio::test]
async fn a_scope_can_be_linked_before_its_first_poll() {
    for polled in [false, true] {
        let token = CancellationToken::new();
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        handle.link(&token);
        let mut work = drive(async { scope(async |_| work.await).await.unwrap() });
        if polled {
            work.pending();
            settle().await;
        }
        token.cancel();
        settle().await;
        assert!(handle.is_cancelled());
        let outcome = work.future().await;
        assert_eq!(message(&outcome.unwrap_err()), CUT);
    }
}

/// One that is never polled leaves its service to `drain`, like any child (R18).
#[test]
fn a_linked_scope_may_be_dropped_unpolled() {
    runtime().block_on(async {
        let token = CancellationToken::new();
        let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
        handle.link(&token);
        drop(work);
        drain().await;
        assert!(handle.is_finished());
        assert_eq!(orphans(), 0);
    });
}

/// R15: the link ends with the scope. It keeps neither the scope from ending nor the token from being
/// used, and a request that comes too late is none.
#[tokio::test]
async fn a_link_ends_with_the_scope() {
    let token = CancellationToken::new();
    let handle = scope(async |s: Scope<'static>| {
        s.link(&token);
        s.spawn(settle());
        s.handle()
    })
    .await
    .unwrap();
    assert!(handle.is_finished());
    token.cancel();
    settle().await;
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
    handle.link(&CancellationToken::new());
    assert!(!handle.is_cancelled(), "nothing is linked to a scope that has ended");
    handle.link(&token);
    assert_eq!(handle.cancel_count(), 1, "a request is counted, as from any handle");
}

/// A linked scope that is waiting for its children is still cancelled; its value stands (R3).
#[tokio::test]
async fn a_scope_that_waits_for_children_follows_its_token() {
    let token = CancellationToken::new();
    let (work, handle) = scope(async |s: Scope<'static>| {
        s.link(&token);
        s.spawn(pending::<()>());
        7
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    token.cancel();
    assert_eq!(work.future().await.unwrap(), 7);
    assert!(handle.is_cancelled());
}

/// R17: with a grace the request is a soft one first.
#[tokio::test(start_paused = true)]
async fn a_link_respects_the_grace() {
    let start = Instant::now();
    let token = CancellationToken::new();
    let served = scope(async |s| {
        s.link(&token);
        token.cancel();
        umbel::stopping().await;
        assert!(!s.is_cancelled());
        "done"
    })
    .grace(secs(5))
    .await;
    assert_eq!(served.unwrap(), "done");

    let token = CancellationToken::new();
    let cut = scope(async |s| {
        s.link(&token);
        token.cancel();
        pending::<()>().await;
    })
    .grace(secs(5))
    .await;
    assert_eq!(message(&cut.unwrap_err()), CUT);
    assert_eq!(start.elapsed(), secs(5));
}

/// R13: nobody can wait for the token without a runtime, and that was asked for.
#[test]
fn without_a_runtime_a_link_is_a_child_that_cannot_be_spawned() {
    let token = CancellationToken::new();
    let mut work = drive(scope(async |s| {
        s.link(&token);
        pending::<()>().await;
    }));
    assert_eq!(work.ready().unwrap_err().reason().kind(), Kind::Shutdown);

    let (work, handle) = scope(async |_| ()).with_handle();
    handle.link(&token);
    assert_eq!(drive(work).ready().unwrap_err().reason().kind(), Kind::Shutdown);

    token.cancel();
    let mut work = drive(scope(async |s| {
        s.link(&token);
        pending::<()>().await;
    }));
    assert_eq!(message(&work.ready().unwrap_err()), CUT, "nobody need wait for this one");
}

/// Several tokens, and one token for several scopes.
#[tokio::test]
async fn many_links() {
    let tokens: [CancellationToken; 3] = Default::default();
    scope(async |_| {
        let followed = scope(async |s| {
            for token in &tokens {
                s.link(token);
            }
            yield_now().await;
            tokens[1].cancel();
            pending::<()>().await;
        });
        assert!(followed.await.is_err());
        let next = scope(async |s| {
            s.link(&tokens[0]);
            s.link(&tokens[1]);
            pending::<()>().await;
        });
        assert!(next.await.is_err());
    })
    .await
    .unwrap();
    assert!(!tokens[0].is_cancelled() && !tokens[2].is_cancelled());
}

/// Round trips: linked to a token that follows the scope itself, or follows another that follows it.
#[tokio::test]
async fn circles_are_harmless() {
    let (work, handle) = scope(async |_| pending::<()>().await).with_handle();
    let token = handle.token();
    handle.link(&token.child_token());
    handle.link(&token);
    let mut work = drive(work);
    work.pending();
    settle().await;
    token.cancel();
    settle().await;
    assert_eq!(handle.cancel_count(), 1, "the first link to have its turn ends the other");
    assert!(work.future().await.is_err());

    let seen = Arc::new(Mutex::new(Vec::new()));
    let token = CancellationToken::new();
    scope(async |s: Scope<'static>| {
        for _ in 0..2 {
            let (token, seen) = (token.clone(), Arc::clone(&seen));
            s.spawn(async move {
                let follower = scope(async |s| {
                    s.link(&token);
                    seen.lock().unwrap().push(s.token());
                    pending::<()>().await;
                });
                assert!(follower.await.is_err());
            });
        }
        settle().await;
        token.cancel();
    })
    .await
    .unwrap();
    assert!(seen.lock().unwrap().iter().all(CancellationToken::is_cancelled));
}
