//! Where a scope stands: its parent is the innermost scope being polled at its first poll, and that
//! ambient scope exists only while user code is polled or dropped (R22).
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use common::{Gate, Log, boom, catch, drive, secs, settle};
use umbel::{Kind, Scope, checkpoint, scope, task};

/// Built outside every scope, polled in one: it stands in the one it is polled in.
#[test]
fn a_scope_built_outside_stands_where_it_is_polled() {
    let (inner, inner_handle) = scope(async |_| pending::<()>().await).with_handle();
    let (outer, outer_handle) = scope(async |_| inner.await).with_handle();
    let mut outer = drive(outer);
    outer.pending();
    outer_handle.cancel();
    assert!(inner_handle.is_cancelled());
    assert!(outer.ready().is_err());
}

/// Polled for the first time where all is cancelled already: it is cancelled by that, and its body is not
/// polled (R6, R22).
#[test]
fn a_scope_that_is_grafted_below_a_cancelled_one_does_not_start() {
    let log = Log::new();
    let (inner, inner_handle) = scope(async |_| log.add("polled")).with_handle();
    let mut outer = drive(scope(async |s| {
        s.cancel_with("outer");
        inner.await
    }));
    assert!(outer.ready().is_err());
    assert!(log.is_empty());
    assert_eq!(inner_handle.reason().expect("it is cancelled").message(), Some("outer"));
    assert_eq!(inner_handle.cancel_count(), 0);
}

/// Built in one scope, polled in another: the builder's end and cancel do not matter.
#[tokio::test(start_paused = true)]
async fn a_scope_built_in_one_scope_stands_in_the_one_it_is_polled_in() {
    for cancel_builder in [false, true] {
        let work = scope(async |builder| {
            let work = scope(async |_| {
                tokio::time::sleep(secs(1)).await;
                umbel::check().is_ok()
            });
            if cancel_builder {
                builder.cancel();
            }
            work
        })
        .await
        .unwrap();
        let (outer, handle) = scope(async |_| work.await).with_handle();
        assert!(outer.await.unwrap().unwrap());
        assert!(!handle.is_cancelled());
    }
}

/// Whatever the body awaits runs inside the scope, wherever that future was made.
#[tokio::test(start_paused = true)]
async fn what_a_body_awaits_runs_inside_it() {
    let made_outside = async { umbel::check().is_err() };
    let cancelled_inside = scope(async |s| {
        s.cancel();
        made_outside.await
    })
    .await;
    assert!(cancelled_inside.unwrap());
}

/// Between two polls there is no ambient scope, nor after the last.
#[test]
fn the_ambient_scope_exists_only_during_a_poll() {
    let gate = Gate::new();
    let (work, handle) = scope(async |_| {
        assert!(umbel::check().is_ok());
        gate.wait().await;
        umbel::check().is_ok()
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    assert!(umbel::check().is_ok());
    gate.open();
    assert!(work.ready().unwrap());
    handle.cancel();
    assert!(umbel::check().is_ok());
}

/// Back in the enclosing scope after an inner one has suspended, ended, been cancelled or dropped.
#[tokio::test(start_paused = true)]
async fn the_enclosing_scope_is_ambient_again_on_every_path() {
    let outcome = scope(async |outer| {
        outer.cancel_with("outer");
        let ambient = || umbel::check().unwrap_err().reason().message().map(str::to_owned);
        let outer_is_ambient = || assert_eq!(ambient().as_deref(), Some("outer"));
        let mut suspended = Box::pin(scope(async |_| pending::<()>().await));
        assert!(futures_util::poll!(suspended.as_mut()).is_pending());
        outer_is_ambient();
        drop(suspended);
        outer_is_ambient();
        drop(scope(async |_| ()));
        outer_is_ambient();
    })
    .await;
    outcome.unwrap();
    assert!(umbel::check().is_ok());
}

/// I29: also when the body, a fork, or a destructor panics.
#[tokio::test(start_paused = true)]
async fn the_enclosing_scope_is_ambient_again_after_a_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("destructor");
        }
    }
    scope(async |outer| {
        let in_body = scope(async |_| -> () { boom("body") });
        let in_fork = scope(async |s| {
            s.fork(async { boom("fork") });
            pending::<()>().await;
        });
        let in_destructor = scope(async |s| {
            let _bomb = Bomb;
            s.cancel();
            pending::<()>().await;
        });
        let in_closure = scope(|_| -> std::future::Ready<()> { boom("closure") });
        assert!(catch(in_body).await.is_err() && umbel::check().is_ok());
        assert!(catch(in_fork).await.is_err() && umbel::check().is_ok());
        assert!(catch(in_destructor).await.is_err() && umbel::check().is_ok());
        assert!(catch(in_closure).await.is_err() && umbel::check().is_ok());
        outer.cancel();
        assert!(umbel::check().is_err(), "the outer one is ambient");
    })
    .await
    .unwrap();
    assert!(umbel::check().is_ok());
}

/// Destructors run in the scope that their values belong to.
#[test]
fn destructors_run_inside_their_scope() {
    struct Where(Log);
    impl Drop for Where {
        fn drop(&mut self) {
            let reason = umbel::check().err();
            let message = reason.as_ref().and_then(|cancelled| cancelled.reason().message());
            self.0.add(if message == Some("inner") { "inner" } else { "elsewhere" });
        }
    }
    let log = Log::new();
    let (in_body, in_fork) = (Where(log.clone()), Where(log.clone()));
    let outcome = drive(scope(async |_| {
        scope(async |inner| {
            let _in_body = in_body;
            inner.fork(async move {
                let _in_fork = in_fork;
                pending::<()>().await;
            });
            tokio::task::yield_now().await;
            inner.cancel_with("inner");
            pending::<()>().await;
        })
        .await
        .is_err()
    }));
    let mut outcome = outcome;
    outcome.pending();
    assert!(outcome.ready().unwrap());
    assert_eq!(log.all(), ["inner", "inner"]);
}

/// Children inherit the place: what they open hangs below them.
#[tokio::test(start_paused = true)]
async fn children_inherit_the_scope() {
    let outcome = scope(async |s| {
        let opened = async {
            let (inner, handle) = scope(async |_| pending::<()>().await).with_handle();
            let mut inner = Box::pin(inner);
            assert!(futures_util::poll!(inner.as_mut()).is_pending());
            (inner, handle)
        };
        let forked = s.fork(async {
            let (_inner, handle) = opened.await;
            let _ = handle.cancelled().await;
            pending::<()>().await;
        });
        let spawned = s.spawn(async {
            assert!(task::current().is_child());
            let _ = scope(async |_| pending::<()>().await).await;
        });
        settle().await;
        s.cancel_with("both");
        for child in [forked.handle().unwrap(), spawned.handle().unwrap()] {
            assert_eq!(child.reason().unwrap().message(), Some("both"));
        }
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
}

/// Tasks of tokio's and threads do not.
#[tokio::test(start_paused = true)]
async fn foreign_tasks_and_threads_do_not_inherit_the_scope() {
    let foreign = scope(async |s| {
        s.cancel();
        let thread = std::thread::spawn(|| umbel::check().is_ok());
        assert!(thread.join().unwrap());
        let foreign = tokio::spawn(async {
            checkpoint().await;
            umbel::check().is_ok() && !task::current().is_child()
        });
        // Waited for outside: in here every suspension is where the body would end.
        foreign
    })
    .await
    .unwrap();
    assert!(foreign.await.unwrap());
}

/// A future polled on its own stack, inside a scope but by another executor, is inside all the same.
#[test]
fn an_executor_inside_a_poll_is_inside_the_scope() {
    let outcome = drive(scope(async |outer| {
        outer.cancel();
        let mut nested = drive(async { umbel::check().is_err() });
        nested.ready()
    }))
    .ready();
    assert!(outcome.unwrap());
}

/// A stream-like source with a scope of its own, polled from two tasks in turn: at each poll the
/// ambient scope is the source's own, and afterwards the consumer's again.
#[test]
fn a_source_polled_from_two_tasks_has_its_own_scope_in_each() {
    let gate = Gate::new();
    let (source, handle) = scope(async |s: Scope<'static>| {
        poll_fn(|cx| {
            if gate.is_open() {
                return Poll::Ready(umbel::check().is_ok() && !s.is_cancelled());
            }
            let _ = Pin::new(&mut gate.wait()).poll(cx);
            Poll::Pending
        })
        .await
    })
    .with_handle();
    let source = std::sync::Mutex::new(Box::pin(source));
    let ask = |name: &'static str| {
        let source = &source;
        scope(async move |consumer| {
            let next = poll_fn(|cx: &mut Context<'_>| source.lock().unwrap().as_mut().poll(cx));
            let value = next.await;
            assert!(!consumer.is_cancelled(), "{name}");
            value
        })
    };
    let (mut first, mut second) = (drive(ask("first")), drive(ask("second")));
    first.pending();
    second.pending();
    first.pending();
    assert!(umbel::check().is_ok());
    gate.open();
    assert!(second.ready().unwrap().unwrap());
    assert!(!handle.is_cancelled());
}

/// A source that cancels a scope of its own, or is left half way and cancelled, does not touch its
/// consumer.
#[tokio::test(start_paused = true)]
async fn a_cancelled_source_does_not_touch_its_consumer() {
    scope(async |consumer| {
        let (source, handle) = scope(async |_| pending::<()>().await).with_handle();
        let mut source = Box::pin(source);
        assert!(futures_util::poll!(source.as_mut()).is_pending());
        handle.cancel();
        tokio::time::sleep(secs(1)).await;
        assert!(!consumer.is_cancelled() && umbel::check().is_ok());
        assert_eq!(source.await.unwrap_err().reason().kind(), Kind::Explicit);
        checkpoint().await;
    })
    .await
    .unwrap();
}

/// The child's parent in the tree is the scope it was started in, also when a sibling started it.
#[tokio::test(start_paused = true)]
async fn a_picture_shows_who_belongs_where() {
    let picture = scope(async |s| {
        let spawner = s.clone().spawner();
        let sibling = s.named("sibling").spawn(async move {
            drop(spawner.spawn(pending::<()>()));
            pending::<()>().await;
        });
        settle().await;
        let picture = s.picture().to_string();
        s.cancel();
        drop(sibling);
        picture
    })
    .name("group")
    .await
    .unwrap();
    let lines: Vec<_> = picture.lines().collect();
    assert!(lines[0].starts_with("scope \"group\""), "{picture}");
    assert!(lines[1].starts_with("├─ task \"sibling\""), "{picture}");
    assert!(lines[2].starts_with("└─ task"), "{picture}");
    assert_eq!(lines.len(), 3, "{picture}");
}

/// A scope that was made early takes its place in its parent along when it ends.
#[test]
fn a_graft_goes_with_its_scope() {
    let mut work = drive(scope(async |s| {
        let (inner, handle) =
            scope(async |_| s.picture().to_string().lines().count()).with_handle();
        assert_eq!(inner.await.expect("it returns"), 3, "two scopes and a link");
        assert!(handle.is_finished());
        assert_eq!(s.picture().to_string().lines().count(), 1);
    }));
    work.ready().expect("it returns");
}
