//! The rules of connecting, each as a line of text: what happens, and what is to be seen of it.
//!
//! Two drivers read the lines. [`pure`] is a simulation: the two machines, [`Order`] and
//! [`Stagger`](crate::race::stagger::Stagger), and a list of things to come; no runtime, no future.
//! [`driven`] is the real thing: a race of attempts that follow a script, on tokio's paused clock. Both
//! have to see the same, to the millisecond, of the lines in [`rows`] and of those that [`random`] makes up.
//! The other files are about the machines alone, section by section.
//!
//! A line has eight columns:
//!
//! ```text
//! name | source | attempts | settings | starts | result | ends | untried
//! 17 the newest fails | list 6a 4a 6b | 6a hang, 4a refused+10, 6b ok+5 | | 6a@0 4a@250 6b@260 | won 6b@265 | 6a lost@265, 4a refused@260 |
//! ```
//!
//! * A candidate is `6a` or `4a` (an address of that family), `m4a` (the same as `4a`, mapped into IPv6),
//!   or just `a` (something else). `4n0-999` is a thousand.
//! * `@260` is a moment of the race, `+10` one of an attempt, both in milliseconds.
//! * source: `list 6a 4a`, what a caller gives to the connector; `dns AAAA=6a,6b@40 A=none@10`, what a
//!   resolver answers, `AAAA=!servfail@60` if it fails, `AAAA=open` if it does not end with its last answer;
//!   `items a b`, what an iterator gives; `stream a@0 !lost@5 b@400`, what a stream gives, and `open`.
//! * attempts: `hang`, `ok+10`, `panic+10`, or a failure by any other name; `emfile` is a fault of our own.
//!   `further+200(500) ok+600` says at 200 that it got further, and holds back the next one for 500.
//! * settings: `delay=450`, `delay=none`, `cap=2` (evicts), `hold=2`, `limit=1000` for an attempt,
//!   `deadline=600`, `prefer=4`, `resolution=0`, `head=2` for the first family count, `cancel=300` from
//!   outside, `ways=4` if there is no way to the other family.
//! * result: `won 6b@265`, `all failed@265`, `nobody@0`, `late@600`, `panic 4a@260`, `cancelled@300`.
//! * ends: how and when all but the winner ended, in the order of their starts, and errors of the source.
//! * untried: what the report says; there is none after a panic and a cancellation.

#![expect(clippy::disallowed_methods, reason = "the scripts of a test take their time")]

mod asking;
mod driven;
mod pacing;
mod pure;
mod random;
mod row;
mod rows;
mod section_3_resolution;
mod section_4_order;
mod section_5_attempts;
mod section_6_changes;
mod seen;
mod v3_section_6_2_progress;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::sort::Source;
use row::Row;
use seen::Seen;

/// In milliseconds.
type Millis = u64;

/// The moment at which a pure machine's test begins, and so long after it.
fn at(millis: Millis) -> Instant {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    *BEGAN.get_or_init(Instant::now) + Duration::from_millis(millis)
}

const fn ms(millis: Millis) -> Duration {
    Duration::from_millis(millis)
}

/// The address that a line calls `6a`, `4a`, `m4a` or `4n17`.
fn address(label: &str) -> SocketAddr {
    let (is_mapped, bare) = label.strip_prefix('m').map_or((false, label), |bare| (true, bare));
    let (family, name) = bare.split_at(1);
    let number = match name.strip_prefix('n').map(str::parse::<u16>) {
        Some(Ok(number)) => 0x100 + number,
        _ => u16::from(name.as_bytes()[0]),
    };
    let [high, low] = number.to_be_bytes();
    let v4 = Ipv4Addr::new(198, 18, high, low);
    match family {
        "4" if is_mapped => (v4.to_ipv6_mapped(), 0).into(),
        "4" => (v4, 0).into(),
        "6" => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, number], 0).into(),
        _ => panic!("no address: {label:?}"),
    }
}

/// What a line calls that address.
fn label(address: SocketAddr) -> String {
    let (family, number) = match address.ip() {
        IpAddr::V4(ip) => (4, u16::from_be_bytes([ip.octets()[2], ip.octets()[3]])),
        IpAddr::V6(ip) => (6, ip.segments()[7]),
    };
    match number.checked_sub(0x100) {
        Some(number) => format!("{family}n{number}"),
        None => format!("{family}{}", char::from(number.to_be_bytes()[1])),
    }
}

/// There is a way to every address, and all are as good. RFC 6724 then prefers IPv6.
#[expect(clippy::unnecessary_wraps, reason = "one answer of several")]
fn both_ways(to: SocketAddr) -> Option<Source> {
    Some(Source::new(to.ip()))
}

fn only_v4(to: SocketAddr) -> Option<Source> {
    both_ways(to).filter(|_| to.is_ipv4())
}

fn only_v6(to: SocketAddr) -> Option<Source> {
    both_ways(to).filter(|_| to.is_ipv6())
}

/// Has every line of the tables seen by `driver`.
fn check(driver: fn(&Row) -> Seen) {
    let mut wrong = Vec::new();
    for row in [rows::ADDRESSES, rows::OTHERS].into_iter().flat_map(row::rows) {
        let seen = driver(&row).to_string();
        if seen != row.expected {
            wrong.push(format!("{}\n  expected {}\n  seen     {seen}", row.line, row.expected));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[test]
fn the_machines_do_what_the_lines_say() {
    check(pure::seen);
}

#[test]
fn a_race_does_what_the_lines_say() {
    check(driven::seen);
}

#[test]
fn addresses_and_what_lines_call_them() {
    for name in ["6a", "4z", "4n0", "4n999", "6n17"] {
        assert_eq!(label(address(name)), name);
    }
    assert_eq!(
        address("m4a"),
        SocketAddr::from((Ipv4Addr::new(198, 18, 0, 97).to_ipv6_mapped(), 0))
    );
}
