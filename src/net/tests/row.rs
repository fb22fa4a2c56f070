//! One line of text, read.

use std::collections::HashMap;

use super::Millis;
use crate::net::family::{Both, Family};
use crate::net::order::{Preference, SourceOf};
use crate::race::stagger::{Pace, WhenFull};

/// What a line calls a candidate.
pub(super) type Label = String;

#[derive(Clone, Debug)]
pub(super) struct Row {
    /// As it was written.
    pub(super) line: String,
    pub(super) source: Source,
    pub(super) scripts: HashMap<Label, Script>,
    pub(super) settings: Settings,
    /// The last four columns, written as [`Seen`](super::Seen) writes them.
    pub(super) expected: String,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    List(Vec<Label>),
    Dns(Both<Lookup>),
    Items(Vec<Label>),
    Stream(Told<Label>),
}

/// What a lookup answers.
pub(super) type Lookup = Told<Vec<Label>>;

/// What comes over time.
#[derive(Clone, Debug)]
pub(super) struct Told<T> {
    pub(super) items: Vec<(Millis, Result<T, String>)>,
    /// It does not end with the last one.
    pub(super) is_open: bool,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { items: Vec::new(), is_open: false }
    }
}

/// What an attempt does.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// When it gets further, and for how long that holds back others.
    pub(super) further: Vec<(Millis, Millis)>,
    pub(super) end: Option<(Millis, End)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Succeeds,
    Fails(String),
    Panics,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) pace: Pace,
    pub(super) preference: Preference,
    pub(super) ways: SourceOf,
    pub(super) deadline: Option<Millis>,
    pub(super) cancel: Option<Millis>,
}

impl Default for Settings {
    fn default() -> Self {
        let pace = Pace { delay: Some(super::ms(250)), ..Pace::default() };
        let preference = Preference::default();
        Self { pace, preference, ways: super::both_ways, deadline: None, cancel: None }
    }
}

/// Reads a table: a line each; empty ones, and those that begin with `//`, are for the reader.
pub(super) fn rows(lines: &str) -> Vec<Row> {
    let lines = lines.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(|line| row(line).unwrap_or_else(|error| panic!("{error}, in: {line}"))).collect()
}

fn row(line: &str) -> Result<Row, String> {
    let columns: Vec<_> = line.split('|').map(str::trim).collect();
    let [_, source, attempts, settings, starts, result, ends, untried] = columns[..] else {
        return Err(format!("{} columns and not 8", columns.len()));
    };
    let mut scripts = HashMap::new();
    for text in items(attempts, ",") {
        let (label, script) = text.split_once(' ').ok_or(format!("no attempt: {text:?}"))?;
        let old = scripts.insert(label.to_owned(), self::script(script)?);
        old.map_or(Ok(()), |_| Err(format!("{label:?} has two scripts")))?;
    }
    let [starts, untried] = [starts, untried].map(|column| items(column, " ").join(" "));
    let ends = items(ends, ",").join(", ");
    Ok(Row {
        line: line.to_owned(),
        source: self::source(source)?,
        scripts,
        settings: self::settings(settings)?,
        expected: format!("{starts} | {result} | {ends} | {untried}"),
    })
}

/// The items of a column; `4n0-9 ..` stands for ten.
fn items(column: &str, separator: &str) -> Vec<String> {
    let items = column.split(separator).map(str::trim).filter(|item| !item.is_empty());
    items.flat_map(|item| expanded(item).unwrap_or_else(|| vec![item.to_owned()])).collect()
}

fn expanded(item: &str) -> Option<Vec<String>> {
    let (head, tail) = item.split_once('n').filter(|(head, _)| head.len() == 1)?;
    let (first, tail) = tail.split_once('-')?;
    let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
    let (last, rest) = tail.split_at(end);
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..=last).map(|number| format!("{head}n{number}{rest}")).collect())
}

fn source(text: &str) -> Result<Source, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let words = items(rest, " ");
    Ok(match kind {
        "list" => Source::List(words),
        "items" => Source::Items(words),
        "dns" => Source::Dns(dns(&words)?),
        "stream" => Source::Stream(told(&words, |label| Some(label.to_owned()))?),
        _ => return Err(format!("no source: {kind:?}")),
    })
}

fn dns(words: &[String]) -> Result<Both<Lookup>, String> {
    let lookup = |name: &str| {
        let answers = words.iter().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let answers: Vec<_> = answers.map(str::to_owned).collect();
        told(&answers, |labels| {
            let labels = labels.split(',').filter(|label| *label != "none");
            Some(labels.map(str::to_owned).collect())
        })
    };
    let known = |word: &&String| !word.starts_with("AAAA=") && !word.starts_with("A=");
    match words.iter().find(known) {
        Some(word) => Err(format!("no answer: {word:?}")),
        None => Ok(Both { v4: lookup("A")?, v6: lookup("AAAA")? }),
    }
}

/// `a@0 !lost@5 open`
fn told<T>(words: &[String], read: impl Fn(&str) -> Option<T>) -> Result<Told<T>, String> {
    let mut told = Told::default();
    for word in words {
        if word == "open" {
            told.is_open = true;
            continue;
        }
        let (what, at) = moment(word, '@')?;
        let item = match what.strip_prefix('!') {
            Some(error) => Err(error.to_owned()),
            None => Ok(read(what).ok_or(format!("nothing that comes: {word:?}"))?),
        };
        told.items.push((at, item));
    }
    if told.items.is_sorted_by_key(|(at, _)| *at) { Ok(told) } else { Err("time runs back".into()) }
}

/// `further+200(500) ok+600`
fn script(text: &str) -> Result<Script, String> {
    let mut script = Script { further: Vec::new(), end: None };
    for word in text.split_whitespace().filter(|word| *word != "hang") {
        if let Some((before, held)) = word.strip_suffix(')').and_then(|word| word.split_once('(')) {
            let held = held.parse().map_err(|_| format!("no time: {held:?}"))?;
            script.further.push((moment(before, '+')?.1, held));
            continue;
        }
        let (what, at) = moment(word, '+')?;
        script.end = Some((
            at,
            match what {
                "ok" => End::Succeeds,
                "panic" => End::Panics,
                error => End::Fails(error.to_owned()),
            },
        ));
    }
    Ok(script)
}

fn moment(word: &str, sign: char) -> Result<(&str, Millis), String> {
    let (what, at) = word.split_once(sign).ok_or(format!("no {sign} in {word:?}"))?;
    Ok((what, at.parse().map_err(|_| format!("no time: {word:?}"))?))
}

fn settings(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').ok_or(format!("no setting: {word:?}"))?;
        set(&mut settings, name, value).ok_or(format!("no setting: {word:?}"))?;
    }
    Ok(settings)
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Option<()> {
    let Settings { pace, preference, .. } = settings;
    let millis = || value.parse::<Millis>().ok();
    match name {
        "delay" if value == "none" => pace.delay = None,
        "delay" => pace.delay = Some(super::ms(millis()?)),
        "cap" | "hold" => {
            pace.max_in_flight = Some(value.parse().ok()?);
            pace.when_full = if name == "cap" { WhenFull::EvictOldest } else { WhenFull::Hold };
        }
        "limit" => pace.attempt_timeout = Some(super::ms(millis()?)),
        "deadline" => settings.deadline = Some(millis()?),
        "cancel" => settings.cancel = Some(millis()?),
        "prefer" => preference.family = Some(family(value)?),
        "resolution" => preference.resolution_delay = super::ms(millis()?),
        "head" => preference.first_family_count = value.parse().ok()?,
        "ways" if family(value)? == Family::V4 => settings.ways = super::only_v4,
        "ways" => settings.ways = super::only_v6,
        _ => return None,
    }
    Some(())
}

fn family(digit: &str) -> Option<Family> {
    match digit {
        "4" => Some(Family::V4),
        "6" => Some(Family::V6),
        _ => None,
    }
}

#[test]
fn a_line_that_cannot_be_read_says_why() {
    let error = |line: &str| row(line).unwrap_err();
    assert_eq!(error("one | list 6a"), "2 columns and not 8");
    assert_eq!(error("|file 6a||||||"), "no source: \"file\"");
    assert_eq!(error("|list 6a|6a ok 10|||||"), "no + in \"ok\"");
    assert_eq!(error("|list 6a|6a ok+1, 6a hang|||||"), "\"6a\" has two scripts");
    assert_eq!(error("|list 6a|6a ok+1|delay=soon||||"), "no setting: \"delay=soon\"");
    assert_eq!(error("|dns MX=6a@1||||||"), "no answer: \"MX=6a@1\"");
    assert_eq!(error("|stream b@2 a@1||||||"), "time runs back");
}
