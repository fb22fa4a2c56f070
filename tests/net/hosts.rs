//! Addresses on this host that refuse, hang, or answer; and names for them.

use std::cell::RefCell;
#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;

use futures_util::stream::{self, Stream, StreamExt as _};
use socket2::{Domain, Socket, Type};
use umbel::net::{Family, Resolver};

thread_local! {
    /// The addresses of this test from which there comes an answer, of either sort.
    static ANSWERING: RefCell<Vec<SocketAddr>> = const { RefCell::new(Vec::new()) };
}

/// Listens, and whoever connects is connected: the system sees to that.
pub(crate) fn good() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    ANSWERING.with_borrow_mut(|answering| answering.push(at));
    (listener, at)
}

/// A port that is taken, so that nobody listens on it: a connect is refused.
pub(crate) fn refusing() -> (Socket, SocketAddr) {
    let (socket, at) = bound();
    ANSWERING.with_borrow_mut(|answering| answering.push(at));
    (socket, at)
}

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, at)
}

/// Awaits what connects, on a paused clock: that stands still while an answer is on its way. A runtime that has
/// nothing to do sets it forward, and an answer may take its time, even on this host, when that is busy.
pub(crate) async fn in_step<F: Future>(connecting: F) -> F::Output {
    let (mut connecting, mut calm) = (pin!(connecting), 0);
    poll_fn(|cx| {
        let polled = connecting.as_mut().poll(cx);
        calm = if polled.is_pending() && is_answer_due() { 0 } else { calm + 1 };
        if polled.is_pending() && calm < CALM {
            cx.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// So often nothing must be due before it is believed: when a socket has its answer, its owner is told only then.
const CALM: usize = 3;

/// Whether a socket waits for one of those from whom there comes an answer.
#[cfg(target_os = "linux")]
fn is_answer_due() -> bool {
    ANSWERING.with_borrow(|answering| {
        let sockets = sockets();
        answering.iter().any(|to| sockets.iter().any(|socket| socket.is_caller_of(*to)))
    })
}

#[cfg(not(target_os = "linux"))]
fn is_answer_due() -> bool {
    false
}

/// A TCP socket, as the system lists it.
#[cfg(target_os = "linux")]
struct Listed {
    local: String,
    remote: String,
    state: String,
    /// What is to be sent, and what is to be received; of one that listens, who is to be accepted.
    queues: String,
}

#[cfg(target_os = "linux")]
impl Listed {
    fn is_caller_of(&self, to: SocketAddr) -> bool {
        self.state == "02" && self.remote == shown(to)
    }

    fn is_full(&self, at: SocketAddr) -> bool {
        self.state == "0A" && self.local == shown(at) && self.queues.ends_with(":00000001")
    }
}

/// An address of loopback, as the system lists it.
#[cfg(target_os = "linux")]
fn shown(address: SocketAddr) -> String {
    format!("0100007F:{:04X}", address.port())
}

#[cfg(target_os = "linux")]
fn sockets() -> Vec<Listed> {
    let list = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let listed = |line: &str| {
        let mut cells = line.split_whitespace().skip(1).map(ToOwned::to_owned);
        let mut cell = || cells.next().unwrap();
        Listed { local: cell(), remote: cell(), state: cell(), queues: cell() }
    };
    list.lines().skip(1).map(listed).collect()
}

/// A black hole: it listens, its queue is full, and the system ignores whoever comes.
pub(crate) struct Hole {
    pub(crate) at: SocketAddr,
    _listens: Socket,
    _fills: std::net::TcpStream,
}

impl Hole {
    pub(crate) fn dig() -> Self {
        let (listener, at) = bound();
        listener.listen(0).unwrap();
        let filler = std::net::TcpStream::connect(at).unwrap();
        // The filler is connected a moment before he is in the queue.
        #[cfg(target_os = "linux")]
        while !sockets().iter().any(|socket| socket.is_full(at)) {
            std::thread::yield_now();
        }
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
        let callers = sockets().into_iter().filter(|socket| socket.is_caller_of(self.at));
        callers.map(|socket| socket.local).collect()
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

/// Gives the same answer a thousand times, at once.
pub(crate) struct Repeats<N>(pub(crate) N);

pub(crate) const TIMES: usize = 1_000;

impl<N: Resolver> Resolver for Repeats<N> {
    async fn lookup(&self, host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
        self.0.lookup(host, family).await
    }

    fn answers(
        &self,
        host: &str,
        family: Family,
    ) -> impl Stream<Item = io::Result<Vec<SocketAddr>>> + Send {
        stream::iter(0..TIMES).then(move |_| self.lookup(host, family))
    }
}
