//! `docs/verification.md`: written by the run of the models, and compared with it ever after.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use umbel::testing::Explored;

use crate::{Case, source};

/// Set, it has the page written; else it is compared.
pub const WRITE: &str = "UMBEL_WRITE_PAGE";

/// What the page says beside the tables.
const TEXT: &str = include_str!("page.md");

/// A seeded defect, the model that caught it, and how long that took.
#[derive(Debug)]
pub struct Kill {
    /// Its name.
    pub defect: String,
    /// The path of the model.
    pub killer: &'static str,
    /// Of the whole process.
    pub elapsed: Duration,
}

/// What a run of all models has found.
#[derive(Debug, Default)]
pub struct Run {
    /// The models, by their paths.
    pub models: BTreeMap<String, (Case, Explored)>,
    /// The defects, by their names.
    pub kills: BTreeMap<String, Kill>,
}

impl Run {
    /// Writes the page, if that is asked for, or compares it with the one there is. Only seconds may
    /// differ: executions are counted, and always the same.
    ///
    /// # Errors
    ///
    /// What differs, or why the page cannot be read or written.
    ///
    /// # Panics
    ///
    /// If an invariant has neither model nor test.
    pub fn settle(&self) -> Result<(), String> {
        let (path, page) = (docs("verification.md"), self.page());
        if std::env::var_os(WRITE).is_some() {
            return fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()));
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        let differ = there.lines().chain([""]).zip(page.lines().chain([""]));
        let differ = differ.into_iter().find(|(old, new)| timeless(old) != timeless(new));
        match differ {
            None if there.lines().count() == page.lines().count() => Ok(()),
            _ => Err(format!(
                "docs/verification.md does not say what this run has found; {WRITE}=1 cargo loom \
                 writes it: {differ:?}"
            )),
        }
    }

    fn page(&self) -> String {
        TEXT.replace("{models}", &self.model_table())
            .replace("{invariants}", &self.invariant_table())
            .replace("{defects}", &self.defect_table())
            .replace("{sums}", &self.sums())
    }

    fn sums(&self) -> String {
        let executions: usize = self.models.values().map(|(_, seen)| seen.executions).sum();
        let bounded = self.models.values().filter(|(_, seen)| seen.preemptions.is_some()).count();
        let (models, defects) = (self.models.len(), self.kills.len());
        format!(
            "{models} models, {} of them without a bound, {bounded} bounded; {executions} \
             executions; {defects} seeded defects.",
            models - bounded
        )
    }

    fn model_table(&self) -> String {
        let mut table = String::new();
        for (path, (case, seen)) in &self.models {
            let schedules = seen
                .preemptions
                .map_or("all".to_owned(), |most| format!("at most {most} preemptions"));
            let (threads, executions) = (seen.threads, seen.executions);
            let seconds = seconds(seen.elapsed);
            let about = case.about();
            let _ = writeln!(
                table,
                "| `{path}` | {about} | {threads} | {executions} | {schedules} | {seconds} |"
            );
        }
        table
    }

    fn invariant_table(&self) -> String {
        let tests = source::tests(&root().join("tests"));
        let mut table = String::new();
        for number in 1..=32 {
            let models = self.models.values().filter(|(case, _)| names(&case.about(), number));
            let models: Vec<String> =
                models.map(|(case, _)| format!("`{}`", case.path())).collect();
            let tests = by_file(tests.iter().filter(|test| test.invariants.contains(&number)));
            let is_exact = [6, 9, 14, 29, 32].contains(&number);
            assert!(!tests.is_empty() || !is_exact, "no test of I{number}");
            assert!(!models.is_empty() || is_exact, "no model of I{number}");
            let _ = writeln!(table, "| I{number} | {} | {tests} |", models.join(", "));
        }
        table
    }

    fn defect_table(&self) -> String {
        let defects = include_str!("../../src/ground/defects.rs");
        let mut table = String::new();
        for Kill { defect, killer, elapsed } in self.kills.values() {
            let about = source::comment_above(defects, &format!("    {defect},"));
            let _ = writeln!(table, "| {about} | `{killer}` | {} |", seconds(*elapsed));
        }
        table
    }
}

fn names(text: &str, invariant: u32) -> bool {
    source::invariants(text).contains(&invariant)
}

/// How many tests there are in which file.
fn by_file<'a>(tests: impl Iterator<Item = &'a source::Test>) -> String {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    tests.for_each(|test| *files.entry(&test.file).or_default() += 1);
    let files: Vec<_> = files.iter().map(|(file, count)| format!("`{file}` {count}")).collect();
    files.join(", ")
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.2} s", elapsed.as_secs_f64())
}

/// A line of a table without the cells that are times.
fn timeless(line: &str) -> String {
    let is_time = |cell: &&str| {
        cell.trim().strip_suffix(" s").is_some_and(|number| number.parse::<f64>().is_ok())
    };
    line.split('|').filter(|cell| !is_time(cell)).collect::<Vec<_>>().join("|")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn docs(name: &str) -> PathBuf {
    root().join("docs").join(name)
}
