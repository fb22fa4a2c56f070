//! RFC 8305, section 5: one attempt after another, and what that section leaves open: failures, limits,
//! and how many may be in flight.

use std::time::Duration;

use super::pacing::{Pacing, WAIT, full, pace, wait};
use super::{at, ms};
use crate::race::stagger::{Pace, Step, Supply, Verdict, WhenFull};

#[test]
fn the_first_starts_at_once_and_the_next_when_the_delay_has_passed() {
    let mut race = Pacing::new(pace());
    assert_eq!(race.ready(10), Step::Start(0));
    assert_eq!(race.ready(10), wait(260));
    assert_eq!(race.ready(259), wait(260));
    assert_eq!(race.ready(260), Step::Start(1));
    assert_eq!(race.ready(260), wait(510));
}

#[test]
fn nothing_starts_while_there_is_nothing_to_start() {
    let mut race = Pacing::with(pace(), &[0]);
    assert_eq!(race.step(Supply::Later, 300), WAIT);
    assert_eq!(race.step(Supply::At(at(400)), 300), wait(400));
    assert_eq!(race.step(Supply::At(at(200)), 100), wait(250));
    assert_eq!(race.ready(300), Step::Start(1), "and what comes late starts when it comes");
    assert_eq!(race.ready(300), wait(550));
}

#[test]
fn a_failure_of_the_newest_starts_the_next() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.fails(1);
    assert_eq!(race.ready(260), Step::Start(2));
    assert_eq!(race.ready(260), wait(510));
}

#[test]
fn a_failure_of_an_older_one_does_not() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.fails(0);
    assert_eq!(race.ready(260), wait(500));
}

#[test]
fn a_failure_of_the_last_in_flight_starts_the_next_whichever_it_is() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.fails_by_us(1);
    assert_eq!(race.ready(260), wait(500));
    race.fails(0);
    assert_eq!(race.ready(270), Step::Start(2));
}

/// After the newest has failed and nobody was there, the next is the newest when it comes.
#[test]
fn a_failure_is_good_for_one_start() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.fails(1);
    assert_eq!(race.step(Supply::Later, 260), WAIT);
    assert_eq!(race.ready(300), Step::Start(2));
    assert_eq!(race.ready(300), wait(550));
}

#[test]
fn a_fault_of_our_own_waits_for_those_in_flight() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.fails_by_us(1);
    assert_eq!(race.ready(250), wait(500));
    let mut race = Pacing::with(pace(), &[0]);
    race.fails_by_us(0);
    assert_eq!(race.ready(0), Step::Start(1), "nobody is in flight");
}

#[test]
fn all_have_failed_and_nothing_will_come() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.fails(0);
    assert_eq!(race.ended(300), WAIT);
    race.fails(1);
    assert_eq!(race.step(Supply::Later, 300), WAIT, "the source may have one more");
    assert_eq!(race.ended(300), Step::Exhausted);
    assert_eq!(Pacing::new(pace()).ended(0), Step::Exhausted);
}

#[test]
fn without_a_delay_only_a_failure_starts_the_next() {
    let mut race = Pacing::with(Pace { delay: None, ..pace() }, &[0]);
    assert_eq!(race.ready(1_000_000), WAIT);
    race.fails(0);
    assert_eq!(race.ready(1_000_000), Step::Start(1));
}

#[test]
fn a_delay_that_no_clock_can_hold_is_none() {
    let mut race = Pacing::with(Pace { delay: Some(Duration::MAX), ..pace() }, &[0]);
    assert_eq!(race.ready(1_000_000), WAIT);
    race.fails(0);
    assert_eq!(race.ready(1_000_000), Step::Start(1));
}

#[test]
fn with_a_delay_of_zero_all_start() {
    Pacing::with(Pace { delay: Some(Duration::ZERO), ..pace() }, &[0; 100]);
}

#[test]
fn one_that_takes_too_long_has_failed() {
    let mut race = Pacing::with(Pace { attempt_timeout: Some(ms(100)), ..pace() }, &[0]);
    assert_eq!(race.ready(99), wait(100));
    assert_eq!(race.ready(100), Step::GiveUp(0, Verdict::TimedOut));
    assert_eq!(race.ready(100), Step::Start(1));
    assert_eq!(race.ended(100), wait(200), "its own limit, with nobody to start");
    assert_eq!(race.ended(250), Step::GiveUp(1, Verdict::TimedOut));
    assert_eq!(race.ended(250), Step::Exhausted);
}

#[test]
fn several_that_take_too_long_are_given_up_one_by_one_the_oldest_first() {
    let pace = Pace { attempt_timeout: Some(ms(100)), delay: Some(ms(10)), ..pace() };
    let mut race = Pacing::with(pace, &[0, 10, 20]);
    for number in 0..3 {
        assert_eq!(race.ended(500), Step::GiveUp(number, Verdict::TimedOut));
    }
    assert_eq!(race.ended(500), Step::Exhausted);
}

#[test]
fn a_limit_of_zero_gives_each_one_poll_and_one_that_no_clock_can_hold_is_none() {
    let mut race = Pacing::with(Pace { attempt_timeout: Some(ms(0)), ..pace() }, &[0]);
    assert_eq!(race.ready(0), Step::GiveUp(0, Verdict::TimedOut));
    let limit = Some(Duration::MAX);
    let mut race = Pacing::with(Pace { attempt_timeout: limit, ..pace() }, &[0]);
    assert_eq!(race.ended(1_000_000), WAIT);
}

#[test]
fn when_the_time_of_the_race_is_over_nothing_starts() {
    let mut race = Pacing::until(100);
    assert_eq!(race.ready(0), Step::Start(0));
    assert_eq!(race.ready(0), wait(100), "the deadline is nearer than the next start");
    race.fails(0);
    assert_eq!(race.ready(100), Step::Late);
    assert_eq!(Pacing::until(0).ready(0), Step::Late);
    assert_eq!(Pacing::until(10).ended(20), Step::Late);
}

#[test]
fn when_too_many_are_in_flight_the_oldest_gives_way() {
    let mut race = Pacing::with(full(2, WhenFull::EvictOldest), &[0, 250]);
    assert_eq!(race.ready(499), wait(500), "not before it is the next one's turn");
    assert_eq!(race.ready(500), Step::GiveUp(0, Verdict::Evicted));
    assert_eq!(race.ready(500), Step::Start(2));
    assert_eq!(race.ended(10_000), WAIT, "without a next one nobody gives way");
}

#[test]
fn or_the_next_one_waits_for_room() {
    let mut race = Pacing::with(full(2, WhenFull::Hold), &[0, 250]);
    assert_eq!(race.ready(300), WAIT, "no time makes room");
    assert_eq!(race.ready(900), WAIT);
    race.fails(0);
    assert_eq!(race.ready(900), Step::Start(2), "its time had come");
    race.fails(1);
    assert_eq!(race.ready(900), wait(1150), "an older one makes room, and moves no timer");
}

#[test]
fn to_give_way_is_no_failure() {
    let mut race = Pacing::with(full(1, WhenFull::EvictOldest), &[0]);
    assert_eq!(race.ready(250), Step::GiveUp(0, Verdict::Evicted));
    assert_eq!(race.step(Supply::Later, 250), WAIT);
    assert_eq!(race.ready(250), Step::Start(1));
    assert_eq!(race.ready(250), wait(500));
}

#[test]
fn who_is_not_in_flight_any_more_cannot_fail() {
    let mut race = Pacing::with(full(1, WhenFull::EvictOldest), &[0]);
    assert_eq!(race.ready(250), Step::GiveUp(0, Verdict::Evicted));
    assert_eq!(race.ready(250), Step::Start(1));
    race.fails(0);
    assert_eq!(race.ready(250), wait(500));
}
