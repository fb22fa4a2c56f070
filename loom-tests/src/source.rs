//! What our own sources say about themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The text of the comment that stands above a line which contains `what`.
#[must_use]
pub fn comment_above(source: &str, what: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let Some(line) = lines.iter().position(|line| line.contains(what)) else {
        return String::new();
    };
    let above = lines[..line].iter().rev().map(|line| line.trim());
    let mut text: Vec<&str> = above
        .skip_while(|line| line.starts_with("#["))
        .map_while(|line| line.strip_prefix("///"))
        .map(str::trim)
        .collect();
    text.reverse();
    text.join(" ")
}

/// The numbers of the invariants that a text names: `I12` and the like.
#[must_use]
pub fn invariants(text: &str) -> BTreeSet<u32> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('I')?.parse().ok()).collect()
}

/// A test: the file it is in, and the invariants it names.
#[derive(Debug)]
pub struct Test {
    /// The file's name, without its ending.
    pub file: String,
    /// The numbers of the invariants.
    pub invariants: BTreeSet<u32>,
}

/// The tests in the files of a folder that name invariants, in the comment above or in the body.
///
/// # Panics
///
/// If the folder cannot be read.
#[must_use]
pub fn tests(folder: &Path) -> Vec<Test> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of the tests")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| tests_of(path)).collect()
}

fn tests_of(path: &Path) -> Vec<Test> {
    let file = path.file_stem().expect("a file's name").to_string_lossy().into_owned();
    let source = fs::read_to_string(path).expect("a readable file");
    // Every item ends with a line that starts with its closing brace.
    let items = source.split("\n}\n").filter(|item| {
        item.lines().any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
    });
    let named = items.map(|item| Test { file: file.clone(), invariants: invariants(item) });
    named.filter(|test| !test.invariants.is_empty()).collect()
}
