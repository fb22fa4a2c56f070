//! The two namespaces by name, and what is done to them from outside.
//!
//! Names carry the id of this process, so that two labs do not meet and the next one can tell what a dead
//! one has left.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tools::{ip, succeed};

/// Where `ip` keeps the namespaces that have names.
pub(super) const NAMESPACES: &str = "/var/run/netns";
/// What is in here stands in for files of `/etc`, in the namespace that the folder is named after.
pub(super) const FILES: &str = "/etc/netns";

const PREFIX: &str = "umbel-";
const CLIENT: &str = "-client";
const SERVER: &str = "-server";

/// Their names, and whether they are still to be used.
#[derive(Debug)]
pub(super) struct Namespaces {
    client: String,
    server: String,
    cleared: Mutex<bool>,
}

impl Namespaces {
    /// For this process.
    pub(super) fn new() -> Self {
        Self::of(std::process::id())
    }

    /// For some process.
    pub(super) fn of(process: u32) -> Self {
        Self {
            client: format!("{PREFIX}{process}{CLIENT}"),
            server: format!("{PREFIX}{process}{SERVER}"),
            cleared: Mutex::new(false),
        }
    }

    /// The process that such a name belongs to.
    pub(super) fn owner(name: &str) -> Option<u32> {
        let rest = name.strip_prefix(PREFIX)?;
        rest.strip_suffix(CLIENT).or_else(|| rest.strip_suffix(SERVER))?.parse().ok()
    }

    pub(super) fn client(&self) -> &str {
        &self.client
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// One step of the work. After [`clear`](Self::clear) there are no more.
    pub(super) fn step<T>(&self, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let cleared = self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        if *cleared {
            return Err(io::Error::other("the lab is being taken down"));
        }
        step()
    }

    /// Runs a program with this input as a step, and wants it to succeed.
    pub(super) fn run(&self, command: &mut Command, input: &str) -> io::Result<()> {
        self.step(|| succeed(command, input))
    }

    /// Ends what runs in the namespaces, and removes them. As often as one likes.
    pub(super) fn clear(&self) {
        let mut cleared = self.cleared.lock().unwrap_or_else(PoisonError::into_inner);
        *cleared = true;
        for name in [&self.client, &self.server] {
            if Path::new(NAMESPACES).join(name).exists() {
                end_processes_in(name);
                complain(succeed(ip().args(["netns", "delete", name]), ""));
            }
        }
        match fs::remove_dir_all(self.files()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => complain(Err(error)),
            _ => {}
        }
    }

    /// The folder for files that replace those of `/etc` for clients.
    pub(super) fn files(&self) -> PathBuf {
        Path::new(FILES).join(&self.client)
    }
}

/// Moves this thread into a namespace, and no other thread.
pub(super) fn enter(namespace: &str) -> io::Result<()> {
    let file = File::open(Path::new(NAMESPACES).join(namespace))?;
    Ok(setns(file, CloneFlags::CLONE_NEWNET)?)
}

/// Until nobody is left: who is killed may have started another one meanwhile, whom only the next list has.
fn end_processes_in(namespace: &str) {
    // Who has ended before is no reason to look again.
    let ended = |id: &Pid| kill(*id, Signal::SIGKILL).is_ok();
    while processes_in(namespace).iter().filter(|id| ended(id)).count() > 0 {}
}

/// Only processes that were started in the namespace are in it; our own thread is one of a process that is
/// not.
fn processes_in(namespace: &str) -> Vec<Pid> {
    let Ok(output) = ip().args(["netns", "pids", namespace]).output() else { return Vec::new() };
    let ids = String::from_utf8_lossy(&output.stdout);
    let ids = ids.lines().filter_map(|id| id.trim().parse().ok()).map(Pid::from_raw);
    ids.filter(|id| *id != Pid::this()).collect()
}

/// What cannot be removed is left to the next lab.
fn complain(result: io::Result<()>) {
    if let Err(error) = result {
        eprintln!("lab: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is() {
        let namespaces = Namespaces::of(4711);
        assert_eq!(Namespaces::owner(namespaces.client()), Some(4711));
        assert_eq!(Namespaces::owner(namespaces.server()), Some(4711));
        for other in ["umbel-x-client", "umbel-7", "docker-7-client", "umbel--client"] {
            assert_eq!(Namespaces::owner(other), None, "{other}");
        }
    }
}
