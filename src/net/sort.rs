//! Destination address selection: RFC 6724, section 6, as RFC 8305, section 4, asks for.
//!
//! Pure. What only the system knows comes in as the [`Source`] of each destination.
//!
//! The RFC compares destinations two at a time. Here each gets a [`Rank`], one number for each rule, and
//! ranks are compared number by number. So the order is total whatever comes in, and the rule that has
//! decided between two is the first in which they differ.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Sorts, the address to be tried first first, by the default policy.
///
/// Stable, which is rule 10: what the rules do not tell apart stays in the order of the resolver.
/// `source_of` is asked at most once for each address, and not at all if there is only one.
pub(crate) fn sort(
    addresses: &mut [SocketAddr],
    source_of: impl FnMut(SocketAddr) -> Option<Source>,
) {
    sort_with(&POLICY, addresses, source_of);
}

fn sort_with(
    policy: &[Row],
    addresses: &mut [SocketAddr],
    mut source_of: impl FnMut(SocketAddr) -> Option<Source>,
) {
    addresses.sort_by_cached_key(|&address| rank(policy, address.ip(), source_of(address)));
}

/// The address that the system would send from, and what is known about it and the way from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, which a rule asks for"
)]
pub(crate) struct Source {
    pub(crate) address: IpAddr,
    /// How many bits of the address name the network: the most that rule 9 compares.
    pub(crate) prefix: u32,
    /// Its preferred lifetime is over (RFC 4862). Rule 3; never true of IPv4 (section 3.2).
    pub(crate) deprecated: bool,
    /// It is a mobile node's home address. Rule 4.
    pub(crate) home: bool,
    /// It is a mobile node's care-of address; with `home`, the node is at home. Rule 4.
    pub(crate) care_of: bool,
    /// The way is a tunnel, IPv6 in IPv4 for instance. Rule 7.
    pub(crate) encapsulated: bool,
}

impl Source {
    /// A source of which no more is known than the address.
    ///
    /// An IPv6 network has 64 bits. That of IPv4 could be any; with 0, rule 9 leaves IPv4 addresses in
    /// the order of the resolver, which may have shuffled them to spread the load.
    pub(crate) fn new(address: IpAddr) -> Self {
        let prefix = if address.to_canonical().is_ipv4() { 0 } else { 64 };
        Self {
            address,
            prefix,
            deprecated: false,
            home: false,
            care_of: false,
            encapsulated: false,
        }
    }
}

/// What rules 1 to 9 say about a destination, in this order. Of two numbers the smaller is preferred;
/// where a rule wants the larger one, `!` turns it round.
type Rank = [u32; 9];

/// Ranks a destination by the rules of section 6.
///
/// * Rule 1: avoid unusable destinations, that is, without a source. Of those, only rules 6 and 8 have
///   something to say.
/// * Rule 2: prefer matching scope, of destination and source.
/// * Rule 3: avoid deprecated addresses.
/// * Rule 4: prefer home addresses. See [`away`].
/// * Rule 5: prefer matching label, of destination and source.
/// * Rule 6: prefer higher precedence.
/// * Rule 7: prefer native transport.
/// * Rule 8: prefer smaller scope.
/// * Rule 9: use the longest matching prefix. It is meant for two of one family. Two families do not
///   get there: rule 6 has told them apart, as no other row of the policy has the precedence of IPv4's.
fn rank(policy: &[Row], destination: IpAddr, source: Option<Source>) -> Rank {
    let Row { precedence, label, .. } = *look_up(policy, destination);
    let scope = scope_of(destination);
    let Some(source) = source else {
        return [1, 0, 0, 0, 0, !precedence, 0, scope, !0];
    };
    [
        0,
        u32::from(scope != scope_of(source.address)),
        u32::from(source.deprecated && source.address.to_canonical().is_ipv6()),
        away(source),
        u32::from(label != look_up(policy, source.address).label),
        !precedence,
        u32::from(source.encapsulated),
        scope,
        !common_prefix(source, destination),
    ]
}

/// How far from home: at home (which is both), at a home address, at a care-of address.
///
/// Rule 4 does not compare an address that is neither with one that is only one of them. Taken so, the
/// order could go round in circles. Here it counts as a home address, as on a node that does not move.
fn away(source: Source) -> u32 {
    match (source.home, source.care_of) {
        (true, true) => 0,
        (_, false) => 1,
        (false, true) => 2,
    }
}

/// `CommonPrefixLen` (section 2.2): the leading bits that are the same, up to the source's prefix.
fn common_prefix(source: Source, destination: IpAddr) -> u32 {
    let common = match (source.address.to_canonical(), destination.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    };
    common.min(source.prefix)
}

const LINK_LOCAL: u32 = 0x2;
const SITE_LOCAL: u32 = 0x5;
const GLOBAL: u32 = 0xe;

/// The scope, on the scale of IPv6 multicast (sections 3.1 to 3.4). Private IPv4 addresses and unique
/// local IPv6 ones are global here.
fn scope_of(address: IpAddr) -> u32 {
    match address.to_canonical() {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => LINK_LOCAL,
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => LINK_LOCAL,
        IpAddr::V6(ip) if ip.is_multicast() => u32::from(ip.segments()[0] & 0xf),
        IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0 => SITE_LOCAL,
        IpAddr::V4(_) | IpAddr::V6(_) => GLOBAL,
    }
}

/// One row of a policy: what holds for the addresses with this prefix, unless a longer one fits.
#[derive(Clone, Copy, Debug)]
struct Row {
    prefix: u128,
    length: u32,
    precedence: u32,
    label: u32,
}

const fn row(prefix: u128, length: u32, precedence: u32, label: u32) -> Row {
    Row { prefix, length, precedence, label }
}

/// The default policy (section 2.1).
#[rustfmt::skip]
const POLICY: [Row; 9] = [
    //  prefix        length  precedence  label
    row(1,               128,         50,     0), // ::1, loopback
    row(0,                 0,         40,     1), // whatever is not below
    row(0xffff << 32,     96,         35,     4), // ::ffff:0:0, IPv4
    row(0x2002 << 112,    16,         30,     2), // 2002::, 6to4
    row(0x2001 << 112,    32,          5,     5), // 2001::, Teredo
    row(0xfc00 << 112,     7,          3,    13), // fc00::, unique local
    row(0,                96,          1,     3), // ::, IPv4-compatible
    row(0xfec0 << 112,    10,          1,    11), // fec0::, site-local
    row(0x3ffe << 112,    16,          1,    12), // 3ffe::, 6bone
];

impl Row {
    fn fits(&self, address: Ipv6Addr) -> bool {
        (self.prefix ^ address.to_bits()).leading_zeros() >= self.length
    }
}

/// The row with the longest prefix of the address. An IPv4 address is looked up as mapped to IPv6.
fn look_up(policy: &[Row], address: IpAddr) -> &Row {
    let address = match address {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    // INVARIANT: every policy has a row of length 0.
    let fitting = policy.iter().filter(|row| row.fits(address));
    fitting.max_by_key(|row| row.length).expect("a row fits every address")
}

#[cfg(test)]
mod tests;
