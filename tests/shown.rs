//! What the public types show of themselves: enough to recognize one in a log, and nothing that takes a
//! line of its own.

mod common;

use std::fmt::Debug;
use std::future::pending;
use std::panic::Location;
use std::time::Duration;

use common::{Gate, secs, settle};
use umbel::{
    CancelScope, Cancelled, LocalScope, Picture, Ready, Scope, TryScope, cancelled, drain,
    local_scope, race, scope, scope_local, shield, shield_unbounded, stopping, task, timeout,
    try_scope,
};

const LIMIT: Duration = secs(5);
/// A handle to a scope without a name that has just begun.
const FRESH: &str = "CancelScope { name: None, is_cancelled: false, is_finished: false, \
                     cancel_count: 0, .. }";

#[track_caller]
fn shows(value: &impl Debug, expected: &str) {
    assert_eq!(format!("{value:?}"), expected);
}

type Outcome = Result<(), Cancelled>;

#[test]
fn futures() {
    shows(&scope(async |_| ()), "ScopeFuture { options: None, .. }");
    shows(
        &scope(async |_| ()).name("page").grace(LIMIT).max_children(3),
        "ScopeFuture { options: Some(Options { name: Some(\"page\"), grace: Some(5s), \
         max_children: Some(3), locals: Values([]) }), .. }",
    );
    let attempt = || try_scope(async |_| Outcome::Ok(()));
    shows(&attempt(), "TryScopeFuture(ScopeFuture { options: None, .. })");
    shows(
        &attempt().collect_errors(),
        "CollectErrors(TryScopeFuture(ScopeFuture { options: None, .. }))",
    );
    shows(&timeout(LIMIT, pending::<()>()), "Timeout { limit: 5s, .. }");
    shows(&shield(LIMIT, pending::<()>()), "Shield { limit: 5s, .. }");
    shows(&shield_unbounded(pending::<()>()), "ShieldUnbounded(..)");
    shows(&drain(), "Drain(..)");
    shows(&cancelled(), "WaitCancelled(..)");
    shows(&stopping(), "WaitStopping(..)");
    let (_work, handle) = scope(async |_| ()).with_handle();
    shows(&handle, FRESH);
    shows(&handle.stop(LIMIT), "Stopped(..)");
    shows(&race([pending::<Result<(), ()>>()]), "Race(..)");
}

#[tokio::test]
async fn a_scope_and_what_is_made_of_it() {
    scope(async |s: Scope<'_>| {
        shows(&CancelScope::current().unwrap(), FRESH);
        shows(&s, &format!("Scope({FRESH})"));
        shows(&s.spawner(), &format!("Spawner {{ handle: {FRESH} }}"));
        shows(&s.named("one"), &format!("Named {{ scope: Scope({FRESH}), name: \"one\" }}"));
        let mut results = s.results::<()>();
        shows(&results, "Results { len: 0, .. }");
        shows(&results.next(), "Next(..)");
        let child = s.named("one").spawn(async {});
        shows(
            &child,
            "Child { name: Some(\"one\"), is_finished: false, cancel_count: 0, .. }",
        );
        let start = s.start(async |ready: Ready<()>| {
            shows(&ready, "Ready(..)");
            shows(&task::current(), "Task { name: None, cancel_count: 0, is_cancelled: false }");
        });
        shows(
            &start,
            "Starting { child: Some(Child { name: None, is_finished: false, cancel_count: 0, .. }), .. }",
        );
        start.await.unwrap_err();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_try_scope_and_what_is_made_of_it() {
    let outcome = try_scope(async |s: TryScope<'_, Cancelled>| {
        shows(&s, &format!("TryScope({FRESH})"));
        shows(&s.spawner(), &format!("TrySpawner(Spawner {{ handle: {FRESH} }})"));
        shows(&s.named("one"), &format!("TryNamed({:?})", s.supervised().named("one")));
        let (slot, inner) = (s.try_reserve().unwrap(), s.supervised().try_reserve().unwrap());
        shows(&slot, &format!("TrySlot({inner:?})"));
        let start = s.start(async |ready: Ready<()>| {
            ready.notify(());
            Outcome::Ok(())
        });
        shows(
            &start,
            "TryStarting { child: Some(Child { name: None, is_finished: false, cancel_count: 0, .. }), .. }",
        );
        start.await.unwrap();
        assert!(s.spawn(async { Outcome::Ok(()) }).id().is_some());
        let fork = s.fork(async { Outcome::Ok(()) });
        assert!(format!("{:?}", fork.id()).starts_with("Some(TaskId(fork-"));
        Outcome::Ok(())
    });
    outcome.await.unwrap();
}

#[test]
fn a_local_scope() {
    let mut work = common::drive(local_scope(async |s: LocalScope<'_>| {
        shows(&s, &format!("LocalScope({FRESH})"));
    }));
    work.ready().unwrap();
}

#[test]
fn what_has_a_name_of_its_own() {
    scope_local!(static REQUEST: u32);
    shows(&REQUEST, "ScopeLocal(REQUEST)");
    let mut work = common::drive(scope(async |s| {
        let fork = s.fork(pending::<()>());
        shows(&fork.id(), "Some(TaskId(fork-1))");
        let here = Location::caller();
        s.cancel_with("enough");
        let reason = s.reason().unwrap();
        let (file, line) = (here.file(), here.line() + 1);
        assert!(format!("{reason:?}").starts_with(&format!(
            "Reason {{ kind: Explicit, message: Some(\"enough\"), location: {file}:{line}:"
        )));
        shows(&s.picture(), &s.picture().to_string());
    }));
    work.ready().unwrap();
}

/// The lines of a picture, without the places in the source.
fn lines(picture: &Picture) -> Vec<String> {
    let text = picture.to_string();
    text.lines().map(|line| line.rsplit_once("  ").expect("it has a place").0.to_owned()).collect()
}

/// Every role, and every state that is worth a word.
#[tokio::test(start_paused = true)]
async fn a_picture() {
    let gate = Gate::new();
    let page = scope(async |s: Scope<'static>| {
        s.named("child").spawn(async {
            let closing = scope(async |inner| {
                inner.named("grandchild").spawn(pending::<()>());
            });
            closing.name("closing").await
        });
        s.fork(shield_unbounded(gate.wait()));
        s.named("ser\nvice").service(pending::<()>());
        let (early, handle) = scope(async |_| pending::<()>().await).with_handle();
        let mut early = common::drive(early);
        early.pending();
        handle.cancel();
        let wait = gate.wait();
        let mut dropped = common::drive(scope(async |inner: Scope<'static>| {
            inner.spawn(shield_unbounded(wait));
            pending::<()>().await;
        }));
        dropped.pending();
        settle().await;
        drop(dropped);
        let picture = lines(&s.picture());
        gate.open();
        s.cancel();
        picture
    });
    let lines = page.name("page").await.unwrap();
    assert_eq!(
        lines,
        [
            "scope \"page\"",
            "├─ task \"child\"",
            "│  └─ scope \"closing\", closing",
            "│     └─ task \"grandchild\"",
            "├─ fork",
            "│  └─ shield \"shield\"",
            "├─ service \"ser\\nvice\"",
            "├─ link",
            "│  └─ scope, cancelled (1 of its own)",
            "└─ scope, dropped, waiting for what is below, cancelled",
            "   └─ task, cancelled",
            "      └─ shield \"shield\"",
        ]
    );
}
