//! What is done with a connection before it may win.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::race::attempt;

/// By how much a connection that stands holds back the next attempt, when its layer begins.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// What a connected socket becomes within the race. Made by [`Connector::layer`](super::Connector::layer).
pub trait Layer: Send + Sync {
    /// What comes out.
    type Output;
    #[doc(hidden)]
    type Handle: Send;
    /// The work on one connection, until that is there.
    type Future: Future<Output = io::Result<Self::Output>>;

    #[doc(hidden)]
    fn handle(make: impl FnOnce() -> Attempt) -> Self::Handle;
    #[doc(hidden)]
    fn call(&self, stream: TcpStream, handle: Self::Handle) -> Self::Future;
}

/// No layer: the TCP connection itself.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Plain;

impl Layer for Plain {
    type Output = TcpStream;
    type Handle = ();
    type Future = Ready<io::Result<TcpStream>>;

    fn handle(_: impl FnOnce() -> Attempt) {}

    fn call(&self, stream: TcpStream, (): ()) -> Self::Future {
        ready(Ok(stream))
    }
}

impl<A, F, T> Layer for A
where
    A: Fn(TcpStream, Attempt) -> F + Send + Sync,
    F: Future<Output = io::Result<T>>,
{
    type Output = T;
    type Handle = Attempt;
    type Future = F;

    fn handle(make: impl FnOnce() -> Attempt) -> Attempt {
        make()
    }

    fn call(&self, stream: TcpStream, attempt: Attempt) -> F {
        attempt.progress(HANDSHAKE);
        self(stream, attempt)
    }
}

/// One attempt of a connection, in the hands of its [layer](super::Connector::layer).
#[derive(Clone, Debug)]
pub struct Attempt {
    host: Arc<str>,
    address: SocketAddr,
    inner: attempt::Attempt,
}

impl Attempt {
    pub(super) fn new(host: Arc<str>, address: SocketAddr, inner: attempt::Attempt) -> Self {
        Self { host, address, inner }
    }

    /// The host that was asked for: what a certificate has to be about. An IPv6 address stands without
    /// brackets. For [`connect_addrs`](super::Connector::connect_addrs), the address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address that this attempt has connected to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As [`umbel::Attempt::number`](crate::Attempt::number).
    #[must_use]
    pub fn number(&self) -> usize {
        self.inner.number()
    }

    /// Holds back the next attempt: see [`umbel::Attempt::progress`](crate::Attempt::progress). To be called
    /// between two steps of a handshake; a connector has done so when the layer begins.
    pub fn progress(&self, extension: Duration) {
        self.inner.progress(extension);
    }
}
