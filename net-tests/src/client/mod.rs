//! Who connects: each client is a process in the lab, and measures itself.

mod hyper_util;
mod order;
mod own;
mod peers;
mod umbel;

use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

use self::order::Order;
use crate::Lab;
use crate::report::Report;
use crate::scenario::Target;

/// A program or a library that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Client {
    /// `umbel::net::Connector`.
    Umbel,
    /// `tokio::net::TcpStream::connect`.
    Tokio,
    /// The connector of hyper-util.
    HyperUtil,
    /// The command.
    Curl,
    /// `net.connect` with `autoSelectFamily`.
    Node,
    /// Python's `loop.create_connection` with `happy_eyeballs_delay`.
    Asyncio,
}

impl Client {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Self; 6] =
        [Self::Umbel, Self::Tokio, Self::HyperUtil, Self::Curl, Self::Node, Self::Asyncio];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Umbel => "umbel",
            Self::Tokio => "tokio",
            Self::HyperUtil => "hyper-util",
            Self::Curl => "curl",
            Self::Node => "node",
            Self::Asyncio => "asyncio",
        }
    }

    /// Whether it is a library, which is run as a part of this program.
    #[must_use]
    pub fn is_library(self) -> bool {
        matches!(self, Self::Umbel | Self::Tokio | Self::HyperUtil)
    }

    /// Whether it can be run here.
    #[must_use]
    pub fn is_there(self) -> bool {
        peers::version(self).is_none_or(peers::succeeds)
    }

    /// Connects once, and gives up after `limit`.
    pub fn measure(self, lab: &Lab, target: Target, limit: Duration) -> io::Result<Report> {
        let order = Order::new(target, limit);
        let before = lab.stalled();
        let output = self.command(lab, &order)?.output()?;
        let others = lab.stalled().saturating_sub(before);
        let said = String::from_utf8_lossy(&output.stdout);
        let report = Report::read(&said, limit).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("{} said {said:?}, and {errors:?}", self.name()))
        })?;
        Ok(Report { stalled: report.stalled + others, ..report })
    }

    fn command(self, lab: &Lab, order: &Order) -> io::Result<Command> {
        match self {
            Self::Curl => Ok(peers::curl(lab, order)),
            Self::Node => Ok(peers::node(lab, order)),
            Self::Asyncio => Ok(peers::asyncio(lab, order)),
            Self::Umbel | Self::Tokio | Self::HyperUtil => own::command(lab, self.name(), order),
        }
    }
}

/// What every `main` begins with: was this process started to be a client?
#[must_use]
pub fn dispatch() -> Option<ExitCode> {
    own::dispatch()
}
