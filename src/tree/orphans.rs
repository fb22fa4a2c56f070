//! The register of trees that nobody owns and in which something still lives (R18).

use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::Tree;
use crate::ground::panics::{self, Payload};
use crate::ground::runtime::{Host, RuntimeId};
use crate::ground::sync::static_lock;
use crate::ground::waiters::{Ticket, Waiters};
use crate::ground::watch;

#[derive(Default)]
struct Register {
    trees: Slab<Arc<Tree>>,
    /// Who waits for the register to be empty.
    drains: Waiters,
    /// The first panic that found no scope to go to, and the runtime that it comes from.
    panic: Option<(Payload, Option<RuntimeId>)>,
}

static_lock! {
    static REGISTER: Register = Register::default();
}

pub(super) fn register(tree: &Arc<Tree>) -> usize {
    REGISTER.lock().trees.insert(Arc::clone(tree))
}

pub(super) fn unregister(key: Option<usize>) {
    let Some(key) = key else { return };
    let mut register = REGISTER.lock();
    let tree = register.trees.remove(key);
    let drains = register.trees.is_empty().then(|| register.drains.take());
    drop(register);
    drains.into_iter().flatten().for_each(panics::wake);
    drop(tree);
}

/// A panic that no scope is left to resume: kept for whoever drains, if it is the first.
pub(super) fn panicked(payload: Payload, runtime: Option<RuntimeId>) {
    let text = panics::text(&payload).to_owned();
    let mut register = REGISTER.lock();
    let later = if register.panic.is_some() {
        Some(payload)
    } else {
        register.panic = Some((payload, runtime));
        None
    };
    watch::panicked(runtime, || text, later.is_none());
    drop(register);
    later.into_iter().for_each(panics::discard);
}

/// The trees in which orphans live.
pub(crate) fn trees() -> Vec<Arc<Tree>> {
    REGISTER.lock().trees.iter().map(|(_, tree)| Arc::clone(tree)).collect()
}

/// Whether no orphan is left; if one is, `waker` waits for the last to end.
pub(crate) fn wait(ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
    let waker = waker.clone();
    let mut register = REGISTER.lock();
    let empty = register.trees.is_empty();
    let unused = if empty {
        ticket.take().and_then(|ticket| register.drains.remove(ticket))
    } else {
        register.drains.wait(ticket, waker)
    };
    drop(register);
    drop(unused);
    empty
}

pub(crate) fn stop_waiting(ticket: Option<Ticket>) {
    let waker = ticket.and_then(|ticket| REGISTER.lock().drains.remove(ticket));
    drop(waker);
}

/// The panic that was kept, for a caller who resumes it.
pub(crate) fn take_panic() -> Option<Payload> {
    let (payload, runtime) = REGISTER.lock().panic.take()?;
    watch::resumed(runtime, Host::current().id());
    Some(payload)
}

/// Drops the panic that was kept, if it comes from that runtime.
#[cfg(all(feature = "testing", not(any(umbel_loom, loom, umbel_shuttle))))]
pub(crate) fn forget_panic(of: Option<RuntimeId>) {
    let mut register = REGISTER.lock();
    let forgotten = register.panic.take_if(|(_, runtime)| *runtime == of);
    drop(register);
    if let Some((payload, _)) = forgotten {
        panics::discard(payload);
    }
}
