//! Clears the ground when the process is told to end.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ground::Ground;

/// What a shell adds to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

/// From now on SIGINT, SIGTERM and SIGHUP end the process by way of [`Ground::clear`].
pub(super) fn clear_when_told_to_end(ground: &Arc<Ground>) -> io::Result<()> {
    let ground = Arc::clone(ground);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = {
        let _inside = runtime.enter();
        [signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?]
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let kind = runtime.block_on(first([interrupt, terminate, hangup], kinds));
        ground.clear();
        std::process::exit(BY_SIGNAL + kind.as_raw_value());
    })?;
    Ok(())
}

/// The kind of the first signal that comes.
async fn first(mut signals: [Signal; 3], kinds: [SignalKind; 3]) -> SignalKind {
    std::future::poll_fn(|context| {
        let come = signals.iter_mut().position(|signal| signal.poll_recv(context).is_ready());
        come.map_or(std::task::Poll::Pending, |place| std::task::Poll::Ready(kinds[place]))
    })
    .await
}
