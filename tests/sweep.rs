//! Every operation, dropped and cancelled at each of its awaits, in every order of two events.
//!
//! See `sweep/driver.rs` for how a run goes, and `sweep/world.rs` for what is counted in it.

mod common;
#[path = "sweep/driver.rs"]
mod driver;
#[path = "sweep/world.rs"]
mod world;

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use common::secs;
use driver::{Boxed, Case, Event, Make, Seen, Setting, sweep};
use tokio::task::yield_now;
use tokio::time::sleep;
use umbel::{Kind, Scope, TimeoutError, checkpoint, scope};
use world::{At, Door, Said, World, count_reports};

const ALL: &[Setting] = &[Setting::Alone, Setting::Nested, Setting::Spawned];
const IN_SCOPES: &[Setting] = &[Setting::Nested, Setting::Spawned];

/// Orphans are the process's: one operation at a time.
static TURN: Mutex<()> = Mutex::new(());

fn run(case: &Case) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    count_reports();
    sweep(case);
}

/// An operation of which nothing special is known.
const fn case(name: &'static str, make: fn(World, Option<Scope<'static>>) -> Boxed<Said>) -> Case {
    Case {
        name,
        make: Make::Shared(make),
        settings: ALL,
        max_children: None,
        after: None,
        has_shields: false,
        own_requests: 0,
        allows: |_, _| true,
        floor: 1,
    }
}

/// A scope whose body may be cancelled by name: it gives a value, or says who was asked.
fn own_is_asked(said: &Said, seen: &Seen) -> bool {
    match said {
        Said::Value => true,
        Said::Cancelled(Kind::Explicit) => seen.has(Event::Cancel(At::Own)),
        Said::Cancelled(Kind::Stopped) => seen.has(Event::Stop(At::Own)),
        _ => false,
    }
}

/// The scope of the operation, noted and looked at.
async fn own<F: Future>(world: &World, body: impl FnOnce(World, Scope<'static>) -> F) -> Said {
    let work = scope(async |s: Scope<'static>| {
        world.note(At::Own, s.handle());
        let value = world.watch(At::Own, body(world.clone(), s)).await;
        world.over(At::Own);
        value
    });
    Said::of(world.returned(At::Own, work).await)
}

/// A scope that has all sorts of children, one that panics if asked among them.
#[test]
fn scopes() {
    run(&Case {
        allows: own_is_asked,
        ..case("scope", |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let inside = w.clone();
                    let child = s.spawn(w.watch(At::Own, async move {
                        inside.wait().await;
                        inside.value()
                    }));
                    w.note_child(&child);
                    s.fork(w.watch(At::Own, sleep(secs(1))));
                    s.service(w.endless(At::Own));
                    let inside = w.clone();
                    s.service(w.watch(At::Own, async move { inside.wait_for_panic().await }));
                    let _ = child.await;
                    w.value()
                })
                .await
            })
        })
    });
}
