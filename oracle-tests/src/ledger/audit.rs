//! Compares a program's journal with what the library says, when all of the program has ended.

use std::ops::AddAssign;

use umbel::{CancelScope, Kind, Reason};

use super::journal::{Child, End, Finalizer, Operation, Pages, Phase, Region, Spot};

/// What came of everything, over all programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Totals {
    pub programs: u64,
    pub operations: [u64; Operation::ALL.len()],
    pub regions: u64,
    pub regions_dropped: u64,
    pub children: u64,
    pub valued: u64,
    pub failed: u64,
    pub panicked: u64,
    pub cancelled: u64,
    pub refused: u64,
    pub finalizers: u64,
    pub finalizers_cut: u64,
    pub errors_returned: u64,
    pub errors_reported: u64,
    pub panics_resumed: u64,
    pub panics_discarded: u64,
    /// Requests of a region whose count must be exactly so much, and what the counts say.
    pub requests: u64,
    pub counted: u64,
    /// Panics of scopes that were dropped with nobody around.
    pub panics_of_orphans: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.programs += other.programs;
        for (sum, more) in self.operations.iter_mut().zip(other.operations) {
            *sum += more;
        }
        self.regions += other.regions;
        self.regions_dropped += other.regions_dropped;
        self.children += other.children;
        self.valued += other.valued;
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.cancelled += other.cancelled;
        self.refused += other.refused;
        self.finalizers += other.finalizers;
        self.finalizers_cut += other.finalizers_cut;
        self.errors_returned += other.errors_returned;
        self.errors_reported += other.errors_reported;
        self.panics_resumed += other.panics_resumed;
        self.panics_discarded += other.panics_discarded;
        self.requests += other.requests;
        self.counted += other.counted;
        self.panics_of_orphans += other.panics_of_orphans;
    }
}

/// One program under audit.
struct Audit<'p> {
    pages: &'p Pages,
    /// For each region: its own panics, and those that have come to it from regions dropped in it.
    owed: Vec<u32>,
    totals: Totals,
    faults: Vec<String>,
}

/// Checks a journal. Gives its sums, and what is wrong.
pub fn audit(pages: &mut Pages) -> (Totals, Vec<String>) {
    let faults = std::mem::take(&mut pages.faults);
    let mut totals = Totals { programs: 1, operations: pages.operations, ..Totals::default() };
    let owed = owed(&pages.regions, &mut totals);
    let mut audit = Audit { pages, owed, totals, faults };
    for (n, region) in pages.regions.iter().enumerate() {
        audit.region(n, region);
    }
    for (n, child) in pages.children.iter().enumerate() {
        audit.child(n, child);
    }
    for (n, finalizer) in pages.finalizers.iter().enumerate() {
        audit.finalizer(n, finalizer);
    }
    audit.errors();
    audit.panics();
    audit.conservation();
    (audit.totals, audit.faults)
}

/// R14: the panics of a scope that was dropped go to the nearest around it that was not. Inner regions
/// come after outer ones.
fn owed(regions: &[Region], totals: &mut Totals) -> Vec<u32> {
    let mut owed: Vec<u32> = regions.iter().map(|region| region.panics).collect();
    for (n, region) in regions.iter().enumerate().rev() {
        if matches!(region.end, End::Dropped | End::Finalized) {
            match region.outside {
                Some(spot) => owed[spot.region] += owed[n],
                None => totals.panics_of_orphans += u64::from(owed[n]),
            }
        }
    }
    owed
}

impl Audit<'_> {
    fn require(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    fn region(&mut self, n: usize, region: &Region) {
        self.totals.regions += 1;
        self.totals.regions_dropped += u64::from(matches!(region.end, End::Dropped));
        self.require(region.alive == 0, || {
            format!("I18: of region {n} ({:?}) {} bodies are left", region.end, region.alive)
        });
        self.require(!matches!(region.end, End::Open), || format!("I32: region {n} has not ended"));
        self.outcome(n, region);
        let Some(handle) = &region.handle else { return };
        self.require(handle.is_finished(), || format!("I18: region {n} is open: {handle:?}"));
        self.count(n, region, handle);
        self.reason(Spot { region: n, child: None }, handle);
    }

    /// R14: a panic beats an error, and an error a cancellation and a value.
    fn outcome(&mut self, n: usize, region: &Region) {
        let owed = self.owed[n];
        let (panics, errors) = (owed > 0, region.errors > 0);
        let holds = match &region.end {
            End::Open | End::Dropped | End::Finalized => true,
            End::Panicked => panics,
            End::Failed(returned) => {
                let returned = u32::try_from(*returned).unwrap_or(u32::MAX);
                !panics && errors && (returned == 1 || returned == region.errors)
            }
            End::Elapsed => !panics && region.has_limit,
            End::Cancelled(_) | End::Value => !panics && !errors,
        };
        self.require(holds, || {
            format!("R14: region {n} had {owed} panics and {} errors: {:?}", region.errors, region)
        });
        if let (End::Cancelled(told), Some(handle)) = (&region.end, &region.handle) {
            let kept = handle.reason();
            self.require(kept.as_ref().is_some_and(|kept| kept.is_same(told)), || {
                format!("R8: region {n} gave {told:?}, and keeps {kept:?}")
            });
        }
    }

    /// R1: each request, each error and each panic is counted where it belongs, once. Stops count when
    /// their grace is over; a limit counts if it was reached; and of the panics in scopes that were
    /// dropped it depends on the moment how many came here.
    fn count(&mut self, n: usize, region: &Region, handle: &CancelScope) {
        let own = handle.cancel_count();
        let sure = u64::from(region.requests + region.errors);
        let (panics, owed) = (u64::from(region.panics), u64::from(self.owed[n]));
        let may_vary = u64::from(region.stops) + u64::from(region.has_limit);
        let (least, most) = match region.end {
            End::Dropped => (sure, sure + owed + may_vary),
            _ => (sure + panics, sure + owed + may_vary),
        };
        self.require((least..=most).contains(&own), || {
            format!("R1: region {n} counts {own}, and not {least} to {most}: {region:?}")
        });
        if least == most {
            self.totals.requests += least;
            self.totals.counted += own;
        }
    }

    /// I24, I3: there is a reason exactly if it is cancelled, and somebody has asked for that, here or
    /// further out.
    fn reason(&mut self, spot: Spot, handle: &CancelScope) {
        let reason = handle.reason();
        let holds = match &reason {
            None => !handle.is_cancelled(),
            Some(reason) => handle.is_cancelled() && self.explains(spot, reason),
        };
        self.require(holds, || format!("I24: {spot:?} has {reason:?}: {handle:?}"));
    }

    fn explains(&self, spot: Spot, reason: &Reason) -> bool {
        let mut next = Some(spot);
        while let Some(spot) = next {
            let region = &self.pages.regions[spot.region];
            let child = spot.child.map(|n| (n, &self.pages.children[n]));
            if child.is_some_and(|(n, child)| explains_child(n, child, reason))
                || self.explains_region(spot.region, region, reason)
            {
                return true;
            }
            next = region.outside;
        }
        false
    }

    fn explains_region(&self, n: usize, region: &Region, reason: &Reason) -> bool {
        match reason.kind() {
            Kind::Explicit => {
                region.requests > 0 && reason.message() == Some(&format!("region {n}"))
            }
            Kind::Deadline => region.has_limit,
            Kind::ChildFailed => region.errors > 0,
            Kind::ChildPanicked => self.owed[n] > 0,
            Kind::Abandoned => matches!(region.end, End::Dropped),
            Kind::Stopped => region.stops > 0,
            _ => false,
        }
    }

    fn child(&mut self, n: usize, child: &Child) {
        self.totals.children += 1;
        self.require(child.is_dropped, || format!("R12: child {n} was not dropped"));
        match child.phase {
            _ if child.is_refused => self.totals.refused += 1,
            Phase::Unpolled | Phase::Running => self.totals.cancelled += 1,
            Phase::Value => self.totals.valued += 1,
            Phase::Failed => self.totals.failed += 1,
            Phase::Panicked => self.totals.panicked += 1,
        }
        self.require(!child.is_refused || child.phase == Phase::Unpolled, || {
            format!("R13: child {n} was refused, and polled")
        });
        self.told(n, child);
        let spot = Spot { region: child.region, child: Some(n) };
        let Some(handle) = &child.handle else { return };
        self.require(handle.is_finished(), || format!("R12: child {n} has not ended: {handle:?}"));
        let (own, cancels) = (handle.cancel_count(), u64::from(child.cancels));
        let most = cancels + u64::from(child.is_service);
        self.require((cancels..=most).contains(&own), || {
            format!("R1: child {n} counts {own}, and not {cancels} to {most}")
        });
        self.reason(spot, handle);
    }

    /// R3: a handle gives the value if there was one, and else says why not.
    fn told(&mut self, n: usize, child: &Child) {
        let spot = Spot { region: child.region, child: Some(n) };
        let holds = match &child.told {
            None => true,
            Some(Ok(value)) => *value == n && child.phase == Phase::Value,
            Some(Err(reason)) => {
                let is_late = child.is_refused && reason.kind() == Kind::ScopeEnded;
                child.phase != Phase::Value && (is_late || self.explains(spot, reason))
            }
        };
        self.require(holds, || format!("R3: child {n} was told by {:?}: {child:?}", child.told));
    }

    /// R16: each has run, and to its end, if its limit let it and nothing in it panicked.
    fn finalizer(&mut self, n: usize, finalizer: &Finalizer) {
        self.totals.finalizers += 1;
        let panics = self.owed[finalizer.region];
        let may_be_cut = finalizer.has_short_limit || panics > 0;
        let has_ended = match finalizer.phase {
            Phase::Unpolled => false,
            Phase::Running => may_be_cut,
            Phase::Value | Phase::Failed | Phase::Panicked => true,
        };
        let is_reported = finalizer.phase == Phase::Running && panics == 0;
        self.totals.finalizers_cut += u64::from(is_reported);
        self.require(finalizer.is_dropped && has_ended, || {
            format!("R16: finalizer {n} came no further: {finalizer:?}")
        });
    }

    fn errors(&mut self) {
        for (n, told) in self.pages.errors.iter().enumerate() {
            self.totals.errors_returned += u64::from(told.owner);
            self.totals.errors_reported += u64::from(told.nobody);
            self.require(told.owner + told.nobody == 1, || {
                format!("I22: error {n} came out other than once: {told:?}")
            });
        }
    }

    fn panics(&mut self) {
        for (n, told) in self.pages.panics.iter().enumerate() {
            self.totals.panics_resumed += u64::from(told.owner);
            self.totals.panics_discarded += u64::from(told.nobody);
            self.require(told.owner + told.nobody == 1, || {
                format!("I22: panic {n} came out other than once: {told:?}")
            });
        }
    }

    fn conservation(&mut self) {
        let Totals { children, valued, failed, panicked, cancelled, refused, .. } = self.totals;
        let ended = valued + failed + panicked + cancelled + refused;
        self.require(children == ended, || format!("{children} children started, {ended} ended"));
    }
}

fn explains_child(n: usize, child: &Child, reason: &Reason) -> bool {
    match reason.kind() {
        Kind::Explicit => {
            let message = format!("child {n}");
            child.cancels > 0 && reason.message().is_none_or(|text| text == message)
        }
        Kind::ScopeEnded => child.is_service,
        _ => false,
    }
}
