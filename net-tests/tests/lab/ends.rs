//! However a lab ends, nothing of it is left.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::panic::{catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use net_tests::set_up;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program that sets a lab up and runs a command in it.
const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// Says when the lab is there, and if it is left alone, that too: much later, so that it is not its own end that
/// is seen where the machine is slow.
const SCRIPT: &str = "echo up; sleep 300; echo survived";
/// Somebody without privileges.
const NOBODY: u32 = 65534;

/// What there is of a lab: two namespaces, and the files for one of them.
const LEFT: usize = 3;

type Check = fn() -> io::Result<()>;

const CHECKS: [(&str, Check); 6] = [
    ("a lab is gone when its command has ended, and passes its status on", by_its_end),
    ("a lab is gone when it was interrupted or told to end, with what ran in it", by_a_signal),
    ("a lab is gone when there was a panic in it", || {
        by_a_panic();
        Ok(())
    }),
    ("what a killed lab has left is gone when the next one is set up", by_the_next),
    ("two labs at once do not meet", two_at_once),
    ("who may not have a lab is told so, and that is a failure only if it is required", by_refusal),
];

/// Returns how many of these were wrong.
pub(crate) fn wrong() -> usize {
    println!();
    let wrong = CHECKS.into_iter().filter(|(what, check)| {
        let right = match catch_unwind(check) {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                println!("{error}");
                false
            }
            // The panic has said what it is about.
            Err(_) => false,
        };
        println!("{what}: {}", if right { "ok" } else { "WRONG" });
        !right
    });
    wrong.count()
}

fn by_its_end() -> io::Result<()> {
    for code in [0, 7] {
        let running = Running::start(&format!("echo up; exit {code}"))?;
        let id = running.child.id();
        let (status, _) = running.end()?;
        assert_eq!(status.code(), Some(code));
        assert_eq!(left_by(id), [] as [PathBuf; 0]);
    }
    Ok(())
}

fn by_a_signal() -> io::Result<()> {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let running = Running::start(SCRIPT)?;
        let id = running.child.id();
        running.send(signal)?;
        let (status, said) = running.end()?;
        assert_eq!(status.code(), Some(128 + signal as i32));
        assert_eq!((left_by(id), said.as_str()), (Vec::new(), ""), "{signal}");
    }
    Ok(())
}

fn by_a_panic() {
    let panic = catch_unwind(|| {
        let lab = set_up(true);
        assert_eq!(left_by(std::process::id()).len(), LEFT);
        // Says nothing on the way.
        resume_unwind(Box::new(lab.is_ok()))
    });
    assert!(panic.is_err());
    assert_eq!(left_by(std::process::id()), [] as [PathBuf; 0]);
}

fn by_the_next() -> io::Result<()> {
    let mut running = Running::start(SCRIPT)?;
    let id = running.child.id();
    running.child.kill()?;
    running.child.wait()?;
    assert_eq!(left_by(id).len(), LEFT);
    Running::start("echo up")?.end()?;
    let (_, said) = running.end()?;
    assert_eq!((left_by(id), said.as_str()), (Vec::new(), ""));
    Ok(())
}

fn two_at_once() -> io::Result<()> {
    let count = "echo up; ls /sys/class/net | wc -l";
    let both = [Running::start(count)?, Running::start(count)?];
    for running in both {
        let (status, said) = running.end()?;
        assert!(status.success());
        assert_eq!(said, "3\n", "interfaces: one of its own, and one for each link");
    }
    Ok(())
}

fn by_refusal() -> io::Result<()> {
    // Where the program was built, others may have no access.
    let copy = std::env::temp_dir().join(format!("lab-{}", std::process::id()));
    fs::copy(LAB, &copy)?;
    let ends = [&[][..], &["--require"]].map(|options: &[&str]| {
        Command::new(&copy).args(options).arg("true").uid(NOBODY).gid(NOBODY).output()
    });
    fs::remove_file(copy)?;
    for (end, code) in ends.into_iter().zip([0, 1]) {
        let Output { status, stdout, .. } = end?;
        assert_eq!(status.code(), Some(code));
        assert_eq!(stdout, b"skipped: no permission to make network namespaces\n");
    }
    Ok(())
}

/// A lab with a command that runs in it.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Returns when the command has said that it runs.
    fn start(script: &str) -> io::Result<Self> {
        let mut command = Command::new(LAB);
        command.args(["--require", "sh", "-c", script]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        assert_eq!(line, "up\n");
        Ok(Self { child, stdout })
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(id), signal)?)
    }

    /// Waits for it, and for everybody who could still write. Returns what they have written.
    fn end(mut self) -> io::Result<(ExitStatus, String)> {
        let mut said = String::new();
        self.stdout.read_to_string(&mut said)?;
        Ok((self.child.wait()?, said))
    }
}

/// What there is of the lab of some process.
fn left_by(process: u32) -> Vec<PathBuf> {
    let name = format!("umbel-{process}-");
    let folders = ["/var/run/netns", "/etc/netns"].into_iter();
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
    ours.map(|entry| entry.path()).collect()
}
