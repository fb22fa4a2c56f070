//! The packed state of one node.
//!
//! ```text
//!  63                    36 35              12 11            3 2    0
//! ┌────────────────────────┬──────────────────┬───────────────┬──────┐
//! │ references (28)        │ own count (24)   │ flags         │ role │
//! └────────────────────────┴──────────────────┴───────────────┴──────┘
//! ```
//!
//! | field      | who changes it                                             | how            |
//! |------------|------------------------------------------------------------|----------------|
//! | role       | written at birth                                           | plain store    |
//! | INHERITED  | a canceller, or birth below a cancelled parent; never lifted | under the lock |
//! | ABANDONED  | the drop of the owner; never lifted                        | under the lock |
//! | CLOSING    | the owner, when its body is over; never lifted             | under the lock |
//! | CLOSED     | whoever settles the node; never lifted                     | under the lock |
//! | ADRIFT     | the owner, when it is polled outside its parent, or again inside | under the lock |
//! | ATTEND     | anybody with something for the owner's next poll           | under the lock; lifted by the owner |
//! | FORSAKEN   | the owner, leaving while something below lives; never lifted | under the lock |
//! | UNASKED    | the drop of the child's one handle; never lifted           | lock-free, with its reference |
//! | GUARDED    | whoever gives the scope terms that admission has to look at; never lifted | under the lock |
//! | own count  | a cancel addressed to this node; saturates (I1, I2)        | under the lock |
//! | references | whoever clones or drops a [`NodeRef`](super::NodeRef)      | lock-free      |
//!
//! Every change is a read-modify-write, so that no two writers lose each other's bits. Readers need
//! no lock: what a set flag announces (the reason, the parent's mark) was written before the flag,
//! under the lock, and is read under the lock or by an Acquire load.
//!
//! Legal combinations: CLOSED implies CLOSING, FORSAKEN implies CLOSING. FORSAKEN and not CLOSED is a
//! *zombie*: a node without an owner that stays linked, and is counted by its parent, because
//! something below it still lives. A free slot's word is never read.

use std::fmt;

use crate::ground::seeded;
use crate::ground::sync::{AtomicU64, Ordering};

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// A scope, owned by a future.
    Scope = 0,
    /// A child task on the runtime; what it opens lives in a tree of its own.
    Task = 1,
    /// A child polled in place; what it opens lives in this tree.
    Fork = 2,
    /// The place in this tree of a scope that had to have a tree of its own before it was polled.
    Graft = 3,
    /// A scope that what is cancelled above does not reach (R10): only its own limit ends it.
    Shield = 4,
    /// A child task that its scope ends when the body and all other children have ended (R15).
    Service = 5,
    /// A scope around a race: shown as such, and otherwise any scope.
    Race = 6,
    /// A scope around one attempt of a race, likewise.
    Attempt = 7,
}

impl Role {
    /// A child: something that its parent waits for, with a count of its own that stands for a task.
    pub(crate) fn is_child(self) -> bool {
        matches!(self, Self::Task | Self::Fork | Self::Service)
    }

    /// A child that is polled by its runtime, and has a tree of its own if it opens scopes.
    pub(crate) fn is_task(self) -> bool {
        matches!(self, Self::Task | Self::Service)
    }

    /// Owned by a future that can resume a panic in whoever awaits it.
    pub(crate) fn is_scope(self) -> bool {
        matches!(self, Self::Scope | Self::Shield | Self::Race | Self::Attempt)
    }
}

/// What a word holds at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

const ROLE: u64 = 0b111;
const INHERITED: u64 = 1 << 3;
const ABANDONED: u64 = 1 << 4;
const CLOSING: u64 = 1 << 5;
const CLOSED: u64 = 1 << 6;
const ADRIFT: u64 = 1 << 7;
const ATTEND: u64 = 1 << 8;
const FORSAKEN: u64 = 1 << 9;
const UNASKED: u64 = 1 << 10;
const GUARDED: u64 = 1 << 11;
const OWN_SHIFT: u32 = 12;
const OWN_ONE: u64 = 1 << OWN_SHIFT;
const OWN_MAX: u64 = (1 << 24) - 1;
const OWN: u64 = OWN_MAX << OWN_SHIFT;
const REF_SHIFT: u32 = 36;
const REF_ONE: u64 = 1 << REF_SHIFT;
/// Half of what fits: above this the process aborts, as it does for std's `Arc`, since only leaked
/// handles can get there.
const REF_LIMIT: u64 = 1 << 27;

const CANCELLED: u64 = INHERITED | ABANDONED | OWN;

impl Word {
    pub(super) fn born(role: Role, inherited: bool, references: u32) -> Self {
        let inherited = if inherited { INHERITED } else { 0 };
        Self(role as u64 | inherited | u64::from(references) << REF_SHIFT)
    }

    pub(crate) fn role(self) -> Role {
        match self.0 & ROLE {
            0 => Role::Scope,
            1 => Role::Task,
            2 => Role::Fork,
            3 => Role::Graft,
            4 => Role::Shield,
            5 => Role::Service,
            6 => Role::Race,
            _ => Role::Attempt,
        }
    }

    /// Effectively cancelled: by its own count, by abandonment, or from above.
    #[inline]
    pub(crate) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    pub(crate) fn is_inherited(self) -> bool {
        self.0 & INHERITED != 0
    }

    pub(crate) fn is_abandoned(self) -> bool {
        self.0 & ABANDONED != 0
    }

    pub(crate) fn is_closing(self) -> bool {
        self.0 & CLOSING != 0
    }

    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    pub(crate) fn is_adrift(self) -> bool {
        self.0 & ADRIFT != 0
    }

    pub(crate) fn must_attend(self) -> bool {
        self.0 & ATTEND != 0
    }

    pub(crate) fn is_forsaken(self) -> bool {
        self.0 & FORSAKEN != 0
    }

    pub(crate) fn is_zombie(self) -> bool {
        self.0 & (FORSAKEN | CLOSED) == FORSAKEN
    }

    /// Nobody can ask for the child's value any more.
    pub(crate) fn is_unasked(self) -> bool {
        self.0 & UNASKED != 0
    }

    /// Whether a child may be admitted without looking further.
    #[inline]
    pub(super) fn admits(self) -> bool {
        self.0 & (CANCELLED | CLOSED | GUARDED) == 0
    }

    /// Whether the scope has terms: a bound, a grace, a stop that was asked for.
    #[inline]
    pub(crate) fn is_guarded(self) -> bool {
        self.0 & GUARDED != 0
    }

    /// Whether the parent waits for this node: for every child, and for a scope without an owner.
    pub(crate) fn is_counted(self) -> bool {
        self.role().is_child() || self.is_forsaken()
    }

    /// Nothing for the owner to look at: the whole of the check that every poll makes.
    #[inline]
    pub(crate) fn is_calm(self) -> bool {
        self.0 & (CANCELLED | ATTEND) == 0
    }

    pub(crate) fn own(self) -> u64 {
        (self.0 & OWN) >> OWN_SHIFT
    }

    pub(crate) fn references(self) -> u64 {
        self.0 >> REF_SHIFT
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entry(&self.role());
        for (bit, name) in [
            (INHERITED, "INHERITED"),
            (ABANDONED, "ABANDONED"),
            (CLOSING, "CLOSING"),
            (CLOSED, "CLOSED"),
            (ADRIFT, "ADRIFT"),
            (ATTEND, "ATTEND"),
            (FORSAKEN, "FORSAKEN"),
            (UNASKED, "UNASKED"),
            (GUARDED, "GUARDED"),
        ] {
            if self.0 & bit != 0 {
                list.entry(&format_args!("{name}"));
            }
        }
        list.entry(&format_args!("own={} refs={}", self.own(), self.references())).finish()
    }
}

/// The word of one slot. See the top of the file for who may do what.
pub(super) struct AtomicWord {
    bits: AtomicU64,
    /// In models, the same bits outside loom's sight: see `examine`.
    #[cfg(any(umbel_loom, loom))]
    shadow: std::sync::atomic::AtomicU64,
}

/// Publishes what was written before a flag, and takes in what others published.
const PUBLISH: Ordering = Ordering::AcqRel;

impl AtomicWord {
    pub(super) fn new() -> Self {
        Self {
            bits: AtomicU64::new(0),
            #[cfg(any(umbel_loom, loom))]
            shadow: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Reads the word without the lock.
    #[inline]
    pub(super) fn load(&self) -> Word {
        // ORDERING: Acquire, with the AcqRel of every writer below: whoever sees a mark also sees
        // the mark of the ancestor it came from, and a reason that was written before it.
        let ordering = if seeded!(WeakGlance) { Ordering::Relaxed } else { Ordering::Acquire };
        Word(self.bits.load(ordering))
    }

    /// Reads the word for somebody who may change it afterwards: under the lock, where all but the
    /// references is current; or without it, to decide what is looked at again under the lock.
    ///
    /// The same load, except in models: a thread that has loaded an atomic and writes to it later
    /// makes loom forget the loads of other threads, and explore too little.
    #[inline]
    pub(super) fn examine(&self) -> Word {
        #[cfg(any(umbel_loom, loom))]
        return Word(self.shadow.load(Ordering::SeqCst));
        #[cfg(not(any(umbel_loom, loom)))]
        self.load()
    }

    /// Notes what the bits are now. No other thread of a model runs between a change and this.
    #[inline]
    #[cfg_attr(
        not(any(umbel_loom, loom)),
        expect(clippy::unused_self, reason = "only models have a shadow")
    )]
    fn note(&self, before: u64, change: impl FnOnce(u64) -> u64) -> Word {
        #[cfg(any(umbel_loom, loom))]
        self.shadow.store(change(before), Ordering::SeqCst);
        #[cfg(not(any(umbel_loom, loom)))]
        let _ = change;
        Word(before)
    }

    /// Gives a free slot its first state.
    #[inline]
    pub(super) fn init(&self, word: Word) {
        // ORDERING: Relaxed: the slot was free and is published by the lock, or by whatever hands the
        // new reference to another thread.
        self.bits.store(word.0, Ordering::Relaxed);
        self.note(0, |_| word.0);
    }

    fn set(&self, flag: u64) -> Word {
        let ordering = if seeded!(WeakMark) { Ordering::Relaxed } else { PUBLISH };
        self.note(self.bits.fetch_or(flag, ordering), |bits| bits | flag)
    }

    fn lift(&self, flag: u64) -> Word {
        self.note(self.bits.fetch_and(!flag, PUBLISH), |bits| bits & !flag)
    }

    fn add(&self, amount: u64, ordering: Ordering) -> Word {
        self.note(self.bits.fetch_add(amount, ordering), |bits| bits.wrapping_add(amount))
    }

    /// Marks the node as cancelled from above. Returns the state before.
    pub(super) fn inherit(&self) -> Word {
        self.set(INHERITED)
    }

    pub(super) fn abandon(&self) -> Word {
        self.set(ABANDONED)
    }

    pub(super) fn begin_closing(&self) -> Word {
        self.set(CLOSING)
    }

    /// The owner is gone, and something below still lives.
    pub(super) fn forsake(&self) -> Word {
        self.set(CLOSING | FORSAKEN)
    }

    pub(super) fn set_adrift(&self, adrift: bool) -> Word {
        if adrift { self.set(ADRIFT) } else { self.lift(ADRIFT) }
    }

    pub(super) fn guard(&self) -> Word {
        self.set(GUARDED)
    }

    pub(super) fn ask_attention(&self) -> Word {
        self.set(ATTEND)
    }

    /// The owner has come to look. Returns the state before.
    pub(super) fn attended(&self) -> Word {
        self.lift(ATTEND)
    }

    /// Counts one request addressed to this node (I1). Returns the state before.
    pub(super) fn count_cancel(&self) -> Word {
        // The own count changes only under the lock, which the caller holds, so the load is current.
        let word = self.examine();
        if word.own() == OWN_MAX {
            return word;
        }
        self.add(OWN_ONE, if seeded!(WeakMark) { Ordering::Relaxed } else { PUBLISH })
    }

    /// Closes the node and gives up the reference that its place in the tree held, in one step.
    /// Returns the state before, and whether that was the last reference: then
    /// the caller recycles the slot. Under the lock.
    ///
    /// | before                  | after                     |
    /// |-------------------------|---------------------------|
    /// | CLOSING or not, refs n  | CLOSING, CLOSED, refs n-1 |
    #[must_use]
    #[inline]
    pub(super) fn close(&self) -> (Word, bool) {
        // CLOSING changes only under the lock, which the caller holds, so the load is current.
        let before = self.examine();
        debug_assert!(!before.is_closed(), "closed twice: {before:?}");
        if before.references() == 1 {
            // Nobody else can see this word any more, or come to see it: the slot is free already.
            // ORDERING: the load's Acquire pairs with the AcqRel of the last reference to go.
            return (before, true);
        }
        let flags = if before.is_closing() { CLOSED } else { CLOSED | CLOSING };
        // ORDERING: AcqRel: the last reference to go sees all that the others did before they went.
        let before = self.add(flags.wrapping_sub(REF_ONE), PUBLISH);
        (before, before.references() == 1 || seeded!(EarlyRecycle))
    }

    #[inline]
    pub(super) fn add_reference(&self) {
        // ORDERING: Relaxed: the caller holds a reference, so the slot cannot go; whoever gets the
        // new one gets it by a hand-over that orders what it must.
        let before = self.add(REF_ONE, Ordering::Relaxed);
        if before.references() >= REF_LIMIT {
            std::process::abort();
        }
    }

    /// Gives up one reference, and says with it, if asked, that nobody wants the child's value: once
    /// at most. Returns whether it was the last.
    #[must_use]
    #[inline]
    pub(super) fn drop_reference(&self, unasked: bool) -> bool {
        let flag = if unasked { UNASKED } else { 0 };
        // ORDERING: AcqRel: as in `close`.
        let before = self.add(flag.wrapping_sub(REF_ONE), PUBLISH);
        debug_assert!(before.references() > 0, "released too often: {before:?}");
        before.references() == 1
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests;
