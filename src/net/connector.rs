//! The connector.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::dialing::Dialing;
use super::error::ConnectError;
use super::event::Event;
use super::family::Family;
use super::host;
use super::layer::{Attempt, Layer, Plain};
use super::order::Preference;
use super::resolve::Resolver;
use super::settings::Settings;
use super::system::System;
use crate::race::Race;
use crate::race::attempt::Ticket;
use crate::race::entrants::Entrants;
use crate::race::stagger::{DELAY, Pace, WhenFull};
use crate::tree::Site;

/// No shorter delay is used. Source: RFC 8305, section 8, "MUST NOT be less than 10 milliseconds".
const LEAST_DELAY: Duration = Duration::from_millis(10);

/// How many attempts are in flight before the oldest is given up. Source: curl's limit.
const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(6).expect("six is not zero");

/// Connects to a host by the best of its addresses: happy eyeballs, RFC 8305.
///
/// Both families are looked up at the same time. Addresses are tried one after another, families in turn,
/// 250 ms from one start to the next, and at once after a failure. The first connection wins; the others
/// are closed before this returns.
///
/// A connector is cheap to clone and serves any number of connections. What a connection consists of runs in
/// the task that awaits it, each attempt in a scope of its own; it needs tokio's I/O driver and its timer. For
/// a single address, without a lookup and without a limit, the timer need not be there.
///
/// | what | by default | set by |
/// |---|---|---|
/// | from one start to the next | 250 ms | [`delay`](Self::delay) |
/// | how long IPv4 addresses wait for the answer about IPv6 | 50 ms | [`resolution_delay`](Self::resolution_delay) |
/// | who goes first | what RFC 6724 says; IPv6 | [`prefer`](Self::prefer) |
/// | how many of the first family, before families take turns | 1 | [`first_family_count`](Self::first_family_count) |
/// | attempts in flight | 6, then the oldest is given up | [`max_in_flight`](Self::max_in_flight) |
/// | time for one attempt; for all | the system's; no limit | [`attempt_timeout`](Self::attempt_timeout), [`timeout`](Self::timeout) |
///
/// Source of the first four: RFC 8305, section 8; of the fifth: curl.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use umbel::net::Connector;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let port = listener.local_addr()?.port();
/// let connector = Connector::new()
///     .timeout(Duration::from_secs(10))
///     .configure(|socket, _| socket.set_nodelay(true));
/// let stream = connector.connect("localhost", port).await?;
/// assert_eq!(stream.peer_addr()?.port(), port);
/// # Ok(())
/// # }
/// ```
pub struct Connector<R = System, L = Plain> {
    resolver: Arc<R>,
    layer: Arc<L>,
    settings: Arc<Settings>,
}

impl Connector {
    /// A connector that does what RFC 8305 recommends.
    #[must_use]
    pub fn new() -> Self {
        let pace = Pace {
            delay: Some(DELAY),
            max_in_flight: Some(IN_FLIGHT),
            when_full: WhenFull::EvictOldest,
            attempt_timeout: None,
        };
        let settings = Settings { pace, ..Settings::default() };
        Self { resolver: Arc::default(), layer: Arc::default(), settings: Arc::new(settings) }
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, L> Connector<R, L> {
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    fn prefers(self, set: impl FnOnce(&mut Preference)) -> Self {
        self.set(|settings| set(&mut settings.preference))
    }

    /// From one start to the next: the connection attempt delay of RFC 8305. It recommends 250 ms, no less
    /// than 100 ms, and no more than 2 s; less than 10 ms it forbids, so that is the least.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.set(|settings| settings.pace.delay = Some(delay.max(LEAST_DELAY)))
    }

    /// How long the preferred family is waited for when the other one has answered. 50 ms by default, as
    /// RFC 8305 recommends.
    #[must_use]
    pub fn resolution_delay(self, delay: Duration) -> Self {
        self.prefers(|preference| preference.resolution_delay = delay)
    }

    /// The family to be tried first. By default the one that RFC 6724 puts first, if both lookups have
    /// answered when the first attempt can start, and else IPv6; of a list of addresses, the first one's.
    #[must_use]
    pub fn prefer(self, family: Family) -> Self {
        self.prefers(|preference| preference.family = Some(family))
    }

    /// How many addresses of the first family are tried before the other one has its turn. 1 by default;
    /// RFC 8305, section 4, allows for 2 where one family is much preferred.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    #[must_use]
    #[track_caller]
    pub fn first_family_count(self, count: usize) -> Self {
        assert!(count > 0, "a first family without attempts: `first_family_count(0)`");
        self.prefers(|preference| preference.first_family_count = count)
    }

    /// How many attempts may be in flight. When it is the turn of one more, the oldest is given up, so
    /// that dead addresses at the head of a long list do not keep the others from their turn. 6 by default.
    ///
    /// # Panics
    ///
    /// If `max` is 0: nothing could ever start.
    #[must_use]
    #[track_caller]
    pub fn max_in_flight(self, max: usize) -> Self {
        let max = NonZeroUsize::new(max).expect("a connector without attempts: `max_in_flight(0)`");
        self.set(|settings| settings.pace.max_in_flight = Some(max))
    }

    /// Gives up an attempt that takes longer. By default it goes on until the system gives up; others are
    /// tried meanwhile. Not to be confused with the [`delay`](Self::delay): with a limit as short as that, no
    /// distant host could be reached.
    #[must_use]
    pub fn attempt_timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.pace.attempt_timeout = Some(limit))
    }

    /// The time for everything: lookups, attempts, [layer](Self::layer). The error then tells how far each
    /// of them had got, which one made of a [`timeout`](crate::timeout) around the connection could not.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.set(|settings| settings.timeout = Some(limit))
    }

    /// What losers get to end in, when another one has won: see [`Race::grace`]. A plain TCP connection
    /// needs none; what a [layer](Self::layer) has begun may want to say goodbye.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        self.set(|settings| settings.grace = Some(grace))
    }

    /// The address to connect from, for addresses of its family; one for each family can be set. If one is
    /// set and the other is not, the other family is neither looked up nor tried, and the error says so.
    #[must_use]
    pub fn local_address(self, address: IpAddr) -> Self {
        let address = address.to_canonical();
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        self.set(|settings| *settings.sockets.local.of_mut(family) = Some(address))
    }

    /// Has `configure` called on each socket, with the address that it is for, before it is bound and
    /// connected. Its error is the attempt's. `socket2::SockRef::from` gives what
    /// [`TcpSocket`] has not.
    ///
    /// `TCP_FASTOPEN_CONNECT` must not be set: with it a connect succeeds before anything was sent, and
    /// the race is won by the first address whether it answers or not.
    #[must_use]
    pub fn configure<F>(self, configure: F) -> Self
    where
        F: Fn(&TcpSocket, SocketAddr) -> io::Result<()> + Send + Sync + 'static,
    {
        self.set(|settings| settings.sockets.configure = Some(Arc::new(configure)))
    }

    /// Has `listener` told what happens, as it happens. It runs within the poll of the connection.
    #[must_use]
    pub fn on_event<F>(self, listener: F) -> Self
    where
        F: Fn(&Event<'_>) + Send + Sync + 'static,
    {
        self.set(|settings| settings.listener = Some(Arc::new(listener)))
    }

    /// Looks names up with `resolver`, in place of the [system's](System).
    #[must_use]
    pub fn resolver<N: Resolver>(self, resolver: N) -> Connector<N, L> {
        let Self { layer, settings, .. } = self;
        Connector { resolver: Arc::new(resolver), layer, settings }
    }

    /// Does something with a connection before it may win: TLS, a proxy's greeting, a login. What fails there
    /// has lost, and the next address is tried, so a middlebox that accepts every connection and answers
    /// none does not win.
    ///
    /// When the connection stands and the layer begins, the next attempt is held back for a second;
    /// [`Attempt::progress`] between further steps holds it back again. Source: sections 6.1 and 6.2 of
    /// draft-ietf-happy-happyeyeballs-v3.
    ///
    /// # Examples
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use umbel::net::Connector;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let port = listener.local_addr()?.port();
    /// # let server = tokio::spawn(async move {
    /// #     let (mut stream, _) = listener.accept().await?;
    /// #     stream.write_all(b"220 ready").await
    /// # });
    /// // A mail server that is alive greets whoever comes.
    /// let connector = Connector::new().layer(async |mut stream, _attempt| {
    ///     let mut greeting = [0; 9];
    ///     stream.read_exact(&mut greeting).await?;
    ///     Ok((stream, greeting))
    /// });
    /// let (_stream, greeting) = connector.connect("localhost", port).await?;
    /// assert_eq!(&greeting, b"220 ready");
    /// # server.await?
    /// # }
    /// ```
    #[must_use]
    pub fn layer<A, F, T>(self, layer: A) -> Connector<R, A>
    where
        A: Fn(TcpStream, Attempt) -> F + Send + Sync,
        F: Future<Output = io::Result<T>>,
    {
        let Self { resolver, settings, .. } = self;
        Connector { resolver, layer: Arc::new(layer), settings }
    }
}

impl<R: Resolver, L: Layer> Connector<R, L> {
    /// Connects to `host`, a name or an address (`192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`). The resolver and the
    /// layer are given a name as it stands: one that is not ASCII should be encoded before (`xn--..`).
    ///
    /// # Errors
    ///
    /// An [`io::Error`] with a [`ConnectError`] inside, that lists every attempt.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and on one without I/O or time. If a resolver, a layer or a listener panics,
    /// the sockets are closed, and the panic goes on (R14).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes all sockets. A lookup of the [system's](System) may go on; nobody waits for it.
    #[track_caller]
    pub fn connect(
        &self,
        host: impl AsRef<str>,
        port: u16,
    ) -> impl Future<Output = io::Result<L::Output>> {
        self.connect_at(Location::caller(), host, port)
    }

    /// For whoever stands at `site`.
    pub(super) async fn connect_at(
        &self,
        site: Site,
        host: impl AsRef<str>,
        port: u16,
    ) -> io::Result<L::Output> {
        let host = host::bare(host.as_ref());
        let target = || host::with_port(host, port);
        let dial = |mut ticket: Ticket<'_>, address| {
            let attempt = || Attempt::new(host.into(), address, ticket.attempt());
            self.dial(address, L::handle(attempt))
        };
        if let Some(ip) = host::literal(host) {
            let entrants = Dialing::of_list([SocketAddr::new(ip, port)], &self.settings, dial);
            return self.run(entrants, site, target).await;
        }
        let ask = |family| self.resolver.answers(host, family);
        let entrants = Dialing::of_answers(ask, port, &self.settings, dial);
        self.run(entrants, site, target).await
    }

    /// Connects to the best of `addresses`. They keep their order within a family; the first one's family
    /// is preferred, unless something else is [set](Self::prefer).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_addrs(
        &self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> impl Future<Output = io::Result<L::Output>> {
        let site = Location::caller();
        async move {
            let dial = |mut ticket: Ticket<'_>, address: SocketAddr| {
                let host = || address.ip().to_string().into();
                let attempt = || Attempt::new(host(), address, ticket.attempt());
                self.dial(address, L::handle(attempt))
            };
            let entrants = Dialing::of_list(addresses, &self.settings, dial);
            self.run(entrants, site, || "any of the addresses".to_owned()).await
        }
    }

    async fn run<C>(
        &self,
        entrants: C,
        site: Site,
        target: impl FnOnce() -> String,
    ) -> io::Result<L::Output>
    where
        C: Entrants<Label = SocketAddr, Value = L::Output, Error = io::Error>,
    {
        let settings = &*self.settings;
        let race = Race::made(entrants, settings, settings.teller::<C>(), settings.race(site));
        race.await.map_err(|error| ConnectError::made(target(), error))
    }

    /// One attempt.
    async fn dial(&self, address: SocketAddr, handle: L::Handle) -> io::Result<L::Output> {
        let stream = self.settings.sockets.connect(address).await?;
        self.layer.call(stream, handle).await
    }
}

impl<R, L> Clone for Connector<R, L> {
    fn clone(&self) -> Self {
        let Self { resolver, layer, settings } = self;
        Self {
            resolver: Arc::clone(resolver),
            layer: Arc::clone(layer),
            settings: Arc::clone(settings),
        }
    }
}

impl<R, L> fmt::Debug for Connector<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { pace, preference, timeout, .. } = &*self.settings;
        f.debug_struct("Connector")
            .field("pace", pace)
            .field("preference", preference)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}
