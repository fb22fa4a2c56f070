//! The bodies of a script, each going through its turns at its own pace.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use oracle_tests::ledger::journal::{End, Operation, Part, Spot};
use oracle_tests::ledger::place::{HOUR, Host, Place, Sort};
use oracle_tests::ledger::tokens::{Failure, Payload, Token, Watch};
use oracle_tests::script::{GROUND, How, Number, Op, Open, Thing};
use umbel::model::come_due;
use umbel::{CancelScope, Reason, Scope, TryScope, WaitStopping, scope, shield, try_scope};

use crate::world::{Target, Turn, World};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a body has opened: the future of a scope or a shield. It gives the panic that came out of it.
struct Limb {
    number: Number,
    passes: bool,
    work: Boxed<Option<Box<dyn std::any::Any + Send>>>,
}

struct Puppet {
    world: World,
    number: Number,
    /// Nothing on the ground.
    place: Option<Place>,
    limbs: Vec<Limb>,
    stopping: Option<WaitStopping>,
}

/// All scopes of the script. What the ground asks of handles comes from a task of its own.
pub(crate) async fn ground(world: &World) {
    let beside = world.clone();
    let beside = shuttle::future::spawn(async move { conduct(&beside).await });
    let mut puppet = Puppet::new(world.clone(), GROUND, None);
    // The ground does not fail.
    let _ = puppet.live().await;
    beside.await.expect("nobody aborts it");
}

/// Has the script go on, and asks what can be asked from afar.
async fn conduct(world: &World) {
    let mut asked = world.turns_of(GROUND);
    asked.retain(|(_, turn)| is_asked_from_afar(turn));
    let mut asked = asked.into_iter().peekable();
    for now in 0..world.end() {
        shuttle::future::yield_now().await;
        if let Some((_, turn)) = asked.next_if(|(step, _)| *step == now) {
            for (op, given) in turn {
                perform(world, None, op, given);
            }
        }
        world.advance();
    }
}

fn is_asked_from_afar(turn: &Turn) -> bool {
    turn.iter().all(|(op, _)| !op.is_of_a_body())
}

fn body(world: World, number: Number, place: Place) -> Boxed<Result<(), Failure>> {
    Box::pin(async move { Puppet::new(world, number, Some(place)).live().await })
}

impl Puppet {
    fn new(world: World, number: Number, place: Option<Place>) -> Self {
        let listens = match world.thing(number) {
            Thing::Scope { open, .. } => open.listens,
            Thing::Child { listens, .. } => listens,
            _ => false,
        };
        let stopping = listens.then(umbel::stopping);
        Self { world, number, place, limbs: Vec::new(), stopping }
    }

    /// Goes through all turns, and waits for the end of the script and for what is open.
    async fn live(&mut self) -> Result<(), Failure> {
        for (step, turn) in self.world.turns_of(self.number) {
            if self.number == GROUND && is_asked_from_afar(&turn) {
                continue;
            }
            self.wait_for(step).await;
            for (op, given) in turn {
                if let Some(end) = self.act(op, given) {
                    return end;
                }
            }
        }
        self.wait_for(self.world.end()).await;
        poll_fn(|cx| {
            self.poll_limbs(cx);
            if self.limbs.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok(())
    }

    /// Suspends once, and until the script is that far.
    async fn wait_for(&mut self, step: usize) {
        let mut has_suspended = false;
        poll_fn(|cx| {
            self.poll_limbs(cx);
            if !std::mem::replace(&mut has_suspended, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.world.poll_step(step, cx.waker())
        })
        .await;
    }

    fn poll_limbs(&mut self, cx: &mut Context<'_>) {
        let mut n = 0;
        while n < self.limbs.len() {
            let Poll::Ready(panic) = self.limbs[n].work.as_mut().poll(cx) else {
                n += 1;
                continue;
            };
            let limb = self.limbs.remove(n);
            if let Some(payload) = panic {
                self.panicked(payload, limb.passes);
            }
        }
        let is_told = |stopping: &mut WaitStopping| Pin::new(stopping).poll(cx).is_ready();
        if self.stopping.as_mut().is_some_and(is_told) {
            self.stopping = None;
        }
    }

    /// A panic has come out of a limb: it goes on, or ends here.
    fn panicked(&self, payload: Box<dyn std::any::Any + Send>, passes: bool) {
        match &self.place {
            Some(place) if passes => place.journal.pass_on(payload, place.spot),
            _ => {
                if let Err(payload) = Payload::catch(payload) {
                    resume_unwind(payload);
                }
            }
        }
    }

    /// Does one thing. Gives how the body ends, if it does.
    fn act(&mut self, op: Op, given: Option<Number>) -> Option<Result<(), Failure>> {
        match (op, given) {
            (Op::Return | Op::Fail | Op::Panic, _) => return self.end(op),
            (Op::Open(open), Some(number)) => {
                let work = if open.fallible {
                    in_try_scope(self.world.clone(), self.spot(), number, open)
                } else {
                    in_scope(self.world.clone(), self.spot(), number, open)
                };
                self.limbs.push(Limb { number, passes: open.held.passes, work });
            }
            (Op::Shield { held, .. }, Some(number)) => {
                let place = self.place.clone()?;
                let work = section(self.world.clone(), place, number);
                self.limbs.push(Limb { number, passes: held.passes, work });
            }
            (Op::Drop(number), _) => self.limbs.retain(|limb| limb.number != number),
            (Op::Check, _) => self.check(),
            _ => perform(&self.world, self.spot(), op, given),
        }
        None
    }

    fn end(&self, op: Op) -> Option<Result<(), Failure>> {
        let place = self.place.as_ref()?;
        match op {
            Op::Panic => Payload::throw(&place.journal, place.spot.region),
            Op::Fail if place.may_fail() => Some(Err(place.failure())),
            _ => Some(Ok(())),
        }
    }

    fn spot(&self) -> Option<Spot> {
        self.place.as_ref().map(|place| place.spot)
    }

    /// R22: the body of a scope is in that scope, whichever task polls it.
    fn check(&self) {
        let Some(place) = &self.place else {
            assert!(CancelScope::current().is_none(), "R22: nothing is open on the ground");
            return;
        };
        if place.sort == Sort::Body {
            assert_eq!(CancelScope::current().as_ref(), Some(&place.host.handle()), "R22");
            let was_cancelled = place.host.handle().is_cancelled();
            assert!(!was_cancelled || umbel::check().is_err(), "R9: a cancelled body goes on");
        }
    }
}

/// What takes no body, and so can be done from any task.
fn perform(world: &World, from: Option<Spot>, op: Op, given: Option<Number>) {
    match (op, given) {
        (Op::Start { on, how, .. }, Some(number)) => start(world, from, on, how, number),
        (Op::Defer { on, .. }, Some(number)) => defer(world, from, on, number),
        (Op::Cancel { what, .. }, _) => cancel(world, what),
        (Op::Stop { what, grace }, _) => stop(world, what, grace),
        (Op::Deadline { what, after: Some(_) }, _) => pass_deadline(world, what),
        (Op::Forget(child), _) => {
            let held = world.records()[child].held.take();
            drop(held);
        }
        _ => {}
    }
}

/// Only from inside: on a scope that has ended a finalizer is an orphan's, and the sums do not know.
fn defer(world: &World, from: Option<Spot>, on: Number, number: Number) {
    let Some(place) = world.place_of(on) else { return };
    if is_inside(world, from, &place) {
        let inside = world.clone();
        place.defer(HOUR, false, |place| body(inside, number, place));
    }
}

fn is_inside(world: &World, from: Option<Spot>, place: &Place) -> bool {
    from.is_some_and(|spot| world.journal.open().is_inside(spot, place.on))
}

fn start(world: &World, from: Option<Spot>, on: Number, how: How, number: Number) {
    let Some(place) = world.place_of(on) else { return };
    let operation = match how {
        How::Spawn => Operation::Spawn,
        How::Fork => Operation::Fork,
        How::Service => Operation::Service,
    };
    let inside = world.clone();
    let work = |place| body(inside, number, place);
    let (index, child) = if is_inside(world, from, &place) {
        place.start(operation, work)
    } else {
        place.start_from_afar(operation, work)
    };
    let mut records = world.records();
    records[number].child = Some(index);
    records[number].held = Some(child);
}

fn cancel(world: &World, what: Number) {
    let (handle, message) = match world.target(what) {
        Some(Target::Region(region, handle)) => {
            world.journal.open().regions[region].requests += 1;
            (handle, format!("region {region}"))
        }
        Some(Target::Child(child, handle)) => {
            world.journal.open().children[child].cancels += 1;
            (handle, format!("child {child}"))
        }
        None => return,
    };
    handle.cancel_with(Reason::new(message));
    assert!(handle.is_cancelled(), "R7: when `cancel` has returned, it is true");
}

fn stop(world: &World, what: Number, grace: u8) {
    if let Some(Target::Region(region, handle)) = world.target(what) {
        world.journal.open().regions[region].stops += 1;
        handle.stop(if grace == 0 { Duration::ZERO } else { HOUR });
    }
}

/// Timers do not run in models: whoever comes here is the timer, once for each scope.
fn pass_deadline(world: &World, what: Number) {
    if let Some(Target::Region(region, handle)) = world.target(what) {
        let is_first =
            !std::mem::replace(&mut world.journal.open().regions[region].has_limit, true);
        if is_first && !handle.is_finished() {
            come_due(&handle);
        }
    }
}

/// The scope of this number, from inside.
fn within(world: &World, number: Number, region: usize, host: Host) -> Place {
    world.journal.note_handle(region, host.handle());
    let spot = Spot { region, child: None };
    let journal = Arc::clone(&world.journal);
    let place = Place { journal, host, on: region, spot, sort: Sort::Body, depth: 0 };
    let mut records = world.records();
    records[number].region = Some(region);
    records[number].place = Some(place.clone());
    place
}

fn in_scope(
    world: World,
    outside: Option<Spot>,
    number: Number,
    open: Open,
) -> Boxed<Option<Box<dyn std::any::Any + Send>>> {
    Box::pin(async move {
        let region = world.journal.add_region(outside, false);
        let watch = Watch::new(&world.journal, region);
        let token = Token::new(&world.journal, Part::Body(region));
        let inside = world.clone();
        let mut work = scope(async move |s: Scope<'static>| {
            let _token = token;
            let place = within(&inside, number, region, Host::Plain(s));
            // In a plain scope nothing fails.
            let _ = body(inside, number, place).await;
        });
        if open.early {
            world.journal.note_handle(region, work.handle());
            world.records()[number].region = Some(region);
        }
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(())) => watch.ended(End::Value),
            Ok(Err(cancelled)) => watch.ended(End::Cancelled(cancelled.into_reason())),
            Err(payload) => {
                watch.ended(End::Panicked);
                return Some(payload);
            }
        }
        None
    })
}

fn in_try_scope(
    world: World,
    outside: Option<Spot>,
    number: Number,
    open: Open,
) -> Boxed<Option<Box<dyn std::any::Any + Send>>> {
    Box::pin(async move {
        let region = world.journal.add_region(outside, false);
        let watch = Watch::new(&world.journal, region);
        let token = Token::new(&world.journal, Part::Body(region));
        let inside = world.clone();
        let mut work = try_scope(async move |s: TryScope<'static, Failure>| {
            let _token = token;
            let place = within(&inside, number, region, Host::Try(s));
            body(inside, number, place).await
        });
        if open.early {
            world.journal.note_handle(region, work.handle());
            world.records()[number].region = Some(region);
        }
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(())) => watch.ended(End::Value),
            Ok(Err(Failure::Cancelled(reason))) => watch.ended(End::Cancelled(reason)),
            Ok(Err(Failure::Made { error, .. })) => {
                world.journal.open().errors[error].owner += 1;
                watch.ended(End::Failed(1));
            }
            Err(payload) => {
                watch.ended(End::Panicked);
                return Some(payload);
            }
        }
        None
    })
}

fn section(
    world: World,
    place: Place,
    number: Number,
) -> Boxed<Option<Box<dyn std::any::Any + Send>>> {
    Box::pin(async move {
        let region = world.journal.add_region(Some(place.spot), false);
        let watch = Watch::new(&world.journal, region);
        let token = Token::new(&world.journal, Part::Body(region));
        let (inside, place) = (world.clone(), place.inside(Sort::Section, region, None));
        let work = async move {
            let _token = token;
            // Sections do not fail.
            let _ = body(inside, number, place).await;
        };
        match AssertUnwindSafe(shield(HOUR, work)).catch_unwind().await {
            Ok(outcome) => {
                assert!(outcome.is_ok(), "no timer runs");
                watch.ended(End::Value);
            }
            Err(payload) => {
                watch.ended(End::Panicked);
                return Some(payload);
            }
        }
        None
    })
}
