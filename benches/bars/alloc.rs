//! An allocator that counts, when asked to.
//!
//! While nobody asks it costs one load of a flag that never changes, so that the counters are no point
//! of contention for what is timed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Counting;

/// What was allocated since [`start`].
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    /// Calls of `alloc`, `alloc_zeroed` and `realloc`.
    pub(crate) allocations: usize,
    /// Bytes taken less bytes given back, as asked for: without what the system's allocator adds.
    pub(crate) live: usize,
}

/// Counts from zero.
pub(crate) fn start() {
    ALLOCATIONS.store(0, Ordering::SeqCst);
    LIVE.store(0, Ordering::SeqCst);
    COUNTING.store(true, Ordering::SeqCst);
}

pub(crate) fn stop() -> Counts {
    COUNTING.store(false, Ordering::SeqCst);
    Counts { allocations: ALLOCATIONS.load(Ordering::SeqCst), live: LIVE.load(Ordering::SeqCst) }
}

/// Call before memory is given out, with what changes.
#[inline]
fn count(allocations: usize, taken: usize, given_back: usize) {
    // ORDERING: Relaxed: the counts are read after the threads that made them have been waited for.
    if COUNTING.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        LIVE.fetch_add(taken, Ordering::Relaxed);
        LIVE.fetch_sub(given_back, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.dealloc(old, layout) }
    }
}
