//! The library, driven by a script: step by step on a paused clock. After each step everything runs
//! until nothing moves, and then all is looked at.

mod body;
mod ending;
mod hands;
mod world;

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use self::body::Puppet;
use self::world::{Turn, World};
use crate::clock;
use crate::script::{GROUND, Number, Op, Script, Step, number};
use crate::view::View;

/// Orphans and the hook are the process's: one script at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a script, and gives what was seen after each step.
///
/// # Panics
///
/// If something is left behind when the runtime is gone.
#[must_use]
pub fn run(script: &Script) -> Vec<View> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    world::listen_to_the_hook();
    let world = World::new(script);
    let runtime = runtime();
    let views = runtime.block_on(play(&world, script));
    drop(runtime);
    world.hands_off();
    assert_eq!(umbel::orphans(), 0, "orphans without a runtime");
    assert_eq!(world.running(), Vec::<Number>::new(), "bodies without a runtime");
    // A panic of an orphan is not for the next script.
    let _ = hands::drain_once();
    views
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime can be built")
}

async fn play(world: &World, script: &Script) -> Vec<View> {
    let ground = tokio::spawn(Puppet::new(world.clone(), GROUND));
    sleep(clock::millis(clock::STEP)).await;
    world.start_the_clock();
    let mut views = Vec::with_capacity(script.steps.len());
    let mut next = GROUND + 1;
    for (n, step) in script.steps.iter().enumerate() {
        let units = match step {
            Step::Wait(units) => *units,
            Step::Turn { by, ops } => {
                let turn = Turn { step: n, ops: number(*by, ops, &mut next) };
                give(world, *by, turn);
                0
            }
        };
        // On a paused clock this is over when everything else waits, and all timers before have run.
        sleep(clock::millis(clock::step(units))).await;
        views.push(world.look());
    }
    ground.abort();
    views
}

/// Has somebody take a turn.
fn give(world: &World, by: Number, turn: Turn) {
    if by == GROUND && !turn.ops.iter().any(|(op, _)| Op::is_of_a_body(*op)) {
        turn.each(|act| hands::perform(world, act));
    } else {
        world.give(by, turn);
    }
}
