//! The bars that umbel holds itself to, each against what it would replace, measured in one run:
//! `cargo bench --bench bars`, or `cargo bench --bench bars -- P1 P3` for some rows.
//!
//! A time says little on another machine; a ratio of two times from the same round does. Each row
//! shows the median of the rounds, and the quartiles of the ratio. Counts (allocations, bytes) are
//! exact. Instructions are counted by the benchmark beside this one.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the library has one caller of each of these; the peers are called here"
)]

mod alloc;
mod asking;
mod children;
mod depth;
mod forks;
mod measure;
mod regions;
mod samples;
mod table;
mod threads;

use table::Wanted;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() {
    let wanted = Wanted::new(std::env::args().skip(1));
    if wanted.is_everything() && !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing measured: this is for `cargo bench --bench bars`");
        return;
    }
    println!("{} cores", measure::cores());
    table::head();
    let rows: [(&str, fn()); 8] = [
        ("P1", regions::ready),
        ("P2", regions::idle),
        ("P3", children::spawn_and_join),
        ("P4", children::cancel_and_drain),
        ("P5", asking::is_cancelled),
        ("P6", depth::deep_trees),
        ("P7", forks::borrowing),
        ("P8", threads::spawn_from_many),
    ];
    for (id, measure) in rows {
        if wanted.has(id) {
            measure();
        }
    }
}
