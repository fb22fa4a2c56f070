//! Panics: the siblings and the body are cancelled, everything is drained, and then the first payload
//! is resumed, once, in the scope's owner (R14).
mod common;

use std::future::{pending, poll_fn};
use std::task::Poll;

use common::{Counts, Gate, Log, boom, catch, panic_of, secs, settle, text};
use umbel::{Kind, checkpoint, scope};

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        boom(self.0);
    }
}

/// A spawned child's panic stops the body and the sibling, and comes out when both are gone.
#[tokio::test(start_paused = true)]
async fn a_spawned_childs_panic_comes_out_after_everything_has_ended() {
    let log = Log::new();
    let (sibling, forked) = (log.guard("sibling"), log.guard("forked"));
    let panic = panic_of(scope(async |s| {
        s.spawn(async move {
            let _guard = sibling;
            pending::<()>().await;
        });
        s.fork(async move {
            let _guard = forked;
            pending::<()>().await;
        });
        s.spawn(async { boom("child") });
        let _body = log.guard("body");
        tokio::time::sleep(secs(3)).await;
        log.add("never");
    }))
    .await;
    assert_eq!(panic, "child");
    let mut all = log.all();
    all.sort_unstable();
    assert_eq!(all, ["body", "forked", "sibling"]);
}

/// A forked child's panic, likewise.
#[tokio::test(start_paused = true)]
async fn a_forked_childs_panic_comes_out_after_everything_has_ended() {
    let log = Log::new();
    let sibling = log.guard("sibling");
    let panic = panic_of(scope(async |s| {
        s.spawn(async move {
            let _guard = sibling;
            pending::<()>().await;
        });
        s.fork(async {
            checkpoint().await;
            boom("fork")
        });
        pending::<()>().await;
    }))
    .await;
    assert_eq!(panic, "fork");
    assert_eq!(log.all(), ["sibling"]);
}

/// The body's own panic: its children are cancelled and ended first.
#[tokio::test(start_paused = true)]
async fn the_bodys_panic_comes_out_after_its_children_have_ended() {
    let log = Log::new();
    let guard = log.guard("child");
    let panic = panic_of(scope(async |s| -> () {
        s.spawn(async move {
            let _guard = guard;
            tokio::time::sleep(secs(3)).await;
        });
        settle().await;
        boom("body")
    }))
    .await;
    assert_eq!(panic, "body");
    assert_eq!(log.all(), ["child"]);
}

/// The closure that makes the body panics.
#[tokio::test(start_paused = true)]
async fn a_panic_while_the_body_is_made_comes_out_after_its_children_have_ended() {
    let counts = Counts::new();
    let child = counts.pending();
    let work = scope(|s| {
        s.spawn(child);
        if counts.polls() == 0 {
            boom("making");
        }
        pending::<()>()
    });
    assert_eq!(panic_of(work).await, "making");
    assert_eq!(counts.both(), (0, 1));
}

/// The body's destructor panics when the body is cancelled.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_cancelled_bodys_destructor_comes_out() {
    let work = scope(async |s| {
        let _bomb = Bomb("destructor");
        s.cancel();
        checkpoint().await;
    });
    assert_eq!(panic_of(work).await, "destructor");
}

/// The body's destructor panics after the body has returned. The value is dropped.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_finished_bodys_destructor_comes_out_and_the_value_is_dropped() {
    let log = Log::new();
    let mut value = Some(log.guard("value"));
    let work = scope(|_| {
        let bomb = Bomb("destructor");
        poll_fn(move |_| {
            let _captured = &bomb;
            Poll::Ready(value.take())
        })
    });
    assert_eq!(panic_of(work).await, "destructor");
    assert_eq!(log.all(), ["value"]);
}

/// A child's destructor panics, while the child is being cancelled.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_cancelled_childs_destructor_comes_out() {
    for forked in [false, true] {
        let panic = panic_of(scope(async |s| {
            let child = async {
                let _bomb = Bomb("destructor");
                pending::<()>().await;
            };
            if forked {
                s.fork(child);
            } else {
                s.spawn(child);
            }
            settle().await;
            s.cancel();
            pending::<()>().await;
        }))
        .await;
        assert_eq!(panic, "destructor");
    }
}

/// A child's value panics when it is dropped because nobody asked for it.
#[tokio::test(start_paused = true)]
async fn a_panic_in_an_unasked_values_destructor_comes_out() {
    for forked in [false, true] {
        let panic = panic_of(scope(async |s| {
            if forked {
                s.fork(async { Bomb("value") });
            } else {
                s.spawn(async { Bomb("value") });
            }
        }))
        .await;
        assert_eq!(panic, "value");
    }
}

/// Several panics: the first is the one that comes out, and it does so once.
#[tokio::test(start_paused = true)]
async fn the_first_of_several_panics_comes_out_once() {
    let outer = scope(async |outer| {
        let panic = panic_of(scope(async |s| {
            for what in ["first", "second", "third"] {
                s.spawn(async move {
                    let _bomb = Bomb(what);
                    pending::<()>().await;
                });
            }
            s.spawn(async { boom("the very first") });
            pending::<()>().await;
        }))
        .await;
        checkpoint().await;
        (panic, outer.cancel_count())
    });
    assert_eq!(outer.await.unwrap(), ("the very first", 0));
}

/// The payload is the very one that the child threw, of whatever type.
#[tokio::test(start_paused = true)]
async fn the_payload_keeps_its_identity() {
    #[derive(Debug, PartialEq)]
    struct Mine(u32);
    let payload = catch(scope(async |s| {
        s.spawn(async { std::panic::resume_unwind(Box::new(Mine(7))) });
        pending::<()>().await;
    }))
    .await
    .unwrap_err();
    assert_eq!(*payload.downcast::<Mine>().unwrap(), Mine(7));
}

/// R14: a handle that was dropped loses no panic; one that was kept says what happened, and so do the
/// handles of the siblings.
#[tokio::test(start_paused = true)]
async fn handles_say_that_a_child_panicked() {
    let mut handles = Vec::new();
    let panic = panic_of(scope(async |s| {
        handles.push(s.spawn(async { boom("child") }));
        handles.push(s.spawn(pending::<()>()));
        handles.push(s.fork(pending::<()>()));
        pending::<()>().await;
    }))
    .await;
    assert_eq!(panic, "child");
    for handle in handles {
        assert!(handle.is_finished());
        let cancelled = handle.await.unwrap_err();
        assert_eq!(cancelled.reason().kind(), Kind::ChildPanicked);
    }
}

/// A panic beats a value, and a panic beats a cancellation.
#[tokio::test(start_paused = true)]
async fn a_panic_beats_a_value_and_a_cancellation() {
    let value = scope(async |s| {
        s.spawn(async { boom("child") });
        "value"
    });
    assert_eq!(panic_of(value).await, "child");
    let cancelled = scope(async |s| {
        s.spawn(async {
            let _bomb = Bomb("child");
            pending::<()>().await;
        });
        settle().await;
        s.cancel();
        checkpoint().await;
    });
    assert_eq!(panic_of(cancelled).await, "child");
}

/// A child fails at the moment at which the scope around its scope is cancelled: the failure comes
/// out, and is not lost in the cancellation.
#[tokio::test(start_paused = true)]
async fn a_childs_panic_at_the_moment_of_an_outer_cancel_comes_out() {
    for forked in [false, true] {
        let (outer, handle) = scope(async |outer| {
            scope(async |s| {
                let own = umbel::CancelScope::clone(&outer);
                let child = async move {
                    own.cancel();
                    boom("child")
                };
                if forked {
                    s.fork(child);
                } else {
                    s.spawn(child);
                }
                pending::<()>().await;
            })
            .await
        })
        .with_handle();
        assert_eq!(panic_of(outer).await, "child");
        assert!(handle.is_finished());
    }
}

/// A panic deep down ends every scope that it passes, each drained before it goes on, and can be
/// caught in between.
#[tokio::test(start_paused = true)]
async fn a_panic_goes_up_scope_by_scope() {
    let log = Log::new();
    let outcome = scope(async |outermost| {
        let panic = panic_of(scope(async |outer| {
            let guard = log.guard("child of the outer scope");
            outer.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            let in_child = log.clone();
            outer.spawn(async move {
                let guard = in_child.guard("child of the inner scope");
                let _ = scope(async |inner| {
                    inner.spawn(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    });
                    inner.spawn(async { boom("deep down") });
                    pending::<()>().await;
                })
                .await;
                in_child.add("never");
            });
            pending::<()>().await;
        }))
        .await;
        assert_eq!(panic, "deep down");
        outermost.is_cancelled()
    })
    .await;
    assert!(!outcome.unwrap(), "caught below, it stops there");
    assert_eq!(log.all(), ["child of the inner scope", "child of the outer scope"]);
}

/// The scope of the panicking child was dropped: the panic goes to the scope around it.
#[tokio::test(start_paused = true)]
async fn a_panic_below_a_dropped_scope_goes_to_the_enclosing_one() {
    let log = Log::new();
    let guard = log.guard("sibling");
    let outcome = catch(scope(async |outer| {
        outer.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        {
            let mut dropped = Box::pin(scope(async |s| {
                s.spawn(async {
                    let _bomb = Bomb("abandoned");
                    pending::<()>().await;
                });
                pending::<()>().await;
            }));
            assert!(futures_util::poll!(dropped.as_mut()).is_pending());
            settle().await;
        }
        pending::<()>().await;
    }))
    .await;
    assert_eq!(text(&outcome.unwrap_err()), "abandoned");
    assert_eq!(log.all(), ["sibling"]);
}

/// A dropped scope's own destructors never panic out of the drop: that goes to the enclosing scope.
#[tokio::test(start_paused = true)]
async fn a_dropped_scope_does_not_panic_but_the_enclosing_one_does() {
    let log = Log::new();
    let panic = panic_of(scope(async |_| {
        let mut dropped = Box::pin(scope(async |_| {
            let _bomb = Bomb("destructor");
            pending::<()>().await;
        }));
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
        drop(dropped);
        log.add("the drop returned");
        pending::<()>().await;
    }))
    .await;
    assert_eq!(panic, "destructor");
    assert_eq!(log.all(), ["the drop returned"]);
}

/// Many children, all of which panic: all have ended before one comes out.
#[tokio::test(start_paused = true)]
async fn when_all_children_panic_all_have_ended_first() {
    let counts = Counts::new();
    let panic = panic_of(scope(async |s| {
        for _ in 0..20 {
            s.spawn(counts.of(async {
                checkpoint().await;
                boom("one of many")
            }));
        }
        pending::<()>().await;
    }))
    .await;
    assert_eq!(panic, "one of many");
    assert_eq!(counts.drops(), 20);
}

/// A survivor that panics when it is polled elsewhere panics there.
#[tokio::test(start_paused = true)]
async fn a_survivor_panics_where_it_is_polled() {
    let gate = Gate::new();
    let wait = gate.wait();
    let mut work = Box::pin(scope(async |_| -> () {
        wait.await;
        boom("survivor")
    }));
    scope(async |s| {
        scope(async |_| assert!(futures_util::poll!(&mut work).is_pending())).await.unwrap();
        gate.open();
        assert_eq!(panic_of(&mut work).await, "survivor");
        assert!(!s.is_cancelled());
    })
    .await
    .unwrap();
}
