//! Names to addresses.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream::{self, Stream};

use super::family::Family;

/// What a family has to say. Written out where users see it.
pub(super) type Answer = io::Result<Vec<SocketAddr>>;

/// Looks up the addresses of a host, each family by itself.
///
/// So a server that drops one sort of query costs a connection the resolution delay, and not that
/// server's timeout: what one family has to say is used while the other is still asked.
///
/// Both lookups of a connection are polled in its own task, and dropped when it is decided. Ports in an
/// answer do not matter; the order does, as far as RFC 6724 says nothing.
///
/// # Examples
///
/// ```
/// use std::io;
/// use std::net::SocketAddr;
/// use umbel::net::{Connector, Family, Resolver};
///
/// /// Everything is at home.
/// struct Home;
///
/// impl Resolver for Home {
///     async fn lookup(&self, host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
///         match (host, family) {
///             ("home", Family::V4) => Ok(vec![([127, 0, 0, 1], 0).into()]),
///             ("home", Family::V6) => Ok(vec![]),
///             _ => Err(io::Error::new(io::ErrorKind::NotFound, "there is only one home")),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let port = listener.local_addr()?.port();
/// Connector::new().resolver(Home).connect("home", port).await?;
/// # Ok(())
/// # }
/// ```
pub trait Resolver: Send + Sync {
    /// The addresses of `host` in `family`; none if it has none there.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from an answer. The connection goes on with the other family.
    fn lookup(
        &self,
        host: &str,
        family: Family,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Answers that may change while a connection is made: each replaces the one before. Attempts in
    /// flight go on, addresses that are gone are not tried any more, new ones are sorted in (RFC 8305,
    /// section 6). By default the one that [`lookup`](Self::lookup) gives.
    fn answers(
        &self,
        host: &str,
        family: Family,
    ) -> impl Stream<Item = io::Result<Vec<SocketAddr>>> + Send {
        stream::once(self.lookup(host, family))
    }
}

impl<R: Resolver> Resolver for Arc<R> {
    fn lookup(
        &self,
        host: &str,
        family: Family,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        R::lookup(self, host, family)
    }

    fn answers(
        &self,
        host: &str,
        family: Family,
    ) -> impl Stream<Item = io::Result<Vec<SocketAddr>>> + Send {
        R::answers(self, host, family)
    }
}
