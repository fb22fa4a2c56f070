//! What was seen of a race.

use std::fmt;

use super::Millis;
use super::row::Label;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// In order.
    pub(super) starts: Vec<(Label, Millis)>,
    pub(super) result: Ending,
    /// When the race was over.
    pub(super) at: Millis,
    /// Of all but the winner, in the order of their starts.
    pub(super) ends: Vec<(Label, String, Millis)>,
    pub(super) source_errors: Vec<String>,
    pub(super) untried: Vec<Label>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Won(Label),
    AllFailed,
    Nobody,
    Late,
    Panicked(Label),
    Cancelled,
}

/// As the last four columns of a line.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts: Vec<_> =
            self.starts.iter().map(|(label, at)| format!("{label}@{at}")).collect();
        let result = match &self.result {
            Ending::Won(label) => format!("won {label}"),
            Ending::AllFailed => "all failed".to_owned(),
            Ending::Nobody => "nobody".to_owned(),
            Ending::Late => "late".to_owned(),
            Ending::Panicked(label) => format!("panic {label}"),
            Ending::Cancelled => "cancelled".to_owned(),
        };
        let ends = self.ends.iter().map(|(label, how, at)| format!("{label} {how}@{at}"));
        let ends: Vec<_> = ends.chain(self.source_errors.iter().cloned()).collect();
        let (starts, ends, untried) = (starts.join(" "), ends.join(", "), self.untried.join(" "));
        write!(f, "{starts} | {result}@{} | {ends} | {untried}", self.at)
    }
}
