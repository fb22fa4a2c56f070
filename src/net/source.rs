//! Asks the system which source address it would use: `Source(D)` of RFC 6724.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::sort::Source;

/// Nothing is sent, so any port will do; but not 0, which some systems refuse.
const DISCARD: u16 = 9;

/// What the system would send from, `None` if it has no way to get there.
///
/// To connect a datagram socket is to choose a route and a source address. No packet is sent, and the
/// call does not block.
pub(crate) fn source_for(mut destination: SocketAddr) -> Option<Source> {
    let any: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    destination.set_port(DISCARD);
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(destination).ok()?;
    Some(Source::new(socket.local_addr().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_reaches_itself_from_the_address_that_is_asked_for() {
        for port in [0, 443] {
            let itself = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            assert_eq!(source_for(itself), Some(Source::new(itself.ip())));
        }
        // A host without IPv6 has no source at all.
        let itself = IpAddr::from(Ipv6Addr::LOCALHOST);
        let source = source_for((itself, 443).into());
        assert!([Some(Source::new(itself)), None].contains(&source), "{source:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_no_way_to_a_link_that_is_not_named() {
        assert_eq!(source_for("[fe80::1]:443".parse().unwrap()), None);
        assert_eq!(source_for("255.255.255.255:443".parse().unwrap()), None);
    }
}
