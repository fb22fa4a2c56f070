//! What one run of an operation takes place in: gates, handles, and futures and values that are counted.

#![allow(unreachable_pub, reason = "a part of one binary")]

use std::any::Any;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::{Either, select};
use tokio::time::sleep;
use umbel::{CancelScope, Cancelled, Child, Kind, UnhandledKind, check};

use super::common::{Gate, boom, catch, secs};

/// A scope that the run may address. Those further down lie in those further up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The outermost.
    Outer,
    /// The one whose body awaits the operation.
    Around,
    /// The one that the operation is about.
    Own,
    /// A child that the operation is about.
    Child,
}

/// All of them, from above.
pub const PLACES: [At; 4] = [At::Outer, At::Around, At::Own, At::Child];

/// What can be opened from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// What the operation waits for.
    Other,
    /// At this one somebody panics.
    Panic,
    DropOp,
    DropAround,
    /// What a thread waits for, for which the clock does not stand still.
    Thread,
}

/// How a scope ended.
pub type Ending = Result<(), Kind>;

/// What is known of one place.
#[derive(Default)]
pub struct Spot {
    pub handle: Option<CancelScope>,
    /// Futures that exist.
    pub live: usize,
    /// Finalizers that have been asked for and have not ended.
    pub finalizers: usize,
    /// The body has come to its end.
    pub is_over: bool,
    pub ending: Option<Ending>,
    /// Requests that must be in the count.
    pub requests: u64,
    /// Requests that may be: soft ones.
    pub soft: u64,
    /// It was cancelled by name before its body was over.
    pub was_cut: bool,
}

#[derive(Default)]
pub struct State {
    pub spots: [Spot; 4],
    pub faults: Vec<String>,
    /// What the operation said, if it returned.
    pub said: Option<Said>,
    /// The operation has returned or was dropped.
    pub is_over: bool,
    /// Somebody in there is dropped, and not only cancelled.
    pub is_dropped: bool,
    /// The operation's scope is not below the one around it.
    pub is_elsewhere: bool,
    pub panics: usize,
    pub errors: usize,
    pub errors_returned: usize,
}

/// What an operation gave.
#[derive(Debug)]
pub enum Said {
    Value,
    Cancelled(Kind),
    Elapsed,
    Failed,
    Nothing,
}

impl Said {
    pub fn of<T>(outcome: Result<T, Cancelled>) -> Self {
        match outcome {
            Ok(_) => Self::Value,
            Err(cancelled) => Self::Cancelled(cancelled.reason().kind()),
        }
    }
}

/// The world of one run. Clones show the same one.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    doors: [Gate; 5],
    values: AtomicUsize,
    /// Polls, beginnings and ends of what is watched.
    moves: AtomicUsize,
    /// After a shield a cancelled body goes on to its next suspension (R11).
    has_shields: bool,
    /// A thread may be in the middle of a poll when its child is cancelled.
    has_threads: bool,
    /// Shielded sections that have begun and not ended: they keep cancelled bodies going.
    sections: AtomicUsize,
}

/// Errors that were reported to the hook.
pub static REPORTED: AtomicUsize = AtomicUsize::new(0);

/// Has the hook count errors, and say nothing.
pub fn count_reports() {
    umbel::set_unhandled_hook(|unhandled| {
        if unhandled.kind() == UnhandledKind::Error {
            REPORTED.fetch_add(1, Ordering::SeqCst);
        }
    });
}

impl World {
    pub fn new(has_shields: bool, has_threads: bool) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            doors: Default::default(),
            values: AtomicUsize::new(0),
            moves: AtomicUsize::new(0),
            has_shields,
            has_threads,
            sections: AtomicUsize::new(0),
        }))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn fault(&self, what: impl Into<String>) {
        self.state().faults.push(what.into());
    }

    pub fn door(&self, door: Door) -> &Gate {
        &self.0.doors[door as usize]
    }

    /// How many hold on to this world: 1 when nothing of the run is left.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub fn values(&self) -> usize {
        self.0.values.load(Ordering::SeqCst)
    }

    /// Whether nothing keeps a cancelled body going.
    fn is_strict(&self) -> bool {
        !self.0.has_threads && self.0.sections.load(Ordering::SeqCst) == 0
    }

    /// How much has happened.
    pub fn moves(&self) -> usize {
        self.0.moves.load(Ordering::SeqCst)
    }

    fn moved(&self) {
        self.0.moves.fetch_add(1, Ordering::SeqCst);
    }

    /// Has the run address a scope.
    pub fn note(&self, at: At, handle: CancelScope) {
        self.state().spots[at as usize].handle = Some(handle);
    }

    /// Has the run address a child.
    pub fn note_child<T>(&self, child: &Child<T>) {
        if let Some(handle) = child.handle() {
            self.note(At::Child, handle);
        }
    }

    pub fn handle(&self, at: At) -> Option<CancelScope> {
        self.state().spots[at as usize].handle.clone()
    }

    /// The body of a scope has come to its end: its value counts from here on (R3).
    pub fn over(&self, at: At) {
        self.state().spots[at as usize].is_over = true;
    }

    /// A value that is counted while it exists.
    pub fn value(&self) -> Value {
        self.0.values.fetch_add(1, Ordering::SeqCst);
        Value(self.clone())
    }

    /// An error, to be returned or reported once.
    pub fn error(&self) -> Mishap {
        self.state().errors += 1;
        Mishap::Error(self.value())
    }

    /// Waits for the other side, which comes by itself after some time.
    pub async fn wait(&self) {
        select(self.door(Door::Other).wait(), Box::pin(sleep(secs(3)))).await;
    }

    /// Waits for the other side, and tells a thread.
    pub async fn opening(self) {
        self.wait().await;
        self.door(Door::Thread).open();
    }

    /// Waits until it is to panic, or nobody can want that any more.
    pub async fn wait_for_panic(&self) {
        let door = self.door(Door::Panic).wait();
        if let Either::Left(_) = select(door, Box::pin(sleep(secs(5)))).await {
            self.state().panics += 1;
            boom("sweep");
        }
    }

    /// Panics when it is dropped.
    pub fn mine(&self) -> Mine {
        Mine(self.clone())
    }

    /// Awaits `future` until `door` is opened, and then drops it.
    pub async fn unless<F: Future>(&self, door: Door, future: F) -> Option<F::Output> {
        match select(self.door(door).wait(), Box::pin(future)).await {
            Either::Left(((), future)) => {
                drop(future);
                None
            }
            Either::Right((output, _)) => Some(output),
        }
    }

    /// Counts a future that lies in a scope, and sees to it that it is not polled when it must not be.
    pub fn watch<F: Future>(&self, at: At, future: F) -> Watched<F> {
        self.state().spots[at as usize].live += 1;
        let tally = Tally { world: self.clone(), at };
        Watched { inner: Some(Box::pin(future)), tally }
    }

    /// A watched future that never ends.
    pub fn endless(&self, at: At) -> Watched<std::future::Pending<()>> {
        self.watch(at, pending())
    }

    /// A clean-up that must be run to its end, once, before the scope returns.
    pub fn finalizer<F: Future>(
        &self,
        at: At,
        cleanup: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        self.state().spots[at as usize].finalizers += 1;
        let debt = Debt { world: self.clone(), at };
        let cleanup = self.watch(at, self.protected(cleanup, Cut::Never));
        async move {
            let _debt = debt;
            cleanup.await
        }
    }

    /// What no cancellation may cut short once it has begun, only a drop.
    pub fn section<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.protected(work, Cut::ByDrop)
    }

    /// What is shielded, and may be cut all the same: by a limit, by its own panic.
    pub fn at_risk<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.protected(work, Cut::Always)
    }

    fn protected<F: Future>(&self, work: F, cut: Cut) -> impl Future<Output = F::Output> + use<F> {
        let world = self.clone();
        async move {
            world.0.sections.fetch_add(1, Ordering::SeqCst);
            let mut unfinished = Unfinished { world, cut, is_over: false };
            let output = work.await;
            unfinished.is_over = true;
            output
        }
    }

    /// Awaits a scope's future, and looks at what is left when it has returned.
    pub async fn ending<T, E>(
        &self,
        at: At,
        scope: impl Future<Output = Result<T, E>>,
        kind: impl FnOnce(&E) -> Kind,
    ) -> Result<T, E> {
        match catch(scope).await {
            Ok(outcome) => {
                self.look_after(at, Some(outcome.as_ref().map(drop).map_err(kind)));
                outcome
            }
            Err(panic) => {
                self.look_after(at, None);
                std::panic::resume_unwind(panic)
            }
        }
    }

    /// [`ending`](Self::ending), of a plain scope.
    pub async fn returned<T>(
        &self,
        at: At,
        scope: impl Future<Output = Result<T, Cancelled>>,
    ) -> Result<T, Cancelled> {
        self.ending(at, scope, |cancelled| cancelled.reason().kind()).await
    }

    /// I18: when a scope has returned, nothing below it is left. R4: it has not absorbed what was meant
    /// for one above it.
    fn look_after(&self, at: At, ending: Option<Ending>) {
        let mut state = self.state();
        let mut faults = Vec::new();
        let reach = if state.is_elsewhere && at != At::Own { At::Own } else { At::Child };
        let below = PLACES[at as usize..].iter().copied();
        for place in below.filter(|place| reach == At::Child || (*place as usize) < reach as usize)
        {
            let spot = &state.spots[place as usize];
            if spot.live > 0 || spot.finalizers > 0 {
                faults.push(format!("{at:?} has returned; {} of {place:?} live", spot.live));
            }
            if spot.handle.as_ref().is_some_and(|handle| !handle.is_finished()) {
                faults.push(format!("{at:?} has returned before {place:?}"));
            }
        }
        let above = &state.spots[..at as usize];
        let is_cut = above.iter().any(|s| s.handle.as_ref().is_some_and(CancelScope::is_cancelled));
        if is_cut && matches!(ending, Some(Err(_))) && !self.0.has_shields && !state.is_elsewhere {
            faults.push(format!("{at:?} has absorbed what was meant for one above (R4)"));
        }
        state.spots[at as usize].ending = ending;
        state.faults.extend(faults);
    }
}

/// A value that is counted.
pub struct Value(World);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.0.values.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value")
    }
}

/// An error, or that there was none and the scope was cancelled.
#[derive(Debug)]
pub enum Mishap {
    Error(Value),
    Cancelled(Kind),
}

impl Mishap {
    /// Notes that it was returned.
    pub fn returned(&self) {
        if let Self::Error(value) = self {
            value.0.state().errors_returned += 1;
        }
    }

    /// For what reason a scope that returns it was cancelled.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Error(_) => Kind::ChildFailed,
            Self::Cancelled(kind) => *kind,
        }
    }
}

impl From<Cancelled> for Mishap {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.reason().kind())
    }
}

/// See [`World::mine`].
pub struct Mine(World);

impl Drop for Mine {
    fn drop(&mut self) {
        self.0.state().panics += 1;
        boom("sweep");
    }
}

struct Debt {
    world: World,
    at: At,
}

impl Drop for Debt {
    fn drop(&mut self) {
        self.world.state().spots[self.at as usize].finalizers -= 1;
    }
}

/// When a section may end unfinished.
#[derive(Clone, Copy)]
enum Cut {
    Always,
    ByDrop,
    Never,
}

struct Unfinished {
    world: World,
    cut: Cut,
    is_over: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.world.0.sections.fetch_sub(1, Ordering::SeqCst);
        let mut state = self.world.state();
        let may_be_cut = match self.cut {
            Cut::Always => true,
            Cut::ByDrop => state.is_dropped,
            Cut::Never => false,
        };
        if !self.is_over && !may_be_cut {
            state.faults.push("a shielded section was cut (R10, R16)".to_owned());
        }
    }
}

/// A future that is counted.
pub struct Watched<F> {
    /// Gone when it has given its output. Dropped before it is counted as gone.
    inner: Option<Pin<Box<F>>>,
    tally: Tally,
}

struct Tally {
    world: World,
    at: At,
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.world.moved();
        self.world.state().spots[self.at as usize].live -= 1;
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let Tally { world, at } = &this.tally;
        world.moved();
        let Some(inner) = &mut this.inner else {
            world.fault(format!("a future of {at:?} was polled after its end (I16)"));
            return Poll::Pending;
        };
        if check().is_err() && world.is_strict() {
            world.fault(format!("a future of {at:?} was polled when cancelled (I9)"));
        }
        let polled = inner.as_mut().poll(cx);
        if polled.is_ready() {
            this.inner = None;
        }
        polled
    }
}

/// The text of a panic.
pub fn words(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&'static str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a panic without words",
    }
}
