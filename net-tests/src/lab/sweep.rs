//! What labs have left whose process was killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::namespaces::{FILES, NAMESPACES, Namespaces};

/// Removes it. What has our own id was left by another process that had it.
pub(super) fn left_over() {
    for process in owners() {
        let is_dead = !Path::new("/proc").join(process.to_string()).exists();
        if is_dead || process == std::process::id() {
            Namespaces::of(process).clear();
        }
    }
}

/// The processes that have a lab, or had one.
fn owners() -> BTreeSet<u32> {
    let entries = [NAMESPACES, FILES].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let names = entries.flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| Namespaces::owner(name.to_str()?)).collect()
}
