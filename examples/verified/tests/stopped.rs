//! Whoever looks something up may be stopped at any of his awaits, and nothing is left behind.
#![cfg(not(umbel_loom))]

use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use umbel::testing::{Summary, assert_no_leaks, cancel_at_every_await};
use verified::{Answer, Failed, Mistake, Resolver, Source};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A source that answers after a time, or never has an answer.
struct Timed(u64, Option<IpAddr>);

impl Source for Timed {
    fn ask<'a>(&'a self, name: &'a str) -> Answer<'a> {
        Box::pin(async move {
            sleep(secs(self.0)).await;
            self.1.ok_or_else(|| Failed(format!("who is {name}?")))
        })
    }
}

fn resolver(mistake: Option<Mistake>) -> Arc<Resolver> {
    let sources: [Box<dyn Source>; 3] = [
        Box::new(Timed(5, Some(ADDRESS))),
        Box::new(Timed(1, None)),
        Box::new(Timed(2, Some(ADDRESS))),
    ];
    Arc::new(Resolver::new(sources.into(), secs(9)).with_mistake(mistake))
}

/// A lookup, stopped at each await; afterwards somebody else has the address.
fn a_lookup(mistake: Option<Mistake>) -> Summary {
    cancel_at_every_await(
        async || resolver(mistake),
        async |resolver| resolver.resolve("here").await,
    )
    .check(async |resolver, outcome| {
        assert!(outcome.returned().is_none_or(|answer| answer == Ok(ADDRESS)));
        assert_eq!(resolver.resolve("here").await, Ok(ADDRESS));
    })
}

#[test]
fn a_lookup_may_be_stopped_anywhere() {
    assert!(a_lookup(None).suspensions >= 2);
}

/// The one who was stopped has left the next one waiting; the await at which he was is named.
#[test]
fn a_lookup_that_leaves_in_silence_is_found() {
    let said = message(|| _ = a_lookup(Some(Mistake::LeavesInSilence)));
    assert!(said.contains("the check does not end"), "{said}");
    assert!(said.contains("src/resolver.rs:") && said.contains("src/cell.rs:"), "{said}");
}

/// Several lookups at once, stopped: no task lives on.
#[test]
fn what_is_fetched_ahead_may_be_stopped_anywhere() {
    let fetch = async |resolver: &Arc<Resolver>| resolver.fetch(&["here", "there"]).await.is_ok();
    let summary =
        cancel_at_every_await(async || resolver(None), fetch).check(async |resolver, _| {
            assert_eq!(resolver.resolve("there").await, Ok(ADDRESS));
        });
    assert!(summary.suspensions >= 1);
}

async fn fetch(mistake: Option<Mistake>) {
    resolver(mistake).fetch(&["here", "there"]).await.expect("nobody cancels it");
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_ahead_is_there_and_nothing_else() {
    assert_no_leaks(fetch(None)).await;
}

/// The lookups run on in tasks, which tokio counts; the scopes in them have lines.
#[test]
fn lookups_that_are_detached_are_found() {
    let said = message(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(assert_no_leaks(fetch(Some(Mistake::Detached))));
    });
    assert!(said.contains("2 tasks that no scope has started"), "{said}");
    assert!(said.contains("race  ") && said.contains("src/resolver.rs:"), "{said}");
}

/// What a test that fails says.
fn message(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("it is found");
    payload.downcast_ref::<String>().expect("words").clone()
}
