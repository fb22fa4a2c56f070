#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use umbel::net::{Family, Resolver};

/// hickory's resolver, as one of a [`Connector`](umbel::net::Connector).
///
/// A clone shares servers and cache. A lookup that is dropped is cancelled: no socket of it is left, and
/// nothing is sent again. What stays, **outside every scope**, is a task for each server, which hickory
/// spawns on the runtime of the first lookup; it ends with that runtime, or with the last clone.
///
/// # Errors of a lookup
///
/// | hickory says | a lookup gives |
/// |---|---|
/// | no records, of a name that exists | no addresses |
/// | `NXDOMAIN` | [`NotFound`](ErrorKind::NotFound) |
/// | a timeout | [`TimedOut`](ErrorKind::TimedOut) |
/// | an I/O error | its kind |
/// | anything else, `SERVFAIL` or no connection to a server | [`Other`](ErrorKind::Other) |
///
/// In each of them is hickory's own error, [`NetError`], as [`get_ref`](io::Error::get_ref). What cannot
/// be a name, an address with a zone for instance, is [`InvalidInput`](ErrorKind::InvalidInput), and
/// nobody is asked about it.
#[derive(Clone)]
pub struct Hickory(TokioResolver);

impl Hickory {
    /// Looks names up with `resolver`, and its servers, options, hosts and cache. Of its options,
    /// `ip_strategy` means nothing here: families are the connector's business.
    #[must_use]
    pub fn new(resolver: TokioResolver) -> Self {
        Self(resolver)
    }

    /// Looks names up as the system is set up to: `/etc/resolv.conf` and `/etc/hosts`, or the registry.
    /// They are read now, which blocks, and not again.
    ///
    /// # Errors
    ///
    /// If that cannot be read or understood.
    #[cfg(all(feature = "system-config", any(unix, windows)))]
    pub fn from_system_conf() -> io::Result<Self> {
        let resolver = TokioResolver::builder_tokio().and_then(ResolverBuilder::build);
        resolver.map(Self).map_err(told)
    }

    /// hickory's own.
    #[must_use]
    pub fn resolver(&self) -> &TokioResolver {
        &self.0
    }
}

impl From<TokioResolver> for Hickory {
    fn from(resolver: TokioResolver) -> Self {
        Self::new(resolver)
    }
}

impl Resolver for Hickory {
    async fn lookup(&self, host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
        if host.contains(':') {
            let why = format!("{host} is no name, but an address, and its zone is unknown here");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        let found = match family {
            Family::V4 => self.0.ipv4_lookup(host).await,
            Family::V6 => self.0.ipv6_lookup(host).await,
        };
        match found {
            Ok(found) => Ok(found.answers().iter().filter_map(|it| address(&it.data)).collect()),
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if none.response_code == ResponseCode::NoError =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(told(error)),
        }
    }
}

/// The aliases on the way to an address are answers, too.
fn address(data: &RData) -> Option<SocketAddr> {
    let ip = match data {
        RData::A(a) => IpAddr::V4(a.0),
        RData::AAAA(aaaa) => IpAddr::V6(aaaa.0),
        _ => return None,
    };
    Some(SocketAddr::new(ip, 0))
}

fn told(error: NetError) -> io::Error {
    let kind = match &error {
        _ if error.is_nx_domain() => ErrorKind::NotFound,
        NetError::Timeout => ErrorKind::TimedOut,
        NetError::Io(error) => error.kind(),
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl fmt::Debug for Hickory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hickory").finish_non_exhaustive()
    }
}
