//! There is no lab on this system.

use std::ffi::OsStr;
use std::io;
use std::process::Command;
use std::time::Duration;

use crate::trouble::Trouble;

/// What cannot be made here.
#[derive(Debug)]
pub enum Lab {}

impl Lab {
    /// Says so.
    pub fn up() -> Result<Self, Trouble> {
        Err(Trouble::Missing("the lab needs Linux"))
    }

    /// A program that is run in the client's namespace.
    #[must_use]
    pub fn inside(&self, _program: impl AsRef<OsStr>) -> Command {
        match *self {}
    }

    /// How long its servers have been kept waiting.
    pub(crate) fn stalled(&self) -> Duration {
        match *self {}
    }

    /// Does something on a thread in the client's namespace.
    pub fn on_a_thread<T: Send>(&self, _work: impl FnOnce() -> T + Send) -> io::Result<T> {
        match *self {}
    }
}
