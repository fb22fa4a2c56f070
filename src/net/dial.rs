//! One attempt to connect to one address.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};

use super::family::{Both, Family};

/// What a user does to a socket before it connects.
pub(super) type Configure = Arc<dyn Fn(&TcpSocket, SocketAddr) -> io::Result<()> + Send + Sync>;

/// How sockets are made.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    pub(super) local: Both<Option<IpAddr>>,
    pub(super) configure: Option<Configure>,
}

/// How often an attempt is made again that failed because of how the system chose its port. Source: Go's
/// `net` package makes two more attempts.
const AGAIN: usize = 2;

impl Sockets {
    pub(super) async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut again = AGAIN;
        loop {
            let outcome = self.connect_once(address).await;
            if again == 0 || !self.is_spurious(&outcome, address) {
                return outcome;
            }
            again -= 1;
        }
    }

    async fn connect_once(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let (family, socket) = match address {
            SocketAddr::V4(_) => (Family::V4, TcpSocket::new_v4()?),
            SocketAddr::V6(_) => (Family::V6, TcpSocket::new_v6()?),
        };
        if let Some(configure) = &self.configure {
            configure(&socket, address)?;
        }
        if let Some(local) = *self.local.of(family) {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        socket.connect(address).await
    }

    /// The system chose a port that is not free any more, or the very port that was to be reached on this
    /// host: then TCP's simultaneous open has connected the socket to itself.
    fn is_spurious(&self, outcome: &io::Result<TcpStream>, address: SocketAddr) -> bool {
        let is_chosen = self.local.v4.is_none() && self.local.v6.is_none();
        is_chosen
            && match outcome {
                Ok(stream) => {
                    address.ip().is_loopback()
                        && stream.local_addr().is_ok_and(|local| local == address)
                }
                Err(error) => error.kind() == ErrorKind::AddrNotAvailable,
            }
    }
}

/// Whether the process or the system has run out of something, which is no fault of the address.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    #[cfg(unix)]
    const SHORTAGES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    // WSAEMFILE and WSAENOBUFS.
    #[cfg(not(unix))]
    const SHORTAGES: [i32; 2] = [10_024, 10_055];
    error.raw_os_error().is_some_and(|code| SHORTAGES.contains(&code))
}
