//! What the scenarios share: things that count, things that record, and a way to poll by hand.
//!
//! Nothing here sleeps and nothing measures time: a scenario is driven by a paused clock, or poll by
//! poll.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each binary uses a part of this")]
#![expect(clippy::disallowed_types, reason = "a test is a user: std's locks are its tools")]

mod future;
mod gate;
mod log;
mod timeline;
mod wakes;

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

pub use future::{Counted, Counts, counted};
pub use gate::{Gate, Wait};
pub use log::{Guard, Log};
pub use timeline::{Mark, Timeline, ms};
pub use wakes::{Driven, PanickingWaker, Wakes, drive, with_waker};

/// What a panic carries.
pub type Payload = Box<dyn Any + Send>;

/// Panics with `what`, without a word on stderr: the panic hook is not run.
pub fn boom(what: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(what))
}

/// Awaits a future and catches its panic.
pub async fn catch<T>(future: impl Future<Output = T>) -> Result<T, Payload> {
    AssertUnwindSafe(future).catch_unwind().await
}

/// The text that a [`boom`] carries.
pub fn text(payload: &Payload) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("a payload that is no text")
}

/// Awaits a future that must panic, and gives the text of its panic.
pub async fn panic_of<T>(future: impl Future<Output = T>) -> &'static str {
    match catch(future).await {
        Ok(_) => "no panic",
        Err(payload) => text(&payload),
    }
}

/// Lets every task of a current-thread runtime run until it waits for something.
pub async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

/// Whole seconds, for scenarios on a paused clock.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A runtime on the caller's thread, its clock paused.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime can be built")
}
