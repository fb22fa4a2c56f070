//! Pictures of the tree, for people.

use std::fmt;

use crate::tree::{NodeRef, Role, Row, Rows, orphans};

/// A part of the tree as it stood at one moment; `Display` draws it.
///
/// Every task's tree is looked at by itself, one after another, so a picture of scopes in motion may
/// be blurred: it is for people and logs, not for decisions.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let picture = umbel::scope(async |s| {
///     let idle = s.named("idle").spawn(std::future::pending::<()>());
///     let picture = s.picture().to_string();
///     idle.cancel();
///     picture
/// })
/// .name("page")
/// .await
/// .unwrap();
/// assert!(picture.starts_with("scope \"page\""));
/// assert!(picture.contains("└─ task \"idle\""));
/// # }
/// ```
#[derive(Clone)]
pub struct Picture {
    rows: Vec<Row>,
}

impl Picture {
    pub(super) fn below(node: NodeRef) -> Self {
        Self { rows: Rows::below(node).collect() }
    }

    /// All orphans (see [`drain`](crate::drain)), under the dropped scopes that started them.
    #[must_use]
    pub fn of_orphans() -> Self {
        Self { rows: orphans::trees().iter().flat_map(Rows::of_tree).collect() }
    }

    /// Of what a check has found.
    #[cfg(all(feature = "testing", not(any(umbel_loom, loom, umbel_shuttle))))]
    pub(crate) fn of(rows: Vec<Row>) -> Self {
        Self { rows }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // From below: whether a line has a later sibling decides what is drawn above that sibling.
        let mut open: Vec<bool> = Vec::new();
        let mut lines = Vec::with_capacity(self.rows.len());
        for row in self.rows.iter().rev() {
            open.resize(row.depth + 1, false);
            let mut line = String::new();
            for &goes_on in open.iter().take(row.depth).skip(1) {
                line.push_str(if goes_on { "│  " } else { "   " });
            }
            if row.depth > 0 {
                line.push_str(if open[row.depth] { "├─ " } else { "└─ " });
            }
            open[row.depth] = true;
            lines.push((line, row));
        }
        for (line, row) in lines.into_iter().rev() {
            write!(f, "{line}")?;
            draw(f, row)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

fn draw(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let word = row.word;
    f.write_str(match word.role() {
        Role::Scope => "scope",
        Role::Task => "task",
        Role::Fork => "fork",
        Role::Graft => "link",
        Role::Shield => "shield",
        Role::Service => "service",
        Role::Race => "race",
        Role::Attempt => "attempt",
    })?;
    if let Some(name) = &row.name {
        // Escaped: a name is the user's text, and this goes to terminals.
        write!(f, " \"{}\"", name.escape_debug())?;
    }
    if word.is_closed() {
        f.write_str(", ended")?;
    } else if row.is_tended {
        f.write_str(", dropped, its finalizers are not over")?;
    } else if word.is_forsaken() {
        f.write_str(", dropped, waiting for what is below")?;
    } else if word.is_closing() {
        f.write_str(", closing")?;
    }
    if word.is_cancelled() {
        f.write_str(", cancelled")?;
        if word.own() > 0 {
            write!(f, " ({} of its own)", word.own())?;
        }
    }
    write!(f, "  {}:{}", row.site.file(), row.site.line())
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
