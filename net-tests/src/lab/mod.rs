//! The lab: set up when it is made, gone when it is dropped.

mod bridge;
mod dns;
mod far;
mod ground;
mod layout;
mod signals;
mod sweep;

use std::ffi::OsStr;
use std::io;
use std::panic::resume_unwind;
use std::process::Command;
use std::sync::Arc;

use self::far::Far;
use self::ground::Ground;
use crate::trouble::Trouble;

/// Two network namespaces with all that is in them. The crate's page has a picture.
#[derive(Debug)]
pub struct Lab {
    ground: Arc<Ground>,
    // Ended before the ground is cleared: its thread is in one of the namespaces.
    far: Option<Far>,
}

impl Lab {
    /// Sets everything up. What fails halfway leaves nothing behind. A process can have one lab at a time.
    pub fn up() -> Result<Self, Trouble> {
        layout::require()?;
        sweep::left_over();
        let ground = Arc::new(Ground::new());
        signals::clear_when_told_to_end(&ground)?;
        let mut lab = Self { ground, far: None };
        layout::namespaces(&lab.ground)?;
        layout::resolver(&lab.ground)?;
        layout::wire(&lab.ground)?;
        layout::rules(&lab.ground)?;
        lab.far = Some(Far::start(&lab.ground)?);
        layout::slow_link(&lab.ground)?;
        Ok(lab)
    }

    /// A program that is run in the client's namespace, where names are resolved by the lab's server.
    #[must_use]
    pub fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = ground::ip();
        command.args(["netns", "exec", self.ground.client()]).arg(program);
        command
    }

    /// Does something on a thread in the client's namespace, where names are resolved as they are outside.
    pub fn on_a_thread<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        std::thread::scope(|threads| {
            let thread = threads.spawn(|| ground::enter(self.ground.client()).map(|()| work()));
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.far.take());
        self.ground.clear();
    }
}
