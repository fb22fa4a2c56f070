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
            if again == 0 || !is_spurious(&outcome, address) {
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
}

/// The system, which chooses the local port, chose one that is not free any more, or the very one that was
/// to be reached on this host: then TCP's simultaneous open (RFC 9293, section 3.5) has connected the socket
/// to itself.
fn is_spurious(outcome: &io::Result<TcpStream>, address: SocketAddr) -> bool {
    match outcome {
        // Hosts have other addresses than 127.0.0.1, and 0.0.0.0 is one of them to connect to.
        Ok(stream) => stream.local_addr().is_ok_and(|local| {
            local.port() == address.port() && stream.peer_addr().is_ok_and(|peer| peer == local)
        }),
        Err(error) => error.kind() == ErrorKind::AddrNotAvailable,
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn bind(socket: &TcpSocket, address: SocketAddr) -> io::Result<()> {
        socket.set_reuseaddr(true)?;
        socket.bind(address)
    }

    /// How many sockets are made for an address where nobody listens, if each is given the very port that
    /// it is to reach.
    async fn sockets_made(address: Ipv4Addr) -> io::Result<usize> {
        // Nobody else is given its port.
        let holder = TcpSocket::new_v4()?;
        bind(&holder, (address, 0).into())?;
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let configure: Configure = Arc::new(move |socket, address| {
            count.fetch_add(1, Ordering::Relaxed);
            bind(socket, address)
        });
        let sockets = Sockets { configure: Some(configure), ..Sockets::default() };
        drop(sockets.connect(holder.local_addr()?).await);
        Ok(made.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_socket_that_has_reached_itself_is_made_again() -> io::Result<()> {
        for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            assert_eq!(sockets_made(address).await?, 1 + AGAIN, "{address}");
        }
        Ok(())
    }
}
