//! What a program has done and seen, written down beside what the library keeps.
//!
//! Each program has a journal of its own: plain records under one lock. Whoever does something writes
//! it down first. When the program has ended, `audit` compares.

#[cfg(umbel_shuttle)]
use shuttle::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(umbel_shuttle))]
use std::sync::{Mutex, MutexGuard};

use umbel::{CancelScope, Reason};

/// Something that can be cancelled around a piece of code: a region, and the child of it, if the code
/// is in one.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub region: usize,
    pub child: Option<usize>,
}

/// A scope, or a section that is one inside.
#[derive(Debug)]
pub struct Region {
    /// Where it was opened. Nothing for the outermost ones.
    pub outside: Option<Spot>,
    pub has_limit: bool,
    /// Bodies, children and finalizers of it, and of all regions below, that have not been dropped.
    pub alive: u32,
    /// Calls of `cancel` and of `stop`.
    pub requests: u32,
    pub stops: u32,
    /// Errors and panics of its body, its children and its finalizers.
    pub errors: u32,
    pub panics: u32,
    pub end: End,
    pub handle: Option<CancelScope>,
}

/// How a region's future ended.
#[derive(Clone, Debug)]
pub enum End {
    Open,
    Value,
    Cancelled(Reason),
    /// A limit of its own, where no reason is told.
    Elapsed,
    Failed(usize),
    Panicked,
    Dropped,
    /// It was a finalizer's: what becomes of its panics nobody but the library knows.
    Finalized,
}

/// How far a body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Unpolled,
    Running,
    Value,
    Failed,
    Panicked,
}

#[derive(Debug)]
pub struct Child {
    pub region: usize,
    pub is_service: bool,
    pub is_refused: bool,
    pub phase: Phase,
    pub is_dropped: bool,
    pub cancels: u32,
    pub handle: Option<CancelScope>,
    /// What its handle gave to whoever awaited it.
    pub told: Option<Result<usize, Reason>>,
}

#[derive(Debug)]
pub struct Finalizer {
    /// A shield, and so a region of its own.
    pub region: usize,
    /// The region that it was registered with.
    pub of: usize,
    pub has_short_limit: bool,
    pub phase: Phase,
    pub is_dropped: bool,
}

/// How often somebody was told of an error, or of a panic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// By being returned, or resumed.
    pub owner: u32,
    /// By the hook, or by being dropped after a panic that came first.
    pub nobody: u32,
}

/// Which body a token stands for.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Body(usize),
    Child(usize),
    Finalizer(usize),
}

/// The things a program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Operation {
    Open,
    Drop,
    Spawn,
    Fork,
    Service,
    Await,
    Cancel,
    CancelChild,
    Stop,
    TimeOut,
    Shield,
    Defer,
    Fail,
    Panic,
    Yield,
}

impl Operation {
    pub const ALL: [Self; 15] = [
        Self::Open,
        Self::Drop,
        Self::Spawn,
        Self::Fork,
        Self::Service,
        Self::Await,
        Self::Cancel,
        Self::CancelChild,
        Self::Stop,
        Self::TimeOut,
        Self::Shield,
        Self::Defer,
        Self::Fail,
        Self::Panic,
        Self::Yield,
    ];
}

#[derive(Debug, Default)]
pub struct Pages {
    pub turns: u64,
    pub operations: [u64; Operation::ALL.len()],
    pub regions: Vec<Region>,
    pub children: Vec<Child>,
    pub finalizers: Vec<Finalizer>,
    pub errors: Vec<Told>,
    pub panics: Vec<Told>,
    /// What was wrong at the moment when it happened.
    pub faults: Vec<String>,
}

#[derive(Debug)]
pub struct Journal {
    pub number: u64,
    pages: Mutex<Pages>,
}

impl Journal {
    #[must_use]
    pub fn new(number: u64, turns: u64) -> Self {
        Self { number, pages: Mutex::new(Pages { turns, ..Pages::default() }) }
    }

    pub fn add_region(&self, outside: Option<Spot>, has_limit: bool) -> usize {
        self.open().add_region(outside, has_limit)
    }

    pub fn note_handle(&self, region: usize, handle: CancelScope) {
        self.open().regions[region].handle = Some(handle);
    }

    pub fn open(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Takes one of the turns that are left.
    pub fn take_turn(&mut self, operation: Operation) -> bool {
        let Some(left) = self.turns.checked_sub(1) else { return false };
        self.turns = left;
        self.operations[operation as usize] += 1;
        true
    }

    pub fn add_region(&mut self, outside: Option<Spot>, has_limit: bool) -> usize {
        self.regions.push(Region {
            outside,
            has_limit,
            alive: 0,
            requests: 0,
            stops: 0,
            errors: 0,
            panics: 0,
            end: End::Open,
            handle: None,
        });
        self.regions.len() - 1
    }

    pub fn add_child(&mut self, region: usize, is_service: bool) -> usize {
        self.children.push(Child {
            region,
            is_service,
            is_refused: false,
            phase: Phase::Unpolled,
            is_dropped: false,
            cancels: 0,
            handle: None,
            told: None,
        });
        self.children.len() - 1
    }

    pub fn add_finalizer(&mut self, of: usize, has_short_limit: bool) -> usize {
        let region = self.add_region(Some(Spot { region: of, child: None }), has_short_limit);
        let (phase, is_dropped) = (Phase::Unpolled, false);
        self.finalizers.push(Finalizer { region, of, has_short_limit, phase, is_dropped });
        self.finalizers.len() - 1
    }

    /// An error of this region's.
    pub fn add_error(&mut self, region: usize) -> usize {
        self.regions[region].errors += 1;
        self.errors.push(Told::default());
        self.errors.len() - 1
    }

    /// A panic of this region's.
    pub fn add_panic(&mut self, region: usize) -> usize {
        self.regions[region].panics += 1;
        self.panics.push(Told::default());
        self.panics.len() - 1
    }

    pub fn begin(&mut self, part: Part) {
        let region = self.region_of(part);
        self.count_alive(region, true);
    }

    pub fn has_come_to(&mut self, part: Part, phase: Phase) {
        match part {
            Part::Body(_) => {}
            Part::Child(child) => self.children[child].phase = phase,
            Part::Finalizer(n) => {
                self.finalizers[n].phase = phase;
                if phase == Phase::Panicked {
                    let Finalizer { region, of, .. } = self.finalizers[n];
                    self.regions[region].end = End::Panicked;
                    self.regions[of].panics += 1;
                }
            }
        }
    }

    pub fn was_dropped(&mut self, part: Part, was_counted: bool) {
        let region = self.region_of(part);
        if was_counted {
            self.count_alive(region, false);
        }
        match part {
            Part::Body(_) => {}
            Part::Child(child) => self.children[child].is_dropped = true,
            Part::Finalizer(finalizer) => {
                self.finalizers[finalizer].is_dropped = true;
                let end = &mut self.regions[region].end;
                if matches!(end, End::Open) {
                    *end = End::Finalized;
                }
            }
        }
    }

    fn region_of(&self, part: Part) -> usize {
        match part {
            Part::Body(region) => region,
            Part::Child(child) => self.children[child].region,
            Part::Finalizer(finalizer) => self.finalizers[finalizer].region,
        }
    }

    /// Whether code there is inside a region, so that this cannot end before it.
    #[must_use]
    pub fn is_inside(&self, spot: Spot, region: usize) -> bool {
        let mut next = Some(spot);
        while let Some(spot) = next {
            if spot.region == region {
                return true;
            }
            next = self.regions[spot.region].outside;
        }
        false
    }

    fn count_alive(&mut self, region: usize, one_more: bool) {
        let mut next = Some(region);
        while let Some(region) = next {
            let region = &mut self.regions[region];
            if one_more {
                region.alive += 1;
            } else {
                region.alive -= 1;
            }
            next = region.outside.map(|spot| spot.region);
        }
    }

    /// The region's future has come to an end by itself: R12 holds from now on.
    pub fn ended(&mut self, region: usize, end: End) {
        let page = &mut self.regions[region];
        if page.alive > 0 {
            let fault = format!("R12: region {region} ended with {} alive below", page.alive);
            self.faults.push(fault);
        }
        page.end = end;
    }
}
