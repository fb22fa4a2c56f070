//! Services of scopes that fail, are cancelled or are dropped: they go with the others, for the same
//! reason (R2, R14, R15, R18).
mod common;

use std::future::pending;

use common::{Counts, Log, boom, catch, drive, panic_of, settle, text};
use umbel::{Kind, Scope, orphans, scope};

/// R14: a service that panics fails the scope like any child: all others are cancelled, waited
/// for, and its panic is resumed.
#[tokio::test(start_paused = true)]
async fn a_service_that_panics_fails_the_scope() {
    let log = Log::new();
    let guards = [log.guard("ordinary"), log.guard("service")];
    let outcome = catch(scope(async |s| {
        let [ordinary, service] = guards;
        s.spawn(async move {
            let _guard = ordinary;
            pending::<()>().await;
        });
        s.service(async move {
            let _guard = service;
            pending::<()>().await;
        });
        s.service(async { boom("service") });
        pending::<()>().await;
    }));
    assert_eq!(text(&outcome.await.unwrap_err()), "service");
    assert_eq!((log.count("ordinary"), log.count("service")), (1, 1));
}

/// R14: a destructor of a service that panics while the service is being ended is not lost either.
#[tokio::test(start_paused = true)]
async fn a_panic_of_a_service_on_its_way_out_is_resumed() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("destructor");
        }
    }
    let work = scope(async |s| {
        s.service(async {
            let _bomb = Bomb;
            pending::<()>().await;
        });
        settle().await;
    });
    assert_eq!(panic_of(work).await, "destructor");
}

/// R2: the scope is cancelled: its services with it, for its reason, and uncounted on their side.
#[tokio::test(start_paused = true)]
async fn services_are_cancelled_with_their_scope() {
    let counts = Counts::new();
    let mut service = None;
    let outcome = scope(async |s| {
        service = Some(s.service(counts.pending()));
        settle().await;
        s.cancel_with("enough");
        pending::<()>().await;
    })
    .await;
    assert!(outcome.is_err());
    let service = service.unwrap();
    assert_eq!((service.cancel_count(), counts.both()), (0, (1, 1)));
    assert_eq!(service.await.unwrap_err().reason().message(), Some("enough"));
}

/// R18: the scope's future is dropped: the services are told at once, and the scope around waits.
#[tokio::test(start_paused = true)]
async fn a_dropped_scope_takes_its_services_with_it() {
    let counts = Counts::new();
    for enclosed in [true, false] {
        let outer = scope(async |_| {
            let mut inner = drive(scope(async |s: Scope<'static>| {
                s.service(counts.pending());
                pending::<()>().await;
            }));
            inner.pending();
            settle().await;
            let before = counts.drops();
            drop(inner);
            assert_eq!(counts.drops(), before, "told, and dropped by its own task (I15)");
            before
        });
        if enclosed {
            let before = outer.await.unwrap();
            assert_eq!(counts.drops(), before + 1);
        } else {
            let mut outer = drive(outer);
            let _ = outer.poll();
            settle().await;
            let _ = outer.poll();
        }
    }
    umbel::drain().await;
    assert_eq!((orphans(), counts.both()), (0, (2, 2)));
}

/// R8, R15: the scope fails when nothing but services is left. They end for its reason, uncounted.
#[tokio::test(start_paused = true)]
async fn services_of_a_failed_scope_end_for_its_reason() {
    let counts = Counts::new();
    let mut service = None;
    let work = scope(async |s| {
        service = Some(s.service(counts.pending()));
        settle().await;
        boom("body");
    });
    assert_eq!(panic_of(work).await, "body");
    let service = service.unwrap();
    assert_eq!((service.cancel_count(), counts.both()), (0, (1, 1)));
    assert_eq!(service.await.unwrap_err().reason().kind(), Kind::ChildPanicked);
}

/// R8: the scope is cancelled when its services have been asked to end, which is the first cause for
/// them. The value stands (R3), and there is still one request on each.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_scope_is_the_first_cause_for_its_services() {
    let (work, handle) = scope(|s: Scope<'static>| {
        let service = s.service(pending::<()>());
        std::future::ready((service,))
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    handle.cancel();
    settle().await;
    let (service,) = work.ready().unwrap();
    assert_eq!((service.cancel_count(), handle.cancel_count()), (1, 1));
    assert_eq!(service.await.unwrap_err().reason().kind(), Kind::ScopeEnded);
}
