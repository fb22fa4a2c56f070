//! Lines by chance, from fixed seeds: both drivers see the same, and whatever they see keeps the rules.
//! Times are few, so that much happens in one instant. A line that fails can be put into the table.

use std::collections::{BTreeSet, HashSet};

use super::row::{Row, Source, rows};
use super::seen::{Ending, Seen};
use super::{Millis, driven, ms, pure};

/// How many lines.
const LINES: u64 = 4_000;

const TIMES: [Millis; 12] = [0, 0, 5, 10, 20, 40, 50, 100, 200, 250, 300, 500];

/// A small generator of random numbers: xorshift.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }

    fn time(&mut self) -> Millis {
        self.of(&TIMES)
    }
}

/// Without what is to be seen.
fn line(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let is_address = dice.below(3) > 0;
    let labels = labels(&mut dice, is_address);
    let source = source(&mut dice, is_address, &labels);
    let known: BTreeSet<_> = labels.iter().map(|label| label.trim_start_matches('m')).collect();
    let attempts =
        known.into_iter().map(|label| format!("{label} {}", script(&mut dice, is_address)));
    let attempts: Vec<_> = attempts.collect();
    format!("{seed} | {source} | {} | {} | | | |", attempts.join(", "), settings(&mut dice))
}

fn labels(dice: &mut Dice, is_address: bool) -> Vec<String> {
    let count = dice.below(7);
    if !is_address {
        return ('a'..='z').take(count).map(String::from).collect();
    }
    let mut label =
        || format!("{}{}", dice.of(&["4", "6", "4", "6", "m4"]), dice.of(&["a", "b", "c", "d"]));
    (0..count).map(|_| label()).collect()
}

fn source(dice: &mut Dice, is_address: bool, labels: &[String]) -> String {
    let listed = labels.join(" ");
    match (is_address, dice.below(4)) {
        (true, 0) => format!("list {listed}"),
        (false, 0 | 1) => format!("items {listed}"),
        (true, _) => {
            format!("dns {} {}", lookup(dice, "AAAA", '6', labels), lookup(dice, "A", '4', labels))
        }
        (false, _) => {
            let mut now = 0;
            let mut come = |what: &str, dice: &mut Dice| {
                now += dice.time();
                format!("{what}@{now}")
            };
            let mut words: Vec<_> = Vec::new();
            for label in labels {
                words.push(come(label, dice));
                if dice.one_in(5) {
                    words.push(come("!lost", dice));
                }
            }
            let open = if dice.one_in(4) { "open" } else { "" };
            format!("stream {} {open}", words.join(" "))
        }
    }
}

/// Up to three answers, each with some of the addresses.
fn lookup(dice: &mut Dice, name: &str, family: char, labels: &[String]) -> String {
    let mut now = 0;
    let mut words = Vec::new();
    for _ in 0..dice.of(&[0, 1, 1, 1, 2, 3]) {
        now += dice.time();
        // What is mapped may come with either family.
        let is_mine = |label: &&String| label.starts_with('m') || label.starts_with(family);
        let mine = labels.iter().filter(is_mine);
        let some: Vec<_> = mine.filter(|_| dice.below(3) > 0).map(String::as_str).collect();
        words.push(match (dice.below(5), &some[..]) {
            (0, _) => format!("{name}=!failed@{now}"),
            (_, []) => format!("{name}=none@{now}"),
            (_, some) => format!("{name}={}@{now}", some.join(",")),
        });
    }
    if dice.one_in(5) {
        words.push(format!("{name}=open"));
    }
    words.join(" ")
}

fn script(dice: &mut Dice, is_address: bool) -> String {
    let mut words = String::new();
    let mut now = 0;
    while dice.one_in(4) {
        now += dice.time();
        words = format!("{words}further+{now}({}) ", dice.time());
    }
    now += dice.time();
    let end = match dice.below(20) {
        0..=5 => "hang".to_owned(),
        6..=13 => format!("refused+{now}"),
        14 if is_address => format!("emfile+{now}"),
        15 => format!("panic+{now}"),
        _ => format!("ok+{now}"),
    };
    words + &end
}

fn settings(dice: &mut Dice) -> String {
    let mut words = format!("delay={}", dice.of(&["none", "0", "10", "50", "100", "250", "250"]));
    let choices: [(&str, &[&str]); 9] = [
        ("cap", &["1", "2", "3"]),
        ("hold", &["1", "2", "3"]),
        ("limit", &["10", "100", "250", "300"]),
        ("deadline", &["0", "50", "250", "500", "700"]),
        ("prefer", &["4", "6"]),
        ("resolution", &["0", "10", "100"]),
        ("head", &["2", "3"]),
        ("ways", &["4", "6"]),
        ("cancel", &["50", "250", "300", "500"]),
    ];
    for (name, values) in choices {
        if dice.one_in(4) {
            words = format!("{words} {name}={}", dice.of(values));
        }
    }
    // So that it ends.
    if words.contains("cancel") { words } else { words + " cancel=9999" }
}

#[test]
fn both_drivers_see_the_same_whatever_happens() {
    let mut endings = HashSet::new();
    for seed in 0..LINES {
        let row = rows(&line(seed)).remove(0);
        let (pure, driven) = (pure::seen(&row), driven::seen(&row));
        assert_eq!(pure, driven, "\n{}\n  simulated {pure}\n  driven    {driven}", row.line);
        keeps_the_rules(&row, &pure);
        endings.insert(std::mem::discriminant(&pure.result));
    }
    assert_eq!(endings.len(), 6, "every ending was seen");
}

fn keeps_the_rules(row: &Row, seen: &Seen) {
    let say = || format!("\n{}\n  seen {seen}", row.line);
    let labels: HashSet<_> = seen.starts.iter().map(|(label, _)| label).collect();
    assert_eq!(labels.len(), seen.starts.len(), "one candidate, one start: {}", say());
    assert!(seen.starts.iter().all(|(_, at)| *at <= seen.at), "a start after the end: {}", say());
    assert_eq!(seen.ends.len() + usize::from(has_winner(seen)), seen.starts.len(), "{}", say());
    let in_flight = |now| {
        seen.starts.iter().filter(|(_, at)| *at <= now).count()
            - seen.ends.iter().filter(|(.., at)| *at <= now).count()
    };
    let pace = row.settings.pace;
    if let Some(max) = pace.max_in_flight {
        // In the instant of a start, who made room for it has ended.
        let mut starts = seen.starts.iter().filter(|(_, at)| *at < seen.at);
        assert!(starts.all(|(_, at)| in_flight(*at) <= max.get()), "too many: {}", say());
    }
    for next in 1..seen.starts.len() {
        let (from, to) = (seen.starts[next - 1].1, seen.starts[next].1);
        let is_timed = pace.delay.is_some_and(|delay| ms(to - from) >= delay);
        assert!(is_timed || has_failed(row, seen, next, from, to), "too early: {}", say());
    }
}

fn has_winner(seen: &Seen) -> bool {
    matches!(seen.result, Ending::Won(_))
}

/// Whether, from `from` to `to`, the attempt before the start `next` has failed, or the last in flight.
fn has_failed(row: &Row, seen: &Seen, next: usize, from: Millis, to: Millis) -> bool {
    let is_address = matches!(row.source, Source::List(_) | Source::Dns(_));
    let before = &seen.starts[..next];
    let ends = before.iter().map(|(label, _)| seen.ends.iter().find(|(of, ..)| of == label));
    let ends: Vec<_> = ends.collect();
    let is_failure = |how: &str| !["lost", "dropped", "evicted", "panicked"].contains(&how);
    let when = |end: Option<&(String, String, Millis)>| end.map_or(Millis::MAX, |(.., at)| *at);
    let is_idle = |now| ends.iter().all(|end| when(*end) <= now);
    ends.iter().enumerate().any(|(number, end)| {
        let Some((_, how, at)) = end else { return false };
        let is_newest = number + 1 == next && !(is_address && how == "emfile");
        (from..=to).contains(at) && is_failure(how) && (is_newest || is_idle(*at))
    })
}
