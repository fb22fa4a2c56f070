//! What is asked of scopes and children through their handles, from anywhere.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::body::Puppet;
use super::ending;
use super::world::{Act, Starter, World};
use crate::clock;
use crate::script::{How, Number, Op};
use crate::view::{Answer, Drained};

/// Does what takes no body. What does not exist is passed over.
pub(super) fn perform(world: &World, act: Act) {
    match (act.op, act.given) {
        (Op::Start { on, how, .. }, Some(number)) => start(world, on, how, number),
        (Op::Defer { on, limit, .. }, Some(number)) => {
            defer(world, on, limit.map(|limit| clock::span(limit, act.nth)), number);
        }
        (Op::Cancel { what, said }, _) => cancel(world, what, said.then_some(act.step)),
        (Op::Stop { what, grace }, _) => {
            let grace = clock::millis(clock::span(grace, act.nth));
            world.handle(what).into_iter().for_each(|handle| drop(handle.stop(grace)));
        }
        (Op::Deadline { what, after }, _) => {
            let span = after.map(|after| clock::millis(clock::span(after, act.nth)));
            let at = span.map(|span| (Instant::now() + span).into_std());
            world.handle(what).into_iter().for_each(|handle| handle.set_deadline(at));
        }
        (Op::Forget(child), _) => drop(world.take_child(child)),
        (Op::Drain, _) => world.answer(Answer::Drained(drain_once())),
        _ => {}
    }
}

fn cancel(world: &World, what: Number, said: Option<usize>) {
    let Some(handle) = world.handle(what) else { return };
    match said {
        Some(step) => handle.cancel_with(format!("step {step}")),
        None => handle.cancel(),
    }
}

fn start(world: &World, on: Number, how: How, number: Number) {
    let Some(starter) = world.starter(on) else { return };
    let body = Puppet::new(world.clone(), number);
    let name = number.to_string();
    let child = match starter {
        Starter::Plain(scope) => {
            let (named, body) = (scope.named(name), body.infallible());
            match how {
                How::Spawn => named.spawn(body),
                How::Fork => named.fork(body),
                How::Service => named.service(body),
            }
        }
        Starter::Fallible(scope) => {
            let named = scope.named(name);
            match how {
                How::Spawn => named.spawn(body),
                How::Fork => named.fork(body),
                How::Service => named.service(body),
            }
        }
    };
    world.note_child(number, child);
}

fn defer(world: &World, on: Number, limit: Option<u64>, number: Number) {
    let Some(starter) = world.starter(on) else { return };
    let body = Puppet::new(world.clone(), number);
    let limit = limit.map(clock::millis);
    match (starter, limit) {
        (Starter::Plain(scope), Some(limit)) => scope.defer(limit, body.infallible()),
        (Starter::Plain(scope), None) => scope.defer_unbounded(body.infallible()),
        (Starter::Fallible(scope), Some(limit)) => scope.defer(limit, body),
        (Starter::Fallible(scope), None) => scope.defer_unbounded(body),
    }
}

/// Polls `drain()` once.
pub(super) fn drain_once() -> Drained {
    let polled = AssertUnwindSafe(unconstrained(umbel::drain())).catch_unwind().now_or_never();
    match polled {
        None => Drained::OrphansAreLeft,
        Some(Ok(())) => Drained::Clean,
        Some(Err(payload)) => Drained::Panicked(ending::bang(&*payload)),
    }
}
