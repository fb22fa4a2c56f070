//! RFC 8305, section 4: addresses are sorted, and families take turns.

use super::asking::{Asking, order_of, prefer};
use super::{address, both_ways, only_v4};
use crate::net::family::Family;
use crate::net::order::Preference;
use crate::net::sort::Source;

fn first(first_family_count: usize) -> Preference {
    Preference { first_family_count, ..Preference::default() }
}

#[test]
fn families_take_turns() {
    let lists = [
        ("", ""),
        ("6a", "6a"),
        ("6a 6b 4a 4b", "6a 4a 6b 4b"),
        ("6a 4a 6b 4b", "6a 4a 6b 4b"),
        ("6a 4a 4b 4c 6b", "6a 4a 6b 4b 4c"),
        ("6a 6b 6c 4a", "6a 4a 6b 6c"),
        ("4a 4b 4c", "4a 4b 4c"),
    ];
    for (list, order) in lists {
        assert_eq!(order_of(list, Preference::default()), order, "{list}");
    }
}

#[test]
fn the_family_of_a_lists_first_address_goes_first() {
    assert_eq!(order_of("4a 6a 6b 4b", Preference::default()), "4a 6a 4b 6b");
    assert_eq!(order_of("m4a 6a", Preference::default()), "4a 6a");
}

#[test]
fn unless_the_caller_prefers_the_other() {
    assert_eq!(order_of("4a 4b 6a 6b", prefer(Family::V6)), "6a 4a 6b 4b");
    assert_eq!(order_of("6a 6b 4a 4b", prefer(Family::V4)), "4a 6a 4b 6b");
    assert_eq!(order_of("4a 4b", prefer(Family::V6)), "4a 4b");
}

#[test]
fn the_first_family_may_have_more_than_one_attempt_before_turns_begin() {
    assert_eq!(order_of("6a 6b 6c 4a 4b", first(2)), "6a 6b 4a 6c 4b");
    assert_eq!(order_of("6a 6b 6c 6d 4a 4b", first(3)), "6a 6b 6c 4a 6d 4b");
    assert_eq!(order_of("6a 4a 4b", first(2)), "6a 4a 4b");
    assert_eq!(order_of("4a 4b 4c 6a", first(2)), "4a 4b 6a 4c");
}

#[test]
fn an_address_counts_once_where_it_stands_first() {
    assert_eq!(order_of("4a 6a 4a 6a 4b", Preference::default()), "4a 6a 4b");
    assert_eq!(order_of("6a m4a 4a 4b m4b", Preference::default()), "6a 4a 4b");
}

#[test]
fn an_answer_is_sorted_when_it_comes() {
    // No way leads to 6a.
    let ways = |to| both_ways(to).filter(|_| to != address("6a"));
    let mut host = Asking::with_ways(Preference::default(), ways);
    host.aaaa("6a 6b 6c", 0);
    assert_eq!(host.rest(), "6b 6c 6a");
}

#[test]
fn an_address_that_an_answer_names_twice_counts_once() {
    let mut host = Asking::new(Preference::default());
    host.a("4a 4b 4a m4b 4c", 0);
    assert_eq!(host.rest(), "4a 4b 4c");
}

#[test]
fn an_address_that_both_answers_name_counts_once() {
    let mut host = Asking::new(Preference::default());
    host.aaaa("6a m4a", 0);
    host.a("4a 4b", 0);
    host.finished(Family::V6);
    host.finished(Family::V4);
    assert_eq!(host.rest(), "6a 4b 4a");
}

#[test]
fn when_both_have_answered_the_better_address_decides_which_family_goes_first() {
    let mut host = Asking::with_ways(Preference::default(), only_v4);
    host.aaaa("6a", 0);
    host.a("4a", 0);
    assert_eq!((host.take(0), host.rest()), ("4a".into(), "6a".into()));
    let mut host = Asking::new(Preference::default());
    host.aaaa("6a", 0);
    host.a("4a", 0);
    assert_eq!((host.take(0), host.rest()), ("6a".into(), "4a".into()));
}

#[test]
fn but_the_caller_is_asked_before_it() {
    let mut host = Asking::with_ways(prefer(Family::V6), only_v4);
    host.aaaa("6a", 0);
    host.a("4a", 0);
    assert_eq!(host.take(0), "6a");
}

#[test]
fn who_goes_first_is_decided_once() {
    let mut host = Asking::with_ways(Preference::default(), only_v4);
    host.aaaa("6a 6b", 0);
    assert_eq!(host.take(0), "6a");
    host.a("4a 4b", 10);
    assert_eq!(
        (host.take(10), host.take(10), host.take(10)),
        ("4a".into(), "6b".into(), "4b".into())
    );
}

#[test]
fn nobody_asks_the_system_about_a_single_address() {
    fn nobody(_: std::net::SocketAddr) -> Option<Source> {
        panic!("one address needs no order")
    }
    let mut host = Asking::with_ways(Preference::default(), nobody);
    host.a("", 0);
    host.aaaa("6a", 0);
    assert_eq!(host.take(0), "6a");
}
