//! What few children have, beside their body: a turn in a bounded scope, a timer.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::bound::Turn;
use crate::context::stack::Place;
use crate::context::time::{self, Timer};
use crate::ground::sync::Lock;
use crate::tree::{Attachment, NodeRef, Note, Shelf};

/// See above. It stands on a shelf of the child's node, so that the others carry not even a pointer: the
/// size of a child's task matters.
#[derive(Default)]
pub(super) struct Aside {
    turn: Turn,
    /// For the child's own deadline, or the end of its grace; or, while it is cancelled and kept by a
    /// shield with a limit, for when that is overdue.
    timer: Option<Timer>,
}

/// As it stands there. Only the child's owner takes it, and puts it back.
struct Shelved(Lock<Option<Aside>>);

/// How a child that is started stands to the bound of its scope.
pub(super) enum Standing {
    /// It waits for its turn, if there is a bound.
    InLine,
    /// It has its turn.
    Has(Turn),
    /// It is not counted.
    Apart,
}

impl Standing {
    /// Gives the child what it has to have, once admission has given it `handle`.
    #[inline]
    pub(super) fn settle(self, scope: &NodeRef, handle: &NodeRef, place: &mut Place) {
        match self {
            Self::InLine if handle.is_noted(Note::Guarded) => Self::line_up(scope, place),
            Self::InLine | Self::Apart => {}
            Self::Has(turn) => Aside { turn, timer: None }.put(place),
        }
    }

    #[cold]
    fn line_up(scope: &NodeRef, place: &mut Place) {
        if let Some(turn) = Turn::of(scope) {
            Aside { turn, timer: None }.put(place);
        }
    }
}

/// What a child that has suspended is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Suspend,
    /// It is cancelled, and nothing keeps it.
    End,
    /// Something has changed meanwhile.
    Again,
}

impl Aside {
    /// Puts it on its shelf.
    fn put(self, place: &mut Place) {
        place.note_aside();
        let make = || -> Attachment { Arc::new(Shelved(Lock::new(None))) };
        let here = place.node().attachment(Shelf::Aside, make).map(shelved);
        let before = here.map(|here| here.0.lock().replace(self));
        drop(before);
    }

    /// Takes it from its shelf.
    fn take(place: &Place) -> Option<Self> {
        if !place.has_aside() {
            return None;
        }
        shelved(place.node().known_attachment(Shelf::Aside)?).0.lock().take()
    }

    /// Ready when it is this child's turn.
    #[cold]
    pub(super) fn poll_turn(place: &mut Place, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut aside) = Self::take(place) else { return Poll::Ready(()) };
        let polled = aside.turn.poll(cx);
        aside.put(place);
        polled
    }

    /// The child has ended: in a bounded scope, the next one may run.
    #[cold]
    pub(super) fn leave(place: &Place) {
        drop(Self::take(place));
    }

    /// Looks at what the child's word asks for, and at its timer.
    #[cold]
    pub(super) fn look(place: &mut Place, cx: &mut Context<'_>) -> Look {
        let mut aside = Self::take(place);
        let look = Self::look_with(&mut aside, place, cx);
        if let Some(aside) = aside {
            aside.put(place);
        }
        look
    }

    fn look_with(aside: &mut Option<Self>, place: &mut Place, cx: &mut Context<'_>) -> Look {
        if place.node().peek().must_attend() {
            place.node().attended();
            Self::retime(aside, place.node());
        }
        if place.node().peek().is_cancelled() {
            // A shield in it keeps it (R10); what that does not keep has its turn, to end (I14).
            let Some(shielding) = place.shielding() else { return Look::End };
            place.rouse(cx.waker());
            Timer::watch(&mut aside.get_or_insert_default().timer, shielding.until);
        }
        let timer = aside.as_mut().and_then(|aside| aside.timer.as_mut());
        if timer.is_some_and(|timer| timer.poll(cx).is_ready()) {
            if !place.node().peek().is_cancelled() {
                place.node().come_due(time::now(), time::after);
            }
            Self::retime(aside, place.node());
            return Look::Again;
        }
        if place.node().peek().must_attend() { Look::Again } else { Look::Suspend }
    }

    /// Arms the timer if the child's own deadline is nearer than those above (R20).
    fn retime(aside: &mut Option<Self>, node: &NodeRef) {
        let nearest = node.own_nearest_deadline().filter(|_| !node.peek().is_cancelled());
        match (nearest, aside.as_mut()) {
            (None, None) => {}
            (None, Some(aside)) => aside.timer = None,
            (Some(at), _) => aside.get_or_insert_default().timer = Some(Timer::at(at)),
        }
    }
}

fn shelved(any: Attachment) -> Arc<Shelved> {
    // INVARIANT: nothing else is put on this shelf.
    any.downcast().expect("what stands there is the child's")
}
