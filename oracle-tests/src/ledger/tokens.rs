//! What tells the journal of its own end: bodies, values, errors, panics, futures.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use umbel::{Cancelled, Reason, Unhandled};

use super::journal::{End, Journal, Part, Phase};

/// Stands in a body, from before it is given to the library until it is dropped.
#[derive(Debug)]
pub struct Token {
    journal: Arc<Journal>,
    part: Part,
    is_counted: bool,
}

impl Token {
    /// For what is started from inside: from now on the region cannot end.
    #[must_use]
    pub fn new(journal: &Arc<Journal>, part: Part) -> Self {
        let mut token = Self::late(journal, part);
        token.count();
        token
    }

    /// For what is started from anywhere: the region may end before it can be admitted. From its first
    /// poll it cannot.
    #[must_use]
    pub fn late(journal: &Arc<Journal>, part: Part) -> Self {
        Self { journal: Arc::clone(journal), part, is_counted: false }
    }

    fn count(&mut self) {
        if !self.is_counted {
            self.is_counted = true;
            self.journal.open().begin(self.part);
        }
    }

    pub fn has_come_to(&mut self, phase: Phase) {
        self.count();
        self.journal.open().has_come_to(self.part, phase);
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.journal.open().was_dropped(self.part, self.is_counted);
    }
}

/// How many values there are.
static VALUES: AtomicI64 = AtomicI64::new(0);

pub fn values() -> i64 {
    VALUES.load(Ordering::SeqCst)
}

/// What a child returns.
#[derive(Debug)]
pub struct Value(pub usize);

impl Value {
    pub fn new(child: usize) -> Self {
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
pub enum Failure {
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

impl Failure {
    /// The numbers of a journal and of an error in it, from what the hook is given.
    #[must_use]
    pub fn numbers(unhandled: &Unhandled<'_>) -> Option<(u64, usize)> {
        let text = format!("{:?}", unhandled.debug()?);
        let (journal, error) = text.split_once(' ')?;
        Some((journal.parse().ok()?, error.parse().ok()?))
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.into_reason())
    }
}

/// What a panic carries.
#[derive(Debug)]
pub struct Payload {
    journal: Arc<Journal>,
    panic: usize,
    was_caught: bool,
}

impl Payload {
    /// Panics, in the name of a region, without a word from the panic hook.
    pub fn throw(journal: &Arc<Journal>, region: usize) -> ! {
        let panic = journal.open().add_panic(region);
        resume_unwind(Box::new(Self { journal: Arc::clone(journal), panic, was_caught: false }))
    }

    /// Somebody has caught it for good. Gives back what is no panic of ours.
    pub fn catch(payload: Box<dyn Any + Send>) -> Result<(), Box<dyn Any + Send>> {
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
pub struct Watch<'j> {
    journal: &'j Journal,
    region: usize,
    is_over: bool,
}

impl<'j> Watch<'j> {
    pub fn new(journal: &'j Journal, region: usize) -> Self {
        Self { journal, region, is_over: false }
    }

    pub fn ended(mut self, end: End) {
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
