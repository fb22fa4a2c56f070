//! A soak: millions of random operations on a runtime of several threads, and everything is counted.
//!
//! The run has ten parts. Each part is many random programs (`program`, `regions`), a few at a time; each program
//! writes down what it does in a journal, which is compared with what the library says when the program
//! has ended (`oracle_tests::ledger`). Between two parts everything is at rest: nothing may be left, and the heap must
//! not have grown.
//!
//! `cargo soak` runs it. It ends with 1 if anything is not what it must be.

mod arguments;
mod heap;
mod program;
mod regions;
mod report;
mod shift;

use std::process::ExitCode;

use arguments::Arguments;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("soak: {error}");
            return ExitCode::from(2);
        }
    };
    report::intro(&arguments);
    match shift::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("soak: WRONG: {fault}\nsoak: seen with --seed {}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}
