//! Where one stands, what one is called and what a scope says of itself: scenarios of AnyIO and Trio that
//! `place.rs`, `locals.rs` and `deadlines.rs` do not have (R20, R22).
mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Instant as StdInstant;

use common::{boom, drive, panic_of, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{CancelScope, Ready, Scope, check, scope, task};

/// The name of the scope in which this is polled.
fn here() -> Option<String> {
    CancelScope::current().and_then(|scope| scope.name()).map(String::from)
}

/// R22, I29, as in Trio's `test_task_nursery_stack`: two nested scopes, the inner one fails. Outside,
/// in the outer, in the inner, and back in the outer one.
#[tokio::test(start_paused = true)]
async fn the_current_scope_on_the_way_in_and_out() {
    assert_eq!(here(), None);
    scope(async |_| {
        assert_eq!(here().as_deref(), Some("outer"));
        let inner = scope(async |_| {
            assert_eq!(here().as_deref(), Some("inner"));
            sleep(secs(1)).await;
            assert_eq!(here().as_deref(), Some("inner"));
            boom("inner");
        })
        .name("inner");
        assert_eq!(panic_of(inner).await, "inner");
        assert_eq!(here().as_deref(), Some("outer"));
    })
    .name("outer")
    .await
    .unwrap();
    assert_eq!(here(), None);
}

/// R22, as in Trio's `test_current_task` and `test_root_task`: in a child the place is the child, and the
/// child hangs below its scope. The root of everything is nobody's child.
#[tokio::test(start_paused = true)]
async fn a_child_knows_that_it_is_one_and_the_root_that_it_is_none() {
    assert!(!task::current().is_child() && CancelScope::current().is_none());
    scope(async |s: Scope<'static>| {
        assert!(!task::current().is_child());
        let child = s.named("child").spawn(async {
            assert!(task::current().is_child());
            (CancelScope::current().unwrap(), task::current().name())
        });
        let below = child.handle().unwrap();
        let (current, name) = child.await.unwrap();
        assert_eq!((current == below, name.as_deref()), (true, Some("child")));
        assert_ne!(current, s.handle());
    })
    .await
    .unwrap();
}

/// R22, as in AnyIO's `test_start_soon_parent_id` and `test_start_parent_id`, without what is temporary
/// there: a child that was spawned by a sibling, and one that is being started by a sibling, hang below
/// the scope, before they are ready as afterwards.
#[tokio::test(start_paused = true)]
async fn whoever_starts_a_child_it_hangs_below_the_scope() {
    let pictures = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&pictures);
    scope(async |s: Scope<'static>| {
        let own = s.clone();
        s.named("sibling").spawn(async move {
            own.named("spawned").spawn(pending::<()>());
            let starting = own.named("started").start(async |ready: Ready<()>| {
                sleep(secs(1)).await;
                ready.notify(());
                pending::<()>().await;
            });
            taken.lock().unwrap().push(own.picture().to_string());
            starting.await.unwrap();
            taken.lock().unwrap().push(own.picture().to_string());
            own.cancel();
        });
    })
    .name("group")
    .await
    .unwrap();
    let pictures = pictures.lock().unwrap();
    assert_eq!(pictures.len(), 2);
    for picture in &*pictures {
        let lines: Vec<_> = picture.lines().collect();
        assert!(lines[0].starts_with("scope \"group\""), "{picture}");
        for (line, name) in lines[1..].iter().zip(["sibling", "spawned", "started"]) {
            let (mid, last) = (format!("├─ task \"{name}\""), format!("└─ task \"{name}\""));
            assert!(line.starts_with(&mid) || line.starts_with(&last), "{picture}");
        }
        assert_eq!(lines.len(), 4, "{picture}");
    }
}

/// R22, as in AnyIO's `test_task_name_*` and Trio's `test_spawn_name`: the name that was given, of whatever sort.
/// There is none by default; the place in the source, which every picture shows, says which child it is.
#[tokio::test(start_paused = true)]
async fn a_name_that_was_given_and_none_by_default() {
    scope(async |s: Scope<'static>| {
        let line = line!() + 1;
        let nameless = s.spawn(async { task::current().name() });
        let named = s.named(String::from("owned")).fork(async { task::current().name() });
        assert_eq!((nameless.name(), named.name().as_deref()), (None, Some("owned")));
        let picture = s.picture().to_string();
        assert!(picture.contains(&format!("task  {}:{line}", file!())), "{picture}");
        assert!(picture.contains("fork \"owned\"  "), "{picture}");
        assert_eq!(nameless.await.unwrap(), None);
        assert_eq!(named.await.unwrap().as_deref(), Some("owned"));
    })
    .await
    .unwrap();
}

/// R24, as in Trio's `test_cancel_scope_repr`: what a scope says of itself before, during and after, and
/// when it was cancelled.
#[test]
fn a_scope_says_in_which_state_it_is() {
    let (work, handle) = scope(async |_| pending::<()>().await).name("named").with_handle();
    let mut work = drive(work);
    work.pending();
    let says = |texts: [&str; 3]| {
        let debug = format!("{handle:?}");
        assert!(texts.iter().all(|text| debug.contains(text)), "{debug}");
    };
    says(["named", "is_cancelled: false", "is_finished: false"]);
    assert!(handle.picture().to_string().starts_with("scope \"named\"  tests/ported_places.rs:"));
    handle.cancel();
    says(["is_cancelled: true", "is_finished: false", "cancel_count: 1"]);
    let picture = handle.picture().to_string();
    assert!(picture.starts_with("scope \"named\", cancelled (1 of its own)  "), "{picture}");
    assert!(work.ready().is_err());
    says(["is_cancelled: true", "is_finished: true", "cancel_count: 1"]);
    assert!(handle.picture().to_string().contains("ended, cancelled (1 of its own)"));
}

/// R20, as in the deadlines of Trio's `test_current_statistics`: while the scope is open its handle tells
/// the deadline in force; a scope that is over has none that could pass.
#[tokio::test(start_paused = true)]
async fn the_deadline_is_told_while_it_is_in_force() {
    let now = || StdInstant::from(Instant::now());
    let (work, handle) = scope(async |s| {
        assert_eq!(s.deadline().unwrap() - now(), secs(5));
        sleep(secs(2)).await;
        s.deadline().unwrap() - now()
    })
    .timeout(secs(5))
    .with_handle();
    assert_eq!(work.await.unwrap(), secs(3));
    sleep(secs(60)).await;
    assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false));
}

/// R21, as in Trio's `mock_clock` and its automatic jumps: ten seconds of sleep are ten seconds on the
/// clock, exactly, in every child.
#[tokio::test(start_paused = true)]
async fn a_sleep_takes_its_time_on_the_clock_alone() {
    let start = Instant::now();
    scope(async |s| {
        for forked in [false, true] {
            let work = async move {
                sleep(secs(10)).await;
                start.elapsed()
            };
            let child = if forked { s.fork(work) } else { s.spawn(work) };
            drop(child);
        }
        s.spawn(async move { sleep(secs(3600)).await });
    })
    .await
    .unwrap();
    assert_eq!(start.elapsed(), secs(3600));
}

/// R12, as in AnyIO's `test_wait_all_tasks_blocked_cancelled_task`: a child cancels itself; whoever waits
/// until all others wait finds it ended.
#[tokio::test(start_paused = true)]
async fn a_child_that_cancels_itself_has_ended_when_all_others_wait() {
    scope(async |s: Scope<'static>| {
        let child = s.spawn(async {
            CancelScope::current().expect("the child itself").cancel();
            assert!(check().is_err() && task::current().is_cancelled());
            pending::<()>().await;
        });
        settle().await;
        assert_eq!((child.is_finished(), child.cancel_count()), (true, 1));
        assert_eq!((s.cancel_count(), child.await.is_err()), (0, true));
    })
    .await
    .unwrap();
}
