//! Which addresses exist in the lab, and what becomes of a SYN that is sent to each.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use umbel::net::Family;

/// The port that everything in the lab listens on.
pub const PORT: u16 = 80;

/// How long a packet to a [`Kind::Slow`] host is held.
pub const HELD: Duration = Duration::from_millis(400);

/// How many hosts there are of each family and kind.
pub(crate) const EACH: u8 = 3;

/// What a host does with a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Accepts at once.
    Good,
    /// Says nothing: the packet is dropped.
    Hole,
    /// Answers with a reset.
    Refused,
    /// Accepts, but every packet to it is held for [`HELD`].
    Slow,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Good, Self::Hole, Self::Refused, Self::Slow];

    /// The last part of the address of the first host of this kind.
    pub(crate) fn first(self) -> u8 {
        match self {
            Self::Good => 10,
            Self::Hole => 20,
            Self::Refused => 30,
            Self::Slow => 40,
        }
    }

    pub(crate) fn link(self) -> Link {
        if self == Self::Slow { Link::Slow } else { Link::Wire }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Hole => "black hole",
            Self::Refused => "refused",
            Self::Slow => "slow",
        })
    }
}

/// A host in the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    family: Family,
    kind: Kind,
    which: u8,
}

impl Host {
    /// The first IPv4 host of a kind.
    #[must_use]
    pub const fn v4(kind: Kind) -> Self {
        Self { family: Family::V4, kind, which: 0 }
    }

    /// The first IPv6 host of a kind.
    #[must_use]
    pub const fn v6(kind: Kind) -> Self {
        Self { family: Family::V6, kind, which: 0 }
    }

    /// The next host of the same family and kind.
    ///
    /// # Panics
    ///
    /// If there is none: there are three of each.
    #[must_use]
    pub const fn next(self) -> Self {
        assert!(self.which + 1 < EACH, "there is no such host");
        Self { which: self.which + 1, ..self }
    }

    /// Its address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.kind.link().address(self.family, self.kind.first() + self.which)
    }

    /// Its address, with the port that the lab uses.
    #[must_use]
    pub fn socket(self) -> SocketAddr {
        SocketAddr::new(self.address(), PORT)
    }

    /// The host with this address.
    #[must_use]
    pub fn at(address: IpAddr) -> Option<Self> {
        Self::all().find(|host| host.address() == address)
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.into_iter().flat_map(|kind| {
            [Family::V6, Family::V4]
                .into_iter()
                .flat_map(move |family| (0..EACH).map(move |which| Self { family, kind, which }))
        })
    }

    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    pub(crate) fn family(self) -> Family {
        self.family
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family == Family::V4 { "v4" } else { "v6" };
        write!(f, "{family} {}", self.kind)?;
        if self.which > 0 { write!(f, " {}", self.which + 1) } else { Ok(()) }
    }
}

/// One of the two links between the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A pair of veth interfaces.
    Wire,
    /// A pair of TUN interfaces, and the bridge between them.
    Slow,
}

impl Link {
    /// What the link's interface is called, at both of its ends.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Slow => "slow",
        }
    }

    /// An address on this link, from the ranges that are set aside for benchmarks (RFC 2544) and for
    /// documentation (RFC 3849). The last part reads alike in both families: 10 becomes `::10`.
    pub(crate) fn address(self, family: Family, last: u8) -> IpAddr {
        let (v4, v6) = if self == Self::Wire { (18, 1) } else { (19, 2) };
        match family {
            Family::V4 => Ipv4Addr::new(198, v4, 0, last).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, v6, 0, 0, 0, 0, as_written(last)).into(),
        }
    }
}

/// The number whose hexadecimal digits are the decimal digits of this one.
fn as_written(number: u8) -> u16 {
    let number = u16::from(number);
    number / 100 * 0x100 + number / 10 % 10 * 0x10 + number % 10
}

/// The client's address on each link ends in this.
pub(crate) const CLIENT: u8 = 1;
/// The DNS server's address ends in this.
pub(crate) const DNS: u8 = 53;

/// Where the DNS server is.
pub(crate) fn dns() -> SocketAddr {
    SocketAddr::new(Link::Wire.address(Family::V4, DNS), 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_reads_alike_in_both_families() {
        assert_eq!(Host::v4(Kind::Hole).next().address().to_string(), "198.18.0.21");
        assert_eq!(Host::v6(Kind::Hole).next().address().to_string(), "2001:db8:1::21");
        assert_eq!(Host::v6(Kind::Slow).address().to_string(), "2001:db8:2::40");
        assert_eq!(as_written(253), 0x253);
    }

    #[test]
    fn every_host_is_found_by_its_address() {
        for host in Host::all() {
            assert_eq!(Host::at(host.address()), Some(host));
        }
    }
}
