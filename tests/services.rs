//! Services: children that serve the others, and are ended when these and the body are done (R15).
#![expect(clippy::async_yields_async, reason = "what is handed out is awaited elsewhere")]

mod common;

use std::future::pending;

use common::{Counts, Gate, Log, drive, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Kind, Scope, checkpoint, scope, shield, task};

/// R15: a scope with nothing but a service in it ends. The service is polled first, and dropped before
/// the scope returns (R12).
#[tokio::test(start_paused = true)]
async fn a_service_alone_does_not_keep_its_scope_open() {
    let counts = Counts::new();
    let value = scope(async |s| {
        s.service(counts.pending());
        settle().await;
        assert_eq!(counts.both(), (1, 0));
        7
    });
    assert_eq!(value.await.unwrap(), 7);
    assert_eq!(counts.both(), (1, 1));
}

/// R6, R15: the body is ready at once, so the service is ended before its first turn: never polled.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_ready_at_once_ends_a_service_before_it_starts() {
    let counts = Counts::new();
    let child = scope(|s: Scope<'static>| {
        let child = s.service(counts.pending());
        std::future::ready(child)
    });
    let child = child.await.unwrap();
    assert_eq!(counts.both(), (0, 1));
    assert_eq!(child.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
}

/// R15: the service lives for as long as the body and every ordinary child, spawned or forked, and no
/// longer.
#[tokio::test(start_paused = true)]
async fn services_end_when_the_last_ordinary_child_does() {
    for (body, spawned, forked) in [(3, 1, 2), (1, 3, 2), (1, 2, 3), (3, 3, 3)] {
        let start = Instant::now();
        let log = Log::new();
        scope(async |s| {
            let guard = log.guard("service");
            s.service(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            s.spawn(sleep(secs(spawned)));
            s.fork(sleep(secs(forked)));
            sleep(secs(body)).await;
            assert!(log.is_empty());
        })
        .await
        .unwrap();
        assert_eq!(start.elapsed(), secs(3));
        assert_eq!(log.all(), ["service"]);
    }
}

/// R1, R8: being ended is one request on each service, of kind `ScopeEnded`, and none on the scope.
#[tokio::test(start_paused = true)]
async fn the_end_is_one_request_on_each_service_and_none_on_the_scope() {
    let (work, handle) = scope(async |s: Scope<'static>| {
        let ordinary = s.spawn(checkpoint());
        let services = [s.service(pending::<()>()), s.named("second").service(pending())];
        settle().await;
        (ordinary, services)
    })
    .with_handle();
    let (ordinary, services) = work.await.unwrap();
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
    assert_eq!(ordinary.cancel_count(), 0);
    assert_eq!(services[1].name().as_deref(), Some("second"));
    for service in services {
        assert_eq!(service.cancel_count(), 1);
        assert!(service.is_finished());
        assert_eq!(service.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
    }
}

/// I6: the scope is woken once by the last ordinary child, and once by the last of three services. The
/// services are not polled again.
#[tokio::test(start_paused = true)]
async fn ending_services_takes_one_wake_for_the_children_and_one_for_the_services() {
    let counts = Counts::new();
    let gates = [Gate::new(), Gate::new()];
    let mut work = drive(scope(async |s: Scope<'static>| {
        for _ in 0..3 {
            s.service(counts.pending());
        }
        for gate in &gates {
            s.spawn(gate.wait());
        }
    }));
    work.pending();
    settle().await;
    assert_eq!((work.wakes(), counts.both()), (0, (3, 0)));
    gates[0].open();
    settle().await;
    assert_eq!(work.wakes(), 0, "an ordinary child is left");
    gates[1].open();
    settle().await;
    assert_eq!((work.wakes(), counts.both()), (1, (3, 0)));
    work.pending();
    settle().await;
    assert_eq!((work.wakes(), counts.both()), (1, (3, 3)));
    work.ready().unwrap();
    assert_eq!(work.wakes(), 0);
}

/// R15: a service that ends by itself, before the others or as the last of all, gives its value, and
/// the scope waits for whoever is left.
#[tokio::test(start_paused = true)]
async fn a_service_may_end_by_itself() {
    for (service, ordinary) in [(1, 2), (2, 2)] {
        let start = Instant::now();
        let child = scope(async |s| {
            let child = s.service(async move {
                sleep(secs(service)).await;
                "done"
            });
            s.spawn(sleep(secs(ordinary)));
            child
        })
        .await
        .unwrap();
        assert_eq!(start.elapsed(), secs(2));
        assert!(child.is_finished());
        if service < ordinary {
            assert_eq!(child.await.unwrap(), "done");
        }
    }
}

/// R3: a service that returns when it is asked to end, because it has returned in that very turn, has
/// returned.
#[tokio::test(start_paused = true)]
async fn what_a_service_returns_stays_in_its_handle() {
    let child = scope(async |s| {
        let child = s.service(async { "value" });
        settle().await;
        child
    });
    assert_eq!(child.await.unwrap().await.unwrap(), "value");
}

/// R1: a service is cancelled by its handle like any child, and only it. Nothing is counted twice
/// when the scope ends later.
#[tokio::test(start_paused = true)]
async fn a_service_can_be_cancelled_by_its_handle() {
    let counts = Counts::new();
    let services = scope(async |s| {
        let services = [s.service(counts.pending()), s.service(counts.pending())];
        settle().await;
        services[0].cancel();
        settle().await;
        assert_eq!(counts.drops(), 1);
        assert!(services[0].is_finished() && !services[1].is_finished());
        services
    })
    .await
    .unwrap();
    assert_eq!(services.each_ref().map(umbel::Child::cancel_count), [1, 1]);
    let kinds = futures_util::future::join_all(services)
        .await
        .into_iter()
        .map(|outcome| outcome.unwrap_err().reason().kind());
    assert!(kinds.eq([Kind::Explicit, Kind::ScopeEnded]));
}

/// R15: a service that is being ended, here in a shield, cannot start another child: it is refused
/// with kind `ScopeEnded`, unpolled. The scope waits for the shield.
#[tokio::test(start_paused = true)]
async fn nothing_is_admitted_while_services_are_being_ended() {
    let counts = Counts::new();
    let (gate, over) = (Gate::new(), Gate::new());
    let body = over.clone();
    let (in_service, in_child) = (gate.clone(), counts.clone());
    let mut work = drive(scope(async |s: Scope<'static>| {
        let own = s.clone();
        s.service(async move {
            let last_words = shield(secs(9), async move {
                in_service.wait().await;
                assert!(!own.is_cancelled());
                let refused = [
                    own.spawn(in_child.pending()),
                    own.service(in_child.pending()),
                    own.fork(in_child.pending()),
                ];
                for child in refused {
                    assert!(child.is_finished() && child.handle().is_none());
                    assert_eq!(child.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
                }
                let mut built = 0;
                let start = own.start(|_: umbel::Ready<()>| {
                    built += 1;
                    pending::<()>()
                });
                assert!(start.await.is_err() && built == 0);
                task::current().cancel_count()
            });
            assert_eq!(last_words.await.unwrap(), 1);
            checkpoint().await;
        });
        body.wait().await;
    }));
    work.pending();
    settle().await;
    over.open();
    work.pending();
    settle().await;
    assert_eq!(counts.drops(), 0, "the service is asked to end, and shielded");
    gate.open();
    settle().await;
    assert_eq!(counts.both(), (0, 3));
    work.ready().unwrap();
}

/// I20: a scope that waits for ordinary children admits others, and its services wait for these too;
/// also for one that the last ordinary child has started in its last poll.
#[tokio::test(start_paused = true)]
async fn a_child_that_is_admitted_late_keeps_the_services() {
    let start = Instant::now();
    let log = Log::new();
    scope(async |s: Scope<'static>| {
        let guard = log.guard("service");
        s.service(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let (own, inside) = (s.clone(), log.clone());
        s.spawn(async move {
            sleep(secs(1)).await;
            own.spawn(async move {
                sleep(secs(1)).await;
                inside.add("late child");
            });
        });
    })
    .await
    .unwrap();
    assert_eq!(start.elapsed(), secs(2));
    assert_eq!(log.all(), ["late child", "service"]);
}

/// R15: a service that an ordinary child starts when the body is over is a service like the others.
#[tokio::test(start_paused = true)]
async fn a_service_can_be_started_after_the_body_has_returned() {
    let counts = Counts::new();
    let inside = counts.clone();
    scope(async |s: Scope<'static>| {
        let own = s.clone();
        s.spawn(async move {
            sleep(secs(1)).await;
            own.service(inside.pending());
            sleep(secs(1)).await;
            assert_eq!(inside.both(), (1, 0));
        });
    })
    .await
    .unwrap();
    assert_eq!(counts.both(), (1, 1));
}

/// R15: services of nested scopes end inside out, each when its own scope is done.
#[tokio::test(start_paused = true)]
async fn services_of_nested_scopes_end_inside_out() {
    let log = Log::new();
    let service = |s: &Scope<'_>, guard| {
        s.service(async move {
            let _guard = guard;
            pending::<()>().await;
        });
    };
    scope(async |outer| {
        service(&outer, log.guard("outer service"));
        scope(async |inner| {
            service(&inner, log.guard("inner service"));
            checkpoint().await;
        })
        .await
        .unwrap();
        log.add("between");
        sleep(secs(1)).await;
    })
    .await
    .unwrap();
    assert_eq!(log.all(), ["inner service", "between", "outer service"]);
}

/// R12, R15: a service that has a scope with children of its own is waited for with all of them.
#[tokio::test(start_paused = true)]
async fn what_a_service_has_started_ends_with_it() {
    let counts = Counts::new();
    let inside = counts.clone();
    scope(async |s| {
        s.service(async move {
            let _ = scope(async |s| {
                s.spawn(inside.pending());
                s.service(inside.pending());
                s.fork(inside.pending());
                pending::<()>().await;
            })
            .await;
            unreachable!("the task absorbs");
        });
        settle().await;
    })
    .await
    .unwrap();
    assert_eq!(counts.both(), (3, 3));
}

/// R24: the handle of a service's task asks and cancels like any other, before and after the end.
#[tokio::test(start_paused = true)]
async fn the_handle_of_a_service_answers() {
    let handle = scope(async |s| {
        let service = s.named("heart").service(pending::<()>());
        assert!(format!("{service:?}").contains("heart") && service.id().is_some());
        assert!(s.picture().to_string().contains("heart"));
        service.handle().unwrap()
    })
    .await
    .unwrap();
    assert_eq!((handle.is_finished(), handle.cancel_count()), (true, 1));
    assert_eq!(handle.reason().unwrap().kind(), Kind::ScopeEnded);
    CancelScope::cancel(&handle);
    assert_eq!(handle.cancel_count(), 2);
}
