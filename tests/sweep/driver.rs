//! Runs an operation again and again: once with nothing done to it, once for each event at each of its
//! positions, and once for each two events, in either order.
//!
//! A *position* is a point between two steps. There are three sorts of step: the whole is polled, once
//! (P); all else on the runtime runs until it waits for something (S); the clock goes on by a second
//! (T). It is polled only if it was woken, so that a lost wake is a whole that does not end.

#![allow(unreachable_pub, reason = "a part of one binary")]

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, yield_now};
use tokio::time::advance;
use umbel::{CancelScope, Drain, Kind, Scope, drain, orphans, scope};

use super::common::{Driven, drive, secs};
use super::world::{At, Door, PLACES, REPORTED, Said, State, World, words};

pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub type LocalBoxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Something that is done to a run from outside, between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Cancel(At),
    Stop(At),
    /// Drops the operation, in the scope around it; or the scope around it, in the outermost; or tells
    /// the other side to act.
    Open(Door),
    /// Drops all, from outside of every scope.
    DropAll,
}

const EVENTS: [Event; 11] = [
    Event::Open(Door::Other),
    Event::Open(Door::DropOp),
    Event::Cancel(At::Own),
    Event::Cancel(At::Around),
    Event::Cancel(At::Child),
    Event::Cancel(At::Outer),
    Event::Stop(At::Own),
    Event::Stop(At::Around),
    Event::Open(Door::DropAround),
    Event::Open(Door::Panic),
    Event::DropAll,
];

/// Where the operation is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Outside every scope.
    Alone,
    /// In a scope in a scope.
    Nested,
    /// In a scope in a child of a scope; and the handles are there before the first poll.
    Spawned,
}

/// How an operation is made. The scope is the one around it.
#[derive(Clone, Copy)]
pub enum Make {
    Shared(fn(World, Option<Scope<'static>>) -> Boxed<Said>),
    Local(fn(World) -> LocalBoxed<Said>),
}

/// An operation to be swept.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub make: Make,
    pub settings: &'static [Setting],
    /// Bounds the children of the scope around it.
    pub max_children: Option<usize>,
    /// What the body around it does when the operation is over.
    pub after: Option<fn(World, Scope<'static>) -> Boxed<()>>,
    /// It protects what is cancelled, so that a cancelled body may return.
    pub has_shields: bool,
    /// Requests that its scopes may make to themselves: deadlines and failures.
    pub own_requests: u64,
    /// Whether it may have said that.
    pub allows: fn(&Said, &Seen) -> bool,
    /// Requests to its own scope are soft ones.
    pub has_grace: bool,
    /// Threads of its own take part in it.
    pub has_threads: bool,
    /// At least so many runs.
    pub floor: usize,
}

/// What had been done when an operation returned.
#[derive(Default)]
pub struct Seen {
    events: Vec<Event>,
}

impl Seen {
    pub fn has(&self, event: Event) -> bool {
        self.events.contains(&event)
    }
}

/// Two events at most, each with its position.
type Plan<'a> = &'a [(usize, Event)];

/// What was found in a run.
#[derive(Default)]
struct Found {
    /// At which positions which events have something to act on.
    chances: Vec<(usize, Event)>,
    /// How often the whole was polled.
    polls: usize,
}

/// Counts the runs of one operation.
pub fn sweep(case: &Case) {
    let mut runs = 0;
    for setting in case.settings {
        runs += Sweep { case, setting: *setting, runtime: runtime(), budget: 0 }.run();
    }
    println!("{:>24}: {runs:>6} runs", case.name);
    assert!(runs >= case.floor, "{}: {runs} runs, and there were {}", case.name, case.floor);
}

fn runtime() -> Runtime {
    // No drivers of sockets: a turn of the runtime is then a cheap thing.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime can be built")
}

struct Sweep<'a> {
    case: &'a Case,
    setting: Setting,
    runtime: Runtime,
    /// How many polls of the whole a run without events takes.
    budget: usize,
}

impl Sweep<'_> {
    fn run(mut self) -> usize {
        let quiet = self.once(&[]);
        self.budget = quiet.polls;
        1 + quiet.chances.iter().map(|first| self.pairs(*first)).sum::<usize>()
    }

    /// One event alone, and then with every other that is possible after it.
    fn pairs(&self, first: (usize, Event)) -> usize {
        let chances = self.once(&[first]).chances;
        // Where threads take part a run takes long, and what comes later may come earlier or later.
        let until = if self.case.has_threads { first.0 + 1 } else { usize::MAX };
        let later = chances.into_iter().filter(|(at, _)| (first.0..=until).contains(at));
        let mut runs = 1;
        for second in later {
            self.once(&[first, second]);
            runs += 1;
        }
        runs
    }

    fn once(&self, plan: Plan<'_>) -> Found {
        let world = World::new(self.case.has_shields, self.case.has_threads);
        let reported = REPORTED.load(Ordering::SeqCst);
        let mut one = Run::new(self, &world, plan);
        match self.case.make {
            Make::Shared(_) => self.runtime.block_on(one.go()),
            Make::Local(_) => LocalSet::new().block_on(&self.runtime, one.go()),
        }
        let (trace, found) = (std::mem::take(&mut one.trace), std::mem::take(&mut one.found));
        let tasks = self.runtime.metrics().num_alive_tasks();
        drop(one);
        if self.case.has_threads {
            wait_for_threads(&world);
        }
        let mut faults = std::mem::take(&mut world.state().faults);
        faults.extend(self.judge(&world, plan));
        let reported = REPORTED.load(Ordering::SeqCst) - reported;
        faults.extend(leftovers(&world, tasks, reported));
        if !faults.is_empty() {
            let (name, setting, plan) = (self.case.name, self.setting, Told(plan));
            panic!("{name}, {setting:?}: {plan} of {trace}:\n  {}", faults.join("\n  "));
        }
        found
    }

    /// What must be true of a run that has come to its end, from the events alone.
    fn judge(&self, world: &World, plan: Plan<'_>) -> Vec<String> {
        let state = world.state();
        let mut faults = Vec::new();
        for at in PLACES {
            faults.extend(self.judge_count(&state, at));
            faults.extend(self.judge_ending(&state, at, plan));
        }
        faults
    }

    /// R1: the count is the number of requests that were addressed to it.
    fn judge_count(&self, state: &State, at: At) -> Option<String> {
        let spot = &state.spots[at as usize];
        let handle = spot.handle.as_ref()?;
        let count = handle.cancel_count();
        let by_itself = match at {
            At::Own | At::Child => self.case.own_requests,
            At::Outer | At::Around => 0,
        };
        if count > 0 && !handle.is_cancelled() {
            return Some(format!("{at:?} counts {count} and is not cancelled"));
        }
        // Each scope that a panic goes through fails by it.
        let most = spot.requests + spot.soft + by_itself + state.panics as u64;
        let wanted = spot.requests..=most;
        (!wanted.contains(&count)).then(|| format!("{at:?} counts {count} and not {wanted:?} (R1)"))
    }

    /// R3: a scope gives `Ok` if its body had returned, and else `Err`, if it was asked to stop.
    fn judge_ending(&self, state: &State, at: At, plan: Plan<'_>) -> Option<String> {
        let spot = &state.spots[at as usize];
        let asked = |event| plan.iter().any(|(_, done)| *done == event);
        let is_right = match spot.ending {
            None => at != At::Outer || spot.handle.is_none() || may_be_missing(state, plan),
            Some(Ok(())) => !spot.was_cut || self.case.has_shields,
            Some(Err(_)) if at == At::Own && self.case.own_requests > 0 => true,
            Some(Err(Kind::Explicit)) => asked(Event::Cancel(at)),
            Some(Err(Kind::Stopped)) => asked(Event::Stop(at)),
            Some(Err(_)) => false,
        };
        (!is_right).then(|| format!("{at:?} has given {:?} (R3)", spot.ending))
    }
}

fn may_be_missing(state: &State, plan: Plan<'_>) -> bool {
    state.panics > 0 || plan.iter().any(|(_, event)| *event == Event::DropAll)
}

/// A thread may still be on its way to drop what its child had captured when the handle to that, of
/// which it knew, has gone. In minutes it has done so on any machine.
fn wait_for_threads(world: &World) {
    for _ in 0..3_000_000 {
        if world.holders() == 1 {
            break;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// What is left when all has ended.
fn leftovers(world: &World, tasks: usize, reported: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let mut is = |what: &str, number: usize, wanted: usize| {
        if number != wanted {
            faults.push(format!("{what}: {number} and not {wanted}"));
        }
    };
    let state = world.state();
    for at in PLACES {
        is(&format!("futures left in {at:?}"), state.spots[at as usize].live, 0);
        is(&format!("finalizers left in {at:?}"), state.spots[at as usize].finalizers, 0);
        let handle = &state.spots[at as usize].handle;
        let has_ended = handle.as_ref().is_none_or(CancelScope::is_finished);
        is(&format!("{at:?} has ended"), usize::from(has_ended), 1);
    }
    is("errors heard of (I22)", state.errors_returned + reported, state.errors);
    drop(state);
    is("values left", world.values(), 0);
    is("tasks left", tasks, 0);
    is("orphans", orphans(), 0);
    is("holders of what was captured", world.holders(), 1);
    faults
}

/// The events, for people.
struct Told<'a>(Plan<'a>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("no event")?;
        }
        for (n, (at, event)) in self.0.iter().enumerate() {
            write!(f, "{}{event:?} at position {at}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// One run, as far as it has come.
struct Run<'a> {
    case: &'a Case,
    world: World,
    plan: Plan<'a>,
    /// Gone when it has returned or was dropped.
    whole: Option<Driven<LocalBoxed<()>>>,
    drain: Option<Driven<Drain>>,
    is_woken: bool,
    panics_seen: usize,
    /// The steps, in letters; a position is a place in it.
    trace: String,
    budget: usize,
    seen: Seen,
    found: Found,
    moves: usize,
    is_in_scopes: bool,
}

/// In so many seconds everything has ended that ends at all.
const PATIENCE: usize = 40;

/// Where threads take part it is up to the machine how long that takes. So many steps, of forty milliseconds,
/// only somebody needs who hangs.
const STEPS_WITH_THREADS: usize = 10_000;

impl<'a> Run<'a> {
    fn new(sweep: &'a Sweep<'_>, world: &World, plan: Plan<'a>) -> Self {
        Self {
            case: sweep.case,
            world: world.clone(),
            plan,
            whole: Some(drive(whole(sweep.case, sweep.setting, world))),
            drain: None,
            is_woken: true,
            panics_seen: 0,
            trace: String::new(),
            budget: sweep.budget,
            seen: Seen::default(),
            found: Found::default(),
            moves: 0,
            is_in_scopes: sweep.setting != Setting::Alone,
        }
    }

    async fn go(&mut self) {
        loop {
            let events = self.apply_planned();
            self.take_wakes();
            if self.is_done() {
                break;
            }
            self.note_chances(events);
            match self.trace.chars().last() {
                // Children get their turn after every poll, and before time passes.
                Some('P') => self.let_others_run('S').await,
                _ if self.is_woken => self.poll(),
                _ if events > 0 => self.let_others_run('S').await,
                _ => {
                    advance(secs(1)).await;
                    self.let_others_run('T').await;
                }
            }
            self.look();
            if self.trace.len() > self.most_steps() {
                self.world.fault("it does not end (I32)");
                return;
            }
        }
        self.rest().await;
        self.look();
        self.close_accounts();
    }

    fn most_steps(&self) -> usize {
        if self.case.has_threads { STEPS_WITH_THREADS } else { 4 * PATIENCE }
    }

    /// The events of this position: how many.
    fn apply_planned(&mut self) -> usize {
        let plan = self.plan.iter().filter(|(at, _)| *at == self.trace.len());
        let events: Vec<_> = plan.map(|(_, event)| *event).collect();
        for event in &events {
            self.apply(*event);
        }
        events.len()
    }

    /// What could be done here. Where nothing has moved since the last position little that is new could
    /// be: then only outside of scopes, which is the shortest.
    fn note_chances(&mut self, events: usize) {
        let moves = self.world.moves();
        let is_idle = moves == self.moves && events == 0 && !self.trace.ends_with('P');
        let is_same = is_idle && (self.is_in_scopes || self.trace.ends_with('S'));
        self.moves = moves;
        if self.plan.len() < 2 && !is_same {
            let here = self.trace.len();
            let possible = EVENTS.into_iter().filter(|event| self.is_possible(*event));
            let possible: Vec<_> = possible.map(|event| (here, event)).collect();
            self.found.chances.extend(possible);
        }
    }

    async fn let_others_run(&mut self, step: char) {
        self.trace.push(step);
        self.rest().await;
    }

    /// Everybody else runs until he waits for something.
    async fn rest(&self) {
        for _ in 0..3 {
            yield_now().await;
        }
        if self.case.has_threads {
            // Nobody says when a thread has gone to sleep. What is checked holds at any moment; a little
            // patience makes it likely that all positions are what they are called.
            // Who has been waited for that long was not given a turn: the machine is busy.
            let patience = if self.trace.len() < PATIENCE { 20 } else { 20_000 };
            for _ in 0..2 {
                std::thread::sleep(Duration::from_micros(patience));
                yield_now().await;
            }
        }
    }

    fn take_wakes(&mut self) {
        let whole = self.whole.as_ref().map_or(0, Driven::wakes);
        let drain = self.drain.as_ref().map_or(0, Driven::wakes);
        self.is_woken |= whole + drain > 0;
    }

    fn is_done(&self) -> bool {
        self.whole.is_none() && self.drain.is_none() && !self.is_woken
    }

    /// Polls the whole, or, when that is over, whoever drains.
    fn poll(&mut self) {
        self.trace.push('P');
        self.is_woken = false;
        if self.whole.is_none() {
            return self.poll_drain();
        }
        self.found.polls += 1;
        let Some(whole) = &mut self.whole else { return };
        match caught(|| whole.poll()) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) => {}
            Err(panic) => self.heard(&*panic),
        }
        self.leave();
    }

    fn poll_drain(&mut self) {
        let drain = self.drain.get_or_insert_with(|| drive(drain()));
        match caught(|| drain.poll()) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(())) => {}
            Err(panic) => self.heard(&*panic),
        }
        self.drain = None;
        if orphans() > 0 {
            self.world.fault("an orphan is left when all is drained");
        }
    }

    /// The whole is gone: from now on it is waited for what it has left behind.
    fn leave(&mut self) {
        self.whole = None;
        self.is_woken = true;
    }

    /// I22: there is one panic, and it is heard once.
    fn heard(&mut self, panic: &(dyn Any + Send)) {
        self.panics_seen += 1;
        if words(panic) != "sweep" {
            self.world.fault(format!("a panic of its own: {}", words(panic)));
        }
    }

    /// Whether there is anything that an event could be done to.
    fn is_possible(&self, event: Event) -> bool {
        match event {
            Event::Open(door) => self.may_open(door),
            Event::Cancel(at) | Event::Stop(at) => self.living(at).is_some(),
            Event::DropAll => self.whole.is_some(),
        }
    }

    fn may_open(&self, door: Door) -> bool {
        let (gate, state) = (self.world.door(door), self.world.state());
        let around = &state.spots[At::Around as usize];
        !gate.is_open()
            && match door {
                Door::DropOp => !state.is_over,
                Door::DropAround => around.handle.is_some() && around.ending.is_none(),
                Door::Other | Door::Panic | Door::Thread => gate.is_awaited(),
            }
    }

    /// Does something from outside.
    fn apply(&mut self, event: Event) {
        match event {
            Event::Open(door) => self.open(door),
            Event::Cancel(at) => self.cancel(at),
            Event::Stop(at) => self.stop(at),
            Event::DropAll => {
                self.world.state().is_dropped = true;
                self.leave();
            }
        }
        if !self.world.state().is_over {
            self.seen.events.push(event);
        }
    }

    fn open(&self, door: Door) {
        self.world.state().is_dropped |= matches!(door, Door::DropOp | Door::DropAround);
        self.world.door(door).open();
    }

    /// The handle of a scope that has not ended.
    fn living(&self, at: At) -> Option<CancelScope> {
        self.world.handle(at).filter(|handle| !handle.is_finished())
    }

    fn cancel(&self, at: At) {
        let Some(handle) = self.living(at) else { return };
        let is_soft = at == At::Own && self.case.has_grace && !handle.is_cancelled();
        handle.cancel();
        let mut state = self.world.state();
        let spot = &mut state.spots[at as usize];
        *(if is_soft { &mut spot.soft } else { &mut spot.requests }) += 1;
        spot.was_cut |= !is_soft && !spot.is_over;
    }

    fn stop(&self, at: At) {
        let Some(handle) = self.living(at) else { return };
        let is_hard = handle.is_cancelled();
        drop(handle.stop(secs(2)));
        let mut state = self.world.state();
        let spot = &mut state.spots[at as usize];
        *(if is_hard { &mut spot.requests } else { &mut spot.soft }) += 1;
    }

    /// After every step: R8, I24.
    fn look(&self) {
        for at in PLACES {
            let Some(handle) = self.world.handle(at) else { continue };
            if handle.is_cancelled() != handle.reason().is_some() {
                self.world.fault(format!("{at:?} is cancelled without a reason (I24)"));
            }
        }
    }

    fn close_accounts(&self) {
        let state = self.world.state();
        let (panics, allowed) = (state.panics, self.budget + 5 * self.plan.len());
        let is_wrong = state.said.as_ref().filter(|said| !(self.case.allows)(said, &self.seen));
        let is_wrong = is_wrong.map(|said| format!("it said {said:?}"));
        drop(state);
        if let Some(fault) = is_wrong {
            self.world.fault(fault);
        }
        if panics != self.panics_seen {
            self.world.fault(format!("{panics} panics, heard {} times (I22)", self.panics_seen));
        }
        if self.budget > 0 && self.found.polls > allowed {
            self.world.fault(format!("polled {} times, and not {allowed} (I6)", self.found.polls));
        }
    }
}

fn caught<T>(code: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    std::panic::catch_unwind(AssertUnwindSafe(code))
}

/// The operation, with all that is around it.
fn whole(case: &Case, setting: Setting, world: &World) -> LocalBoxed<()> {
    let (case, world) = (*case, world.clone());
    match (case.make, setting) {
        (Make::Shared(make), Setting::Alone) => Box::pin(operate(world.clone(), make(world, None))),
        (Make::Shared(make), Setting::Nested) => Box::pin(outermost(world.clone(), async move {
            around(&world, case, |s| make(world.clone(), Some(s)), false).await;
        })),
        (Make::Shared(make), Setting::Spawned) => Box::pin(spawning(world.clone(), async move {
            around(&world, case, |s| make(world.clone(), Some(s)), true).await;
        })),
        (Make::Local(make), _) => Box::pin(outermost(world.clone(), async move {
            around(&world, case, |_| make(world.clone()), false).await;
        })),
    }
}

async fn operate(world: World, operation: impl Future<Output = Said>) {
    let operation = world.watch(At::Around, operation);
    let said = world.unless(Door::DropOp, operation).await;
    let mut state = world.state();
    state.is_over = true;
    state.said = said;
}

/// The scope around the operation.
async fn around<F: Future<Output = Said>>(
    world: &World,
    case: Case,
    make: impl FnOnce(Scope<'static>) -> F,
    is_early: bool,
) {
    let mut scope = scope(async |s: Scope<'static>| {
        world.note(At::Around, s.handle());
        operate(world.clone(), make(s.clone())).await;
        if let Some(after) = case.after {
            after(world.clone(), s).await;
        }
        world.over(At::Around);
    });
    if let Some(max) = case.max_children {
        scope = scope.max_children(max);
    }
    if is_early {
        world.note(At::Around, scope.handle());
    }
    world.unless(Door::DropAround, world.returned(At::Around, scope)).await;
}

/// The outermost scope.
async fn outermost(world: World, inner: impl Future<Output = ()>) {
    let inner = world.watch(At::Outer, inner);
    let scope = scope(async |s: Scope<'static>| {
        world.note(At::Outer, s.handle());
        inner.await;
        world.over(At::Outer);
    });
    let _ = world.returned(At::Outer, scope).await;
}

/// The outermost scope, and a child of it that does the rest.
async fn spawning(world: World, inner: impl Future<Output = ()> + Send + 'static) {
    let inner = world.watch(At::Outer, inner);
    let (scope, handle) = scope(async |s: Scope<'static>| {
        let child = s.spawn(inner);
        let _ = child.await;
        world.over(At::Outer);
    })
    .with_handle();
    world.note(At::Outer, handle);
    let _ = world.returned(At::Outer, scope).await;
}
