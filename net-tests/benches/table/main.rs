//! How long connecting takes, for umbel and for others: `cargo bench -p net-tests --bench table`, or
//! `cargo bench -p net-tests --bench table -- P9 S2 N5` for some rows.
//!
//! The first part needs the loopback interface only. The others need the lab, and are left out where there
//! can be none.

mod lists;
mod loopback;
mod names;
mod pace;
mod sample;
mod wanted;

use std::process::ExitCode;

use net_tests::{client, set_up};

use self::wanted::Wanted;

fn main() -> ExitCode {
    if let Some(code) = client::dispatch() {
        return code;
    }
    let wanted = Wanted::new(std::env::args().skip(1));
    if wanted.nothing() {
        println!("nothing measured: this is for `cargo bench -p net-tests --bench table`");
        return ExitCode::SUCCESS;
    }
    if wanted.has("P9") {
        loopback::compare();
    }
    let lab = match set_up(wanted.requires_a_lab()) {
        Ok(lab) => lab,
        Err(code) => return code,
    };
    lists::table(&lab, &wanted);
    names::table(&lab, &wanted);
    if wanted.has("P9") {
        pace::table(&lab);
    }
    ExitCode::SUCCESS
}
