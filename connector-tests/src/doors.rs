//! Addresses with one port in common, as those of one host are.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

/// So many ports are tried until one is free at every address.
const PORTS: usize = 64;

/// A loopback address with a port that is ours.
#[derive(Debug)]
pub struct Door {
    socket: Socket,
    at: SocketAddr,
}

/// Nobody listens. Its port stays ours as long as this is kept.
#[derive(Debug)]
pub struct Closed(Door);

/// A connect hangs: room for one, and that one is taken.
#[derive(Debug)]
pub struct Hole {
    door: Door,
    _filler: std::net::TcpStream,
}

/// `127.0.0.1`, `127.0.0.2` and so on, all with the same port.
///
/// # Panics
///
/// If there is no such port.
#[must_use]
pub fn doors<const N: usize>() -> [Door; N] {
    let found = (0..PORTS).find_map(|_| try_doors(N).ok()?.try_into().ok());
    found.expect("a port that is free at several loopback addresses")
}

fn try_doors(n: usize) -> io::Result<Vec<Door>> {
    let mut port = 0;
    let mut doors = Vec::new();
    for last in (1..).take(n) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let ip = Ipv4Addr::new(127, 0, 0, last);
        socket.bind(&SocketAddr::from((ip, port)).into())?;
        let at = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        port = at.port();
        doors.push(Door { socket, at });
    }
    Ok(doors)
}

impl Door {
    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.at.ip()
    }

    /// The port that all have in common.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.at.port()
    }

    /// Somebody listens.
    pub fn open(self) -> io::Result<TcpListener> {
        self.socket.listen(128)?;
        self.socket.set_nonblocking(true)?;
        TcpListener::from_std(OwnedFd::from(self.socket).into())
    }

    /// Nobody listens.
    #[must_use]
    pub fn closed(self) -> Closed {
        Closed(self)
    }

    /// Whoever connects hangs.
    pub fn hole(self) -> io::Result<Hole> {
        self.socket.listen(0)?;
        let filler = std::net::TcpStream::connect(self.at)?;
        // The filler is connected a moment before he is in the queue.
        while !self.is_full()? {
            std::thread::yield_now();
        }
        Ok(Hole { door: self, _filler: filler })
    }

    /// Whether somebody waits to be accepted, as the system has it in its list of sockets.
    fn is_full(&self) -> io::Result<bool> {
        let SocketAddr::V4(at) = self.at else { return Err(io::ErrorKind::Unsupported.into()) };
        let [a, b, c, d] = at.ip().octets();
        let here = format!("{d:02X}{c:02X}{b:02X}{a:02X}:{:04X}", at.port());
        let is_this = |row: &str| {
            let cells: Vec<_> = row.split_whitespace().collect();
            matches!(cells[..], [_, local, _, "0A", "00000000:00000001", ..] if local == here)
        };
        Ok(fs::read_to_string("/proc/net/tcp")?.lines().any(is_this))
    }
}

impl Closed {
    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.0.ip()
    }
}

impl Hole {
    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.door.ip()
    }
}
