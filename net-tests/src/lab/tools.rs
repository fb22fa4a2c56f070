//! The programs that a lab is made with.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

/// `ip`, which may be where only an administrator's shell would look.
pub(super) fn ip() -> Command {
    tool("ip")
}

pub(super) fn nft() -> Command {
    tool("nft")
}

fn tool(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command
}

/// Whether a program is there to be run.
pub(super) fn is_there(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs a program with this input, and wants it to succeed.
pub(super) fn succeed(command: &mut Command, input: &str) -> io::Result<()> {
    let output = feed(command, input)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let (program, arguments) = (command.get_program(), command.get_args().collect::<Vec<_>>());
    Err(io::Error::other(format!("{program:?} {arguments:?}: {}", said.trim())))
}

fn feed(command: &mut Command, input: &str) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn()?;
    if let Some(mut stdin) = running.stdin.take() {
        // Who does not read to the end says why by its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    running.wait_with_output()
}
