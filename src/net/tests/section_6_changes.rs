//! RFC 8305, section 6: answers change while attempts are in flight.

use super::asking::{Asking, prefer};
use super::pacing::{Pacing, WAIT, pace, wait};
use crate::net::family::Family;
use crate::net::order::Preference;
use crate::race::stagger::{Step, Supply};

fn asking() -> Asking {
    Asking::new(Preference::default())
}

#[test]
fn an_address_that_is_gone_is_not_tried() {
    let mut host = asking();
    host.aaaa("6a 6b", 0);
    assert_eq!(host.take(0), "6a");
    host.aaaa("6a", 10);
    assert_eq!(host.supply(10), Supply::Later);
    assert_eq!(host.rest(), "");
}

#[test]
fn a_new_one_is_sorted_in() {
    let mut host = asking();
    host.aaaa("6a 6b", 0);
    host.a("4a", 0);
    assert_eq!(host.take(0), "6a");
    host.aaaa("6c 6a 6b", 10);
    assert_eq!(host.rest(), "4a 6c 6b");
}

#[test]
fn one_that_was_tried_does_not_come_again() {
    let mut host = asking();
    host.aaaa("6a", 0);
    assert_eq!(host.take(0), "6a");
    host.aaaa("6a", 10);
    assert_eq!(host.supply(10), Supply::Later);
    // Not by another name either.
    host.a("4a", 10);
    assert_eq!(host.take(10), "4a");
    host.aaaa("m4a", 20);
    assert_eq!(host.supply(20), Supply::Later);
}

#[test]
fn a_family_that_comes_late_takes_its_turn() {
    let mut host = asking();
    host.a("4a 4b 4c", 0);
    assert_eq!(host.take(50), "4a");
    host.aaaa("6a 6b", 60);
    assert_eq!(host.rest(), "6a 4b 6b 4c");
}

#[test]
fn the_first_family_has_its_run_even_if_it_comes_late() {
    let mut host = Asking::new(Preference { first_family_count: 2, ..prefer(Family::V6) });
    host.a("4a 4b", 0);
    assert_eq!(host.take(50), "4a");
    host.aaaa("6a 6b 6c", 60);
    assert_eq!(host.rest(), "6a 6b 4b 6c");
}

#[test]
fn an_error_leaves_the_addresses_that_are_known() {
    let mut host = asking();
    host.aaaa("6a 6b", 0);
    host.failed(Family::V6);
    host.finished(Family::V6);
    assert_eq!((host.take(0), host.take(0)), ("6a".into(), "6b".into()));
}

#[test]
fn an_answer_after_an_error_is_welcome() {
    let mut host = asking();
    host.failed(Family::V6);
    host.finished(Family::V4);
    assert_eq!(host.supply(0), Supply::Later);
    host.aaaa("6a", 10);
    assert_eq!(host.take(10), "6a");
}

#[test]
fn a_late_answer_moves_no_timer() {
    let mut race = Pacing::with(pace(), &[50]);
    assert_eq!(race.step(Supply::Later, 50), WAIT);
    assert_eq!(race.ready(90), wait(300));
}

#[test]
fn unless_everybody_waits_for_it() {
    let mut race = Pacing::with(pace(), &[50]);
    race.fails(0);
    assert_eq!(race.step(Supply::Later, 60), WAIT);
    assert_eq!(race.ready(90), Step::Start(1));
}
