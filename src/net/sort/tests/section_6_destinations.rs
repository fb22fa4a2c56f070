//! The ten rules.

use std::cmp::Ordering;

use super::*;

/// Each pair differs by one rule, and by nothing else.
#[test]
fn each_rule_by_itself() {
    let here = ("2001:db8::1", "2001:db8::2");
    let examples = [
        (("2001:db8::1", "2001:db8::2/0 home care-of"), ("2001:db8::1", "none"), 1),
        (("2001:db8::1", "2001:db8::2/0"), ("2001:db8::1", "fe80::2/0"), 2),
        (here, ("2001:db8::1", "2001:db8::2 deprecated"), 3),
        (("2001:db8::1", "2001:db8::2 home care-of"), here, 4),
        (("2001:db8::1", "2001:db8::2 home care-of"), ("2001:db8::1", "2001:db8::2 home"), 4),
        (("2001:db8::1", "2001:db8::2 home"), ("2001:db8::1", "2001:db8::2 care-of"), 4),
        (here, ("2001:db8::1", "2001:db8::2 care-of"), 4),
        (("2001:db8::1", "2001:db8::2/0"), ("2001:db8::1", "2002::2/0"), 5),
        (("2001:db8::1", "2001:db8::2/0"), ("198.51.100.1", "198.51.100.2"), 6),
        (here, ("2001:db8::1", "2001:db8::2 encapsulated"), 7),
        (("fe80::1", "fe80::2"), here, 8),
        (here, ("2001:db8::1", "2001:db9::2"), 9),
        (("10.1.2.3", "10.1.2.4/24"), ("10.1.2.3", "10.1.3.4/24"), 9),
    ];
    check(&POLICY, &examples);
    for (first, second, rule) in examples {
        assert_eq!(rules_between(&POLICY, way(first), way(second)), [rule]);
    }
    let mut rules = examples.map(|(_, _, rule)| rule).to_vec();
    rules.dedup();
    assert_eq!(rules, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn rule_10_leaves_the_rest_as_it_was() {
    let ways = [
        ("198.51.100.9", "198.51.100.2"),
        ("198.51.100.1", "203.0.113.2"),
        ("198.51.100.5", "10.1.2.4"),
        ("2001:db8::9", "2001:db8::2"),
        ("2001:db8::1", "2001:db8::2"),
        ("2001:db8::5", "2001:db8::2"),
    ];
    assert_eq!(order(&POLICY, &ways.map(way)), [3, 4, 5, 0, 1, 2]);
}

#[test]
fn without_a_source_precedence_and_scope_decide() {
    check(
        &POLICY,
        &[
            (("2001:db8::1", "none"), ("198.51.100.1", "none"), 6),
            (("fe80::1", "none"), ("2001:db8::1", "none"), 8),
            (("3ffe::1", "2001:db8::2 deprecated care-of encapsulated"), ("::1", "none"), 1),
        ],
    );
}

#[test]
fn an_ipv4_source_is_never_deprecated() {
    for from in ["10.1.2.4", "::ffff:10.1.2.4"] {
        let deprecated = Source { deprecated: true, ..source(from) };
        let destination = ip("10.1.2.3");
        assert_eq!(
            rank(&POLICY, destination, Some(deprecated)),
            rank(&POLICY, destination, Some(source(from)))
        );
    }
}

#[test]
fn each_source_is_asked_for_once_and_a_single_one_never() {
    let mut asked = Vec::new();
    let mut addresses = ["10.1.2.3:1", "[::1]:2", "[2001:db8::1]:3"].map(|a| a.parse().unwrap());
    sort(&mut addresses, |address| {
        asked.push(address.port());
        Some(Source::new(address.ip()))
    });
    assert_eq!(addresses.map(|address| address.port()), [2, 3, 1]);
    asked.sort_unstable();
    assert_eq!(asked, [1, 2, 3]);

    sort(&mut addresses[..1], |address| panic!("{address} is alone"));
}

/// The rules as they are written, each for two ways: is `a` preferred to `b`? Rule 4 as [`away`]
/// reads it.
const RULES: [fn(Way, Way) -> bool; 9] = [
    |a, b| a.source.is_some() && b.source.is_none(),
    |a, b| both(a, b, matches_scope).is_some_and(|(a, b)| a && !b),
    |a, b| both(a, b, |_, source| source.deprecated).is_some_and(|(a, b)| !a && b),
    |a, b| {
        let homes = both(a, b, |_, source| (source.home, source.care_of));
        homes.is_some_and(|(a, b)| {
            (a == (true, true) && b != (true, true)) || (!a.1 && b == (false, true))
        })
    },
    |a, b| both(a, b, matches_label).is_some_and(|(a, b)| a && !b),
    |a, b| of(a).precedence > of(b).precedence,
    |a, b| both(a, b, |_, source| source.encapsulated).is_some_and(|(a, b)| !a && b),
    |a, b| scope_of(a.destination) < scope_of(b.destination),
    |a, b| {
        let of_one_family =
            a.destination.to_canonical().is_ipv4() == b.destination.to_canonical().is_ipv4();
        of_one_family
            && both(a, b, |to, source| common_prefix(source, to)).is_some_and(|(a, b)| a > b)
    },
];

fn of(way: Way) -> Row {
    *look_up(&POLICY, way.destination)
}

fn matches_scope(destination: IpAddr, source: Source) -> bool {
    scope_of(destination) == scope_of(source.address)
}

fn matches_label(destination: IpAddr, source: Source) -> bool {
    look_up(&POLICY, destination).label == look_up(&POLICY, source.address).label
}

fn both<T>(a: Way, b: Way, question: impl Fn(IpAddr, Source) -> T) -> Option<(T, T)> {
    Some((question(a.destination, a.source?), question(b.destination, b.source?)))
}

/// `Less` if `a` is to be tried first, `Equal` if no rule but the tenth decides.
fn by_the_rules(a: Way, b: Way) -> Ordering {
    let decisions = RULES.iter().map(|preferred| preferred(b, a).cmp(&preferred(a, b)));
    decisions.fold(Ordering::Equal, Ordering::then)
}

const WAYS: [Text; 32] = [
    ("::1", "::1"),
    ("::1", "none"),
    ("127.0.0.1", "127.0.0.1"),
    ("10.1.2.3", "10.1.2.4"),
    ("10.1.2.3", "10.1.2.4/24"),
    ("10.1.2.3", "10.9.2.4/24"),
    ("10.1.2.3", "10.1.2.4 encapsulated"),
    ("10.1.2.3", "none"),
    ("::ffff:10.1.2.3", "::ffff:10.1.2.4"),
    ("198.51.100.121", "169.254.13.78"),
    ("169.254.13.1", "169.254.13.78"),
    ("2001:db8:1::1", "2001:db8:1::2"),
    ("2001:db8:1::1", "2001:db8:1::2 deprecated"),
    ("2001:db8:1::1", "2001:db8:1::2 encapsulated"),
    ("2001:db8:1::1", "2001:db8:1::2 home care-of"),
    ("2001:db8:1::1", "2001:db8:2::2 home"),
    ("2001:db8:1::1", "2001:db8:3::2"),
    ("2001:db8:1::1", "2001:db8:1::2 care-of"),
    ("2001:db8:1::1", "2001:db8:1::2 care-of deprecated"),
    ("2001:db8:1::1", "fe80::2"),
    ("2001:db8:1::1", "fe80::2 home"),
    ("2001:db8:1::1", "2002:c633:6401::2"),
    ("2001:db8:1::1", "none"),
    ("2001:db8:3ffe::1", "2001:db8:3f44::2"),
    ("2002:c633:6401::1", "2002:c633:6401::2"),
    ("2002:c633:6401::1", "2001:db8:1::2"),
    ("fe80::1", "fe80::2"),
    ("fe80::1", "fe80::2 deprecated"),
    ("fe80::1", "none"),
    ("fec0::1", "fec0::2"),
    ("fd00::1", "fd00::2"),
    ("ff05::1", "fe80::2"),
];

/// Antisymmetric, transitive, stable, and the order of the RFC: of any three, in any order, each
/// comes before those that it is preferred to, and before equals that were behind it.
#[test]
fn any_three_in_any_order_come_out_by_the_rules() {
    let ways = WAYS.map(way);
    let places = 0..ways.len();
    let triples = places.clone().flat_map(|a| {
        let places = places.clone();
        places.clone().flat_map(move |b| places.clone().map(move |c| [a, b, c]))
    });
    for triple in triples.filter(|[a, b, c]| a != b && b != c && a != c) {
        let given = triple.map(|n| ways[n]);
        let sorted = order(&POLICY, &given);
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let (a, b) = (sorted[a], sorted[b]);
            let wanted = by_the_rules(given[a], given[b]).then(a.cmp(&b));
            assert!(wanted.is_lt(), "{:?} before {:?}", given[a], given[b]);
        }
        let again: Vec<_> = sorted.iter().map(|&n| given[n]).collect();
        assert_eq!(order(&POLICY, &again), [0, 1, 2], "sorted twice: {again:?}");
    }
}
