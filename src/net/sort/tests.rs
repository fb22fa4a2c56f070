//! One module for each section of RFC 6724 that is about destinations.
//!
//! A way to a destination is written `("fe80::1", "fe80::2/64 deprecated")`: the source, the length of its
//! prefix unless it is the default, and what else is known of it. Without a source, it is `"none"`.

use super::*;

mod section_10_examples;
mod section_6_destinations;

type Text = (&'static str, &'static str);

#[derive(Clone, Copy, Debug)]
struct Way {
    destination: IpAddr,
    source: Option<Source>,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn source(text: &str) -> Source {
    let mut words = text.split(' ');
    let mut network = words.next().unwrap().split('/');
    let mut source = Source::new(ip(network.next().unwrap()));
    if let Some(length) = network.next() {
        source.prefix = length.parse().unwrap();
    }
    for word in words {
        match word {
            "deprecated" => source.deprecated = true,
            "home" => source.home = true,
            "care-of" => source.care_of = true,
            "encapsulated" => source.encapsulated = true,
            _ => panic!("{word} says nothing about a source"),
        }
    }
    source
}

fn way((destination, from): Text) -> Way {
    Way { destination: ip(destination), source: (from != "none").then(|| source(from)) }
}

/// The order in which the ways are to be tried, each as its place in `ways`. Their ports tell them apart.
fn order(policy: &[Row], ways: &[Way]) -> Vec<usize> {
    let ports = 0..;
    let mut addresses: Vec<_> =
        ways.iter().zip(ports).map(|(way, port)| SocketAddr::new(way.destination, port)).collect();
    let place = |address: SocketAddr| usize::from(address.port());
    sort_with(policy, &mut addresses, |address| ways[place(address)].source);
    addresses.into_iter().map(place).collect()
}

/// The rules by which the two differ, the deciding one first.
fn rules_between(policy: &[Row], a: Way, b: Way) -> Vec<usize> {
    let [a, b] = [a, b].map(|way| rank(policy, way.destination, way.source));
    (1..).zip(a.iter().zip(b)).filter(|(_, (a, b))| **a != *b).map(|(rule, _)| rule).collect()
}

/// The first is preferred to the second, by this rule, whichever comes first.
type Example = (Text, Text, usize);

fn check(policy: &[Row], examples: &[Example]) {
    for &(first, second, rule) in examples {
        let example = format!("{first:?}, then {second:?}");
        let [a, b] = [first, second].map(way);
        assert_eq!(order(policy, &[a, b]), [0, 1], "{example}");
        assert_eq!(order(policy, &[b, a]), [1, 0], "{example}, given the other way round");
        assert_eq!(rules_between(policy, a, b)[0], rule, "{example}");
    }
}

mod section_2_1_policy_table {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let rows = [
            ("::1", 50, 0),
            ("2001:db8::1", 40, 1),
            ("2001:1::1", 40, 1),
            ("64:ff9b::198.51.100.1", 40, 1),
            ("fe80::1", 40, 1),
            ("ff02::1", 40, 1),
            ("10.1.2.3", 35, 4),
            ("127.0.0.1", 35, 4),
            ("::ffff:10.1.2.3", 35, 4),
            ("2002:c633:6401::1", 30, 2),
            ("2001::1", 5, 5),
            ("2001:0:ffff::1", 5, 5),
            ("fc00::1", 3, 13),
            ("fdff::1", 3, 13),
            ("::2", 1, 3),
            ("::198.51.100.1", 1, 3),
            ("fec0::1", 1, 11),
            ("feff::1", 1, 11),
            ("3ffe::1", 1, 12),
        ];
        for (address, precedence, label) in rows {
            let row = look_up(&POLICY, ip(address));
            assert_eq!((row.precedence, row.label), (precedence, label), "{address}");
        }
    }

    #[test]
    fn no_row_is_there_twice_or_has_bits_beyond_its_length() {
        for (n, row) in POLICY.iter().enumerate() {
            assert!(row.prefix.trailing_zeros() >= 128 - row.length, "{row:?}");
            let again = POLICY[..n]
                .iter()
                .any(|other| (other.prefix, other.length) == (row.prefix, row.length));
            assert!(!again, "{row:?}");
        }
    }

    /// So that rule 9 never compares the two families.
    #[test]
    fn nothing_else_has_the_precedence_of_ipv4() {
        let of_ipv4 = look_up(&POLICY, ip("0.0.0.0")).precedence;
        assert_eq!(POLICY.iter().filter(|row| row.precedence == of_ipv4).count(), 1);
    }
}

mod section_2_2_common_prefix_length {
    use super::*;

    #[test]
    fn no_bit_beyond_the_sources_prefix_counts() {
        let lengths = [
            ("fe80::1", "fe80::2", 64),
            ("fe80::1", "fe80::2/128", 126),
            ("fe80::2", "fe80::2/128", 128),
            ("2001:db8:3ffe::1", "2001:db8:3f44::2", 40),
            ("8000::", "::1", 0),
            ("10.1.2.3", "10.1.2.4", 0),
            ("10.1.2.3", "10.1.2.4/24", 24),
            ("10.1.2.3", "10.1.3.4/24", 23),
            ("::ffff:10.1.2.3", "10.1.3.4/24", 23),
            ("10.1.2.3", "::ffff:10.1.3.4", 0),
            ("::ffff:10.1.2.3", "::", 0),
        ];
        for (destination, from, length) in lengths {
            assert_eq!(
                common_prefix(source(from), ip(destination)),
                length,
                "{destination} from {from}"
            );
        }
    }
}

mod section_3_scopes {
    use super::*;

    fn check(scopes: &[(&str, u32)]) {
        for &(address, scope) in scopes {
            assert_eq!(scope_of(ip(address)), scope, "{address}");
        }
    }

    #[test]
    fn section_3_1_unicast_and_multicast_on_one_scale() {
        check(&[
            ("fe80::1", LINK_LOCAL),
            ("febf::1", LINK_LOCAL),
            ("fec0::1", SITE_LOCAL),
            ("feff::1", SITE_LOCAL),
            ("2001:db8::1", GLOBAL),
            ("fd00::1", GLOBAL),
            ("ff01::1", 0x1),
            ("ff02::1", LINK_LOCAL),
            ("ff35::1", SITE_LOCAL),
            ("ff08::1", 0x8),
            ("ff0e::1", GLOBAL),
        ]);
    }

    #[test]
    fn section_3_2_ipv4_mapped_or_not() {
        check(&[
            ("127.0.0.1", LINK_LOCAL),
            ("127.255.0.1", LINK_LOCAL),
            ("169.254.13.78", LINK_LOCAL),
            ("::ffff:169.254.13.78", LINK_LOCAL),
            ("169.253.0.1", GLOBAL),
            ("10.1.2.3", GLOBAL),
            ("100.64.0.1", GLOBAL),
            ("192.168.0.1", GLOBAL),
            ("::ffff:198.51.100.1", GLOBAL),
        ]);
    }

    #[test]
    fn section_3_3_and_3_4_embedded_ipv4_and_loopback() {
        check(&[
            ("::127.0.0.1", GLOBAL),
            ("64:ff9b::127.0.0.1", GLOBAL),
            ("2002:a9fe:101::1", GLOBAL),
            ("::1", LINK_LOCAL),
        ]);
    }
}
