//! The lab: set up when it is made, gone when it is dropped.

mod bridge;
mod dns;
mod layout;
mod namespaces;
mod servers;
mod signals;
mod sweep;
mod tools;

use std::ffi::OsStr;
use std::io;
use std::panic::resume_unwind;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use self::namespaces::Namespaces;
use self::servers::Servers;
use crate::trouble::Trouble;

/// Two network namespaces with all that is in them. The crate's page has a picture.
#[derive(Debug)]
pub struct Lab {
    namespaces: Arc<Namespaces>,
    // Ended before the namespaces are removed: its thread is in one of them.
    servers: Option<Servers>,
}

impl Lab {
    /// Sets everything up. What fails halfway leaves nothing behind. A process can have one lab at a time.
    pub fn up() -> Result<Self, Trouble> {
        layout::require()?;
        sweep::left_over();
        let namespaces = Arc::new(Namespaces::new());
        signals::clear_when_told_to_end(&namespaces)?;
        let mut lab = Self { namespaces, servers: None };
        layout::add(&lab.namespaces)?;
        layout::resolver(&lab.namespaces)?;
        layout::wire(&lab.namespaces)?;
        layout::rules(&lab.namespaces)?;
        lab.servers = Some(Servers::start(&lab.namespaces)?);
        layout::slow_link(&lab.namespaces)?;
        Ok(lab)
    }

    /// A program that is run in the client's namespace, where names are resolved by the lab's server.
    #[must_use]
    pub fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = tools::ip();
        command.args(["netns", "exec", self.namespaces.client()]).arg(program);
        command
    }

    /// How long its servers have been kept waiting by the machine, in all.
    pub(crate) fn stalled(&self) -> Duration {
        self.servers.as_ref().map_or(Duration::ZERO, Servers::stalled)
    }

    /// Does something on a thread in the client's namespace, where names are resolved as they are outside.
    pub fn on_a_thread<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        std::thread::scope(|threads| {
            let thread =
                threads.spawn(|| namespaces::enter(self.namespaces.client()).map(|()| work()));
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        signals::stay_if_told_to_end();
        drop(self.servers.take());
        self.namespaces.clear();
    }
}
