//! Connections: happy eyeballs, RFC 8305. With the feature `net`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let port = listener.local_addr()?.port();
//! let stream = umbel::net::connect("localhost", port).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A host has several addresses, and some may not answer. [`connect`] looks up both families at once, tries
//! the addresses one after another with a short delay in between, takes the first connection, and closes
//! the others. [`Connector`] has what can be set, TLS within the race among it. Underneath is
//! [`Race`](crate::Race), for whatever else is to be tried in this way.

// What is pure: `host`, `order`, `sort`. What asks the system: `source`, `system`, `dial`.
mod connector;
mod dial;
mod dialing;
mod error;
mod event;
mod family;
mod host;
#[cfg(feature = "hyper")]
mod hyper;
mod layer;
mod order;
mod resolve;
mod settings;
mod sort;
mod source;
mod system;

use std::future::Future;
use std::io;
use std::panic::Location;

use tokio::net::TcpStream;

pub use connector::Connector;
pub use error::ConnectError;
pub use event::Event;
pub use family::Family;
pub use layer::{Attempt, Layer, Plain};
pub use resolve::Resolver;
pub use system::System;

/// Connects to `host` at `port` as a new [`Connector`] does.
///
/// # Errors
///
/// An [`io::Error`] with a [`ConnectError`] inside, that lists every attempt.
///
/// # Panics
///
/// As [`Connector::connect`] does.
///
/// # Cancel safety
///
/// Dropping it closes all sockets. A lookup of the [system's](System) may go on; nobody waits for it.
#[track_caller]
pub fn connect(host: impl AsRef<str>, port: u16) -> impl Future<Output = io::Result<TcpStream>> {
    let site = Location::caller();
    async move { Connector::new().connect_at(site, host, port).await }
}

#[cfg(test)]
mod tests;
