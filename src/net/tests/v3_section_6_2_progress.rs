//! draft-ietf-happy-happyeyeballs-v3, section 6.2: an attempt that gets further holds back the next.

use super::ms;
use super::pacing::{Pacing, full, pace, wait};
use crate::race::stagger::{Pace, Step, Supply, Verdict, WhenFull};

#[test]
fn progress_holds_back_the_next_start() {
    let mut race = Pacing::with(pace(), &[0]);
    race.gets_further(0, 200, ms(500));
    assert_eq!(race.ready(250), wait(700));
    assert_eq!(race.ready(699), wait(700));
    assert_eq!(race.ready(700), Step::Start(1));
}

#[test]
fn it_never_brings_it_forward() {
    let mut race = Pacing::with(pace(), &[0]);
    race.gets_further(0, 100, ms(50));
    assert_eq!(race.ready(150), wait(250));
    race.gets_further(0, 160, ms(500));
    race.gets_further(0, 170, ms(10));
    assert_eq!(race.ready(180), wait(660), "of several the longest counts");
}

#[test]
fn an_older_ones_progress_counts_as_well() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.gets_further(0, 300, ms(400));
    assert_eq!(race.ready(500), wait(700));
}

#[test]
fn it_holds_back_what_a_failure_would_start() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.gets_further(0, 260, ms(400));
    race.fails(1);
    assert_eq!(race.ready(300), wait(660));
    assert_eq!(race.ready(660), Step::Start(2));
}

#[test]
fn who_fails_holds_back_nobody() {
    let mut race = Pacing::with(pace(), &[0, 250]);
    race.gets_further(0, 300, ms(4000));
    race.fails(0);
    assert_eq!(race.ready(500), Step::Start(2));
}

#[test]
fn nor_who_was_given_up() {
    let pace = Pace { attempt_timeout: Some(ms(300)), ..pace() };
    let mut race = Pacing::with(pace, &[0, 250]);
    race.gets_further(0, 290, ms(4000));
    assert_eq!(race.ready(300), Step::GiveUp(0, Verdict::TimedOut));
    race.gets_further(0, 310, ms(4000));
    assert_eq!(race.ready(500), Step::Start(2));
}

#[test]
fn progress_keeps_nobody_from_giving_way_when_its_time_is_over() {
    let mut race = Pacing::with(full(1, WhenFull::EvictOldest), &[0]);
    race.gets_further(0, 200, ms(100));
    assert_eq!(race.ready(250), wait(300));
    assert_eq!(race.ready(300), Step::GiveUp(0, Verdict::Evicted));
    assert_eq!(race.ready(300), Step::Start(1));
}

#[test]
fn progress_moves_neither_a_limit_nor_who_is_waited_for() {
    let pace = Pace { attempt_timeout: Some(ms(300)), ..pace() };
    let mut race = Pacing::with(pace, &[0]);
    race.gets_further(0, 200, ms(400));
    assert_eq!(race.ready(250), wait(300));
    let mut race = Pacing::with(super::pacing::pace(), &[0]);
    race.gets_further(0, 200, ms(400));
    assert_eq!(race.step(Supply::At(super::at(900)), 250), wait(900));
}
