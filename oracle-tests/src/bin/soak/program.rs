//! A random program: what its pieces do, one operation after another.
//!
//! The programs are the same for the same seed; how their tasks interleave is not.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt as _;
use futures_util::future::select;
use tokio::task::yield_now;
use umbel::{Cancelled, Child, Reason};

use oracle_tests::ledger::journal::{Journal, Operation, Spot};
use oracle_tests::ledger::place::{HOUR, Host, Place, Sort};
use oracle_tests::ledger::tokens::{Failure, Payload, Value};

use crate::regions::{open, shield, some_turns, time_out};

pub(crate) type Piece<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a piece holds in its hands.
#[derive(Default)]
struct Hands {
    kept: Vec<(usize, Child<Value>)>,
    /// Children were started that end only when they are asked to, or not even then.
    has_patient: bool,
    has_deaf: bool,
}

/// The body of a scope. What it has started that does not end by itself, it ends.
pub(crate) async fn body(
    journal: Arc<Journal>,
    host: Host,
    region: usize,
    depth: u32,
    seed: u64,
) -> Result<(), Failure> {
    let mut dice = Rng::with_seed(seed);
    journal.note_handle(region, host.handle());
    let has_limit = journal.open().regions[region].has_limit;
    let spot = Spot { region, child: None };
    let place = Place { journal, host, on: region, spot, sort: Sort::Body, depth };
    let mut hands = Hands::default();
    steps(&place, &mut hands, &mut dice, 24).await?;
    if has_limit && dice.bool() {
        pending::<()>().await;
    }
    if hands.has_deaf || hands.has_patient && dice.bool() {
        if dice.bool() { cancel(&place, region) } else { stop(&place, region, Duration::ZERO) }
    } else if hands.has_patient {
        stop(&place, region, HOUR);
    }
    Ok(())
}

/// Some operations, as long as there are turns.
async fn steps(place: &Place, hands: &mut Hands, dice: &mut Rng, most: u32) -> Result<(), Failure> {
    for _ in 0..dice.u32(0..=most) {
        let operation = choose(place, dice);
        if !place.journal.open().take_turn(operation) {
            break;
        }
        step(place, hands, dice, operation).await?;
    }
    Ok(())
}

/// How often each operation comes, of a hundred.
const WEIGHTS: [(Operation, u8); Operation::ALL.len()] = [
    (Operation::Open, 10),
    (Operation::Drop, 5),
    (Operation::Spawn, 22),
    (Operation::Fork, 10),
    (Operation::Service, 3),
    (Operation::Await, 14),
    (Operation::Cancel, 3),
    (Operation::CancelChild, 5),
    (Operation::Stop, 2),
    (Operation::TimeOut, 3),
    (Operation::Shield, 4),
    (Operation::Defer, 4),
    (Operation::Fail, 2),
    (Operation::Panic, 1),
    (Operation::Yield, 12),
];

fn choose(place: &Place, dice: &mut Rng) -> Operation {
    let mut rest = dice.u8(0..100);
    for (operation, weight) in WEIGHTS {
        if rest < weight {
            return if is_allowed(place, operation) { operation } else { Operation::Yield };
        }
        rest -= weight;
    }
    unreachable!("the weights are a hundred in all")
}

fn is_allowed(place: &Place, operation: Operation) -> bool {
    match operation {
        Operation::Fail => place.may_fail(),
        Operation::Service => place.sort != Sort::Finalizer,
        Operation::Open | Operation::Drop | Operation::TimeOut | Operation::Shield => {
            place.depth > 0
        }
        _ => true,
    }
}

async fn step(
    place: &Place,
    hands: &mut Hands,
    dice: &mut Rng,
    operation: Operation,
) -> Result<(), Failure> {
    match operation {
        Operation::Open => nested(place, dice).await,
        Operation::Drop => {
            let turns = dice.u32(0..8);
            select(nested(place, dice), Box::pin(some_turns(turns))).await;
        }
        Operation::Spawn | Operation::Fork | Operation::Service => {
            start(place, hands, dice, operation);
        }
        Operation::Await => wait(place, hands, dice).await,
        Operation::Cancel => {
            if let Some(region) = any_region(place, dice) {
                cancel(place, region);
            }
        }
        Operation::CancelChild => cancel_a_child(place, hands, dice),
        Operation::Stop => {
            let grace = if dice.bool() { Duration::ZERO } else { HOUR };
            if let Some(region) = any_region(place, dice) {
                stop(place, region, grace);
            }
        }
        Operation::TimeOut => time_out(place.clone(), dice).await,
        Operation::Shield => shield(place.clone(), dice).await,
        Operation::Defer => defer(place, dice),
        Operation::Fail => return Err(place.failure()),
        Operation::Panic => Payload::throw(&place.journal, place.spot.region),
        Operation::Yield => yield_now().await,
    }
    Ok(())
}

fn nested(place: &Place, dice: &mut Rng) -> Piece<()> {
    open(Arc::clone(&place.journal), Some(place.spot), place.depth - 1, dice.u64(..))
}

/// A piece of a child, a section or a finalizer.
pub(crate) fn piece(place: Place, seed: u64, most: u32) -> Piece<Result<(), Failure>> {
    Box::pin(async move {
        let (mut dice, mut hands) = (Rng::with_seed(seed), Hands::default());
        steps(&place, &mut hands, &mut dice, most).await
    })
}

fn start(place: &Place, hands: &mut Hands, dice: &mut Rng, operation: Operation) {
    let seed = dice.u64(..);
    // What does not end by itself is started by whoever ends it: the body, or the end of services.
    let is_service = operation == Operation::Service;
    let is_endless = dice.u8(0..6) == 0 && (is_service || place.sort == Sort::Body);
    let started = match (is_endless, dice.bool()) {
        (false, _) => {
            let started = place.start(operation, |inside| piece(inside, seed, 3));
            if dice.bool() {
                hands.kept.push(started);
            }
            return;
        }
        (true, true) => {
            hands.has_deaf |= !is_service;
            place.start(operation, |_| pending())
        }
        (true, false) => {
            hands.has_patient |= !is_service;
            place.start(operation, |_| umbel::stopping().map(|_| Ok(())))
        }
    };
    drop(started);
}

async fn wait(place: &Place, hands: &mut Hands, dice: &mut Rng) {
    if hands.kept.is_empty() {
        return;
    }
    let (index, child) = hands.kept.swap_remove(dice.usize(0..hands.kept.len()));
    let told = child.await;
    let told = told.map(|value| value.0);
    place.journal.open().children[index].told = Some(told.map_err(Cancelled::into_reason));
}

/// One of the program's regions that can be addressed: often one of the last.
fn any_region(place: &Place, dice: &mut Rng) -> Option<usize> {
    let pages = place.journal.open();
    let count = pages.regions.len();
    let region = if dice.bool() { place.on } else { dice.usize(count.saturating_sub(8)..count) };
    pages.regions[region].handle.is_some().then_some(region)
}

fn cancel(place: &Place, region: usize) {
    let mut pages = place.journal.open();
    let Some(handle) = pages.regions[region].handle.clone() else { return };
    pages.regions[region].requests += 1;
    drop(pages);
    handle.cancel_with(Reason::new(format!("region {region}")));
}

fn stop(place: &Place, region: usize, grace: Duration) {
    let mut pages = place.journal.open();
    let Some(handle) = pages.regions[region].handle.clone() else { return };
    pages.regions[region].stops += 1;
    drop(pages);
    handle.stop(grace);
}

/// Through its handle, if that is at hand, or through its task's.
fn cancel_a_child(place: &Place, hands: &Hands, dice: &mut Rng) {
    let mut pages = place.journal.open();
    if let Some((index, child)) = hands.kept.last().filter(|_| dice.bool()) {
        pages.children[*index].cancels += 1;
        drop(pages);
        child.cancel();
        return;
    }
    let count = pages.children.len();
    if count == 0 {
        return;
    }
    let index = dice.usize(count.saturating_sub(12)..count);
    let Some(handle) = pages.children[index].handle.clone() else { return };
    pages.children[index].cancels += 1;
    drop(pages);
    handle.cancel_with(Reason::new(format!("child {index}")));
}

fn defer(place: &Place, dice: &mut Rng) {
    let seed = dice.u64(..);
    if dice.u8(0..4) == 0 {
        place.defer(Duration::ZERO, true, |_| pending());
    } else {
        place.defer(HOUR, false, |inside| piece(inside, seed, 3));
    }
}
