//! What a program has done and seen, written down beside what the library keeps.
//!
//! Each program has a journal of its own: plain records under one lock. Whoever does something writes
//! it down first. When the program has ended, `audit` compares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use umbel::{CancelScope, Reason};

/// Something that can be cancelled around a piece of code: a region, and the child of it, if the code
/// is in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) region: usize,
    pub(crate) child: Option<usize>,
}

/// A scope, or a section that is one inside.
#[derive(Debug)]
pub(crate) struct Region {
    /// Where it was opened. Nothing for the outermost ones.
    pub(crate) outside: Option<Spot>,
    pub(crate) has_limit: bool,
    /// Bodies, children and finalizers of it, and of all regions below, that have not been dropped.
    pub(crate) alive: u32,
    /// Calls of `cancel` and of `stop`.
    pub(crate) requests: u32,
    pub(crate) stops: u32,
    /// Errors and panics of its body, its children and its finalizers.
    pub(crate) errors: u32,
    pub(crate) panics: u32,
    pub(crate) end: End,
    pub(crate) handle: Option<CancelScope>,
}

/// How a region's future ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
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
pub(crate) enum Phase {
    Unpolled,
    Running,
    Value,
    Failed,
    Panicked,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) region: usize,
    pub(crate) is_service: bool,
    pub(crate) is_refused: bool,
    pub(crate) phase: Phase,
    pub(crate) is_dropped: bool,
    pub(crate) cancels: u32,
    pub(crate) handle: Option<CancelScope>,
    /// What its handle gave to whoever awaited it.
    pub(crate) told: Option<Result<usize, Reason>>,
}

#[derive(Debug)]
pub(crate) struct Finalizer {
    /// A shield, and so a region of its own.
    pub(crate) region: usize,
    /// The region that it was registered with.
    pub(crate) of: usize,
    pub(crate) has_short_limit: bool,
    pub(crate) phase: Phase,
    pub(crate) is_dropped: bool,
}

/// How often somebody was told of an error, or of a panic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// By being returned, or resumed.
    pub(crate) owner: u32,
    /// By the hook, or by being dropped after a panic that came first.
    pub(crate) nobody: u32,
}

/// Which body a token stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Body(usize),
    Child(usize),
    Finalizer(usize),
}

/// The things a program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Operation {
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
    pub(crate) const ALL: [Self; 15] = [
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
pub(crate) struct Pages {
    pub(crate) turns: u64,
    pub(crate) operations: [u64; Operation::ALL.len()],
    pub(crate) regions: Vec<Region>,
    pub(crate) children: Vec<Child>,
    pub(crate) finalizers: Vec<Finalizer>,
    pub(crate) errors: Vec<Told>,
    pub(crate) panics: Vec<Told>,
    /// What was wrong at the moment when it happened.
    pub(crate) faults: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) number: u64,
    pages: Mutex<Pages>,
}

impl Journal {
    pub(crate) fn new(number: u64, turns: u64) -> Self {
        Self { number, pages: Mutex::new(Pages { turns, ..Pages::default() }) }
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Takes one of the turns that are left.
    pub(crate) fn take_turn(&mut self, operation: Operation) -> bool {
        let Some(left) = self.turns.checked_sub(1) else { return false };
        self.turns = left;
        self.operations[operation as usize] += 1;
        true
    }

    pub(crate) fn add_region(&mut self, outside: Option<Spot>, has_limit: bool) -> usize {
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

    pub(crate) fn add_child(&mut self, region: usize, is_service: bool) -> usize {
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

    pub(crate) fn add_finalizer(&mut self, of: usize, has_short_limit: bool) -> usize {
        let region = self.add_region(Some(Spot { region: of, child: None }), has_short_limit);
        let (phase, is_dropped) = (Phase::Unpolled, false);
        self.finalizers.push(Finalizer { region, of, has_short_limit, phase, is_dropped });
        self.finalizers.len() - 1
    }

    /// An error of this region's.
    pub(crate) fn add_error(&mut self, region: usize) -> usize {
        self.regions[region].errors += 1;
        self.errors.push(Told::default());
        self.errors.len() - 1
    }

    /// A panic of this region's.
    pub(crate) fn add_panic(&mut self, region: usize) -> usize {
        self.regions[region].panics += 1;
        self.panics.push(Told::default());
        self.panics.len() - 1
    }

    pub(crate) fn begin(&mut self, part: Part) {
        let region = self.region_of(part);
        self.count_alive(region, true);
    }

    pub(crate) fn has_come_to(&mut self, part: Part, phase: Phase) {
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

    pub(crate) fn was_dropped(&mut self, part: Part) {
        let region = self.region_of(part);
        self.count_alive(region, false);
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
    pub(crate) fn ended(&mut self, region: usize, end: End) {
        let page = &mut self.regions[region];
        if page.alive > 0 {
            let fault = format!("R12: region {region} ended with {} alive below", page.alive);
            self.faults.push(fault);
        }
        page.end = end;
    }
}
