//! Every operation, dropped and cancelled at each of its awaits, in every order of two events.
//!
//! See `sweep/driver.rs` for how a run goes, and `sweep/world.rs` for what is counted in it.

mod common;
#[path = "sweep/driver.rs"]
mod driver;
#[path = "sweep/world.rs"]
mod world;

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::secs;
use driver::{Boxed, Case, Event, Make, Seen, Setting, sweep};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, sleep};
use umbel::{
    CancelScope, Child, Kind, Race, Ready, Scope, StartError, TimeoutError, TryScope, checkpoint,
    drain, local_scope, orphans, race, scope, shield, shield_unbounded, stopping, timeout,
    try_scope,
};
use world::{At, Door, Mishap, Said, World, count_reports};

const ALL: &[Setting] = &[Setting::Alone, Setting::Nested, Setting::Spawned];
/// Where a task more makes no difference.
const IN_PLACE: &[Setting] = &[Setting::Alone, Setting::Nested];
/// Where the way down from a task to another does.
const ACROSS: &[Setting] = &[Setting::Alone, Setting::Spawned];
const IN_SCOPES: &[Setting] = &[Setting::Nested, Setting::Spawned];

/// Orphans are the process's: one operation at a time.
static TURN: Mutex<()> = Mutex::new(());

fn run(case: &Case) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    count_reports();
    sweep(case);
}

/// An operation that gives a value, or is cancelled by name. It is run `floor` times at least.
const fn case(
    name: &'static str,
    floor: usize,
    make: fn(World, Option<Scope<'static>>) -> Boxed<Said>,
) -> Case {
    Case {
        name,
        make: Make::Shared(make),
        settings: ALL,
        max_children: None,
        after: None,
        has_shields: false,
        own_requests: 0,
        allows: is_asked,
        has_grace: false,
        has_threads: false,
        floor,
    }
}

/// It says that it was cancelled only if somebody has asked.
fn is_asked(said: &Said, seen: &Seen) -> bool {
    match said {
        Said::Value => true,
        Said::Cancelled(Kind::Explicit) => {
            seen.has(Event::Cancel(At::Own)) || seen.has(Event::Cancel(At::Child))
        }
        Said::Cancelled(Kind::Stopped) => seen.has(Event::Stop(At::Own)),
        _ => false,
    }
}

fn is_value(said: &Said, _: &Seen) -> bool {
    matches!(said, Said::Value)
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

/// A future that waits for the other side and gives a value.
fn waiting(world: &World, at: At) -> impl Future<Output = world::Value> + Send + use<> {
    let inside = world.clone();
    world.watch(at, async move {
        inside.wait().await;
        inside.value()
    })
}

/// A future that panics when it is asked to, and else ends, late.
fn panicking(world: &World, at: At) -> impl Future<Output = ()> + Send + use<> {
    let inside = world.clone();
    world.watch(at, async move { inside.wait_for_panic().await })
}

fn of(s: Option<Scope<'static>>) -> Scope<'static> {
    s.expect("in a scope")
}

// Scopes.

/// All sorts of children, one that panics if asked among them.
#[test]
fn scopes() {
    run(&case("scope", 3_160, |world, _| {
        Box::pin(async move {
            own(&world, async |w: World, s: Scope<'static>| {
                let child = s.spawn(waiting(&w, At::Own));
                w.note_child(&child);
                s.fork(w.watch(At::Own, sleep(secs(1))));
                s.service(w.endless(At::Own));
                s.service(panicking(&w, At::Own));
                let _ = child.await;
                w.value()
            })
            .await
        })
    }));
}

/// A body that returns before its children do, one of which has a scope with a child.
#[test]
fn scopes_that_wait_for_children() {
    run(&Case {
        settings: ACROSS,
        ..case("scope, early return", 860, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let inside = w.clone();
                    let deep = scope(async move |s: Scope<'static>| {
                        s.spawn(waiting(&inside, At::Own));
                        s.service(panicking(&inside, At::Own));
                        s.service(inside.endless(At::Own));
                    });
                    let child = s.spawn(w.watch(At::Own, deep));
                    w.note_child(&child);
                    s.fork(waiting(&w, At::Own));
                    w.value()
                })
                .await
            })
        })
    });
}

/// A bound: one at a time, whatever happens to those that wait.
#[test]
fn bounded_scopes() {
    run(&Case {
        settings: ACROSS,
        ..case("scope, max_children", 1_190, |world, _| {
            Box::pin(async move {
                let running = Arc::new(AtomicUsize::new(0));
                let inside = world.clone();
                let work = scope(async move |s: Scope<'static>| {
                    inside.note(At::Own, s.handle());
                    for _ in 0..2 {
                        s.spawn(inside.watch(At::Own, one_at_a_time(&inside, &running)));
                    }
                    let last = s.fork(inside.watch(At::Own, one_at_a_time(&inside, &running)));
                    inside.note_child(&last);
                    s.spawn(inside.watch(At::Own, one_at_a_time(&inside, &running)));
                    let _ = last.await;
                    inside.over(At::Own);
                });
                Said::of(world.returned(At::Own, work.max_children(1)).await)
            })
        })
    });
}

/// One that must not run beside another.
fn one_at_a_time(
    world: &World,
    running: &Arc<AtomicUsize>,
) -> impl Future<Output = ()> + Send + use<> {
    let (world, running) = (world.clone(), Arc::clone(running));
    async move {
        if running.fetch_add(1, Ordering::SeqCst) > 0 {
            world.fault("two run where one may");
        }
        let _left = Left(running);
        sleep(secs(1)).await;
    }
}

struct Left(Arc<AtomicUsize>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Finalizers: each once, to its end, before the scope returns; or before the one around it does.
#[test]
fn finalizers() {
    run(&Case {
        has_shields: true,
        settings: IN_PLACE,
        ..case("scope with finalizers", 2_260, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    s.defer(secs(9), w.finalizer(At::Own, sleep(secs(1))));
                    s.defer_unbounded(w.finalizer(At::Own, yield_now()));
                    // Cut by its limit.
                    s.defer(secs(1), w.at_risk(w.endless(At::Own)));
                    let (inside, later) = (w.clone(), s.clone());
                    let child = s.spawn(w.watch(At::Own, async move {
                        inside.wait().await;
                        later.defer(secs(9), inside.finalizer(At::Own, yield_now()));
                    }));
                    w.note_child(&child);
                    let _ = child.await;
                    w.value()
                })
                .await
            })
        })
    });
}

/// A finalizer that panics, and those that run all the same.
#[test]
fn finalizers_that_panic() {
    run(&Case {
        has_shields: true,
        settings: ACROSS,
        ..case("finalizers that panic", 1_080, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    s.defer(secs(9), w.finalizer(At::Own, sleep(secs(1))));
                    let last = w.clone();
                    s.defer(secs(2), w.at_risk(async move { last.wait_for_panic().await }));
                    w.wait().await;
                })
                .await
            })
        })
    });
}

/// The requests that are softened: with a grace, a cancel is a stop first.
#[test]
fn scopes_with_a_grace_and_a_deadline() {
    run(&Case {
        own_requests: 1,
        allows: |said, _| matches!(said, Said::Value | Said::Cancelled(_)),
        has_grace: true,
        settings: IN_PLACE,
        ..case("scope, grace, deadline", 2_260, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work = scope(async move |s: Scope<'static>| {
                    inside.note(At::Own, s.handle());
                    let child = s.spawn(waiting(&inside, At::Own));
                    inside.note_child(&child);
                    // Is cut when the grace is over.
                    let stubborn = s.spawn(inside.endless(At::Own));
                    select(stopping(), child).await;
                    if !s.is_stopping() {
                        stubborn.cancel();
                    }
                    sleep(secs(1)).await;
                    inside.over(At::Own);
                });
                let work = work.grace(secs(1)).timeout(secs(2));
                Said::of(world.returned(At::Own, work).await)
            })
        })
    });
}

/// A destructor that starts children and asks for a finalizer: where that is too late they are refused,
/// and else they are waited for.
struct Starts(World, Scope<'static>);

impl Drop for Starts {
    fn drop(&mut self) {
        let Self(w, s) = self;
        s.spawn(w.watch(At::Own, sleep(secs(1))));
        s.fork(w.watch(At::Own, sleep(secs(1))));
        s.service(w.endless(At::Own));
        s.defer(secs(9), w.finalizer(At::Own, sleep(secs(1))));
    }
}

#[test]
fn destructors_that_start_children() {
    run(&Case {
        has_shields: true,
        settings: ACROSS,
        ..case("destructors that start", 1_440, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let (inside, starts) = (w.clone(), Starts(w.clone(), s.clone()));
                    let child = s.spawn(w.watch(At::Own, async move {
                        let _starts = starts;
                        inside.wait().await;
                    }));
                    w.note_child(&child);
                    let _starts = Starts(w.clone(), s.clone());
                    let _ = child.await;
                })
                .await
            })
        })
    });
}

/// A panic of a destructor is heard as any other.
#[test]
fn destructors_that_panic() {
    run(&Case {
        settings: IN_PLACE,
        ..case("destructors that panic", 1_680, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let (inside, mine) = (w.clone(), w.mine());
                    let child = s.spawn(w.watch(At::Own, async move {
                        let _mine = mine;
                        inside.wait().await;
                    }));
                    w.note_child(&child);
                    s.fork(waiting(&w, At::Own));
                    s.defer(secs(9), w.finalizer(At::Own, yield_now()));
                    let _ = child.await;
                })
                .await
            })
        })
    });
}

/// Two scopes in one task, of which the first to return wins, and the other is dropped.
#[test]
fn scopes_in_a_select() {
    run(&Case {
        has_shields: true,
        allows: |said, seen| matches!(said, Said::Nothing) || is_asked(said, seen),
        settings: IN_PLACE,
        ..case("select of scopes", 2_270, |world, _| {
            Box::pin(async move {
                let one = own(&world, async |w: World, s: Scope<'static>| {
                    let child =
                        s.spawn(w.watch(At::Own, shield(secs(9), w.section(sleep(secs(2))))));
                    w.note_child(&child);
                    s.defer(secs(9), w.finalizer(At::Own, sleep(secs(1))));
                    w.wait().await;
                });
                let other = scope(async |s: Scope<'static>| {
                    s.fork(waiting(&world, At::Around));
                    s.defer(secs(9), world.finalizer(At::Around, sleep(secs(1))));
                    s.spawn(world.watch(At::Around, sleep(secs(2)))).await
                });
                match select(pin!(one), pin!(other)).await {
                    Either::Left((said, _)) => said,
                    Either::Right(_) => Said::Nothing,
                }
            })
        })
    });
}

/// A finalizer with a scope in it, of a scope in a child, dropped by a timeout of tokio's.
#[test]
fn finalizers_with_scopes() {
    run(&Case {
        has_shields: true,
        settings: ACROSS,
        allows: |said, seen| matches!(said, Said::Nothing) || is_asked(said, seen),
        ..case("finalizers with scopes", 2_700, |world, _| {
            Box::pin(async move {
                let work = own(&world, async |w: World, s: Scope<'static>| {
                    s.defer_unbounded(w.finalizer(At::Own, with_finalizer(w.clone())));
                    let inner = with_finalizer(w.clone());
                    let child = s.spawn(w.watch(At::Own, inner));
                    w.note_child(&child);
                    s.fork(w.watch(At::Own, with_finalizer(w.clone())));
                    w.wait().await;
                });
                tokio::time::timeout(secs(2), work).await.unwrap_or(Said::Nothing)
            })
        })
    });
}

/// A scope with a child, and a finalizer that starts another.
async fn with_finalizer(w: World) {
    let work = scope(async move |s: Scope<'static>| {
        s.spawn(w.watch(At::Own, sleep(secs(1))));
        let inside = w.clone();
        let again: Boxed<()> = Box::pin(async move {
            let work = scope(async |s: Scope<'static>| {
                s.spawn(inside.watch(At::Own, sleep(secs(1))));
            });
            let _ = work.await;
        });
        s.defer(secs(9), w.finalizer(At::Own, again));
        yield_now().await;
    });
    let _ = work.await;
}

// Futures that move.

/// A scope with a child, boxed.
fn mobile(world: &World) -> Boxed<Said> {
    let world = world.clone();
    Box::pin(async move {
        own(&world, async |w: World, s: Scope<'static>| {
            let child = s.spawn(waiting(&w, At::Own));
            s.fork(w.watch(At::Own, sleep(secs(1))));
            s.service(panicking(&w, At::Own));
            s.defer(secs(9), w.finalizer(At::Own, sleep(secs(1))));
            let _ = child.await;
        })
        .await
    })
}

/// First polled in a scope that ends, and then outside of it (R23).
#[test]
fn survivors() {
    run(&Case {
        has_shields: true,
        allows: |said, seen| matches!(said, Said::Cancelled(_)) || is_asked(said, seen),
        settings: IN_PLACE,
        ..case("survivor of a scope", 2_820, |world, _| {
            Box::pin(async move {
                let mut work = mobile(&world);
                let first = scope(async |_| {
                    let patience = pin!(sleep(secs(1)));
                    let _ = select(patience, &mut work).await;
                });
                if first.await.is_err() {
                    world.fault("nobody can have cancelled it");
                }
                work.await
            })
        })
    });
}

/// First polled in the scope around, and then in a child of it.
#[test]
fn survivors_in_children() {
    run(&Case {
        has_shields: true,
        settings: IN_SCOPES,
        allows: |said, seen| matches!(said, Said::Cancelled(_)) || is_asked(said, seen),
        ..case("moved into a child", 1_650, |world, s| {
            Box::pin(async move {
                let (s, mut work) = (of(s), mobile(&world));
                if futures_util::poll!(&mut work).is_ready() {
                    world.fault("it cannot be ready yet");
                }
                let child = s.spawn(world.watch(At::Around, work));
                s.defer(secs(9), world.finalizer(At::Around, sleep(secs(1))));
                Said::of(child.await)
            })
        })
    });
}

// Errors.

/// How a `try_scope` ended.
fn said_of<T>(world: &World, outcome: Result<T, Mishap>) -> Said {
    match outcome {
        Ok(_) => Said::Value,
        Err(Mishap::Cancelled(kind)) => {
            if world.state().errors > 0 {
                world.fault("a cancellation has beaten an error (R14)");
            }
            Said::Cancelled(kind)
        }
        Err(mishap) => {
            mishap.returned();
            Said::Failed
        }
    }
}

/// The body of a `try_scope` in which a child fails, and a fork after it was asked to stop.
async fn failing(w: World, s: TryScope<'static, Mishap>) -> Result<world::Value, Mishap> {
    w.note(At::Own, s.handle());
    let inside = w.clone();
    let child = s.spawn(w.watch(At::Own, async move {
        inside.wait().await;
        Err::<(), _>(inside.error())
    }));
    w.note_child(&child);
    let inside = w.clone();
    s.fork(w.watch(At::Own, async move {
        let cleaned = shield(secs(9), inside.section(sleep(secs(2)))).await;
        cleaned.map_err(|_| inside.error()).and(Err::<(), _>(inside.error()))
    }));
    let panics = panicking(&w, At::Own);
    s.service(async move {
        panics.await;
        Ok(())
    });
    if child.await.is_err() {
        // Whoever is cancelled himself is told nothing: the child alone was.
        if s.is_cancelled() {
            w.fault("a body was told of a child although it is cancelled (R14)");
        }
        return Err(w.error());
    }
    w.over(At::Own);
    Ok(w.value())
}

#[test]
fn try_scopes() {
    run(&Case {
        has_shields: true,
        own_requests: 3,
        allows: |said, seen| matches!(said, Said::Failed) || is_asked(said, seen),
        settings: IN_PLACE,
        ..case("try_scope", 2_170, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work = try_scope(|s| inside.watch(At::Own, failing(inside.clone(), s)));
                let outcome = world.ending(At::Own, work, Mishap::kind).await;
                said_of(&world, outcome)
            })
        })
    });
}

/// A finalizer fails too, and all errors are returned.
#[test]
fn collected_errors() {
    run(&Case {
        has_shields: true,
        own_requests: 4,
        allows: |said, seen| matches!(said, Said::Failed) || is_asked(said, seen),
        settings: ACROSS,
        ..case("collect_errors", 2_000, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work = try_scope(|s: TryScope<'static, Mishap>| {
                    let last = inside.clone();
                    s.defer(
                        secs(9),
                        inside.finalizer(At::Own, async move {
                            sleep(secs(1)).await;
                            Err(last.error())
                        }),
                    );
                    inside.watch(At::Own, failing(inside.clone(), s))
                });
                let work = work.collect_errors();
                let outcome = world.ending(At::Own, work, |_| Kind::ChildFailed).await;
                let Err(errors) = outcome else { return Said::Value };
                errors.iter().for_each(Mishap::returned);
                Said::Failed
            })
        })
    });
}

// Sections.

#[test]
fn shields() {
    run(&Case {
        has_shields: true,
        settings: IN_PLACE,
        ..case("shield", 1_760, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let child =
                        s.spawn(w.watch(At::Own, shield(secs(9), w.section(sleep(secs(2))))));
                    w.note_child(&child);
                    s.fork(w.watch(At::Own, shield(secs(9), w.section(sleep(secs(1))))));
                    if shield(secs(9), w.section(sleep(secs(1)))).await.is_err() {
                        w.fault("a shield has elapsed before its limit");
                    }
                    w.wait().await;
                })
                .await
            })
        })
    });
}

/// What is opened in a shield is not cancelled from above.
#[test]
fn unbounded_shields() {
    run(&Case {
        has_shields: true,
        settings: ACROSS,
        ..case("shield_unbounded", 960, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, _: Scope<'static>| {
                    let inside = w.clone();
                    let work: Boxed<_> = Box::pin(scope(async move |s: Scope<'static>| {
                        let section = inside.section(sleep(secs(2)));
                        let _ = s.spawn(inside.watch(At::Own, section)).await;
                        s.fork(inside.watch(At::Own, inside.section(sleep(secs(1)))));
                    }));
                    if shield_unbounded(w.section(work)).await.is_err() {
                        w.fault("a scope in a shield was cancelled");
                    }
                    w.wait().await;
                })
                .await
            })
        })
    });
}

/// A shield that its limit cuts, with a child in it.
#[test]
fn shields_that_elapse() {
    run(&Case {
        has_shields: true,
        own_requests: 1,
        allows: |said, _| matches!(said, Said::Elapsed),
        ..case("shield, elapsed", 640, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work: Boxed<_> = Box::pin(scope(async move |s: Scope<'static>| {
                    s.spawn(inside.endless(At::Own));
                    inside.wait().await;
                }));
                let section = world.at_risk(shield(secs(2), work));
                match world.ending(At::Own, section, |_| Kind::Deadline).await {
                    Ok(_) => pending().await,
                    Err(_) => Said::Elapsed,
                }
            })
        })
    });
}

#[test]
fn timeouts() {
    run(&Case {
        own_requests: 1,
        allows: |said, _| matches!(said, Said::Value | Said::Elapsed),
        settings: ACROSS,
        ..case("timeout", 180, |world, _| {
            Box::pin(async move {
                let begin = Instant::now();
                let inside = world.clone();
                let work = timeout(
                    secs(2),
                    world.watch(At::Own, async move {
                        let deep =
                            scope(async |s: Scope<'static>| s.spawn(waiting(&inside, At::Own)));
                        deep.await.expect("nobody cancels it").await
                    }),
                );
                let outcome = world.ending(At::Own, work, |_| Kind::Deadline).await;
                let is_late = begin.elapsed() >= secs(2);
                match outcome {
                    Ok(_) => Said::Value,
                    Err(TimeoutError::Elapsed(_)) if is_late => Said::Elapsed,
                    Err(_) => Said::Nothing,
                }
            })
        })
    });
}

/// Of equal deadlines the outer one acts, and one that is moved is in force where it was moved to.
#[test]
fn deadlines() {
    run(&Case {
        own_requests: 1,
        allows: |said, seen| {
            matches!(said, Said::Elapsed | Said::Cancelled(Kind::Deadline)) || is_asked(said, seen)
        },
        settings: IN_PLACE,
        ..case("deadlines", 1_800, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work = scope(async move |s: Scope<'static>| {
                    inside.note(At::Own, s.handle());
                    let (inner, own) = (timeout(secs(2), waiting(&inside, At::Own)), s.handle());
                    let child = s.spawn(inside.watch(At::Own, async move {
                        sleep(secs(1)).await;
                        own.set_deadline((Instant::now() + secs(1)).into_std());
                        timeout(secs(1), pending::<()>()).await
                    }));
                    inside.note_child(&child);
                    if let Err(TimeoutError::Elapsed(_)) = inner.await {
                        inside.fault("the inner one of two equal deadlines has acted (R20)");
                    }
                    let _ = child.await;
                    inside.over(At::Own);
                });
                let work = world.returned(At::Own, work.timeout(secs(2)));
                match timeout(secs(2), work).await {
                    Ok(outcome) => Said::of(outcome),
                    Err(_) => Said::Elapsed,
                }
            })
        })
    });
}

/// Whoever waits for a child in a shield is told, although he is cancelled.
#[test]
fn children_awaited_in_shields() {
    run(&Case {
        has_shields: true,
        settings: ACROSS,
        ..case("shield around a child", 1_060, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let child = s.spawn(waiting(&w, At::Own));
                    w.note_child(&child);
                    let fork = s.fork(w.watch(At::Own, sleep(secs(2))));
                    let both = async {
                        let _ = child.await;
                        fork.await.is_ok()
                    };
                    let has_ended = shield_unbounded(w.section(both)).await;
                    if !has_ended && !s.is_cancelled() {
                        w.fault("a fork was cut, and its scope goes on");
                    }
                    yield_now().await;
                })
                .await
            })
        })
    });
}

#[test]
fn checkpoints() {
    run(&Case {
        allows: is_value,
        ..case("checkpoint", 190, |world, _| {
            Box::pin(async move {
                for _ in 0..3 {
                    checkpoint().await;
                    if umbel::check().is_err() {
                        world.fault("past a checkpoint of a cancelled scope (R9)");
                    }
                }
                Said::Value
            })
        })
    });
}

// Whoever waits for another scope.

/// A scope beside the operation, in a child of the scope around it.
fn beside(world: &World, s: &Scope<'static>) -> CancelScope {
    let inside = world.clone();
    let (work, handle) = scope(async move |s: Scope<'static>| {
        let child = s.spawn(waiting(&inside, At::Own));
        inside.note_child(&child);
        let _ = child.await;
        inside.over(At::Own);
    })
    .with_handle();
    world.note(At::Own, handle.clone());
    let inside = world.clone();
    drop(s.spawn(world.watch(At::Around, async move {
        let _ = inside.returned(At::Own, work).await;
    })));
    handle
}

fn is_its_end(said: &Said, seen: &Seen) -> bool {
    matches!(said, Said::Nothing) || is_asked(said, seen)
}

fn reason(reason: Option<umbel::Reason>) -> Said {
    reason.map_or(Said::Nothing, |reason| Said::Cancelled(reason.kind()))
}

#[test]
fn waiting_for_a_cancellation() {
    run(&Case {
        settings: IN_SCOPES,
        allows: is_its_end,
        ..case("cancelled", 590, |world, s| {
            Box::pin(async move { reason(beside(&world, &of(s)).cancelled().await) })
        })
    });
}

/// Of the scope itself: whoever is cancelled does not go on.
#[test]
fn waiting_for_the_own_cancellation() {
    run(&Case {
        allows: is_asked,
        settings: ACROSS,
        ..case("cancelled, stopping", 430, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let (inside, asked) = (w.clone(), s.handle());
                    let child = s.spawn(w.watch(At::Own, async move {
                        let waits = pin!(inside.wait());
                        if let Either::Left((reason, _)) = select(stopping(), waits).await {
                            if reason.is_none() || !asked.is_stopping() {
                                inside.fault("stopping has returned without a cause (R17)");
                            }
                        }
                    }));
                    w.note_child(&child);
                    let waits = pin!(child);
                    if let Either::Left(_) = select(umbel::cancelled(), waits).await {
                        w.fault("a cancelled body goes on (R2)");
                    }
                })
                .await
            })
        })
    });
}

#[test]
fn waiting_for_a_stop() {
    run(&Case {
        settings: IN_SCOPES,
        own_requests: 1,
        allows: |said, _| matches!(said, Said::Nothing | Said::Cancelled(_)),
        ..case("stop().await", 1_240, |world, s| {
            Box::pin(async move {
                let handle = beside(&world, &of(s));
                sleep(secs(1)).await;
                let said = reason(handle.stop(secs(1)).await);
                if !handle.is_finished() {
                    world.fault("Stopped has returned before the end (R17)");
                }
                said
            })
        })
    });
}

#[test]
fn waiting_for_a_stop_to_be_asked_for() {
    run(&Case {
        settings: IN_SCOPES,
        allows: |said, seen| {
            matches!(said, Said::Cancelled(Kind::Stopped)) && seen.has(Event::Stop(At::Around))
                || is_its_end(said, seen)
        },
        ..case("stopping", 580, |world, s| {
            Box::pin(async move { reason(beside(&world, &of(s)).stopping().await) })
        })
    });
}

// Children.

/// What a child does that has a scope of its own.
async fn deep(world: &World) {
    let work = scope(async |s: Scope<'static>| {
        s.spawn(waiting(world, At::Child));
        s.fork(world.watch(At::Child, sleep(secs(1))));
    });
    if work.await.is_err() {
        world.fault("a scope has absorbed what was meant for its task (R4)");
    }
}

#[test]
fn spawned_children() {
    run(&Case {
        settings: IN_SCOPES,
        ..case("Child::await, spawned", 1_240, |world, s| {
            Box::pin(async move {
                let (s, inside) = (of(s), world.clone());
                s.service(panicking(&world, At::Around));
                let child = s.spawn(world.watch(At::Around, async move {
                    deep(&inside).await;
                    inside.value()
                }));
                world.note_child(&child);
                Said::of(child.await)
            })
        })
    });
}

#[test]
fn forked_children() {
    run(&Case {
        settings: IN_SCOPES,
        ..case("Child::await, forked", 1_620, |world, s| {
            Box::pin(async move {
                let (s, inside) = (of(s), world.clone());
                s.fork(panicking(&world, At::Around));
                s.fork(world.watch(At::Around, sleep(secs(1))));
                let child = s.fork(world.watch(At::Around, async move {
                    deep(&inside).await;
                    inside.value()
                }));
                world.note_child(&child);
                Said::of(child.await)
            })
        })
    });
}

/// Functions on threads, which nothing can stop: they run to their end, and are waited for.
#[test]
fn blocking_children() {
    run(&Case {
        settings: &[Setting::Nested],
        has_threads: true,
        // One that is cancelled and has begun may still give its value.
        ..case("Child::await, blocking", 90, |world, s| {
            Box::pin(async move {
                let (s, inside) = (of(s), world.clone());
                s.spawn(
                    world.watch(
                        At::Around,
                        shield_unbounded(world.section(world.clone().opening())),
                    ),
                );
                let began = world.watch(At::Around, pending::<()>());
                let child = s.spawn_blocking(move |cx| {
                    let _began = began;
                    while !inside.door(Door::Thread).is_open() && !cx.is_cancelled() {
                        std::thread::sleep(Duration::from_micros(20));
                    }
                    inside.value()
                });
                world.note_child(&child);
                Said::of(child.await)
            })
        })
    });
}

/// A child with a thread of its own.
#[test]
fn pinned_children() {
    run(&Case {
        settings: &[Setting::Nested],
        has_threads: true,
        ..case("Child::await, pinned", 100, |world, s| {
            Box::pin(async move {
                let (s, inside) = (of(s), world.clone());
                s.spawn(
                    world.watch(
                        At::Around,
                        shield_unbounded(world.section(world.clone().opening())),
                    ),
                );
                let child = s.spawn_pinned(move || {
                    let here = inside.clone();
                    inside.watch(At::Around, async move {
                        here.door(Door::Thread).wait().await;
                        here.value()
                    })
                });
                world.note_child(&child);
                Said::of(child.await)
            })
        })
    });
}

/// A child's handle that was carried out of its scope, and a scope that belongs to nobody.
#[test]
fn children_of_others() {
    run(&Case {
        allows: |said, seen| matches!(said, Said::Nothing) || is_asked(said, seen),
        ..case("Child::await, elsewhere", 900, |world, _| {
            Box::pin(async move {
                world.state().is_elsewhere = true;
                let (give, take) = oneshot::channel();
                let inside = world.clone();
                let work = scope(async move |s: Scope<'static>| {
                    inside.note(At::Own, s.handle());
                    let child = s.spawn(waiting(&inside, At::Own));
                    inside.note_child(&child);
                    let _ = give.send(child);
                    inside.wait().await;
                    inside.over(At::Own);
                });
                let inside = world.clone();
                let task = tokio::spawn(async move {
                    let _ = inside.returned(At::Own, work).await;
                });
                let _abort = Abort(task.abort_handle());
                match take.await {
                    Ok(child) => Said::of(child.await),
                    Err(_) => Said::Nothing,
                }
            })
        })
    });
}

struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[test]
fn starts() {
    run(&Case {
        own_requests: 1,
        settings: ACROSS,
        ..case("start", 490, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let inside = w.clone();
                    let starting = s.start(|ready: Ready<world::Value>| {
                        let after = inside.clone();
                        inside.watch(At::Own, async move {
                            after.wait().await;
                            // And ends in the same poll.
                            ready.notify(after.value());
                            after.value()
                        })
                    });
                    if let Some(child) = starting.handle() {
                        w.note(At::Child, child);
                    }
                    match starting.await {
                        Ok(started) => drop(started.child.await),
                        Err(StartError::Cancelled(_)) => {}
                        Err(_) => w.fault("it has ended before it was ready"),
                    }
                })
                .await
            })
        })
    });
}

/// The caller leaves, and its scope stays: the child is cancelled, at once and by name (I28).
#[test]
fn starts_that_are_dropped() {
    run(&Case {
        settings: IN_SCOPES,
        own_requests: 1,
        ..case("start, in place", 790, |world, s| {
            Box::pin(async move {
                let (s, inside) = (of(s), world.clone());
                let starting = s.start(|ready: Ready<world::Value>| {
                    let after = inside.clone();
                    inside.watch(At::Around, async move {
                        sleep(secs(1)).await;
                        ready.notify(after.value());
                        after.wait().await;
                        after.value()
                    })
                });
                let mut leaves = Leaves { world: world.clone(), child: starting.handle() };
                if let Some(child) = &leaves.child {
                    world.note(At::Child, child.clone());
                }
                let started = starting.await;
                leaves.child = None;
                match started {
                    Ok(started) => Said::of(started.child.await),
                    Err(StartError::Cancelled(cancelled)) => {
                        Said::Cancelled(cancelled.reason().kind())
                    }
                    Err(_) => Said::Failed,
                }
            })
        })
    });
}

/// Looks, when a start has been dropped, whether its child is cancelled.
struct Leaves {
    world: World,
    /// Gone when the start has returned.
    child: Option<CancelScope>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        let child = self.child.as_ref();
        if child.is_some_and(|child| !child.is_cancelled() && !child.is_finished()) {
            self.world.fault("a start was dropped, and its child goes on (I28)");
        }
    }
}

/// One that is dropped before the child is ready, and one whose child fails before it is.
#[test]
fn starts_that_fail() {
    run(&Case {
        own_requests: 3,
        allows: |said, seen| matches!(said, Said::Failed) || is_asked(said, seen),
        settings: ACROSS,
        ..case("start in a try_scope", 440, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work = try_scope(async move |s: TryScope<'static, Mishap>| {
                    inside.note(At::Own, s.handle());
                    let after = inside.clone();
                    let starting = s.start(|ready: Ready<world::Value>| {
                        inside.watch(At::Own, async move {
                            after.wait().await;
                            drop(ready);
                            Err::<(), _>(after.error())
                        })
                    });
                    let waits = Box::pin(sleep(secs(2)));
                    if let Either::Right((outcome, _)) = select(waits, starting).await {
                        let Err(mishap) = outcome else { return Ok(()) };
                        mishap.returned();
                    }
                    inside.over(At::Own);
                    Ok(())
                });
                let outcome = world.ending(At::Own, work, Mishap::kind).await;
                said_of(&world, outcome)
            })
        })
    });
}

// Places and results.

#[test]
fn reservations() {
    run(&Case {
        settings: IN_SCOPES,
        max_children: Some(2),
        // Whoever is asked to stop takes no more children.
        allows: |said, seen| {
            matches!(said, Said::Cancelled(Kind::Stopped)) && seen.has(Event::Stop(At::Around))
                || is_asked(said, seen)
        },
        after: Some(|world, s| Box::pin(async move { all_are_free(&world, &s).await })),
        ..case("reserve", 2_370, |world, s| {
            Box::pin(async move {
                let s = of(s);
                s.spawn(waiting(&world, At::Around));
                s.fork(world.watch(At::Around, sleep(secs(1))));
                // Waits for a turn beside the reservation.
                s.spawn(waiting(&world, At::Around));
                let slot = s.reserve().await;
                yield_now().await;
                let child = slot.spawn(waiting(&world, At::Around));
                world.note_child(&child);
                let slot = s.reserve().await;
                drop(slot.fork(world.watch(At::Around, sleep(secs(1)))));
                Said::of(child.await)
            })
        })
    });
}

/// No permit is lost: as many as there were can be had, and no more.
async fn all_are_free(world: &World, s: &Scope<'static>) {
    let slots = (s.reserve().await, s.reserve().await);
    if s.try_reserve().is_ok() {
        world.fault("there are more permits than there were");
    }
    drop(slots);
}

#[test]
fn results_of_many() {
    run(&Case {
        allows: is_asked,
        settings: ACROSS,
        ..case("results.next", 1_040, |world, _| {
            Box::pin(async move {
                own(&world, async |w: World, s: Scope<'static>| {
                    let mut results = s.results();
                    let (inside, waits) = (w.clone(), waiting(&w, At::Own));
                    results.spawn(async move {
                        if let Some(child) = CancelScope::current() {
                            inside.note(At::Child, child);
                        }
                        waits.await
                    });
                    let value = w.value();
                    results.fork(w.watch(At::Own, async move {
                        sleep(secs(1)).await;
                        value
                    }));
                    results.spawn(waiting(&w, At::Own));
                    let mut count = 0;
                    while results.next().await.is_some() {
                        count += 1;
                    }
                    if count != 3 {
                        w.fault(format!("{count} results of three children"));
                    }
                })
                .await
            })
        })
    });
}

#[test]
fn races() {
    run(&Case {
        own_requests: 1,
        allows: is_value,
        settings: IN_PLACE,
        ..case("race", 740, |world, _| {
            Box::pin(async move {
                let candidates = (0..3).map(|n| {
                    let w = world.clone();
                    world.watch(At::Own, async move {
                        match n {
                            0 => sleep(secs(1)).await,
                            1 => w.wait().await,
                            _ => drop(scope(async |s| s.spawn(w.endless(At::Own)).await).await),
                        }
                        if n == 0 { Err(w.value()) } else { Ok(w.value()) }
                    })
                });
                let race = race(candidates.collect::<Vec<_>>());
                match world.ending(At::Own, race, |_| Kind::ChildFailed).await {
                    Ok(_) => Said::Value,
                    Err(_) => Said::Failed,
                }
            })
        })
    });
}

/// Attempts that start one after another, that tell of their progress, and may stop softly.
#[test]
fn staggered_races() {
    run(&Case {
        own_requests: 1,
        allows: |said, _| matches!(said, Said::Value | Said::Failed),
        settings: IN_PLACE,
        ..case("staggered race", 400, |world, _| {
            Box::pin(async move {
                let race = Race::new(0..4, |attempt, n| {
                    let w = world.clone();
                    world.watch(At::Own, async move {
                        match n {
                            0 => sleep(secs(1)).await,
                            1 => w.wait().await,
                            2 => drop(stopping().await),
                            _ => drop(scope(async |s| s.spawn(w.endless(At::Own)).await).await),
                        }
                        attempt.progress(secs(1));
                        if n % 2 == 0 { Err(w.value()) } else { Ok(w.value()) }
                    })
                });
                let race = race.delay(secs(1)).grace(secs(2)).timeout(secs(5));
                match world.ending(At::Own, race, |_| Kind::ChildFailed).await {
                    Ok(_) => Said::Value,
                    Err(_) => Said::Failed,
                }
            })
        })
    });
}

/// Losers that have something to finish.
#[test]
fn races_with_shields() {
    run(&Case {
        own_requests: 1,
        has_shields: true,
        allows: |said, _| matches!(said, Said::Value | Said::Failed),
        settings: IN_PLACE,
        ..case("race with shields", 1_360, |world, _| {
            Box::pin(async move {
                let candidates = (0..3).map(|n| {
                    let w = world.clone();
                    world.watch(At::Own, async move {
                        match n {
                            0 => w.wait().await,
                            1 => {
                                let section = w.section(sleep(secs(2)));
                                let _ = shield(secs(9), section).await;
                                pending::<()>().await;
                            }
                            _ => with_finalizer(w.clone()).await,
                        }
                        if n == 2 { Err(w.value()) } else { Ok(w.value()) }
                    })
                });
                let race = race(candidates.collect::<Vec<_>>());
                match world.ending(At::Own, race, |_| Kind::ChildFailed).await {
                    Ok(_) => Said::Value,
                    Err(_) => Said::Failed,
                }
            })
        })
    });
}

// Orphans.

#[test]
fn drains() {
    run(&Case {
        has_shields: true,
        allows: is_value,
        ..case("drain", 1_920, |world, _| {
            Box::pin(async move {
                let inside = world.clone();
                let work = scope(async move |s: Scope<'static>| {
                    inside.note(At::Own, s.handle());
                    let section = shield_unbounded(inside.section(sleep(secs(2))));
                    let child = s.spawn(inside.watch(At::Own, section));
                    inside.note_child(&child);
                    s.defer(secs(9), inside.finalizer(At::Own, sleep(secs(1))));
                    s.service(panicking(&inside, At::Own));
                    pending::<()>().await;
                });
                // Dropped here after a second, as `select!` does it.
                let _ = tokio::time::timeout(secs(1), work).await;
                drain().await;
                if orphans() > 0 {
                    world.fault("orphans are left when all is drained (R18)");
                }
                Said::Value
            })
        })
    });
}

// Others' tools.

#[test]
fn local_children() {
    run(&Case {
        settings: &[Setting::Nested],
        make: Make::Local(|world| {
            Box::pin(async move {
                let inside = world.clone();
                let work = local_scope(async move |s: umbel::LocalScope<'static>| {
                    inside.note(At::Own, s.handle());
                    s.fork(inside.watch(At::Own, sleep(secs(1))));
                    drop(s.spawn_local(panicking(&inside, At::Own)));
                    let child: Child<_> = s.spawn_local(waiting(&inside, At::Own));
                    inside.note_child(&child);
                    let _ = child.await;
                    inside.over(At::Own);
                });
                Said::of(world.returned(At::Own, work).await)
            })
        }),
        ..case("spawn_local", 1_760, |_, _| Box::pin(async { Said::Nothing }))
    });
}

#[cfg(feature = "cancellation-token")]
#[test]
fn tokens() {
    use tokio_util::sync::CancellationToken;

    run(&Case {
        own_requests: 1,
        allows: |said, _| matches!(said, Said::Cancelled(_) | Said::Value),
        settings: IN_PLACE,
        ..case("token, link", 1_280, |world, _| {
            Box::pin(async move {
                let (before, inside) = (CancellationToken::new(), world.clone());
                let linked = before.clone();
                let work = scope(async move |s: Scope<'static>| {
                    inside.note(At::Own, s.handle());
                    s.link(&linked);
                    let after = s.token();
                    let child = s.spawn(inside.watch(At::Own, after.cancelled_owned()));
                    inside.note_child(&child);
                    sleep(secs(4)).await;
                    child.cancel();
                    inside.over(At::Own);
                });
                let (work, handle) = work.with_handle();
                let follows = handle.token();
                let work = world.returned(At::Own, work);
                let cut = async {
                    world.wait().await;
                    before.cancel();
                    pending::<()>().await;
                };
                match select(pin!(work), pin!(cut)).await {
                    Either::Left((outcome, _)) => {
                        if follows.is_cancelled() != handle.is_cancelled() {
                            world.fault("a token does not follow its scope");
                        }
                        Said::of(outcome)
                    }
                    Either::Right(_) => Said::Nothing,
                }
            })
        })
    });
}
