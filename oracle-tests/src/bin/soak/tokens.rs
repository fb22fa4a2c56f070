//! What tells the journal of its own end: bodies, values, errors, panics, futures.

use std::any::Any;
use std::fmt;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use umbel::{Cancelled, Reason};

use crate::journal::{End, Journal, Part, Phase};

/// Stands in a body, from before it is given to the library until it is dropped.
#[derive(Debug)]
pub(crate) struct Token {
    journal: Arc<Journal>,
    part: Part,
}

impl Token {
    pub(crate) fn new(journal: &Arc<Journal>, part: Part) -> Self {
        journal.open().begin(part);
        Self { journal: Arc::clone(journal), part }
    }

    pub(crate) fn has_come_to(&self, phase: Phase) {
        self.journal.open().has_come_to(self.part, phase);
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.journal.open().was_dropped(self.part);
    }
}

/// How many values there are.
static VALUES: AtomicI64 = AtomicI64::new(0);

pub(crate) fn values() -> i64 {
    VALUES.load(Ordering::SeqCst)
}

/// What a child returns.
#[derive(Debug)]
pub(crate) struct Value(pub(crate) usize);

impl Value {
    pub(crate) fn new(child: usize) -> Self {
        VALUES.fetch_add(1, Ordering::SeqCst);
        Self(child)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        VALUES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An error of a `try_scope`. Shown, it is two numbers, by which the hook finds it again.
pub(crate) enum Failure {
    Made { journal: u64, error: usize },
    Cancelled(Reason),
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made { journal, error } => write!(f, "{journal} {error}"),
            Self::Cancelled(reason) => reason.fmt(f),
        }
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.into_reason())
    }
}

/// What a panic carries.
#[derive(Debug)]
pub(crate) struct Payload {
    journal: Arc<Journal>,
    panic: usize,
    was_caught: bool,
}

impl Payload {
    /// Panics, in the name of a region.
    pub(crate) fn throw(journal: &Arc<Journal>, region: usize) -> ! {
        let panic = journal.open().add_panic(region);
        panic_any(Self { journal: Arc::clone(journal), panic, was_caught: false })
    }

    /// Somebody has caught it for good. Gives back what is no panic of ours.
    pub(crate) fn catch(payload: Box<dyn Any + Send>) -> Result<(), Box<dyn Any + Send>> {
        let mut payload = payload.downcast::<Self>()?;
        payload.was_caught = true;
        payload.journal.open().panics[payload.panic].owner += 1;
        Ok(())
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if !self.was_caught {
            self.journal.open().panics[self.panic].nobody += 1;
        }
    }
}

/// Lies beside a region's future, and writes down if that is dropped before it has ended.
#[derive(Debug)]
pub(crate) struct Watch<'j> {
    journal: &'j Journal,
    region: usize,
    is_over: bool,
}

impl<'j> Watch<'j> {
    pub(crate) fn new(journal: &'j Journal, region: usize) -> Self {
        Self { journal, region, is_over: false }
    }

    pub(crate) fn ended(mut self, end: End) {
        self.is_over = true;
        self.journal.open().ended(self.region, end);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.journal.open().regions[self.region].end = End::Dropped;
        }
    }
}
