//! Address families.

use std::fmt;
use std::net::SocketAddr;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Family {
    /// IPv4, with A records.
    V4,
    /// IPv6, with AAAA records.
    V6,
}

impl Family {
    /// Of an address. One of IPv4 that is mapped into IPv6 (`::ffff:192.0.2.1`) is one of IPv4.
    #[must_use]
    pub fn of(address: &SocketAddr) -> Self {
        if address.ip().to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// One of each, by family.
#[derive(Clone, Debug, Default)]
pub(super) struct Both<T> {
    pub(super) v4: T,
    pub(super) v6: T,
}

impl<T> Both<T> {
    pub(super) fn of(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(super) fn of_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}
