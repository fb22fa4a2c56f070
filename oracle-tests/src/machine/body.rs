//! A body of a script: it polls what it has opened, side by side, and does as it is told.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use umbel::{WaitStopping, scope, shield, shield_unbounded, try_scope};

use super::ending::{self, Failure, boom, caught};
use super::hands;
use super::world::{Act, Starter, World};
use crate::clock;
use crate::script::{GROUND, Held, Number, Op, Open, Thing};
use crate::view::{Answer, Body, Outcome};

type Boxed = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The future of a scope or a shield, in the body that has opened it.
struct Limb {
    number: Number,
    passes: bool,
    work: Boxed,
}

pub(super) struct Puppet {
    world: World,
    number: Number,
    limbs: Vec<Limb>,
    stopping: Option<WaitStopping>,
}

/// How a body comes to its end.
enum End {
    Return,
    Fail(Number),
    Panic(Number),
}

impl Puppet {
    pub(super) fn new(world: World, number: Number) -> Self {
        world.set_body(number, Body::Waiting);
        Self { world, number, limbs: Vec::new(), stopping: None }
    }

    /// In a place where there are no errors.
    pub(super) async fn infallible(self) {
        let outcome = self.await;
        debug_assert!(outcome.is_ok(), "only what can fail does");
    }

    /// The body of that scope, from now on.
    fn within(self, starter: Starter) -> Self {
        self.world.note_starter(self.number, starter);
        self
    }

    fn begin(&mut self) {
        self.world.set_body(self.number, Body::Running);
        self.stopping = self.listens().then(umbel::stopping);
    }

    fn listens(&self) -> bool {
        match self.world.thing(self.number) {
            Thing::Scope { open, .. } => open.listens,
            Thing::Child { listens, .. } => listens,
            _ => false,
        }
    }

    /// Does one thing. Says if it was the last.
    fn act(&mut self, act: Act) -> Option<End> {
        match (act.op, act.given) {
            (Op::Return | Op::Fail | Op::Panic, _) if self.number == GROUND => {}
            (Op::Fail, _) if self.world.is_fallible(self.number) => {
                return Some(End::Fail(self.number));
            }
            (Op::Return | Op::Fail, _) => return Some(End::Return),
            (Op::Panic, _) => return Some(End::Panic(self.number)),
            (Op::Open(open), Some(number)) => self.open(number, open, act.nth),
            (Op::Shield { limit, held }, Some(number)) => {
                let limit = limit.map(|limit| clock::span(limit, act.nth));
                self.hold(number, held, section(self.world.clone(), number, limit));
            }
            (Op::Drop(number), _) => self.limbs.retain(|limb| limb.number != number),
            (Op::Check, _) => self.check(),
            _ => hands::perform(&self.world, act),
        }
        None
    }

    fn check(&self) {
        let check = umbel::check().err().map(|cancelled| ending::cause(cancelled.reason()));
        let current = self.world.place_of(umbel::CancelScope::current().as_ref());
        let task_count = umbel::task::current().cancel_count();
        self.world.answer(Answer::Place { check, current, task_count });
    }

    fn open(&mut self, number: Number, open: Open, nth: usize) {
        let work = if open.fallible {
            fallible(&self.world, number, open, nth)
        } else {
            plain(&self.world, number, open, nth)
        };
        self.hold(number, open.held, work);
    }

    fn hold(&mut self, number: Number, held: Held, work: Boxed) {
        let work = if held.apart { apart(work) } else { work };
        self.limbs.push(Limb { number, passes: held.passes, work });
    }

    /// Polls everything that is open, in order. Says so if one of them ends the body too.
    fn poll_limbs(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let mut n = 0;
        while n < self.limbs.len() {
            let Poll::Ready(outcome) = self.limbs[n].work.as_mut().poll(cx) else {
                n += 1;
                continue;
            };
            let limb = self.limbs.remove(n);
            let end = if limb.passes { self.passed_on(&outcome) } else { None };
            self.world.note_outcome(limb.number, outcome);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    /// How the body ends that makes what has come of a scope its own.
    fn passed_on(&self, outcome: &Outcome) -> Option<End> {
        match *outcome {
            Outcome::Panicked(number) if self.number != GROUND => Some(End::Panic(number)),
            Outcome::Failed(number) if self.world.is_fallible(self.number) => {
                Some(End::Fail(number))
            }
            _ => None,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Option<End> {
        if let Some(turn) = self.world.take_turn(self.number, cx.waker()) {
            for act in turn.acts() {
                if let Some(end) = self.act(act) {
                    return Some(end);
                }
            }
        }
        if let Some(end) = self.poll_limbs(cx) {
            return Some(end);
        }
        if self.stopping.as_mut().is_some_and(|stopping| Pin::new(stopping).poll(cx).is_ready()) {
            self.stopping = None;
            self.world.tell(self.number);
        }
        self.ends_at_once().then_some(End::Return)
    }

    fn ends_at_once(&self) -> bool {
        matches!(self.world.thing(self.number), Thing::Finalizer { at_once: true, .. })
    }
}

impl Future for Puppet {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.world.body(this.number) == Some(Body::Waiting) {
            this.begin();
        }
        let Some(end) = this.poll_end(cx) else { return Poll::Pending };
        // As the locals of an `async` block: before anybody hears of the end.
        this.limbs.clear();
        match end {
            End::Return => {
                this.world.set_body(this.number, Body::Returned);
                Poll::Ready(Ok(()))
            }
            End::Fail(number) => {
                this.world.set_body(this.number, Body::Failed);
                Poll::Ready(Err(Failure::Of(number)))
            }
            End::Panic(number) => {
                this.world.set_body(this.number, Body::Panicked);
                boom(number)
            }
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        match self.world.body(self.number) {
            Some(Body::Waiting) => self.world.set_body(self.number, Body::Unpolled),
            Some(Body::Running) => self.world.set_body(self.number, Body::Dropped),
            _ => {}
        }
    }
}

/// Has a future polled with a waker of its own.
fn apart(work: Boxed) -> Boxed {
    let mut alone = FuturesUnordered::from_iter([work]);
    Box::pin(async move { alone.next().await.expect("there is one") })
}

fn section(world: World, number: Number, limit: Option<u64>) -> Boxed {
    let body = Puppet::new(world, number).infallible();
    match limit {
        None => Box::pin(caught(shield_unbounded(body), |()| Outcome::Value)),
        Some(limit) => {
            let outcome = |outcome: Result<(), _>| match outcome {
                Ok(()) => Outcome::Value,
                Err(_) => Outcome::Elapsed,
            };
            Box::pin(caught(shield(clock::millis(limit), body), outcome))
        }
    }
}

fn plain(world: &World, number: Number, open: Open, nth: usize) -> Boxed {
    let body = Puppet::new(world.clone(), number);
    let mut work = scope(move |s| body.within(Starter::Plain(s)).infallible());
    if let Some(limit) = open.timeout {
        work = work.timeout(clock::millis(clock::span(limit, nth)));
    }
    if let Some(grace) = open.grace {
        work = work.grace(clock::millis(clock::grace(grace)));
    }
    if open.early {
        world.note_handle(number, work.handle());
    }
    Box::pin(caught(work, ending::of_child))
}

fn fallible(world: &World, number: Number, open: Open, nth: usize) -> Boxed {
    let body = Puppet::new(world.clone(), number);
    let mut work = try_scope(move |s| body.within(Starter::Fallible(s)));
    if let Some(limit) = open.timeout {
        work = work.timeout(clock::millis(clock::span(limit, nth)));
    }
    if let Some(grace) = open.grace {
        work = work.grace(clock::millis(clock::grace(grace)));
    }
    if open.early {
        world.note_handle(number, work.handle());
    }
    Box::pin(caught(work, |outcome| match outcome {
        Ok(()) => Outcome::Value,
        Err(failure) => ending::of_failure(failure),
    }))
}
