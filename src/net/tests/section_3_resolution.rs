//! RFC 8305, section 3: both families are asked, and the answer that is there first is not always the
//! one to start with.

use super::asking::{Asking, prefer};
use super::{at, ms};
use crate::net::family::Family;
use crate::net::order::Preference;
use crate::race::stagger::Supply;

fn asking() -> Asking {
    Asking::new(Preference::default())
}

#[test]
fn without_an_answer_nothing_is_there_and_nobody_knows_when() {
    assert_eq!(asking().supply(0), Supply::Later);
    assert_eq!(asking().supply(100_000), Supply::Later);
}

#[test]
fn an_answer_about_ipv6_is_enough_to_start() {
    let mut host = asking();
    host.aaaa("6a", 7);
    assert_eq!(host.supply(7), Supply::Ready);
}

#[test]
fn an_answer_about_ipv4_waits_for_ipv6_as_long_as_the_resolution_delay() {
    let mut host = asking();
    host.a("4a", 10);
    assert_eq!(host.supply(10), Supply::At(at(60)));
    assert_eq!(host.supply(59), Supply::At(at(60)));
    assert_eq!(host.supply(60), Supply::Ready);
}

#[test]
fn ipv6_within_that_time_goes_first() {
    let mut host = asking();
    host.a("4a", 10);
    host.aaaa("6a", 60);
    assert_eq!(host.take(60), "6a");
}

#[test]
fn an_empty_answer_about_ipv6_ends_the_wait() {
    let mut host = asking();
    host.a("4a", 10);
    host.aaaa("", 30);
    assert_eq!(host.take(30), "4a");
}

#[test]
fn an_error_is_an_empty_answer() {
    let mut host = asking();
    host.a("4a", 10);
    host.failed(Family::V6);
    assert_eq!(host.take(30), "4a");
}

#[test]
fn a_lookup_that_ends_without_a_word_is_an_empty_answer() {
    let mut host = asking();
    host.a("4a", 10);
    host.finished(Family::V6);
    assert_eq!(host.take(10), "4a");
}

#[test]
fn an_empty_answer_that_came_first_leaves_nothing_to_wait_for() {
    let mut host = asking();
    host.aaaa("", 10);
    assert_eq!(host.supply(10), Supply::Later);
    host.a("4a", 20);
    assert_eq!(host.take(20), "4a");
}

#[test]
fn the_delay_counts_from_the_first_addresses_and_from_no_later_answer() {
    let mut host = asking();
    host.a("", 10);
    assert_eq!(host.supply(10), Supply::Later);
    host.a("4a", 20);
    host.a("4a 4b", 40);
    assert_eq!(host.supply(40), Supply::At(at(70)));
}

#[test]
fn addresses_that_were_withdrawn_are_not_waited_with() {
    let mut host = asking();
    host.a("4a", 10);
    host.a("", 20);
    assert_eq!(host.supply(100), Supply::Later);
    host.a("4b", 110);
    assert_eq!(host.take(110), "4b");
}

#[test]
fn both_are_over_and_nothing_was_found() {
    let mut host = asking();
    host.aaaa("", 10);
    host.finished(Family::V6);
    host.failed(Family::V4);
    assert_eq!(host.supply(20), Supply::Later, "a lookup that has failed may still answer");
    host.finished(Family::V4);
    assert_eq!(host.supply(20), Supply::End);
}

#[test]
fn a_delay_of_zero_waits_for_nobody() {
    let mut host = Asking::new(Preference { resolution_delay: ms(0), ..Preference::default() });
    host.a("4a", 10);
    assert_eq!(host.take(10), "4a");
}

#[test]
fn a_delay_that_no_clock_can_hold_waits_for_the_answer() {
    let delay = std::time::Duration::MAX;
    let mut host = Asking::new(Preference { resolution_delay: delay, ..Preference::default() });
    host.a("4a", 10);
    assert_eq!(host.supply(1_000_000), Supply::Later);
    host.failed(Family::V6);
    assert_eq!(host.supply(1_000_000), Supply::Ready);
}

#[test]
fn who_prefers_ipv4_has_ipv6_wait() {
    let mut host = Asking::new(prefer(Family::V4));
    host.aaaa("6a", 10);
    assert_eq!(host.supply(10), Supply::At(at(60)));
    host.a("4a", 20);
    assert_eq!(host.take(20), "4a");
}
