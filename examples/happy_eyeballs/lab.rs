//! Four addresses on this machine: two hang, one refuses, one is good.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use umbel::TimeoutError;

/// How long a connect must hang for a black hole to be believed.
const PROBE: Duration = Duration::from_millis(200);
/// So many connects go through before it is not. One does, and maybe another before the first is in the queue.
const FILLERS: usize = 4;

#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) name: &'static str,
    pub(crate) at: SocketAddr,
    pub(crate) nature: &'static str,
}

/// The sockets behind the addresses. They are closed when this is dropped.
pub(crate) struct Lab {
    pub(crate) addresses: [Address; 4],
    good: TcpListener,
    _kept_open: ([Hole; 2], Socket),
}

impl Lab {
    pub(crate) async fn open() -> io::Result<Self> {
        // Not every system has each of these.
        let first = match Hole::dig(Ipv6Addr::LOCALHOST.into()).await {
            Ok(hole) => hole,
            Err(_) => Hole::dig(Ipv4Addr::LOCALHOST.into()).await?,
        };
        let second = Hole::dig(Ipv4Addr::LOCALHOST.into()).await?;
        // Bound, so that nobody else gets the port, and not listening.
        let (closed, refusing) = bound(Ipv4Addr::LOCALHOST.into())?;
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let open = good.local_addr()?;

        let address = |name, at, nature| Address { name, at, nature };
        let hangs = "has a full queue: a connect hangs";
        let addresses = [
            address("black hole", first.at, hangs),
            address("refusing", closed, "does not listen: a connect fails"),
            address("second hole", second.at, hangs),
            address("good", open, "accepts whoever comes"),
        ];
        Ok(Self { addresses, good, _kept_open: ([first, second], refusing) })
    }

    /// Accepts whatever comes and hangs up, until it is cancelled.
    pub(crate) async fn accept(self) -> io::Result<()> {
        loop {
            drop(self.good.accept().await?);
        }
    }
}

/// Listens, with room for one connection, and that one is taken: the system ignores all others.
struct Hole {
    at: SocketAddr,
    _listens: Socket,
    _fill: Vec<TcpStream>,
}

impl Hole {
    async fn dig(ip: IpAddr) -> io::Result<Self> {
        let (at, listener) = bound(ip)?;
        listener.listen(0)?;
        let mut fillers = Vec::new();
        while let Some(stream) = probe(at).await? {
            fillers.push(stream);
            if fillers.len() > FILLERS {
                return Err(no_hole(at, "goes through"));
            }
        }
        Ok(Self { at, _listens: listener, _fill: fillers })
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

/// Connects, unless that hangs.
async fn probe(hole: SocketAddr) -> io::Result<Option<TcpStream>> {
    match umbel::timeout(PROBE, TcpStream::connect(hole)).await {
        Ok(Ok(connected)) => Ok(Some(connected)),
        Ok(Err(error)) => Err(no_hole(hole, &format!("fails ({error})"))),
        Err(TimeoutError::Elapsed(_)) => Ok(None),
        Err(cancelled) => Err(cancelled.into()),
    }
}

fn no_hole(at: SocketAddr, found: &str) -> io::Error {
    io::Error::other(format!(
        "{at} listens with a full queue, and a connect to it should hang, as it does on Linux, but on \
         this system it {found}"
    ))
}
