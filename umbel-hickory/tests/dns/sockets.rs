//! Sockets of this process, told apart by their numbers: a port may be somebody else's as soon as it is free.

use std::fs;
use std::net::SocketAddr;

/// The number that the system has given to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket(u64);

impl Socket {
    /// The UDP socket that has this IPv4 address. The system shows its sockets page by page, while others come
    /// and go; so it is asked until it says the same twice.
    pub(crate) fn at(address: SocketAddr) -> Option<Self> {
        let mut before = Self::listed(address.port());
        loop {
            let now = Self::listed(address.port());
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// The one with this port on loopback, or on every address.
    fn listed(port: u16) -> Option<Self> {
        let sockets = fs::read_to_string("/proc/net/udp").expect("the system lists its sockets");
        let locals = ["0100007F", "00000000"].map(|ip| format!("{ip}:{port:04X}"));
        let rows = sockets.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let mut ours =
            rows.filter(|cells| cells.get(1).is_some_and(|it| locals.iter().any(|l| l == it)));
        ours.next()?.get(9)?.parse().ok().map(Self)
    }

    /// Whether this process has it open.
    pub(crate) fn is_open(self) -> bool {
        let name = format!("socket:[{}]", self.0);
        let open = fs::read_dir("/proc/self/fd").expect("the system lists what is open");
        let mut open = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        open.any(|to| to.as_os_str() == name.as_str())
    }
}
