//! Every scenario once, in the lab: `cargo test -p net-tests --test lab`, or with `-- --require` where the
//! lab must be there.

mod scenarios;

use std::process::ExitCode;

use net_tests::{Lab, client, in_a_lab};

fn main() -> ExitCode {
    if let Some(code) = client::dispatch() {
        return code;
    }
    let required = std::env::args().any(|argument| argument == "--require");
    in_a_lab(required, all)
}

fn all(lab: &Lab) -> ExitCode {
    let wrong = scenarios::run(lab);
    println!("\n{wrong} wrong");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
