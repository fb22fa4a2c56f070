//! Addresses on this host that refuse, hang, or answer; and names for them.

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};
use umbel::net::{Family, Resolver};

/// Listens, and whoever connects is connected: the system sees to that.
pub(crate) fn good() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// A port that is taken, so that nobody listens on it: a connect is refused.
pub(crate) fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, at)
}

/// A black hole: it listens, its queue is full, and the system ignores whoever comes.
pub(crate) struct Hole {
    pub(crate) at: SocketAddr,
    _listens: Socket,
    _fills: std::net::TcpStream,
}

impl Hole {
    pub(crate) fn dig() -> Self {
        let (listener, at) = refusing();
        listener.listen(0).unwrap();
        let filler = std::net::TcpStream::connect(at).unwrap();
        Self { at, _listens: listener, _fills: filler }
    }

    /// How many sockets of this host are waiting for an answer from it. The system shows its sockets page by
    /// page, while others come and go; so it is asked until it says the same twice.
    #[cfg(target_os = "linux")]
    pub(crate) fn callers(&self) -> usize {
        let mut before = self.callers_now();
        loop {
            let now = self.callers_now();
            if now == before {
                return now.len();
            }
            before = now;
        }
    }

    /// Their local addresses.
    #[cfg(target_os = "linux")]
    fn callers_now(&self) -> BTreeSet<String> {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let (remote, syn_sent) = (format!("0100007F:{:04X}", self.at.port()), "02");
        let caller = |line: &str| {
            let cells: Vec<_> = line.split_whitespace().skip(1).take(3).collect();
            (cells[1..] == [&remote, syn_sent]).then(|| cells[0].to_owned())
        };
        sockets.lines().skip(1).filter_map(caller).collect()
    }
}

/// Knows one name, and what each family has to say about it.
pub(crate) struct Names<V6, V4> {
    pub(crate) v6: V6,
    pub(crate) v4: V4,
}

/// What a family has to say.
pub(crate) trait Says: Send + Sync {
    fn say(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// Nothing, for ever.
pub(crate) struct Silence;
/// The host has no such address.
pub(crate) struct Nothing;
/// The lookup fails.
pub(crate) struct Fails(pub(crate) ErrorKind, pub(crate) &'static str);

impl Says for Silence {
    async fn say(&self) -> io::Result<Vec<SocketAddr>> {
        pending().await
    }
}

impl Says for Nothing {
    async fn say(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }
}

impl Says for Fails {
    async fn say(&self) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::new(self.0, self.1))
    }
}

impl Says for SocketAddr {
    async fn say(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![*self])
    }
}

impl<V6: Says, V4: Says> Resolver for Names<V6, V4> {
    async fn lookup(&self, host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "host.test");
        match family {
            Family::V6 => self.v6.say().await,
            Family::V4 => self.v4.say().await,
        }
    }
}
