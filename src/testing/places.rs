//! The user's lines in a backtrace.

use std::backtrace::Backtrace;
use std::fmt;
use std::sync::Arc;

/// The function that polls the user's future: what is further out on the stack is not its own.
pub(super) const OUTERMOST: &str = "poll_the_scenario";

/// Where a future was suspended: a stack for each time that its waker was taken.
#[derive(Debug, Default)]
pub(super) struct Suspended(Vec<Arc<Backtrace>>);

impl From<Vec<Arc<Backtrace>>> for Suspended {
    fn from(noted: Vec<Arc<Backtrace>>) -> Self {
        Self(noted)
    }
}

impl fmt::Display for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted: Vec<_> = self.0.iter().map(|noted| format!("{noted:#}")).collect();
        f.write_str(&told(&noted))
    }
}

/// What the backtraces tell, in their long form.
fn told(noted: &[String]) -> String {
    if noted.is_empty() {
        return "    at a place that took no waker\n".to_owned();
    }
    let ways = noted.iter().filter_map(|noted| way(noted)).filter(|way| !way.is_empty());
    let ways = innermost(ways.collect());
    if ways.is_empty() {
        return "    at a line that is not known: build the test with debug information, with\n    \
                `debug = \"line-tables-only\"` in its profile at least\n"
            .to_owned();
    }
    let ways: Vec<String> = ways.iter().map(|way| lines(way)).collect();
    ways.join("  and beside that, in the same poll,\n")
}

fn lines(way: &[Frame]) -> String {
    way.iter().fold(String::new(), |lines, frame| lines + &format!("    {frame}\n"))
}

/// One await: the place, and the function that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    place: String,
    function: String,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  in {}", self.place, self.function)
    }
}

/// The user's frames of a backtrace in its long form, from the innermost to the scenario's own. Nothing if
/// the scenario was not on the stack.
fn way(backtrace: &str) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    let mut function = "";
    for line in backtrace.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            if is_users(place) {
                frames.push(Frame { place: shown(place), function: plain(function) });
            }
        } else {
            function = name(line);
            if function.contains(OUTERMOST) {
                return Some(frames);
            }
        }
    }
    None
}

/// What follows the number, and in the long form the address, in a line of a backtrace.
fn name(line: &str) -> &str {
    let name = line.split_once(": ").map_or(line, |(_, name)| name.trim_start());
    match name.split_once(" - ") {
        Some((address, name)) if address.starts_with("0x") => name,
        _ => name,
    }
}

/// Without what the compiler adds.
fn plain(name: &str) -> String {
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => name,
    };
    name.replace("::{{closure}}", "").replace("::{closure#0}", "")
}

/// Neither the standard library's, nor a dependency's, nor ours.
fn is_users(place: &str) -> bool {
    const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
    let place = place.replace('\\', "/");
    let strangers = ["/rustc/", "/rustlib/src/", "/registry/src/", "/git/checkouts/"];
    !strangers.iter().any(|stranger| place.contains(stranger))
        && !place.starts_with(&OURS.replace('\\', "/"))
}

/// As short as it can be from where the test runs.
fn shown(place: &str) -> String {
    let here = std::env::current_dir().ok();
    let here = here.as_deref().and_then(std::path::Path::to_str);
    let inside = here.and_then(|here| place.strip_prefix(here));
    let inside = inside.map(|inside| inside.trim_start_matches(['/', '\\']));
    inside.unwrap_or(place).to_owned()
}

/// Without those that are only the beginning of another one, seen from outside: a scope takes the waker
/// too, and stands on the way to whatever is suspended in its body.
fn innermost(ways: Vec<Vec<Frame>>) -> Vec<Vec<Frame>> {
    let mut found: Vec<Vec<Frame>> = Vec::new();
    for way in ways {
        if found.iter().any(|longer| longer.ends_with(&way)) {
            continue;
        }
        found.retain(|shorter| !way.ends_with(shorter));
        found.push(way);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backtrace through a leaf, one await of the user's in another, and what is further out.
    fn backtrace(inner: &str) -> String {
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/src/scope/future.rs:1:1");
        format!(
            "   0:     0x5581 - std::backtrace::Backtrace::create\n   \
                    at /rustc/5980/library/std/src/backtrace.rs:331:13\n   \
             1:     0x5582 - umbel::scope::future::poll::h0123456789abcdef\n   \
                    at {ours}\n   \
             2:     0x5583 - shop::pay::{{{{closure}}}}::h0123456789abcdef\n   \
                    at {inner}\n   \
             3:     0x5584 - tokio::sync::poll\n   \
                    at /home/me/.cargo/registry/src/index/tokio-1/src/sync.rs:1:1\n   \
             4:     0x5585 - shop::buy::{{{{closure}}}}\n   \
                    at /home/me/shop/src/lib.rs:9:7\n   \
             5:     0x5586 - umbel::testing::played::{OUTERMOST}\n   \
                    at {ours}\n   \
             6:     0x5587 - shop::tests::main\n   \
                    at /home/me/shop/tests/shop.rs:1:1\n"
        )
    }

    #[test]
    fn the_users_awaits_are_told_from_the_innermost_to_the_scenario() {
        assert_eq!(
            told(&[backtrace("/home/me/shop/src/pay.rs:3:5")]),
            "    /home/me/shop/src/pay.rs:3:5  in shop::pay\n    \
             /home/me/shop/src/lib.rs:9:7  in shop::buy\n"
        );
    }

    #[test]
    fn what_is_only_on_the_way_to_another_await_is_not_told() {
        let (pay, wait) = (backtrace("/a/pay.rs:3:5"), backtrace("/a/pay.rs:4:5"));
        let around = backtrace("/rustc/5980/library/core/src/future.rs:1:1");
        let both = told(&[around.clone(), pay.clone(), around, wait, pay]);
        assert_eq!(both.matches("beside that").count(), 1, "{both}");
        assert_eq!(both.matches("in shop::pay").count(), 2, "{both}");
    }

    #[test]
    fn without_lines_it_says_what_would_give_them() {
        let bare = backtrace("/a/pay.rs:3:5");
        let bare: Vec<&str> = bare.lines().filter(|line| !line.contains(" at ")).collect();
        assert!(told(&[bare.join("\n")]).contains("line-tables-only"));
        assert!(told(&[]).contains("took no waker"));
    }
}
