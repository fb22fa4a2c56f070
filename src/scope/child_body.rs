//! What a spawned and a forked child have in common: how the body is polled, and how it ends.

use std::future::Future;
use std::mem::needs_drop;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::aside::{Aside, Look};
use crate::context::stack::{self, Place};
use crate::ground::panics;
use crate::ground::reason::Kind;
use crate::ground::seeded;

/// Polls the body in its place. Ready when the child has come to its end: with a value, or, when it
/// is cancelled or has panicked, without one.
#[inline]
pub(super) fn poll<F: Future>(
    place: &mut Option<Place>,
    mut body: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    if stack::node(place.as_ref()).peek().is_cancelled() && !is_shielded(place.as_ref()) {
        return Poll::Ready(None);
    }
    if let Some(place) = place.as_mut().filter(|place| place.has_aside()) {
        if Aside::poll_turn(place, cx).is_pending() {
            return Poll::Pending;
        }
    }
    let (_, polled) = stack::within(place, || {
        panics::catch(|| body.as_mut().as_pin_mut().map(|body| body.poll(cx)))
    });
    match polled {
        Ok(Some(Poll::Ready(value))) => Poll::Ready(Some(value)),
        Ok(_) => Poll::Pending,
        Err(panic) => {
            stack::node(place.as_ref()).fail_above(Kind::ChildPanicked, Some(panic));
            Poll::Ready(None)
        }
    }
}

/// Whether a shield in a cancelled child keeps it (R10).
#[cold]
fn is_shielded(place: Option<&Place>) -> bool {
    place.is_some_and(|place| place.shielding().is_some())
}

/// [`poll`], for a child that is the root of a task: every waker of that wakes the task, so one
/// registration serves for its whole life. Only a canceller takes it out; a child that lives on in a
/// shield must be found again.
#[inline]
pub(super) fn poll_root<F: Future>(
    place: &mut Option<Place>,
    body: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    if let Poll::Ready(value) = poll(place, body, cx) {
        return Poll::Ready(value);
    }
    let register = |place: &mut Place, anew: bool, waker: &Waker| {
        if anew || !place.is_registered() {
            drop(place.node().register(waker));
            place.set_registered();
        }
    };
    if must_end(place, cx, register) { Poll::Ready(None) } else { Poll::Pending }
}

/// The body has suspended: whether the child has to end. If not, it is woken when there is something to
/// look at.
///
/// `register` has the child's waker at its node, if it knows that it is not there, or if it is told to
/// do it anew: who has something to tell takes the waker out, and says so in the word.
#[inline]
pub(super) fn must_end(
    place: &mut Option<Place>,
    cx: &mut Context<'_>,
    mut register: impl FnMut(&mut Place, bool, &Waker),
) -> bool {
    let Some(place) = place else { return false };
    loop {
        let is_calm = place.node().peek().is_calm();
        register(place, !is_calm, cx.waker());
        // I5: whoever cancels after the registration finds the waker; whoever did before it is seen here.
        if !place.has_aside() && place.node().peek().is_calm() || seeded!(LostRecheck) {
            return false;
        }
        match Aside::look(place, cx) {
            Look::Suspend => return false,
            Look::End => return true,
            Look::Again => {}
        }
    }
}

/// Drops the body, and then tells the scope (I17). Gives the value back if somebody can still ask
/// for it; else that is dropped with the rest, before the scope returns.
#[inline]
pub(super) fn end<F: Future>(
    place: &mut Option<Place>,
    mut body: Pin<&mut Option<F>>,
    value: Option<F::Output>,
) -> Option<F::Output> {
    if seeded!(EarlyEnd) {
        place.take().into_iter().for_each(|place| place.node().finish());
        body.set(None);
        return value;
    }
    let value = drop_body(place, body, value);
    if let Some(place) = place.take() {
        if place.has_aside() {
            Aside::leave(&place);
        }
        place.node().finish();
    }
    value
}

/// Drops the body in its place, and the value, if nobody can ask for it any more.
#[inline]
pub(super) fn drop_body<F: Future>(
    place: &mut Option<Place>,
    mut body: Pin<&mut Option<F>>,
    mut value: Option<F::Output>,
) -> Option<F::Output> {
    if needs_drop::<F>() || needs_drop::<F::Output>() {
        let is_unasked = stack::node(place.as_ref()).word().is_unasked();
        let unasked = if is_unasked { value.take() } else { None };
        let (_, dropped) = stack::within(place, || {
            panics::catch(|| {
                // Dropped when the body is, whatever that does.
                let _unasked = unasked;
                body.set(None);
            })
        });
        if let Err(panic) = dropped {
            stack::node(place.as_ref()).fail_above(Kind::ChildPanicked, Some(panic));
        }
    }
    value
}
