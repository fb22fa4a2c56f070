//! An attempt in the hands of whoever makes it, and how attempts reach their race.

use std::collections::BTreeSet;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::ground::panics;
use crate::ground::seeded;
use crate::ground::sync::Lock;

/// One attempt of a [`Race`](crate::Race), in the hands of whoever makes it.
#[derive(Clone)]
pub struct Attempt {
    number: usize,
    bell: Arc<Bell>,
}

impl Attempt {
    /// Its number: attempts are counted from 0, in the order in which they start.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Says that this attempt has got further (the connection stands and the handshake has begun, say):
    /// the next one does not start for `extension` from now, as long as this one is in flight. An attempt
    /// that is over, or was given up, says nothing.
    ///
    /// From any thread. Source: section 6.2 of draft-ietf-happy-happyeyeballs-v3.
    pub fn progress(&self, extension: Duration) {
        self.bell.ring(|inbox| inbox.progress.push((self.number, extension)));
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("number", &self.number).finish_non_exhaustive()
    }
}

/// An attempt that is about to be made.
pub struct Ticket<'a> {
    pub(crate) number: usize,
    pub(super) bell: &'a mut Option<Arc<Bell>>,
}

impl Ticket<'_> {
    /// For an attempt that may have something to tell.
    pub(crate) fn attempt(&mut self) -> Attempt {
        let bell = Arc::clone(self.bell.get_or_insert_default());
        Attempt { number: self.number, bell }
    }
}

/// What attempts tell their race, from any thread. A race has one if it needs one.
pub(super) struct Bell(Lock<Inbox>);

#[derive(Default)]
struct Inbox {
    /// Attempts that were woken.
    woken: BTreeSet<usize>,
    /// Attempts that got further.
    progress: Vec<(usize, Duration)>,
    /// Nothing while the race is polled: it looks before it suspends.
    waker: Option<Waker>,
    /// The race is gone, and nobody looks any more.
    is_closed: bool,
}

impl Default for Bell {
    fn default() -> Self {
        Self(Lock::new(Inbox::default()))
    }
}

impl Bell {
    fn ring(&self, tell: impl FnOnce(&mut Inbox)) {
        let mut inbox = self.0.lock();
        if inbox.is_closed {
            return;
        }
        tell(&mut inbox);
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            panics::wake(waker);
        }
    }

    /// The race is gone. Whoever still has an attempt, or its waker, keeps nothing of the race (I31).
    pub(super) fn close(&self) {
        let closed = Inbox { is_closed: true, ..Inbox::default() };
        let inbox = mem::replace(&mut *self.0.lock(), closed);
        drop(inbox);
    }

    /// Who was woken. Nobody wakes the race before the next [`listen`](Self::listen).
    pub(super) fn woken(&self) -> BTreeSet<usize> {
        let mut inbox = self.0.lock();
        let (woken, waker) = (mem::take(&mut inbox.woken), inbox.waker.take());
        drop(inbox);
        drop(waker);
        woken
    }

    /// Who got further, and by how much.
    pub(super) fn progress(&self) -> Vec<(usize, Duration)> {
        mem::take(&mut self.0.lock().progress)
    }

    /// Has the race woken when it is told something. Whether it has been told nothing by now, wakes of
    /// attempts that are over (`is_over`) aside.
    pub(super) fn listen(&self, cx: &Context<'_>, is_over: impl Fn(usize) -> bool) -> bool {
        let waker = cx.waker().clone();
        let mut inbox = self.0.lock();
        inbox.woken.retain(|&number| !is_over(number));
        // I5: whoever rings after this finds the waker; whoever did before it is seen here.
        let is_quiet = inbox.woken.is_empty() && inbox.progress.is_empty() || seeded!(DeafRace);
        let old = if is_quiet { inbox.waker.replace(waker) } else { Some(waker) };
        drop(inbox);
        drop(old);
        is_quiet
    }
}

/// Wakes one attempt.
pub(super) struct Turn {
    pub(super) number: usize,
    pub(super) bell: Arc<Bell>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bell.ring(|inbox| {
            inbox.woken.insert(self.number);
        });
    }
}
