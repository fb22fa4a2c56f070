//! What few children have, in a box beside their body: a turn in a bounded scope, a timer.

use std::task::{Context, Poll};

use super::bound::Turn;
use crate::context::stack::Place;
use crate::context::time::{self, Timer};
use crate::tree::{NodeRef, Note};

/// See above. Most children have none.
#[derive(Default)]
pub(super) struct Aside {
    turn: Turn,
    /// For the child's own deadline, or the end of its grace; or, while it is cancelled and kept by a
    /// shield with a limit, for when that is overdue.
    timer: Option<Timer>,
}

/// How a child that is started stands to the bound of its scope.
pub(super) enum Standing {
    /// It waits for its turn, if there is a bound.
    InLine,
    /// It has its turn.
    Has(Box<Aside>),
    /// It is not counted.
    Apart,
}

impl Standing {
    /// What the child has to have, once admission has given it `handle`.
    #[inline]
    pub(super) fn aside(self, scope: &NodeRef, handle: &NodeRef) -> Option<Box<Aside>> {
        match self {
            Self::InLine if handle.is_noted(Note::Guarded) => Self::line_up(scope),
            Self::InLine | Self::Apart => None,
            Self::Has(aside) => Some(aside),
        }
    }

    #[cold]
    fn line_up(scope: &NodeRef) -> Option<Box<Aside>> {
        Turn::of(scope).map(|turn| Box::new(Aside::with(turn)))
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
    pub(super) fn with(turn: Turn) -> Self {
        Self { turn, timer: None }
    }

    /// Ready when it is this child's turn.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.turn.poll(cx)
    }

    /// Arms the timer if the child's own deadline is nearer than those above (R20).
    fn retime(aside: &mut Option<Box<Self>>, node: &NodeRef) {
        let nearest = node.own_nearest_deadline().filter(|_| !node.peek().is_cancelled());
        match (nearest, aside.as_mut()) {
            (None, None) => {}
            (None, Some(aside)) => aside.timer = None,
            (Some(at), _) => aside.get_or_insert_default().timer = Some(Timer::at(at)),
        }
    }

    /// Looks at what the child's word asks for, and at its timer.
    #[cold]
    pub(super) fn look(
        aside: &mut Option<Box<Self>>,
        place: &mut Place,
        cx: &mut Context<'_>,
    ) -> Look {
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
}
