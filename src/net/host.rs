//! How a host is written.

use std::net::IpAddr;

/// A host as a certificate or a resolver has it: an IPv6 address without the brackets that set it off from
/// a port.
pub(super) fn bare(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.filter(|inner| inner.contains(':')).unwrap_or(host)
}

/// The host, if it is an address. One with a zone (`fe80::1%eth0`) is the resolver's business, which knows
/// the interfaces.
pub(super) fn literal(bare: &str) -> Option<IpAddr> {
    bare.parse().ok()
}

/// `host:port`, with the brackets.
pub(super) fn with_port(bare: &str, port: u16) -> String {
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_for_addresses_beside_a_port() {
        for host in ["2001:db8::1", "[2001:db8::1]"] {
            assert_eq!(literal(bare(host)), Some("2001:db8::1".parse().unwrap()));
            assert_eq!(with_port(bare(host), 80), "[2001:db8::1]:80");
        }
        assert_eq!(bare("[fe80::1%eth0]"), "fe80::1%eth0");
        assert_eq!(literal("fe80::1%eth0"), None);
        for host in ["stalk", "192.0.2.1", "[stalk]", "[", ""] {
            assert_eq!(bare(host), host);
            assert_eq!(with_port(bare(host), 80), format!("{host}:80"));
        }
    }
}
