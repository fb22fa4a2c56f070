//! Seeded defects, for the models alone: each is a mistake somebody could make in this code, and
//! each must be caught by the model named beside it in `loom-tests`. They do not exist in a normal
//! build.

use std::cell::Cell;

/// A mistake that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The mark that a handle reads is written without release.
    WeakMark,
    /// Registering a waker does not look at the word again.
    LostRecheck,
    /// A cancel is charged to the parent as well.
    ChargedToParent,
    /// A scope that opens below a cancelled one does not inherit.
    MissedAttach,
    /// The end of a child is counted down twice.
    DoubleDecrement,
    /// The last child to end does not wake the scope that waits for it.
    ForgottenWake,
    /// Admission does not look whether the scope is closed.
    LateAdmission,
    /// Every cancel replaces the first cause.
    LastCause,
    /// A second canceller returns before the first one's marks are all made.
    EarlyReturn,
    /// The last handle recycles a slot that the scope still uses.
    EarlyRecycle,
    /// A canceller marks what is below a shield.
    IgnoredShield,
    /// A cancelled body is dropped although a shield is active in it.
    BrokenShield,
    /// A finalizer is taken in by a node that has closed.
    LateFinalizer,
    /// A zombie closes with its last child, though its finalizers have not run.
    UntendedZombie,
    /// Whoever starts a child does not look again whether it was ready just before it ended.
    UnheardReady,
    /// The last ordinary child to end does not wake the scope that has services to end.
    ForgottenServices,
    /// A soft stop is not announced below.
    UnannouncedStop,
    /// A child is admitted by a scope that was asked to stop.
    AdmittedWhileStopping,
    /// A look at the word without the lock takes nothing else in.
    WeakGlance,
    /// A canceller wakes the owner while it holds the lock.
    WakeUnderLock,
    /// The waker that was registered before is dropped under the lock.
    DropUnderLock,
    /// Admission lets the lock go between its look and the count.
    TornAdmission,
    /// A dropped scope lets the lock go between its look at its children and its leaving.
    TornRelease,
    /// Whoever waits lets the lock go between his look and his registration.
    TornWait,
    /// A janitor lets the lock go between its last look for finalizers and its leaving.
    TornUntend,
    /// A canceller wakes before it has marked the trees below.
    EarlyWake,
    /// A stop guards the scope only when the lock has been let go.
    LateGuard,
    /// A canceller does not wake the tasks below.
    SleepingTask,
    /// A canceller does not go into the trees of the tasks below.
    MissedTree,
    /// A scope that is grafted below a cancelled one is not marked.
    MissedGraft,
    /// A scope that is dropped with nobody around is not on the list of orphans.
    UncountedOrphan,
    /// A child that is ready does not wake whoever started it.
    UnheardWord,
    /// A node that has closed keeps its owner's waker for as long as there are handles.
    KeptWaker,
    /// A timeout says `Elapsed` whatever the first cause was.
    ElapsedAnyway,
    /// A scope that only inherits a cancellation absorbs it.
    AbsorbedBelow,
    /// A child tells its scope that it has ended, and drops its body afterwards.
    EarlyEnd,
    /// A race suspends without looking whether an attempt was woken meanwhile.
    DeafRace,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::WeakMark,
        Self::LostRecheck,
        Self::ChargedToParent,
        Self::MissedAttach,
        Self::DoubleDecrement,
        Self::ForgottenWake,
        Self::LateAdmission,
        Self::LastCause,
        Self::EarlyReturn,
        Self::EarlyRecycle,
        Self::IgnoredShield,
        Self::BrokenShield,
        Self::LateFinalizer,
        Self::UntendedZombie,
        Self::UnheardReady,
        Self::ForgottenServices,
        Self::UnannouncedStop,
        Self::AdmittedWhileStopping,
        Self::WeakGlance,
        Self::WakeUnderLock,
        Self::DropUnderLock,
        Self::TornAdmission,
        Self::TornRelease,
        Self::TornWait,
        Self::TornUntend,
        Self::EarlyWake,
        Self::LateGuard,
        Self::SleepingTask,
        Self::MissedTree,
        Self::MissedGraft,
        Self::UncountedOrphan,
        Self::UnheardWord,
        Self::KeptWaker,
        Self::ElapsedAnyway,
        Self::AbsorbedBelow,
        Self::EarlyEnd,
        Self::DeafRace,
    ];
}

thread_local! {
    // std's, not loom's: all threads of one model are coroutines on the thread that runs the test.
    static ACTIVE: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Runs `model` with a defect switched on.
pub fn with<T>(defect: Defect, model: impl FnOnce() -> T) -> T {
    ACTIVE.set(Some(defect));
    let result = model();
    ACTIVE.set(None);
    result
}

pub(crate) fn is(defect: Defect) -> bool {
    ACTIVE.get() == Some(defect)
}
