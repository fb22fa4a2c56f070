//! The root for code that is not async: a thread that waits for all it has started.

use std::future::Future;

use tokio::runtime::Handle;

use crate::ground::runtime::Here;
use crate::scope::shield_unbounded;

/// Runs a future to its end on this thread, and waits for all that it leaves behind.
///
/// A tokio runtime is opened for it, with everything enabled, on this thread alone; a `LocalSet` is part of
/// it. The future is usually a [`scope`](fn@crate::scope), with its options, or an `async` block around
/// several. A scope that is dropped half way in it, by `select!` say, leaves children and finalizers
/// that are on their way to the end: they have ended when this returns, as if an enclosing scope
/// had waited for them (R18). What was started by `tokio::spawn` is dropped with the runtime, as ever.
///
/// It is a root: no cancellation and no deadline from around the caller reaches into it. Code on a
/// [blocking child's](crate::Scope::spawn_blocking) thread that wants to be reached calls
/// `Handle::block_on` on a scope instead.
///
/// # Panics
///
/// Where a tokio runtime is current: in async code, and on its blocking threads. And when the system
/// has no resources for a runtime. Panics of the future are passed on, when all has ended (R14).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let outcome = umbel::block_on(
///     umbel::scope(async |s| {
///         let one = s.spawn(async { 1 });
///         let two = s.spawn_blocking(|_| 2);
///         one.await.unwrap() + two.await.unwrap()
///     })
///     .timeout(Duration::from_secs(60)),
/// );
/// assert_eq!(outcome.unwrap(), 3);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    assert!(
        Handle::try_current().is_err(),
        "`umbel::block_on` was called where a tokio runtime is current: await the future there, or, on \
         a thread that may block, use `umbel::block_on_with`"
    );
    let here = match Here::new() {
        Ok(here) => here,
        Err(error) => panic!("`umbel::block_on` could not open a runtime: {error}"),
    };
    here.block_on(shield_unbounded(future))
}

/// As [`block_on`], on a runtime that is there already: the future is polled on this thread, and the
/// children run there.
///
/// A multi-thread runtime does its part by itself. A current-thread runtime must be driven by somebody
/// else meanwhile: this call does not run its tasks, its timers or its I/O.
///
/// # Panics
///
/// In async code, as [`Handle::block_on`] does; on a blocking thread it may be called. Panics of
/// the future are passed on, when all has ended (R14).
///
/// # Examples
///
/// ```
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// let outcome = umbel::block_on_with(
///     runtime.handle(),
///     umbel::scope(async |s| s.spawn(async { 7 }).await),
/// );
/// assert_eq!(outcome.unwrap().unwrap(), 7);
/// ```
#[track_caller]
pub fn block_on_with<F: Future>(runtime: &Handle, future: F) -> F::Output {
    runtime.block_on(shield_unbounded(future))
}
