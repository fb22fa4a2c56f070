//! The matrix: a few whole scopes, each driven in every way there is, while every subset of those above it
//! is cancelled, each by a thread of its own.
//!
//! What must hold in all of them: what was made is dropped once, and nothing is left when everything has
//! been driven to its end; a wake that is lost is a deadlock; every request is counted where it was
//! addressed; a scope that nobody cancels gives its value, and one that is dropped gives none.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loom::thread::JoinHandle;
use loom_tests::{Drive, drives, models, spawn};
use umbel::model::{block_on, pass_a_day};
use umbel::testing::{Explored, Model};
use umbel::{CancelScope, Cancelled, Scope, TimeoutError};

use crate::whole::{Alive, yield_once};

const HOUR: Duration = Duration::from_secs(3_600);

/// One way to run a scenario.
#[derive(Clone, Copy)]
struct Way {
    drive: Drive,
    /// The scope itself is cancelled by a thread.
    own: bool,
    /// So is the one around it.
    outer: bool,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { drive, own, outer } = self;
        write!(f, "{drive}; own cancelled: {own}, outer cancelled: {outer}")
    }
}

impl Way {
    /// Somebody has to wake it before it gets to where it is dropped.
    fn waits(self) -> bool {
        self.drive.drop_after.is_none_or(|polls| polls > self.drive.spurious + 1)
    }
}

/// What is known of a scenario beforehand.
#[derive(Clone, Copy)]
struct Scenario {
    /// It comes to an end if nobody cancels it. Else it waits for ever.
    ends: bool,
    /// It has a limit of its own: then it may be cancelled by that, too.
    has_limit: bool,
    /// So many scopes may be cancelled at once; each takes a thread.
    most: usize,
}

impl Scenario {
    const PLAIN: Self = Self { ends: true, has_limit: false, most: 2 };

    /// All ways to run it that come to an end.
    fn ways(self) -> impl Iterator<Item = Way> {
        let subsets = [(false, false), (true, false), (false, true), (true, true)];
        let ways = drives()
            .flat_map(move |drive| subsets.map(move |(own, outer)| Way { drive, own, outer }));
        ways.filter(move |way| {
            let cancelled = usize::from(way.own) + usize::from(way.outer);
            cancelled <= self.most && (self.ends || cancelled > 0 || !way.waits())
        })
    }

    /// What the scope around and the scope gave, looked at; or nothing, if it was dropped.
    fn judge(self, way: Way, outcome: Option<Result<bool, ()>>) -> &'static str {
        match outcome {
            None => {
                assert!(way.drive.drop_after.is_some());
                "dropped"
            }
            Some(Ok(true)) => {
                assert!(self.ends);
                "value"
            }
            Some(Ok(false)) => {
                assert!(way.own || self.has_limit, "nobody had asked the inner scope to end");
                "inner absorbed"
            }
            Some(Err(())) => {
                assert!(way.outer, "nobody had asked the outer scope to end");
                "outer absorbed"
            }
        }
    }

    /// Runs the body in a scope, in another scope, in every way.
    fn check<F: Future<Output = ()>>(
        self,
        model: Model,
        expected: &[&'static str],
        body: impl Fn(Scope<'static>, World) -> F + Clone + Send + Sync + 'static,
    ) -> Explored {
        model.check_each(expected, self.ways(), move |way| {
            let world = World::default();
            let scope = world.clone().around(*way, &body);
            let outcome = way.drive.run(scope).map(|outcome| outcome.map_err(drop));
            world.end(self);
            self.judge(*way, outcome)
        })
    }
}

/// What a run of a scenario uses: guards to be dropped, threads to be joined, scopes to be asked.
#[derive(Clone, Default)]
struct World {
    alive: Arc<AtomicUsize>,
    threads: Rc<RefCell<Vec<JoinHandle<()>>>>,
    scopes: Rc<RefCell<Vec<(CancelScope, bool)>>>,
}

impl World {
    fn guard(&self) -> Alive {
        Alive::new(&self.alive)
    }

    /// Has a thread do this.
    fn meanwhile(&self, what: impl FnOnce() + Send + 'static) {
        self.threads.borrow_mut().push(spawn(what));
    }

    /// Has a thread cancel the scope, if that is asked for.
    fn enter(&self, scope: &CancelScope, is_cancelled: bool) {
        self.scopes.borrow_mut().push((scope.clone(), is_cancelled));
        if is_cancelled {
            let scope = scope.clone();
            self.meanwhile(move || scope.cancel());
        }
    }

    fn around<F: Future<Output = ()>>(
        self,
        way: Way,
        body: &impl Fn(Scope<'static>, Self) -> F,
    ) -> impl Future<Output = Result<bool, Cancelled>> {
        umbel::scope(async move |outer| {
            let _guard = self.guard();
            self.enter(&outer, way.outer);
            let inner = umbel::scope(async |inner| {
                let _guard = self.guard();
                self.enter(&inner, way.own);
                body(inner, self.clone()).await;
            });
            inner.await.is_ok()
        })
    }

    /// Everybody is done.
    fn end(self, scenario: Scenario) {
        self.threads.take().into_iter().for_each(|thread| thread.join().unwrap());
        block_on(umbel::drain());
        assert_eq!(self.alive.load(Ordering::SeqCst), 0, "something is left");
        for (scope, is_cancelled) in self.scopes.take() {
            let (asked, limit) = (u64::from(is_cancelled), u64::from(scenario.has_limit));
            assert!(scope.is_finished());
            assert!((asked..=asked + limit).contains(&scope.cancel_count()), "counted elsewhere");
        }
    }
}

const NO_VALUE: [&str; 3] = ["dropped", "inner absorbed", "outer absorbed"];
const ALL: [&str; 4] = ["dropped", "inner absorbed", "outer absorbed", "value"];

/// I2, I5, I7, I8, I16, in every way: a body that never returns.
fn pending_body_bounded(model: Model) -> Explored {
    let scenario = Scenario { ends: false, ..Scenario::PLAIN };
    scenario.check(model.floor(1_000).bounded(2), &NO_VALUE, |_, _| pending())
}

/// I5, I7, I11, I16, in every way: a body that is ready when it is polled again.
fn ready_body_bounded(model: Model) -> Explored {
    Scenario::PLAIN.check(model.floor(1_000).bounded(2), &ALL, |_, _| yield_once())
}

/// I3, I7, I8, in every way: there is a third scope, that nobody addresses.
fn nested_scopes_bounded(model: Model) -> Explored {
    Scenario::PLAIN.check(model.floor(1_000).bounded(2), &ALL, |_, world| async move {
        let third = umbel::scope(async |s| {
            world.enter(&s, false);
            yield_once().await;
        });
        third.await.unwrap();
    })
}

/// I4, I17, I18, I19, I21, in every way: the body spawns a child and waits for it.
fn spawned_child_bounded(model: Model) -> Explored {
    let scenario = Scenario { most: 1, ..Scenario::PLAIN };
    scenario.check(model.floor(1_000).bounded(1), &ALL, |s, world| async move {
        let guard = world.guard();
        let child = s.spawn(async move {
            let _guard = guard;
            yield_once().await;
        });
        let _ = child.await;
    })
}

/// I5, I16, I18, in every way: the body forks, and returns when the fork does.
fn forked_child_bounded(model: Model) -> Explored {
    let scenario = Scenario { most: 1, ..Scenario::PLAIN };
    scenario.check(model.floor(1_000).bounded(2), &ALL, |s, world| async move {
        let guard = world.guard();
        drop(s.fork(async move {
            let _guard = guard;
            yield_once().await;
        }));
        yield_once().await;
    })
}

/// I12, I13, in every way: a section that is shielded, and a suspension after it.
fn shielded_section_bounded(model: Model) -> Explored {
    let scenario = Scenario { most: 1, ..Scenario::PLAIN };
    scenario.check(model.floor(1_000).bounded(2), &ALL, |s, world| async move {
        let guard = world.guard();
        umbel::shield_unbounded(yield_once()).await;
        drop(guard);
        let must_end = s.is_cancelled();
        yield_once().await;
        assert!(!must_end, "it went further than the next suspension");
    })
}

/// I25, I26, in every way: a section with a limit, which passes meanwhile.
fn limited_section_bounded(model: Model) -> Explored {
    let scenario = Scenario { most: 1, ..Scenario::PLAIN };
    scenario.check(model.floor(1_000).bounded(2), &ALL, |_, world| async move {
        let outcome = umbel::timeout(HOUR, async move {
            let _guard = world.guard();
            world.meanwhile(pass_a_day);
            pending::<()>().await;
        });
        assert!(matches!(outcome.await, Err(TimeoutError::Elapsed(_))));
    })
}

/// I23, R17, in every way: the scope was asked to stop, and its grace ends meanwhile.
fn stopped_scope_bounded(model: Model) -> Explored {
    let scenario = Scenario { has_limit: true, most: 1, ..Scenario::PLAIN };
    scenario.check(model.floor(1_000).bounded(2), &NO_VALUE, |s, world| async move {
        drop(s.stop(HOUR));
        world.meanwhile(pass_a_day);
        pending::<()>().await;
    })
}

models! { matrix:
    pending_body_bounded,
    ready_body_bounded,
    nested_scopes_bounded,
    spawned_child_bounded,
    forked_child_bounded,
    shielded_section_bounded,
    limited_section_bounded,
    stopped_scope_bounded,
}
