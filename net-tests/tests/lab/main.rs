//! Every scenario once, in the lab: `cargo test -p net-tests --test lab`, or with `-- --require` where the
//! lab must be there.

#[cfg(target_os = "linux")]
mod ends;
mod races;
mod scenarios;

use std::process::ExitCode;

use net_tests::{client, set_up};

fn main() -> ExitCode {
    if let Some(code) = client::dispatch().or_else(races::dispatch) {
        return code;
    }
    let required = std::env::args().any(|argument| argument == "--require");
    match set_up(required).map(|lab| scenarios::wrong(&lab) + races::wrong(&lab)) {
        #[cfg(target_os = "linux")]
        Ok(wrong) => verdict(wrong + ends::wrong()),
        #[cfg(not(target_os = "linux"))]
        Ok(wrong) => verdict(wrong),
        Err(code) => code,
    }
}

fn verdict(wrong: usize) -> ExitCode {
    println!("\n{wrong} wrong");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
