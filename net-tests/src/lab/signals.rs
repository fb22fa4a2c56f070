//! Removes the namespaces when the process is told to end.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::namespaces::Namespaces;

/// What a shell adds to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

/// Those of this process's latest lab. The signals are caught once for all of them.
static LATEST: Mutex<Option<Arc<Namespaces>>> = Mutex::new(None);

/// The process has been told to end, and the thread of the signals ends it.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Whoever sees its command end because of a signal leaves the rest to the thread that has got it: that one
/// knows what status to end with.
pub(super) fn stay_if_told_to_end() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP end the process by way of [`Namespaces::clear`].
pub(super) fn clear_when_told_to_end(namespaces: &Arc<Namespaces>) -> io::Result<()> {
    let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    if latest.is_none() {
        watch()?;
    }
    *latest = Some(Arc::clone(namespaces));
    Ok(())
}

fn watch() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let inside = runtime.enter();
    let mut signals = Vec::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        signals.push((signal(kind)?, kind));
    }
    drop(inside);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let kind = runtime.block_on(first(signals));
        // Before anything is killed that others wait for.
        ENDING.store(true, Ordering::SeqCst);
        let latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().for_each(|namespaces| namespaces.clear());
        std::process::exit(BY_SIGNAL + kind.as_raw_value());
    })?;
    Ok(())
}

/// The kind of the first signal that comes.
async fn first(mut signals: Vec<(Signal, SignalKind)>) -> SignalKind {
    let next = poll_fn(|context| {
        let mut come = |signal: &mut Signal| signal.poll_recv(context).is_ready();
        let kind = signals.iter_mut().find_map(|(signal, kind)| come(signal).then_some(*kind));
        kind.map_or(Poll::Pending, Poll::Ready)
    });
    next.await
}
