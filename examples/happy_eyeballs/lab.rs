//! Three addresses on this machine: one hangs, one refuses, one is good.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use umbel::TimeoutError;

use crate::STAGGER;

/// How long a connect must hang for the black hole to be believed.
const PROBE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) name: &'static str,
    pub(crate) at: SocketAddr,
    pub(crate) nature: &'static str,
    /// How long after the start of a race its attempt starts.
    pub(crate) wait: Duration,
}

/// The sockets behind the addresses. They are closed when this is dropped.
pub(crate) struct Lab {
    pub(crate) addresses: [Address; 3],
    good: TcpListener,
    _kept_open: (Socket, Socket, TcpStream),
}

impl Lab {
    pub(crate) async fn open() -> io::Result<Self> {
        // Not every system has each of these.
        let (hole, full) = bound(Ipv6Addr::LOCALHOST.into())
            .or_else(|_| bound(Ipv4Addr::new(127, 0, 0, 2).into()))
            .or_else(|_| bound(Ipv4Addr::LOCALHOST.into()))?;
        // Room for one connection, and that one is taken: the system ignores all others.
        full.listen(0)?;
        let filler = TcpStream::connect(hole).await?;
        probe(hole).await?;

        // Bound, so that nobody else gets the port, and not listening.
        let (closed, refusing) = bound(Ipv4Addr::LOCALHOST.into())?;
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let open = good.local_addr()?;

        let address = |n, name, at, nature| Address { name, at, nature, wait: STAGGER * n };
        let addresses = [
            address(0, "black hole", hole, "has a full queue: a connect hangs"),
            address(1, "refusing", closed, "does not listen: a connect fails"),
            address(2, "good", open, "accepts whoever comes"),
        ];
        Ok(Self { addresses, good, _kept_open: (full, refusing, filler) })
    }

    /// Accepts whatever comes and hangs up, until it is cancelled.
    pub(crate) async fn accept(self) -> io::Result<()> {
        loop {
            drop(self.good.accept().await?);
        }
    }
}

/// A TCP socket that has a port and does not listen.
fn bound(ip: IpAddr) -> io::Result<(SocketAddr, Socket)> {
    let any_port = SocketAddr::new(ip, 0);
    let socket = Socket::new(Domain::for_address(any_port), Type::STREAM, None)?;
    socket.bind(&any_port.into())?;
    let at = socket.local_addr()?.as_socket();
    Ok((at.ok_or(io::ErrorKind::AddrNotAvailable)?, socket))
}

/// Makes sure that a connect to the black hole does hang.
async fn probe(hole: SocketAddr) -> io::Result<()> {
    let found = match umbel::timeout(PROBE, TcpStream::connect(hole)).await {
        Err(TimeoutError::Elapsed(_)) => return Ok(()),
        Err(cancelled) => return Err(cancelled.into()),
        Ok(Ok(_)) => "goes through".to_owned(),
        Ok(Err(error)) => format!("fails ({error})"),
    };
    Err(io::Error::other(format!(
        "{hole} listens with a full queue, and a connect to it should hang, as it does on Linux, \
         but on this system it {found}"
    )))
}
