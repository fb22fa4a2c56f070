//! What the bodies of a script share.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};

use futures_util::FutureExt as _;
use oracle_tests::ledger::audit::{Totals, audit};
use oracle_tests::ledger::journal::Journal;
use oracle_tests::ledger::place::Place;
use oracle_tests::ledger::tokens::{Failure, Payload, Value};
use oracle_tests::script::{GROUND, Number, Op, Script, Step, Thing, number};
use shuttle::sync::{Mutex, MutexGuard};
use umbel::model::block_on;
use umbel::{CancelScope, Cancelled, Child};

use crate::puppet;

/// A turn of a body: what it does, and which number that gives.
pub type Turn = Vec<(Op, Option<Number>)>;

/// What is known of a thing of the script, when it is there.
#[derive(Debug, Default)]
pub struct Record {
    /// From where children are started on a scope.
    pub place: Option<Place>,
    /// The region in the journal, or the child in it.
    pub region: Option<usize>,
    pub child: Option<usize>,
    pub held: Option<Child<Value>>,
}

#[derive(Clone, Debug)]
pub struct World {
    pub journal: Arc<Journal>,
    script: Arc<Script>,
    things: Arc<[Thing]>,
    records: Arc<Mutex<Vec<Record>>>,
    now: Arc<Mutex<Now>>,
}

/// How far the script is. It goes on at its own pace, and whoever has a turn by then may take it: so bodies
/// are there for as long as others have to do with them.
#[derive(Debug, Default)]
struct Now {
    step: usize,
    waiting: Vec<Waker>,
}

/// What can be addressed.
#[derive(Debug)]
pub enum Target {
    Region(usize, CancelScope),
    Child(usize, CancelScope),
}

impl World {
    fn new(script: &Arc<Script>) -> Self {
        let things = script.things();
        let records = things.iter().map(|_| Record::default()).collect();
        Self {
            journal: Arc::new(Journal::new(0, 0)),
            script: Arc::clone(script),
            things: things.into(),
            records: Arc::new(Mutex::new(records)),
            now: Arc::default(),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The script goes on.
    pub fn advance(&self) {
        let woken = {
            let mut now = self.now();
            now.step += 1;
            std::mem::take(&mut now.waiting)
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether the script has come to that step; if not, `waker` is woken when it goes on.
    pub fn poll_step(&self, step: usize, waker: &Waker) -> Poll<()> {
        let mut now = self.now();
        if now.step >= step {
            return Poll::Ready(());
        }
        now.waiting.push(waker.clone());
        Poll::Pending
    }

    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn thing(&self, number: Number) -> Thing {
        self.things[number]
    }

    /// How many steps the script has.
    #[must_use]
    pub fn end(&self) -> usize {
        self.script.steps.len()
    }

    /// The turns of one body, each with its step.
    #[must_use]
    pub fn turns_of(&self, body: Number) -> Vec<(usize, Turn)> {
        let mut next = GROUND + 1;
        let mut turns = Vec::new();
        for (step, what) in self.script.steps.iter().enumerate() {
            let Step::Turn { by, ops } = what else { continue };
            let turn = number(*by, ops, &mut next);
            if *by == body {
                turns.push((step, turn));
            }
        }
        turns
    }

    #[must_use]
    pub fn place_of(&self, scope: Number) -> Option<Place> {
        self.records()[scope].place.clone()
    }

    /// A scope or a child, once it is there.
    #[must_use]
    pub fn target(&self, number: Number) -> Option<Target> {
        let (region, child) = {
            let records = self.records();
            (records[number].region, records[number].child)
        };
        let pages = self.journal.open();
        match (region, child) {
            (Some(region), _) => {
                let handle = pages.regions[region].handle.clone();
                handle.map(|handle| Target::Region(region, handle))
            }
            (_, Some(child)) => {
                let handle = pages.children[child].handle.clone();
                handle.map(|handle| Target::Child(child, handle))
            }
            _ => None,
        }
    }
}

/// Runs a script to its end, in the execution of a schedule, and audits it. Gives its sums.
///
/// # Panics
///
/// If anything is not what it must be.
#[must_use]
pub fn run(script: &Arc<Script>) -> Totals {
    let world = World::new(script);
    listen(&world.journal);
    block_on(async {
        puppet::ground(&world).await;
        let panics = drain().await;
        ask_children(&world).await;
        check(&world, panics)
    })
}

/// The hook is this execution's, as all statics are.
fn listen(journal: &Arc<Journal>) {
    let journal = Arc::clone(journal);
    umbel::set_unhandled_hook(move |unhandled| match Failure::numbers(unhandled) {
        Some((_, error)) => journal.open().errors[error].nobody += 1,
        None => journal.open().faults.push(format!("R16: {unhandled}")),
    });
}

/// Waits for all orphans. Gives the number of their panics.
async fn drain() -> u64 {
    let mut panics = 0;
    while let Err(payload) = AssertUnwindSafe(umbel::drain()).catch_unwind().await {
        assert!(Payload::catch(payload).is_ok(), "a panic that nobody has made");
        panics += 1;
    }
    panics
}

/// Everybody has ended, so that every handle that is left has something to say.
async fn ask_children(world: &World) {
    for number in GROUND..world.things.len() {
        let (held, index) = {
            let mut records = world.records();
            let record = &mut records[number];
            (record.held.take(), record.child)
        };
        let (Some(child), Some(index)) = (held, index) else { continue };
        let told = child.await.map(|value| value.0).map_err(Cancelled::into_reason);
        world.journal.open().children[index].told = Some(told);
    }
}

fn check(world: &World, drained: u64) -> Totals {
    assert_eq!(umbel::orphans(), 0, "orphans are left");
    let (totals, faults) = audit(&mut world.journal.open());
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(totals.panics_of_orphans > 0, drained > 0, "R14: panics of orphans");
    assert_eq!(totals.counted, totals.requests, "R1: requests made and requests counted");
    totals
}
