//! What a connector tells while it is at work.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::family::Family;
use crate::race::report::RaceEvent;

/// Something that happened on the way to a connection, told to
/// [`Connector::on_event`](super::Connector::on_event) at that moment.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A lookup has an answer.
    #[non_exhaustive]
    Resolved {
        /// When, counted from the first poll of the connection.
        at: Duration,
        /// The family it was about.
        family: Family,
        /// The addresses, with the port; or why there are none.
        answer: Result<&'a [SocketAddr], &'a io::Error>,
    },
    /// An attempt has started, got further, or ended.
    Attempt(RaceEvent<'a, SocketAddr, io::Error>),
}
