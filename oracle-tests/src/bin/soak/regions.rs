//! The regions of a program: scopes of both sorts, timeouts, shields. Each is awaited here, and what came
//! of it is written down.

use std::any::Any;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt as _;
use futures_util::future::select;
use tokio::task::yield_now;
use umbel::{CancelScope, Cancelled, Scope, TryScope, scope, try_scope};

use oracle_tests::ledger::journal::{End, Journal, Part, Spot};
use oracle_tests::ledger::place::{HOUR, Host, Place, Sort};
use oracle_tests::ledger::tokens::{Failure, Payload, Token, Watch};

use crate::program::{Piece, body, piece};

/// How deep scopes and children go.
const DEPTH: u32 = 6;

/// An outermost scope; after `patience` turns, if that is given, it is dropped.
pub(crate) async fn root(journal: Arc<Journal>, seed: u64, patience: Option<u32>) {
    let work = open(journal, None, DEPTH, seed);
    match patience {
        None => work.await,
        Some(turns) => {
            select(work, Box::pin(some_turns(turns))).await;
        }
    }
}

pub(crate) async fn some_turns(turns: u32) {
    for _ in 0..turns {
        yield_now().await;
    }
}

/// A scope, of either sort.
pub(crate) fn open(
    journal: Arc<Journal>,
    outside: Option<Spot>,
    depth: u32,
    seed: u64,
) -> Piece<()> {
    Box::pin(async move {
        let mut dice = Rng::with_seed(seed);
        if dice.u8(0..3) == 0 {
            in_try_scope(journal, outside, depth, &mut dice).await;
        } else {
            in_scope(journal, outside, depth, &mut dice).await;
        }
    })
}

fn some_limit(dice: &mut Rng) -> Option<Duration> {
    (dice.u8(0..6) == 0).then(|| short(dice))
}

fn short(dice: &mut Rng) -> Duration {
    Duration::from_micros(dice.u64(0..1_500))
}

async fn in_scope(journal: Arc<Journal>, outside: Option<Spot>, depth: u32, dice: &mut Rng) {
    let limit = some_limit(dice);
    let region = journal.add_region(outside, limit.is_some());
    let watch = Watch::new(&journal, region);
    let token = Token::new(&journal, Part::Body(region));
    let (inside, seed) = (Arc::clone(&journal), dice.u64(..));
    let mut work = scope(async move |s: Scope<'static>| {
        let _token = token;
        // An error could only be made in a `try_scope`.
        let _ = body(inside, Host::Plain(s), region, depth, seed).await;
    });
    if dice.bool() {
        journal.note_handle(region, work.handle());
    }
    if let Some(limit) = limit {
        work = work.timeout(limit);
    }
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => {
            watch.ended(outcome.map_or_else(|why| absorbed(&journal, region, why), value));
        }
        Err(payload) => {
            watch.ended(End::Panicked);
            pass_on(&journal, payload, outside, dice);
        }
    }
}

fn value((): ()) -> End {
    End::Value
}

async fn in_try_scope(journal: Arc<Journal>, outside: Option<Spot>, depth: u32, dice: &mut Rng) {
    let limit = some_limit(dice);
    let region = journal.add_region(outside, limit.is_some());
    let watch = Watch::new(&journal, region);
    let token = Token::new(&journal, Part::Body(region));
    let (inside, seed) = (Arc::clone(&journal), dice.u64(..));
    let mut work = try_scope(async move |s: TryScope<'static, Failure>| {
        let _token = token;
        body(inside, Host::Try(s), region, depth, seed).await
    });
    if dice.bool() {
        journal.note_handle(region, work.handle());
    }
    if let Some(limit) = limit {
        work = work.timeout(limit);
    }
    let outcome = if dice.bool() {
        AssertUnwindSafe(work).catch_unwind().await.map(|outcome| outcome.map_err(|one| vec![one]))
    } else {
        let outcome = AssertUnwindSafe(work.collect_errors()).catch_unwind().await;
        outcome.map(|outcome| {
            outcome.map_err(|errors| match errors.cancelled() {
                Some(cancelled) => vec![Failure::from(cancelled.clone())],
                None => errors.into_vec(),
            })
        })
    };
    match outcome {
        Ok(Ok(())) => watch.ended(End::Value),
        Ok(Err(failures)) => watch.ended(failed(&journal, region, failures)),
        Err(payload) => {
            watch.ended(End::Panicked);
            pass_on(&journal, payload, outside, dice);
        }
    }
}

/// A panic has come out of a region. It is caught here for good, or goes on into the body around.
fn pass_on(journal: &Journal, payload: Box<dyn Any + Send>, outside: Option<Spot>, dice: &mut Rng) {
    match outside {
        Some(spot) if dice.bool() => journal.pass_on(payload, spot),
        // What is no panic of ours has been noticed by the hook.
        _ => drop(Payload::catch(payload)),
    }
}

/// A scope says that it was cancelled: so it was addressed itself (I8).
fn absorbed(journal: &Journal, region: usize, cancelled: Cancelled) -> End {
    let mut pages = journal.open();
    let own = pages.regions[region].handle.as_ref().map_or(1, CancelScope::cancel_count);
    if own == 0 {
        pages.faults.push(format!("I8: region {region} absorbed what was not addressed to it"));
    }
    End::Cancelled(cancelled.into_reason())
}

fn failed(journal: &Journal, region: usize, failures: Vec<Failure>) -> End {
    let mut returned = 0;
    for failure in failures {
        match failure {
            Failure::Made { error, .. } => journal.open().errors[error].owner += 1,
            Failure::Cancelled(reason) => return End::Cancelled(reason),
        }
        returned += 1;
    }
    debug_assert!(returned > 0, "region {region} failed without an error");
    End::Failed(returned)
}

pub(crate) async fn time_out(place: Place, dice: &mut Rng) {
    let (limit, is_endless) = (short(dice), dice.bool());
    let (place, token, outside) = enter(&place, true);
    let (journal, region) = (Arc::clone(&place.journal), place.spot.region);
    let watch = Watch::new(&journal, region);
    let work = section(place, token, dice.u64(..), is_endless);
    match AssertUnwindSafe(umbel::timeout(limit, work)).catch_unwind().await {
        Ok(Ok(())) => watch.ended(End::Value),
        Ok(Err(umbel::TimeoutError::Cancelled(cancelled))) => {
            watch.ended(End::Cancelled(cancelled.into_reason()));
        }
        Ok(Err(_)) => watch.ended(End::Elapsed),
        Err(payload) => {
            watch.ended(End::Panicked);
            pass_on(&journal, payload, Some(outside), dice);
        }
    }
}

pub(crate) async fn shield(place: Place, dice: &mut Rng) {
    let is_short = dice.u8(0..4) == 0;
    let limit = if is_short { Duration::ZERO } else { HOUR };
    let (place, token, outside) = enter(&place, is_short);
    let (journal, region) = (Arc::clone(&place.journal), place.spot.region);
    let watch = Watch::new(&journal, region);
    let work = section(place, token, dice.u64(..), is_short);
    match AssertUnwindSafe(umbel::shield(limit, work)).catch_unwind().await {
        Ok(Ok(())) => watch.ended(End::Value),
        Ok(Err(_)) => watch.ended(End::Elapsed),
        Err(payload) => {
            watch.ended(End::Panicked);
            pass_on(&journal, payload, Some(outside), dice);
        }
    }
}

/// A section of this code becomes a region. Also gives where it stands.
fn enter(place: &Place, has_limit: bool) -> (Place, Token, Spot) {
    let region = place.journal.add_region(Some(place.spot), has_limit);
    let token = Token::new(&place.journal, Part::Body(region));
    (place.inside(Sort::Section, region, None), token, place.spot)
}

async fn section(place: Place, token: Token, seed: u64, is_endless: bool) {
    let _token = token;
    // Sections do not fail.
    let _ = piece(place, seed, 4).await;
    if is_endless {
        pending::<()>().await;
    }
}
