//! Who looks on, for the checks of `umbel::testing`: what is born on one runtime, and what nobody there is
//! left to hear.
//!
//! The hook, the register of orphans and their panic are the process's, and tests share a process. A test
//! has a runtime of its own, so that is what tells the tests apart. As long as nobody looks on, all of this
//! is one load.

use std::any::Any;
use std::sync::{Arc, Weak};

use super::runtime::RuntimeId;
use super::sync::{AtomicU64, Lock, Ordering, static_lock};

/// What the floors above want to be found again. As opaque as an attachment of the tree.
pub(crate) type Root = Arc<dyn Any + Send + Sync>;

/// What one onlooker has seen on its runtime.
pub(crate) struct Watch {
    runtime: RuntimeId,
    seen: Lock<Seen>,
}

#[derive(Default)]
struct Seen {
    roots: Vec<Weak<dyn Any + Send + Sync>>,
    /// How many roots there may be before those that have gone are swept out.
    sweep_at: usize,
    unhandled: Vec<String>,
    panics: Vec<OrphanPanic>,
}

/// A panic for which there was no scope.
struct OrphanPanic {
    text: String,
    /// It is the one that is kept for whoever drains.
    is_kept: bool,
}

/// How many watches there are.
// ORDERING: Relaxed. Whoever starts a watch goes on to start what is to be watched, and is seen by that
// through whatever started it: a poll, or a spawn.
static WATCHES: AtomicU64 = AtomicU64::new(0);

static_lock! {
    static REGISTER: Vec<Arc<Watch>> = Vec::new();
}

/// Takes a watch out of the register when it is dropped.
pub(crate) struct Watching(Arc<Watch>);

impl Watching {
    /// Looks on from here on, unless somebody else does on that runtime.
    pub(crate) fn start(runtime: RuntimeId) -> Option<Self> {
        let mut register = REGISTER.lock();
        if register.iter().any(|watch| watch.runtime == runtime) {
            return None;
        }
        let watch = Arc::new(Watch { runtime, seen: Lock::new(Seen::default()) });
        register.push(Arc::clone(&watch));
        WATCHES.fetch_add(1, Ordering::Relaxed);
        Some(Self(watch))
    }

    /// The roots that are still there, in the order of their birth.
    pub(crate) fn roots(&self) -> Vec<Root> {
        self.0.seen.lock().roots.iter().filter_map(Weak::upgrade).collect()
    }

    /// What nobody was left to hear.
    pub(crate) fn unhandled(&self) -> Vec<String> {
        self.0.seen.lock().unhandled.clone()
    }

    /// The panics of orphans that nobody has resumed.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.0.seen.lock().panics.iter().map(|panic| panic.text.clone()).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHES.fetch_sub(1, Ordering::Relaxed);
        let mut register = REGISTER.lock();
        let mine = register.iter().position(|watch| Arc::ptr_eq(watch, &self.0));
        let watch = mine.map(|at| register.remove(at));
        drop(register);
        drop(watch);
    }
}

/// Whoever looks on at that runtime.
fn watch(runtime: Option<RuntimeId>) -> Option<Arc<Watch>> {
    if WATCHES.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let runtime = runtime?;
    REGISTER.lock().iter().find(|watch| watch.runtime == runtime).cloned()
}

/// Something is born that others may come to hang on.
pub(crate) fn born(runtime: impl FnOnce() -> Option<RuntimeId>, root: impl FnOnce() -> Root) {
    if WATCHES.load(Ordering::Relaxed) == 0 {
        return;
    }
    let Some(watch) = watch(runtime()) else { return };
    let root = Arc::downgrade(&root());
    let mut seen = watch.seen.lock();
    if seen.roots.len() >= seen.sweep_at {
        seen.roots.retain(|root| root.strong_count() > 0);
        seen.sweep_at = seen.roots.len() * 2 + 64;
    }
    seen.roots.push(root);
}

/// The hook is about to be told this, on a thread of that runtime.
pub(crate) fn unhandled(runtime: Option<RuntimeId>, text: impl FnOnce() -> String) {
    let Some(watch) = watch(runtime) else { return };
    let text = text();
    watch.seen.lock().unhandled.push(text);
}

/// An orphan of that runtime panicked, and its panic is kept for whoever drains, or it is not.
pub(crate) fn panicked(runtime: Option<RuntimeId>, text: impl FnOnce() -> String, is_kept: bool) {
    let Some(watch) = watch(runtime) else { return };
    let text = text();
    watch.seen.lock().panics.push(OrphanPanic { text, is_kept });
}

/// The panic that was kept, of an orphan of that runtime, was taken to be resumed on this one. Who takes
/// somebody else's does not free those from answering for it.
pub(crate) fn resumed(runtime: Option<RuntimeId>, here: Option<RuntimeId>) {
    let Some(watch) = watch(runtime) else { return };
    let mut seen = watch.seen.lock();
    let Some(at) = seen.panics.iter().position(|panic| panic.is_kept) else { return };
    if here == runtime {
        seen.panics.remove(at);
    } else {
        seen.panics[at].is_kept = false;
    }
}
