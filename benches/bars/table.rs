//! The table that is printed, row by row as they are measured.

use super::measure::{Contest, Ratio};

/// The row ids that were asked for; all of them if there are none.
pub(crate) struct Wanted(Vec<String>);

impl Wanted {
    pub(crate) fn new(ids: impl Iterator<Item = String>) -> Self {
        Self(ids.filter(|id| !id.starts_with('-')).map(|id| id.to_uppercase()).collect())
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.is_everything() || self.0.iter().any(|wanted| wanted == id)
    }
}

/// What is asked of a ratio or of a number.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    /// Shown for what it says about the others.
    None,
}

impl Bar {
    fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::AtMost(bar) if value <= bar => "met",
            Self::AtMost(_) => "MISSED",
            Self::None => "",
        }
    }

    fn show(self) -> String {
        match self {
            Self::AtMost(bar) => format!("{bar:.2}"),
            Self::None => "-".into(),
        }
    }
}

pub(crate) fn head() {
    line("id", "what", "ours", "peer", "ratio (quartiles)", "bar", "");
    println!("{}", "-".repeat(131));
}

/// A row for two sides of a contest.
pub(crate) fn timed(id: &str, what: &str, contest: &Contest, sides: (usize, usize), bar: Bar) {
    let (ours, peer) = sides;
    let Ratio { median, low, high } = contest.ratio(ours, peer);
    let spread = format!("{median:.2} ({low:.2} .. {high:.2})");
    let (ours, peer) = (time(contest.time(ours)), time(contest.time(peer)));
    line(id, what, &ours, &peer, &spread, &bar.show(), bar.verdict(median));
}

/// A row for two counts, where what is asked of ours is a number of its own.
pub(crate) fn counted(id: &str, what: &str, ours: f64, peer: f64, bar: Bar) {
    let (shown, other) = (format!("{ours:.3}"), format!("{peer:.3}"));
    line(id, what, &shown, &other, "", &bar.show(), bar.verdict(ours));
}

/// A row whose cells and verdict are made elsewhere.
pub(crate) fn line(
    id: &str,
    what: &str,
    ours: &str,
    peer: &str,
    ratio: &str,
    bar: &str,
    verdict: &str,
) {
    println!("{id:<4}{what:<60}{ours:>11}{peer:>12}  {ratio:<22}{bar:>6}  {verdict}");
}

/// Something to know about the rows above.
pub(crate) fn note(text: &str) {
    println!("    {text}");
}

/// Nanoseconds, in the unit that reads best.
pub(crate) fn time(nanos: f64) -> String {
    match nanos.abs() {
        ..10.0 => format!("{nanos:.2} ns"),
        10.0..1e3 => format!("{nanos:.1} ns"),
        1e3..1e6 => format!("{:.1} us", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}
