//! Where a future is suspended. Whatever suspends keeps a clone of the waker. This one notes, when it is
//! cloned, the stack, on which the awaits stand that led there; and the clones that are still kept when the
//! poll is over are those of whoever has not been passed in it.

#![expect(unsafe_code, reason = "a waker that sees its clones has to be made by hand")]

use std::backtrace::Backtrace;
use std::mem;
use std::sync::{Arc, Weak};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::places::Suspended;
use crate::ground::sync::Lock;

/// What the wakers of one future have in common.
#[derive(Debug)]
pub(super) struct Bell(Lock<State>);

#[derive(Default)]
struct State {
    was_rung: bool,
    /// Who is woken when it rings.
    outer: Option<Waker>,
    is_noting: bool,
    /// The clones that were made meanwhile, and where.
    clones: Vec<(Weak<Rope>, Arc<Backtrace>)>,
    /// Where it was rung meanwhile: who wakes while he is polled may see no need for a clone.
    rings: Vec<Arc<Backtrace>>,
}

impl Bell {
    /// Rung, so that there is a first poll.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Lock::new(State { was_rung: true, ..State::default() })))
    }

    /// Whether it was rung since this was last asked. From now on `outer` is woken when it is.
    pub(super) fn take(&self, outer: &Waker) -> bool {
        let outer = outer.clone();
        let mut state = self.0.lock();
        let before = state.outer.replace(outer);
        let was_rung = mem::take(&mut state.was_rung);
        drop(state);
        drop(before);
        was_rung
    }

    pub(super) fn ring(&self) {
        let mut state = self.0.lock();
        state.was_rung = true;
        let outer = state.outer.take();
        drop(state);
        outer.into_iter().for_each(Waker::wake);
    }

    /// A waker that is equal to no earlier one: nobody thinks that he has it already.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        let rope = Arc::new(Rope(Arc::clone(self)));
        // SAFETY: the functions in ROPE take the pointer for what it is, one count of an `Arc<Rope>`.
        // `clone` gives out another one, `wake` and `release` give theirs up, `wake_by_ref` looks. A rope is
        // `Send` and `Sync`, so the thread does not matter.
        unsafe { Waker::from_raw(rope.raw()) }
    }

    /// From now on it is noted who takes the waker.
    pub(super) fn start_noting(&self) {
        let mut state = self.0.lock();
        state.is_noting = true;
        state.clones.clear();
        state.rings.clear();
    }

    /// Who has taken it since, and has it. If nobody has: who has had it, or woken.
    pub(super) fn stop_noting(&self) -> Suspended {
        let mut state = self.0.lock();
        state.is_noting = false;
        let (clones, rings) = (mem::take(&mut state.clones), mem::take(&mut state.rings));
        drop(state);
        let (kept, gone): (Vec<_>, Vec<_>) =
            clones.into_iter().partition(|(rope, _)| rope.strong_count() > 0);
        let ways = |clones: Vec<(_, _)>| clones.into_iter().map(|(_, way)| way).collect();
        Suspended::from(match (kept.is_empty(), rings.is_empty()) {
            (false, _) => ways(kept),
            (true, false) => rings,
            (true, true) => ways(gone),
        })
    }

    /// The way here, if that is of interest.
    fn way(&self) -> Option<Arc<Backtrace>> {
        // Captured with no lock held: it takes a while, and others may ring.
        let is_noting = self.0.lock().is_noting;
        is_noting.then(|| Arc::new(Backtrace::force_capture()))
    }
}

/// One waker's hold on the bell.
struct Rope(Arc<Bell>);

impl Rope {
    fn raw(self: Arc<Self>) -> RawWaker {
        RawWaker::new(Arc::into_raw(self).cast(), &ROPE)
    }
}

/// `std::task::Wake` does the same, and does not say when the waker is cloned.
const ROPE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// # Safety
///
/// As for the others: the pointer is one count of an `Arc<Rope>`, and here it stays one.
unsafe fn clone(rope: *const ()) -> RawWaker {
    // SAFETY: the count that the caller has keeps it alive during the call.
    let rope = unsafe { &*rope.cast::<Rope>() };
    let clone = Arc::new(Rope(Arc::clone(&rope.0)));
    if let Some(way) = rope.0.way() {
        rope.0.0.lock().clones.push((Arc::downgrade(&clone), way));
    }
    clone.raw()
}

/// # Safety
///
/// As for [`clone`]; the count is given up.
unsafe fn wake(rope: *const ()) {
    // SAFETY: the count is the caller's to give up.
    let rope = unsafe { Arc::from_raw(rope.cast::<Rope>()) };
    rope.0.ring();
}

/// # Safety
///
/// As for [`clone`].
unsafe fn wake_by_ref(rope: *const ()) {
    // SAFETY: the count that the caller has keeps it alive during the call.
    let rope = unsafe { &*rope.cast::<Rope>() };
    if let Some(way) = rope.0.way() {
        rope.0.0.lock().rings.push(way);
    }
    rope.0.ring();
}

/// # Safety
///
/// As for [`clone`]; the count is given up.
unsafe fn release(rope: *const ()) {
    // SAFETY: the count is the caller's to give up.
    drop(unsafe { Arc::from_raw(rope.cast::<Rope>()) });
}
