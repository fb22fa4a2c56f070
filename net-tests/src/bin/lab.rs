//! Sets the lab up and runs a command in the client's namespace, or a shell: `cargo lab ip address`.

use std::process::{Command, ExitCode};

use net_tests::set_up;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut take = |option: &str| {
        let is_next = arguments.first().is_some_and(|first| first == option);
        arguments.drain(..usize::from(is_next));
        is_next
    };
    let required = take("--require");
    take("--");
    if arguments.is_empty() {
        arguments.push(std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into()));
    }
    match set_up(required) {
        Ok(lab) => run(lab.inside(&arguments[0]).args(&arguments[1..])),
        Err(code) => code,
    }
}

fn run(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => {
            // Without a code it was a signal, and that is a failure.
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, Into::into)
        }
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
