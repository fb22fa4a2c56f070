//! umbel's connector on a real network: real sockets, a real resolver, and addresses that accept, refuse, say
//! nothing or take their time. The network is made for it, out of two namespaces, and is gone afterwards.
//!
//! ```text
//!      client                                                    server
//!  ┌───────────────────────┐                            ┌──────────────────────────────┐
//!  │  umbel, tokio, curl,  │            wire            │  .10 ::10   good             │
//!  │  …, each a process    │  198.18.0.0/24   (veth)    │  .20 ::20   black hole  (nft)│
//!  │  of its own           │  2001:db8:1::/64           │  .30 ::30   refused     (nft)│
//!  │                  .1 ──┼────────────────────────────┼──.53        DNS server       │
//!  │                 ::1   │                            │                              │
//!  │                       │            slow            │                              │
//!  │                       │  198.19.0.0/24   (TUN)     │                              │
//!  │                       │  2001:db8:2::/64           │                              │
//!  │                  .1 ──┼───────►  400 ms  ──────────┼──.40 ::40   slow             │
//!  │                 ::1   │◄──────── at once ──────────┼──                            │
//!  │                       │      (our own bridge)      │  everything listens on :80   │
//!  └───────────────────────┘                            └──────────────────────────────┘
//!   /etc/resolv.conf names the DNS server               one thread of the lab's process
//! ```
//!
//! There are three hosts of each family and kind, with addresses that follow each other.
//!
//! # To run it
//!
//! ```sh
//! cargo test -p net-tests                  # every scenario by umbel, and that nothing is left of a lab: 20 s
//! cargo bench -p net-tests --bench table   # how long umbel takes, and how long others do: 9 min
//! cargo lab curl http://both.test/         # a command in the client's namespace; without one, a shell
//! ```
//!
//! It needs Linux with IPv6, root (or a container with `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`), `ip` of iproute2,
//! `nft` of nftables and `/dev/net/tun`. Where one of them is missing each of the three says so in one line,
//! which begins with `skipped:`, and succeeds; with `--require` it fails. The table compares with curl, Node and
//! Python where they are installed.
//!
//! # To add to it
//!
//! A scenario is a row in [`scenario`]; what a name is answered with is a row in [`zone`]; what an address does is
//! said in [`plan`].
//!
//! # What is left of it
//!
//! Nothing: a lab is taken down when it is dropped, also by a panic, and when its process is told to end by
//! SIGINT, SIGTERM or SIGHUP; with it go the processes in its namespaces. What a lab leaves whose process was
//! killed is removed when the next one is set up. Outside of its namespaces a lab makes their entries in
//! `/var/run/netns`, one folder in `/etc/netns`, and nothing else. The process's id is in all of these names, so
//! labs do not meet.
#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "it describes a network that cannot be set up here")
)]

#[cfg(target_os = "linux")]
mod lab;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod lab;

pub mod client;
pub mod plan;
pub mod report;
pub mod scenario;
mod stalls;
mod trouble;
pub mod zone;

pub use lab::Lab;
pub use trouble::Trouble;

use std::process::ExitCode;

/// Sets a lab up. Where there can be none, says why, and gives the code to end with: success, unless a lab
/// is required.
pub fn set_up(required: bool) -> Result<Lab, ExitCode> {
    Lab::up().map_err(|trouble| {
        println!("{trouble}");
        let passes = matches!(trouble, Trouble::Missing(_)) && !required;
        if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}
