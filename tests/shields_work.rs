//! What sections cost, and how far they reach: bounded work while one is on (I6), depth (R26), and a drop
//! from outside, from which nothing protects (R18).

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use common::{Counts, Gate, drive, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{Scope, scope, shield_unbounded};

/// I6: a scope with a task with a scope with a shielded child of half a second; the outermost is
/// cancelled: bounded work on every level, and none while the child sleeps.
#[tokio::test(start_paused = true)]
async fn the_work_is_bounded_while_a_shielded_child_sleeps() {
    let (start, task, child) = (Instant::now(), Counts::new(), Counts::new());
    let (work, handle) = scope(async |group: Scope<'static>| {
        let (task, child) = (task.clone(), child.clone());
        group.spawn(task.of(async move {
            let _ = scope(async |inner| {
                let section = shield_unbounded(child.of(sleep(Duration::from_millis(500))));
                inner.spawn(section);
                pending::<()>().await;
            })
            .await;
        }));
        pending::<()>().await;
    })
    .with_handle();
    let mut work = drive(work);
    work.pending();
    settle().await;
    handle.cancel();
    handle.cancel();
    work.pending();
    settle().await;
    assert_eq!(work.wakes(), 1);
    let before = (task.polls(), child.polls());
    assert_eq!(before, (1, 2), "each was woken once; only who is in the section is polled for it");
    sleep(Duration::from_millis(499)).await;
    settle().await;
    assert_eq!((task.polls(), child.polls(), work.wakes()), (before.0, before.1, 0));
    sleep(Duration::from_millis(1)).await;
    settle().await;
    assert_eq!(child.both(), (3, 1));
    assert_eq!((work.wakes(), task.drops()), (1, 1));
    assert!(work.ready().is_err());
    assert_eq!(start.elapsed(), Duration::from_millis(500));
}

/// R18: a cancelled scope in a section is dropped from outside: nothing protects from a drop, and what
/// was started in the section is told and waited for.
#[tokio::test(start_paused = true)]
async fn abandonment_reaches_into_a_section() {
    for cancelled in [false, true] {
        let (section, child) = (Counts::new(), Counts::new());
        scope(async |_| {
            let inner = scope(async |inner| {
                if cancelled {
                    inner.cancel();
                }
                shield_unbounded(section.of(async {
                    let _ = scope(async |x| {
                        x.spawn(child.pending());
                        pending::<()>().await;
                    })
                    .await;
                }))
                .await;
            });
            assert!(tokio::time::timeout(secs(1), inner).await.is_err());
            assert_eq!((section.drops(), child.drops()), (1, 0));
        })
        .await
        .unwrap();
        assert_eq!(child.both(), (1, 1), "the enclosing scope has waited");
    }
}

/// R26: a thousand scopes and sections in each other, cancelled from the outermost: one wake, and all
/// end from the inside outwards when the innermost section has.
#[test]
fn a_thousand_sections_in_each_other() {
    fn nest(depth: usize, gate: &Gate) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let wait = gate.wait();
        (0..depth).fold(Box::pin(wait), |inner: Pin<Box<dyn Future<Output = ()> + Send>>, n| {
            if n % 2 == 0 {
                Box::pin(shield_unbounded(inner))
            } else {
                Box::pin(async { drop(scope(async |_| inner.await).await) })
            }
        })
    }
    let test = || {
        let gate = Gate::new();
        let (work, handle) = scope(async |_| {
            nest(1_000, &gate).await;
            pending::<()>().await;
        })
        .with_handle();
        let mut work = drive(work);
        work.pending();
        handle.cancel();
        assert_eq!(work.wakes(), 1);
        work.pending();
        gate.open();
        assert!(work.ready().is_err());
    };
    // A debug build needs some kilobytes for a poll that polls.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(test);
    thread.unwrap().join().unwrap();
}

/// I32: a section that was begun and is polled no more protects until its limit is overdue, a few
/// milliseconds, and no longer: in a body, in a spawned child, in a forked one.
#[tokio::test(start_paused = true)]
async fn a_section_that_nobody_polls_protects_no_longer_than_its_limit() {
    async fn hold() {
        let mut section = Box::pin(umbel::shield(secs(1), pending::<()>()));
        assert!(futures_util::poll!(section.as_mut()).is_pending());
        umbel::CancelScope::current().unwrap().cancel();
        pending::<()>().await;
    }
    for place in ["body", "spawned", "forked"] {
        let start = Instant::now();
        let outcome = scope(async |s| match place {
            "body" => hold().await,
            "spawned" => drop(s.spawn(hold()).await),
            _ => drop(s.fork(hold()).await),
        })
        .await;
        assert_eq!(outcome.is_err(), place == "body");
        let held = start.elapsed();
        assert!(held >= secs(1) && held < secs(1) + Duration::from_millis(10), "{held:?}");
    }
}

/// R26: ten thousand cancelled scopes in each other around a section: the outermost looks for it, the
/// others find the answer.
#[test]
fn ten_thousand_scopes_around_a_section_are_not_quadratic() {
    fn nested(depth: u32) -> Pin<Box<dyn Future<Output = ()>>> {
        if depth == 0 {
            return Box::pin(async {
                drop(umbel::shield(secs(5), tokio::task::yield_now()).await);
            });
        }
        Box::pin(async move { drop(scope(async |_| nested(depth - 1).await).await) })
    }
    let thread = std::thread::Builder::new().stack_size(1 << 30);
    let thread = thread.spawn(|| {
        common::runtime().block_on(async {
            let (work, handle) = scope(async |_| nested(10_000).await).with_handle();
            let mut work = drive(work);
            work.pending();
            handle.cancel();
            while work.poll().is_pending() {}
        });
    });
    thread.unwrap().join().unwrap();
}
