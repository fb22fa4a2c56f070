//! The one place with `unsafe`: a forked future on its way from a `Scope<'env>` to the
//! `ScopeFuture<'env>` that polls it.
//!
//! Both are typed with `'env`, but what lies between them, the node in the tree, cannot be: trees are
//! shared by handles that are `'static`. Safe code would need an allocation shared by the two, made
//! when the scope opens; that costs every scope an allocation for the sake of the few that fork.
//!
//! A fork of a [`LocalScope`] need not be `Send`, and travels through the same box: its `!Send` is erased
//! as well, and is upheld by the two ends. See [`post_local`].
#![expect(unsafe_code, reason = "what a forked future may borrow, and `!Send`, erased in transit")]

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;

use super::local::LocalScope;
use crate::ground::sync::Lock;
use crate::tree::{Attachment, NodeRef, Shelf};

/// A forked child, ready to be polled.
pub(super) type Fork<'env> = Pin<Box<dyn Future<Output = ()> + Send + 'env>>;

/// A forked child of a local scope.
pub(super) type LocalFork<'env> = Pin<Box<dyn Future<Output = ()> + 'env>>;

/// A fork with its lifetime erased. It is never polled and never dropped as such: dropping a parcel
/// leaks what is in it (R19), so that no user code can run after `'env` unless somebody unpacks it.
struct Parcel(ManuallyDrop<Fork<'static>>);

impl Parcel {
    fn pack(fork: Fork<'_>) -> Self {
        // SAFETY: only the lifetime changes. While packed, nothing of the future runs: `ManuallyDrop`
        // keeps its destructor from running, and only `unpack` gives access.
        let fork = unsafe { std::mem::transmute::<Fork<'_>, Fork<'static>>(fork) };
        Self(ManuallyDrop::new(fork))
    }

    /// # Safety
    ///
    /// `'env` must be no longer than the lifetime that the fork was packed with.
    unsafe fn unpack<'env>(self) -> Fork<'env> {
        let fork: Fork<'static> = ManuallyDrop::into_inner(self.0);
        fork
    }
}

/// Where forks wait until the scope's future is polled. `None` once that future is gone.
struct Inbox(Lock<Option<Vec<Parcel>>>);

fn inbox_of(any: Attachment) -> Arc<Inbox> {
    // INVARIANT: nothing else is put on this shelf.
    any.downcast().expect("what hangs there is the scope's inbox")
}

/// Posts a fork to the future of a scope. Says whether it is the first there, so that the future has to be
/// told. Gives it back if that future is gone.
///
/// INVARIANT: called for a node only through a `Scope<'env>`, with that very `'env`: `Scope` is
/// invariant, and only the `ScopeFuture<'env>` of the node makes one.
pub(super) fn post<'env>(node: &NodeRef, fork: Fork<'env>) -> Result<bool, Fork<'env>> {
    let make = || -> Attachment { Arc::new(Inbox(Lock::new(Some(Vec::new())))) };
    let Some(inbox) = node.attachment(Shelf::Forks, make).map(inbox_of) else { return Err(fork) };
    match &mut *inbox.0.lock() {
        Some(parcels) => {
            parcels.push(Parcel::pack(fork));
            Ok(parcels.len() == 1)
        }
        None => Err(fork),
    }
}

/// As [`post`], from the handle of a local scope.
///
/// The fork comes to be typed `Send` although it is not, so nothing may move it to another thread, poll
/// it or drop it there. That holds because of four things:
///
/// * It is posted on the thread of the scope's future. A `LocalScope` is neither `Send` nor `Sync`, so
///   whoever has one is on the thread where it was made; and it is made only in a poll of the
///   `ScopeFuture<'env, LocalBegin<..>, _>` of its node, by [`LocalBegin`](super::local::LocalBegin).
/// * It is unpacked on that thread: [`collect`] and [`close`] are called by that very future, in its
///   polls and its drop. Because of the `LocalBegin` in its type it is not `Send` either: it stays
///   where it was first polled, with the forks that it keeps.
/// * Between the two it is a [`Parcel`], which anybody may move or drop, on any thread: the node, its
///   shelf, a handle that is the last to go. That runs nothing of the fork; a parcel leaks.
/// * A fork that is given back is dropped by the caller of this function, on the same thread, and
///   typed as what it is.
pub(super) fn post_local<'env>(
    scope: &LocalScope<'env>,
    fork: LocalFork<'env>,
) -> Result<bool, LocalFork<'env>> {
    // SAFETY: only `Send` is added to the type, which has no method and no state: the two have one
    // layout. That nobody makes use of it is shown above.
    let fork = unsafe { std::mem::transmute::<LocalFork<'env>, Fork<'env>>(fork) };
    post(&scope.scope().handle.0, fork).map_err(|fork| -> LocalFork<'env> { fork })
}

/// Takes what was posted to a scope.
///
/// # Safety
///
/// The caller is the `ScopeFuture<'env>` that owns `node`, with the `'env` that it gave to the
/// `Scope<'env>` of this node.
pub(super) unsafe fn collect<'env>(node: &NodeRef) -> Vec<Fork<'env>> {
    let Some(inbox) = node.known_attachment(Shelf::Forks).map(inbox_of) else { return Vec::new() };
    let parcels = inbox.0.lock().as_mut().map(std::mem::take).unwrap_or_default();
    // SAFETY: what the caller promises: the forks were posted with this `'env`.
    parcels.into_iter().map(|parcel| unsafe { parcel.unpack() }).collect()
}

/// Takes what was posted, and lets nothing in any more: from now on forks go back to their sender.
///
/// # Safety
///
/// As for [`collect`].
pub(super) unsafe fn close<'env>(node: &NodeRef) -> Vec<Fork<'env>> {
    // A fork may have been counted and not posted yet: it must find the box closed, not missing.
    let any = if node.is_busy() {
        node.attachment(Shelf::Forks, || -> Attachment { Arc::new(Inbox(Lock::new(None))) })
    } else {
        node.known_attachment(Shelf::Forks)
    };
    let Some(inbox) = any.map(inbox_of) else { return Vec::new() };
    let parcels = inbox.0.lock().take().unwrap_or_default();
    // SAFETY: what the caller promises: the forks were posted with this `'env`.
    parcels.into_iter().map(|parcel| unsafe { parcel.unpack() }).collect()
}
