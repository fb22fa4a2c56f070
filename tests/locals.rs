//! Scope locals: a value set on a scope is seen by all that runs below it (R22), wherever that is polled
//! or dropped, and by nobody else.
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};

use common::{Log, boom, catch, drive, runtime, secs, settle};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::yield_now;
use umbel::{CancelScope, Scope, drain, scope, scope_local, shield_unbounded};

scope_local! {
    /// What most scenarios set.
    static NUMBER: u32;
    static OTHER: u32;
    pub(crate) static TEXT: String;
}

scope_local!(static LONE: u8);

/// Not to be cloned, and of no size: told apart by the declaration, not by the value or its place.
struct Unit;
scope_local! { static FIRST: Unit; static SECOND: Unit; }

/// Writes down, when it is dropped, what the local says there.
struct Reads(Log);

impl Drop for Reads {
    fn drop(&mut self) {
        self.0.add(match NUMBER.get() {
            Some(1) => "one",
            Some(2) => "two",
            Some(_) => "another",
            None => "none",
        });
    }
}

/// Outside every scope there is none, nor where no scope has set it.
#[tokio::test]
async fn there_is_no_value_where_none_was_set() {
    let nothing = || NUMBER.get().is_none() && NUMBER.shared().is_none();
    assert!(nothing() && NUMBER.with(|value| value.is_none()));
    assert!(scope(async |_| nothing()).await.unwrap());
    assert!(scope(async |_| nothing()).local(&OTHER, 1).await.unwrap());
    assert!(nothing(), "nor after a scope has set it");
}

/// The nearest scope on the way up gives the value; the others come back after it.
#[tokio::test]
async fn the_nearest_value_is_in_force() {
    scope(async |_| {
        assert_eq!((NUMBER.get(), OTHER.get()), (Some(1), Some(10)));
        scope(async |_| {
            assert_eq!((NUMBER.get(), OTHER.get()), (Some(2), Some(10)));
            let plain = scope(async |_| NUMBER.get()).await.unwrap();
            assert_eq!(plain, Some(2));
        })
        .local(&NUMBER, 2)
        .await
        .unwrap();
        assert_eq!((NUMBER.get(), OTHER.get()), (Some(1), Some(10)));
    })
    .local(&NUMBER, 1)
    .local(&OTHER, 10)
    .await
    .unwrap();
}

/// Set again on one scope: the later value, and the earlier one is dropped there and then.
#[tokio::test]
async fn a_later_value_replaces_an_earlier_one() {
    scope_local!(static HELD: common::Guard);
    let log = Log::new();
    let work = scope(async |_| NUMBER.get())
        .local(&NUMBER, 1)
        .local(&HELD, log.guard("first"))
        .local(&NUMBER, 2)
        .local(&HELD, log.guard("second"));
    assert_eq!(log.all(), ["first"]);
    assert_eq!(work.await.unwrap(), Some(2));
    assert_eq!(log.all(), ["first", "second"]);
}

/// Every declaration is a local of its own, whatever its type.
#[tokio::test]
async fn locals_are_told_apart() {
    let seen = scope(async |_| (FIRST.with(|it| it.is_some()), SECOND.with(|it| it.is_some())));
    assert_eq!(seen.local(&FIRST, Unit).await.unwrap(), (true, false));
    let lone = scope(async |_| (LONE.get(), NUMBER.get())).local(&LONE, 3);
    assert_eq!(lone.await.unwrap(), (Some(3), None));
    assert_eq!(format!("{LONE:?} {FIRST:?}"), "ScopeLocal(LONE) ScopeLocal(FIRST)");
}

/// What is large is lent or shared, and not cloned.
#[tokio::test]
async fn a_value_is_lent_and_shared() {
    let kept = scope(async |_| {
        let shared = TEXT.shared().unwrap();
        let lent = TEXT.with(|text| text.map(|text| text.as_ptr().addr()));
        assert_eq!(lent, Some(shared.as_ptr().addr()));
        shared
    })
    .local(&TEXT, "a text".to_owned())
    .await
    .unwrap();
    assert_eq!(*kept, "a text", "kept beyond the end of its scope");
}

/// R22: children of every sort see what their scope sees, and so do theirs.
#[tokio::test]
async fn children_inherit() {
    let seen = scope(async |s: Scope<'static>| {
        let spawned = s.spawn(async {
            yield_now().await;
            let grandchild = scope(async |s| s.spawn(async { NUMBER.get() }).await.unwrap());
            (NUMBER.get(), grandchild.await.unwrap())
        });
        let forked = s.fork(async {
            yield_now().await;
            let grandchild = scope(async |s| s.fork(async { NUMBER.get() }).await.unwrap());
            (NUMBER.get(), grandchild.await.unwrap())
        });
        let service = s.service(async { (NUMBER.get(), None) });
        [spawned.await.unwrap(), forked.await.unwrap(), service.await.unwrap()]
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
    assert_eq!(seen, [(Some(1), Some(1)), (Some(1), Some(1)), (Some(1), None)]);
}

/// Also on another thread, at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_on_other_threads_inherit() {
    let seen = scope(async |s| {
        let children: Vec<_> = (0..32).map(|_| s.spawn(async { NUMBER.get() })).collect();
        futures_util::future::join_all(children).await
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
    assert!(seen.into_iter().all(|seen| seen.unwrap() == Some(1)));
}

/// A child belongs to the scope that it is spawned into, and sees what that sees: not what is set where
/// the spawning body happens to stand.
#[tokio::test]
async fn a_child_sees_its_scope_and_not_its_spawner() {
    scope(async |outer| {
        let (spawned, forked) = scope(async |_| {
            (outer.spawn(async { NUMBER.get() }), outer.fork(async { NUMBER.get() }))
        })
        .local(&NUMBER, 2)
        .await
        .unwrap();
        assert_eq!((spawned.await.unwrap(), forked.await.unwrap()), (Some(1), Some(1)));
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
}

/// R22: what is set in a child is seen neither by its siblings nor by the parent; what was set before it
/// was spawned is seen by all.
#[tokio::test]
async fn what_a_child_sets_stays_in_it() {
    scope(async |s| {
        let children: Vec<_> = (2..5)
            .map(|own| {
                s.spawn(async move {
                    let before = NUMBER.get();
                    let work = scope(async |_| {
                        settle().await;
                        NUMBER.get()
                    });
                    let inside = work.local(&NUMBER, own).await.unwrap();
                    (before, inside, NUMBER.get())
                })
            })
            .collect();
        yield_now().await;
        assert_eq!(NUMBER.get(), Some(1), "while the children are in scopes of their own");
        for (child, own) in children.into_iter().zip(2..) {
            assert_eq!(child.await.unwrap(), (Some(1), Some(own), Some(1)));
        }
        assert_eq!(NUMBER.get(), Some(1));
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
}

/// Two scopes side by side in one task see their own, poll by poll.
#[tokio::test]
async fn siblings_in_one_task_do_not_see_each_other() {
    let work = |own: u32| {
        scope(async move |_| {
            for _ in 0..3 {
                assert_eq!(NUMBER.get(), Some(own));
                yield_now().await;
            }
        })
        .local(&NUMBER, own)
    };
    scope(async |_| {
        let (one, two) = tokio::join!(work(1), work(2));
        one.and(two).unwrap();
    })
    .await
    .unwrap();
}

/// R22: tasks of `tokio::spawn` and threads stand in no scope.
#[tokio::test]
async fn strangers_do_not_inherit() {
    scope(async |_| {
        assert_eq!(tokio::spawn(async { NUMBER.get() }).await.unwrap(), None);
        assert_eq!(std::thread::spawn(|| NUMBER.get()).join().unwrap(), None);
        assert_eq!(NUMBER.get(), Some(1));
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
}

/// R10: a shield keeps a cancellation out, and nothing else.
#[tokio::test]
async fn shields_are_no_bar() {
    let seen = scope(async |s| {
        s.cancel();
        shield_unbounded(async {
            yield_now().await;
            scope(async |_| NUMBER.get()).await.unwrap()
        })
        .await
    })
    .local(&NUMBER, 1)
    .await;
    assert_eq!(seen.unwrap(), Some(1));
}

/// A set of futures that does not know of scopes.
#[tokio::test]
async fn what_is_polled_by_a_foreign_set_sees_them() {
    let seen = scope(async |_| {
        let mut set: FuturesUnordered<_> = (2..5)
            .map(|own| {
                let inner = scope(async |_| {
                    yield_now().await;
                    NUMBER.get()
                });
                async move { (NUMBER.get(), inner.local(&NUMBER, own).await.unwrap() == Some(own)) }
            })
            .collect();
        let mut seen = Vec::new();
        while let Some(one) = set.next().await {
            seen.push(one);
        }
        seen
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
    assert_eq!(seen, [(Some(1), true); 3]);
}

/// What makes the body runs in the scope, and so do the destructors of what a scope that was cancelled
/// before its first poll had captured (R6).
#[tokio::test]
async fn they_are_in_force_from_the_first_poll() {
    let made = scope(|_| std::future::ready(NUMBER.get())).local(&NUMBER, 1).await;
    assert_eq!(made.unwrap(), Some(1));

    let log = Log::new();
    let captured = Reads(log.clone());
    let work = scope(async move |_| drop(captured)).local(&NUMBER, 1);
    let (work, handle) = work.with_handle();
    handle.cancel();
    assert!(work.await.is_err());
    assert_eq!(log.all(), ["one"]);
}

/// A scope that is addressed before its first poll has a tree of its own; it sees what is set on itself,
/// and what is set where it is first polled.
#[tokio::test]
async fn early_scopes_see_them() {
    let inner = scope(async |s| {
        let child = s.spawn(async { (NUMBER.get(), OTHER.get()) });
        ((NUMBER.get(), OTHER.get()), child.await.unwrap())
    });
    let (inner, _handle) = inner.local(&OTHER, 10).with_handle();
    let seen = scope(async |_| inner.await.unwrap()).local(&NUMBER, 1).await.unwrap();
    assert_eq!(seen, ((Some(1), Some(10)), (Some(1), Some(10))));
}

/// R22: destructors stand where their values belong.
#[tokio::test]
async fn destructors_see_them() {
    let log = Log::new();
    let outcome = scope(async |s: Scope<'static>| {
        let (in_body, in_child, in_fork) =
            (Reads(log.clone()), Reads(log.clone()), Reads(log.clone()));
        s.spawn(async move {
            let _reads = in_child;
            pending::<()>().await;
        });
        s.fork(async move {
            let _reads = in_fork;
            pending::<()>().await;
        });
        let _reads = in_body;
        settle().await;
        s.cancel();
        pending::<()>().await;
    })
    .local(&NUMBER, 1)
    .await;
    assert!(outcome.is_err());
    assert_eq!(log.all(), ["one"; 3]);
}

/// R18: a scope that is dropped from outside keeps its values for those that are still on their way out,
/// and an enclosing scope waits for these.
#[tokio::test]
async fn they_are_seen_after_a_drop_from_outside() {
    let log = Log::new();
    scope(async |_| {
        let (in_body, in_child) = (Reads(log.clone()), Reads(log.clone()));
        let mut work = drive(
            scope(async move |s| {
                s.spawn(async move {
                    let _reads = in_child;
                    pending::<()>().await;
                });
                let _reads = in_body;
                pending::<()>().await;
            })
            .local(&NUMBER, 2),
        );
        work.pending();
        settle().await;
        drop(work);
        assert_eq!(log.all(), ["two"]);
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
    assert_eq!(log.all(), ["two"; 2]);
}

/// R16: finalizers run in their scope.
#[tokio::test(start_paused = true)]
async fn finalizers_see_them() {
    let log = Log::new();
    for cancel in [false, true] {
        let _ = scope(async |s| {
            let reads = Reads(log.clone());
            s.defer(secs(1), async move {
                yield_now().await;
                drop(reads);
            });
            if cancel {
                s.cancel();
                pending::<()>().await;
            }
        })
        .local(&NUMBER, 1)
        .await;
    }
    assert_eq!(log.all(), ["one"; 2]);
}

/// R16, R18: also when the scope's future was dropped, and somebody else has to run them.
#[tokio::test(start_paused = true)]
async fn finalizers_see_them_after_a_drop_from_outside() {
    let log = Log::new();
    let reads = Reads(log.clone());
    let mut work = drive(
        scope(async move |s| {
            s.defer(secs(1), async move {
                yield_now().await;
                scope(async |_| drop(reads)).await.unwrap();
            });
            pending::<()>().await;
        })
        .local(&NUMBER, 1),
    );
    work.pending();
    drop(work);
    assert!(log.is_empty());
    drain().await;
    assert_eq!(log.all(), ["one"]);
}

/// A value that says where it is dropped.
struct Dropped {
    log: Log,
    seen: Arc<Mutex<Vec<Option<u32>>>>,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        // R25: no lock of the library is held.
        self.seen.lock().expect("nobody panics with it").push(NUMBER.get());
        let place = CancelScope::current();
        if let Some(place) = &place {
            let _ = (place.name(), place.deadline(), place.picture().to_string());
        }
        let mut inner = drive(scope(async |s| s.fork(async { NUMBER.get() }).await));
        inner.pending();
        let _ = inner.poll();
        drop(drive(scope(async |_| pending::<()>().await)).poll());
        self.log.add("value");
    }
}

scope_local! { static DROPPED: Dropped; }

/// Dropped once, after the children and before the scope returns, outside of it (R12, R25).
#[tokio::test]
async fn a_value_is_dropped_before_its_scope_returns() {
    for kept in [false, true] {
        let (log, seen) = (Log::new(), Arc::default());
        let value = Dropped { log: log.clone(), seen: Arc::clone(&seen) };
        let (in_child, in_body) = (log.guard("child"), log.guard("body"));
        let handle = scope(async |_| {
            let handle = scope(async |s| {
                s.spawn(async move {
                    let _guard = in_child;
                    settle().await;
                });
                let _guard = in_body;
                // A handle keeps the record of its scope, and no value.
                kept.then(|| s.handle())
            })
            .local(&DROPPED, value)
            .local(&NUMBER, 2)
            .await
            .unwrap();
            log.add("returned");
            handle
        })
        .local(&NUMBER, 1)
        .await
        .unwrap();
        assert_eq!(log.all(), ["body", "child", "value", "returned"]);
        assert_eq!(*seen.lock().unwrap(), [Some(1)], "outside its scope");
        drop(handle);
        assert_eq!(log.count("value"), 1);
    }
}

/// On every other way out too: cancelled, panicked, dropped half way, dropped before it began.
#[tokio::test]
async fn a_value_is_dropped_on_every_way_out() {
    let log = Log::new();
    let value = || Dropped { log: log.clone(), seen: Arc::default() };
    let cancelled = scope(async |s| {
        s.cancel();
        pending::<()>().await;
    });
    assert!(cancelled.local(&DROPPED, value()).await.is_err());
    assert_eq!(log.count("value"), 1);

    let panicked = scope(async |_| -> () { boom("body") }).local(&DROPPED, value());
    assert!(catch(panicked).await.is_err());
    assert_eq!(log.count("value"), 2);

    let mut half_way = drive(scope(async |_| pending::<()>().await).local(&DROPPED, value()));
    half_way.pending();
    drop(half_way);
    assert_eq!(log.count("value"), 3);

    drop(scope(async |_| ()).local(&DROPPED, value()));
    assert_eq!(log.count("value"), 4);

    let (early, handle) = scope(async |_| ()).local(&DROPPED, value()).with_handle();
    drop((early, handle));
    assert_eq!(log.count("value"), 5);
}

/// R18: the values of a scope that was dropped go when the last of its children has ended, before the
/// enclosing scope returns.
#[test]
fn a_dropped_scopes_values_go_with_its_last_child() {
    let log = Log::new();
    runtime().block_on(async {
        scope(async |_| {
            let mut work = drive(
                scope(async |s| {
                    s.spawn(pending::<()>());
                    pending::<()>().await;
                })
                .local(&DROPPED, Dropped { log: log.clone(), seen: Arc::default() }),
            );
            work.pending();
            drop(work);
            assert!(log.is_empty());
        })
        .await
        .unwrap();
        assert_eq!(log.all(), ["value"]);
    });
}

/// I18: while a value is being dropped, the scope that it was set on is still there to be waited for,
/// whoever ends it: its last child, or whoever ran its last finalizer.
#[tokio::test(start_paused = true)]
async fn a_dropped_scope_is_waited_for_until_its_values_are_gone() {
    struct Looks(CancelScope, Log);
    impl Drop for Looks {
        fn drop(&mut self) {
            let is_there = self.0.picture().to_string().contains("dropped early");
            self.1.add(if is_there { "waited for" } else { "gone" });
        }
    }
    scope_local!(static LOOKS: Looks);
    for (child, finalizer) in [(true, false), (false, true), (true, true)] {
        let log = Log::new();
        let outer = scope(async |outer| {
            let value = Looks(outer.handle(), log.clone());
            let work = scope(async |s| {
                if child {
                    s.spawn(pending::<()>());
                }
                if finalizer {
                    s.defer(secs(1), yield_now());
                }
                pending::<()>().await;
            });
            let mut work = drive(work.name("dropped early").local(&LOOKS, value));
            work.pending();
            drop(work);
            assert!(log.is_empty());
        });
        outer.await.unwrap();
        assert_eq!(log.all(), ["waited for"], "child: {child}, finalizer: {finalizer}");
    }
}

/// I18: a value that goes with a dropped scope may hold a scope that was first polled there, and may leave
/// a child of that one behind. Then the child is waited for.
#[tokio::test(start_paused = true)]
async fn what_the_drop_of_a_value_leaves_behind_is_waited_for() {
    struct Keeps(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);
    scope_local!(static KEEPS: Keeps);
    let log = Log::new();
    let guard = log.guard("child");
    let outer = scope(async |_| {
        let work = scope(async |s| {
            s.spawn(pending::<()>());
            let mut kept: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async {
                let inner = scope(async |inner: Scope<'static>| {
                    inner.spawn(async {
                        let _guard = guard;
                        shield_unbounded(tokio::time::sleep(secs(1))).await;
                    });
                    pending::<()>().await;
                });
                drop(inner.await);
            });
            assert!(futures_util::poll!(&mut kept).is_pending());
            KEEPS.with(|keeps| {
                *keeps.expect("it is set").0.lock().expect("it is free") = Some(kept);
            });
            yield_now().await;
            pending::<()>().await;
        });
        let mut work = drive(work.local(&KEEPS, Keeps(Mutex::default())));
        work.pending();
        settle().await;
        drop(work);
    });
    outer.await.unwrap();
    assert_eq!(log.all(), ["child"]);
}

/// A panic of a value's destructor is reported by the hook, and the scope returns.
#[tokio::test]
async fn a_values_destructor_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("value");
        }
    }
    scope_local! { static BOMB: Bomb; static AFTER: common::Guard; }
    let log = Log::new();
    let work = scope(async |_| 7).local(&BOMB, Bomb).local(&AFTER, log.guard("after"));
    assert_eq!(work.await.unwrap(), 7);
    assert_eq!(log.all(), ["after"]);
}

/// R25: the reader runs with no lock held, and may panic.
#[tokio::test]
async fn a_reader_may_use_the_library() {
    scope(async |s| {
        NUMBER.with(|value| {
            assert_eq!(value, Some(&1));
            assert_eq!(NUMBER.get(), Some(1));
            let mut inner = drive(scope(async |_| NUMBER.get()).local(&NUMBER, 2));
            assert_eq!(inner.ready().unwrap(), Some(2));
            assert!(s.picture().to_string().contains("scope"));
        });
        assert!(catch(async { NUMBER.with(|_| -> () { boom("reader") }) }).await.is_err());
        assert_eq!(NUMBER.get(), Some(1));
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
}

/// R23: a future that was carried out of the scope that it was first polled in belongs to the next one
/// around when that has ended, and sees what that one sees.
#[tokio::test]
async fn a_survivor_sees_what_is_around_it_now() {
    type Work = Pin<Box<dyn Future<Output = (Option<u32>, Option<u32>)>>>;
    scope(async |_| {
        let mut work: Work = scope(async |_| {
            let mut work: Work = Box::pin(async {
                let inner = scope(async |_| {
                    let before = NUMBER.get();
                    yield_now().await;
                    (before, NUMBER.get())
                });
                inner.await.unwrap()
            });
            assert!(futures_util::poll!(work.as_mut()).is_pending());
            work
        })
        .local(&NUMBER, 2)
        .await
        .unwrap();
        assert_eq!(work.as_mut().await, (Some(2), Some(1)));
    })
    .local(&NUMBER, 1)
    .await
    .unwrap();
}

/// Ten thousand scopes deep in tasks, no stack is used up, and the value is found (R26).
#[tokio::test]
async fn a_value_is_found_from_far_below() {
    fn descend(depth: u32) -> Pin<Box<dyn Future<Output = Option<u32>> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return NUMBER.get();
            }
            scope(async move |s: Scope<'static>| s.spawn(descend(depth - 1)).await.unwrap())
                .await
                .unwrap()
        })
    }
    let found = scope(async |s: Scope<'static>| s.spawn(descend(10_000)).await.unwrap());
    assert_eq!(found.local(&NUMBER, 1).await.unwrap(), Some(1));
}

/// The handle of a scope that has ended keeps no value alive (I31).
#[tokio::test]
async fn handles_keep_no_values() {
    scope_local!(static SHARED: Arc<()>);
    let shared = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&shared);
    let handle = scope(async |s| s.handle()).local(&SHARED, shared).await.unwrap();
    assert!(handle.is_finished());
    assert_eq!(weak.strong_count(), 0);
}
