//! A bound on the children that run at a time: never more, in the order in which they came, and no
//! place is ever lost (R6, R12, R14).
mod common;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Counts, Gate, Log, boom, drive, panic_of, secs, settle};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use umbel::{Full, Kind, Scope, checkpoint, scope};

/// How many run, and how many did at the most.
#[derive(Clone, Default)]
struct Gauge(Arc<[AtomicUsize; 2]>);

impl Gauge {
    /// In from the first poll of the body, out when it is dropped.
    async fn run(self, work: impl Future<Output = ()>) {
        struct Out(Gauge);
        impl Drop for Out {
            fn drop(&mut self) {
                self.0.0[0].fetch_sub(1, Ordering::SeqCst);
            }
        }
        let running = self.0[0].fetch_add(1, Ordering::SeqCst) + 1;
        self.0[1].fetch_max(running, Ordering::SeqCst);
        let _out = Out(self);
        work.await;
    }

    fn now_and_most(&self) -> (usize, usize) {
        (self.0[0].load(Ordering::SeqCst), self.0[1].load(Ordering::SeqCst))
    }
}

/// Never more than `max` bodies have been polled and live; all are admitted at once, and all run.
/// Spawned and forked ones share the places.
#[tokio::test(start_paused = true)]
async fn no_more_run_than_may() {
    for max in [1, 2, 7, 100] {
        let (start, gauge) = (Instant::now(), Gauge::default());
        scope(async |s| {
            for n in 0..20 {
                let work = gauge.clone().run(async { sleep(secs(1)).await });
                if n % 3 == 0 {
                    s.fork(work);
                } else {
                    s.spawn(work);
                }
            }
        })
        .max_children(max)
        .await
        .unwrap();
        assert_eq!(gauge.now_and_most(), (0, max.min(20)));
        assert_eq!(start.elapsed().as_secs(), 20_u64.div_ceil(u64::try_from(max).unwrap()));
    }
}

/// The same on several threads, with real parallelism.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_more_run_than_may_on_several_threads() {
    let gauge = Gauge::default();
    scope(async |s: Scope<'static>| {
        for _ in 0..300 {
            s.spawn(gauge.clone().run(checkpoint()));
        }
        for _ in 0..300 {
            s.reserve().await.spawn(gauge.clone().run(checkpoint()));
        }
    })
    .max_children(3)
    .await
    .unwrap();
    let (now, most) = gauge.now_and_most();
    assert!(now == 0 && most <= 3, "{most}");
}

/// First come, first served: by the order of starting, spawned or forked, whoever is polled first.
#[tokio::test(start_paused = true)]
async fn children_run_in_the_order_in_which_they_came() {
    let log = Log::new();
    scope(async |s| {
        for (n, what) in ["0", "1", "2", "3", "4", "5"].into_iter().enumerate() {
            let log = log.clone();
            let work = async move {
                log.add(what);
                sleep(secs(1)).await;
            };
            if n % 2 == 0 {
                s.spawn(work);
            } else {
                s.fork(work);
            }
        }
        sleep(secs(1)).await;
        let slot = s.reserve().await;
        let log = log.clone();
        slot.spawn(async move { log.add("reserved") });
    })
    .max_children(1)
    .await
    .unwrap();
    assert_eq!(log.all(), ["0", "1", "2", "3", "4", "5", "reserved"]);
}

/// A place that becomes free belongs to who waits for it, although that one was not polled yet. A child
/// that is started later does not overtake.
#[tokio::test(start_paused = true)]
async fn a_later_child_does_not_overtake_one_that_was_not_polled_yet() {
    let log = Log::new();
    let gate = Gate::new();
    let (inside, waits) = (log.clone(), gate.clone());
    let mut work = drive(
        scope(async move |s: Scope<'static>| {
            let add = |what| {
                let log = inside.clone();
                async move { log.add(what) }
            };
            s.fork(add("first"));
            s.spawn(add("second"));
            waits.wait().await;
            assert_eq!(s.try_reserve().err().map(|full| full.to_string().is_empty()), Some(false));
            s.spawn(add("third"));
        })
        .max_children(1),
    );
    work.pending();
    assert_eq!(log.all(), ["first"]);
    // The runtime has not had a turn: the second child waits, and was never polled.
    gate.open();
    work.pending();
    settle().await;
    work.ready().unwrap();
    assert_eq!(log.all(), ["first", "second", "third"]);
}

/// `reserve` waits for a place and holds it; `try_reserve` says that there is none. A place that is
/// dropped unused is free for the next one.
#[tokio::test(start_paused = true)]
async fn a_place_can_be_reserved_and_given_back() {
    scope(async |s| {
        let slot = s.reserve().await;
        let second = s.try_reserve().unwrap();
        let full: Full = s.try_reserve().unwrap_err();
        assert_eq!(full.to_string(), "the scope has as many children as it may have at a time");
        let mut waiting = drive(s.reserve());
        waiting.pending();
        drop(second);
        assert_eq!(waiting.wakes(), 1);
        let third = waiting.ready();
        assert!(s.try_reserve().is_err());
        let child = third.spawn(async { 3 });
        assert!(s.try_reserve().is_err(), "the child has the place now");
        assert_eq!(child.await.unwrap(), 3);
        let fork = s.try_reserve().unwrap().fork(async { 4 });
        assert_eq!(fork.await.unwrap(), 4);
        drop(slot);
        assert!(s.try_reserve().is_ok() && format!("{:?}", s.try_reserve()).contains("Slot"));
    })
    .max_children(2)
    .await
    .unwrap();
}

/// Dropping a reservation that waits, at whatever point, loses no place and no wake-up.
#[tokio::test(start_paused = true)]
async fn dropping_a_pending_reservation_loses_nothing() {
    scope(async |s| {
        let slot = s.reserve().await;
        let mut waiting: Vec<_> = (0..4).map(|_| drive(s.reserve())).collect();
        waiting.iter_mut().for_each(common::Driven::pending);
        drop(waiting.remove(1));
        drop(slot);
        assert_eq!(waiting.iter().map(common::Driven::wakes).collect::<Vec<_>>(), [1, 0, 0]);
        // It has been given the place, and goes before it takes it.
        drop(waiting.remove(0));
        assert_eq!(waiting.iter().map(common::Driven::wakes).collect::<Vec<_>>(), [1, 0]);
        drop(waiting[0].ready());
        drop(waiting[1].ready());
        let _all = s.try_reserve().unwrap();
    })
    .max_children(1)
    .await
    .unwrap();
}

/// Without a bound there is always a place.
#[tokio::test(start_paused = true)]
async fn without_a_bound_there_is_always_a_place() {
    scope(async |s| {
        let slots: Vec<_> = (0..100).map(|_| s.try_reserve().unwrap()).collect();
        assert_eq!(s.reserve().await.spawn(async { 7 }).await.unwrap(), 7);
        drop(slots);
    })
    .await
    .unwrap();
}

/// R6: children that wait for their turn are cancelled with the scope, and never polled. Also
/// when one that runs has failed.
#[tokio::test(start_paused = true)]
async fn queued_children_never_start_after_a_cancel_or_a_failure() {
    for fails in [false, true] {
        let (runs, queued, gate) = (Counts::new(), Counts::new(), Gate::new());
        let waits = gate.clone();
        let mut handles = Vec::new();
        let work = scope(async |s: Scope<'static>| {
            s.spawn(runs.of(async move {
                waits.wait().await;
                boom("child");
            }));
            handles.extend((0..3).map(|_| s.spawn(queued.pending())));
            s.fork(queued.pending());
            settle().await;
            if fails {
                gate.open();
            } else {
                s.cancel();
            }
            pending::<()>().await;
        });
        let work = work.max_children(1);
        if fails {
            assert_eq!(panic_of(work).await, "child");
        } else {
            assert!(work.await.is_err());
        }
        assert_eq!((queued.both(), runs.drops()), ((0, 4), 1));
        let kind = if fails { Kind::ChildPanicked } else { Kind::Explicit };
        for child in join_all(handles).await {
            assert_eq!(child.unwrap_err().reason().kind(), kind);
        }
    }
}

/// A child in the queue that is cancelled by its handle leaves it; the others move up.
#[tokio::test(start_paused = true)]
async fn a_queued_child_that_is_cancelled_leaves_the_queue() {
    let (log, never) = (Log::new(), Counts::new());
    scope(async |s| {
        let slot = s.reserve().await;
        let queued = [s.spawn(never.pending()), s.fork(never.pending())];
        let inside = log.clone();
        s.spawn(async move { inside.add("last") });
        settle().await;
        queued.iter().for_each(umbel::Child::cancel);
        settle().await;
        assert!(queued.iter().all(umbel::Child::is_finished));
        drop(slot);
    })
    .max_children(1)
    .await
    .unwrap();
    assert_eq!((log.all(), never.both()), (vec!["last"], (0, 2)));
}

/// R15: services are not counted, and get no place in the queue.
#[tokio::test(start_paused = true)]
async fn services_are_not_counted() {
    let services = Counts::new();
    scope(async |s| {
        let slot = s.reserve().await;
        for _ in 0..3 {
            s.service(services.pending());
        }
        settle().await;
        assert_eq!(services.polls(), 3);
        assert_eq!(slot.spawn(async { 7 }).await.unwrap(), 7);
    })
    .max_children(1)
    .await
    .unwrap();
    assert_eq!(services.drops(), 3);
}

/// The bound is the scope's own: a child has scopes of its own, with as many children as they like.
/// One that starts a sibling does not wait for its turn, unless it awaits it.
#[tokio::test(start_paused = true)]
async fn a_bound_is_for_the_scopes_own_children() {
    let (gauge, log) = (Gauge::default(), Log::new());
    scope(async |s: Scope<'static>| {
        let (own, inside, log) = (s.clone(), gauge.clone(), log.clone());
        s.spawn(async move {
            scope(async |s| {
                for _ in 0..5 {
                    s.spawn(inside.clone().run(checkpoint()));
                }
            })
            .await
            .unwrap();
            let sibling = log.clone();
            own.spawn(async move { sibling.add("sibling") });
            settle().await;
            log.add("child");
        });
    })
    .max_children(1)
    .await
    .unwrap();
    assert_eq!((log.all(), gauge.now_and_most()), (vec!["child", "sibling"], (0, 5)));
}

/// R18: the scope's future is dropped with children in the queue: none of them is polled, all are
/// dropped.
#[tokio::test(start_paused = true)]
async fn a_dropped_scope_drops_its_queue() {
    let (runs, queued) = (Counts::new(), Counts::new());
    scope(async |_| {
        let mut inner = drive(
            scope(async |s: Scope<'static>| {
                s.spawn(runs.pending());
                s.spawn(queued.pending());
                s.fork(queued.pending());
                s.reserve().await.spawn(queued.pending());
            })
            .max_children(1),
        );
        inner.pending();
        settle().await;
        drop(inner);
        assert_eq!(queued.both(), (0, 1), "the fork went with the scope");
    })
    .await
    .unwrap();
    assert_eq!((runs.both(), queued.both()), ((1, 1), (0, 2)));
}

/// R24: a place that is taken when the scope has ended is of no use, and of no harm.
#[tokio::test(start_paused = true)]
async fn a_place_in_a_scope_that_has_ended_starts_nothing() {
    let counts = Counts::new();
    let ended = scope(|s: Scope<'static>| std::future::ready(s)).max_children(1);
    let ended = ended.await.unwrap();
    let child = ended.reserve().await.spawn(counts.pending());
    assert_eq!(child.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
    assert_eq!(counts.both(), (0, 1));
}

/// No place at all is a mistake of the caller's, and said at once; any other number will do.
#[tokio::test(start_paused = true)]
async fn any_bound_but_zero_will_do() {
    let none = async { drop(scope(async |_| ()).max_children(0)) };
    assert_ne!(panic_of(none).await, "no panic");
    for max in [1, usize::MAX] {
        let child = scope(async |s| s.spawn(async { 7 }).await).max_children(max);
        assert_eq!(child.await.unwrap().unwrap(), 7);
    }
}

/// R13: a limit over items that take different times: the results come in the order of the items.
#[tokio::test(start_paused = true)]
async fn a_limit_over_items_keeps_their_order() {
    let start = Instant::now();
    let results = scope(async |s| {
        let work = |n| async move {
            sleep(secs(n)).await;
            n
        };
        join_all([3, 1, 2, 1].map(|n| s.spawn(work(n)))).await
    });
    let results = results.max_children(2).await.unwrap();
    assert!(results.into_iter().map(Result::unwrap).eq([3, 1, 2, 1]));
    assert_eq!(start.elapsed(), secs(4));
}

/// A child gives its place back when its body is over, whatever it has left to be waited for (R13, R18).
#[tokio::test(start_paused = true)]
async fn what_a_child_leaves_behind_holds_no_place() {
    for forked in [false, true] {
        let (log, start) = (Log::new(), Instant::now());
        let (first, second) = (log.clone(), log.clone());
        scope(async |s| {
            let leaves = async move {
                let mut left = drive(scope(async |inner: Scope<'static>| {
                    inner.spawn(async move {
                        umbel::shield_unbounded(sleep(secs(5))).await;
                        first.add("left behind");
                    });
                    pending::<()>().await;
                }));
                left.pending();
                settle().await;
            };
            drop(if forked { s.fork(leaves) } else { s.spawn(leaves) });
            s.spawn(async move { second.add("next") });
        })
        .max_children(1)
        .await
        .unwrap();
        assert_eq!((log.all(), start.elapsed()), (vec!["next", "left behind"], secs(5)));
    }
}
