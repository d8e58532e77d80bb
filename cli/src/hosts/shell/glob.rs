//! Finds the files that a shell's pattern matches. It goes folder by folder, so that it can stop at its bounds.

use super::budget::Budget;
use glob::{MatchOptions, Pattern};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Shells match a leading dot only with a dot.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The paths that a pattern finds, in order, as it is written: relative to the folder, or absolute.
pub(super) fn found(pattern: &str, folder: &Path, budget: &mut Budget) -> Vec<String> {
    let mut found: Vec<PathBuf> = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        // Most shells take `**` for `*`.
        let Ok(part) = Pattern::new(&part.replace("**", "*")) else { return Vec::new() };
        let mut deeper = Vec::new();
        for above in &found {
            if !matching(&part, above, folder, &mut deeper, budget) {
                return Vec::new();
            }
        }
        found = deeper;
    }
    let mut found: Vec<String> = found.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    found.sort();
    found
}

/// Adds the matches in a folder. Returns whether the whole folder was read.
fn matching(
    part: &Pattern,
    above: &Path,
    folder: &Path,
    deeper: &mut Vec<PathBuf>,
    budget: &mut Budget,
) -> bool {
    let name = unescaped(part.as_str());
    if let Some(name) = name {
        let path = above.join(name);
        if fs::symlink_metadata(folder.join(&path)).is_ok() {
            deeper.push(path);
        }
        return budget.entry();
    }
    let Ok(entries) = fs::read_dir(folder.join(above)) else { return true };
    for entry in entries.flatten() {
        if !budget.entry() {
            return false;
        }
        let name = entry.file_name();
        if part.matches_with(&name.to_string_lossy(), OPTIONS) {
            deeper.push(above.join(name));
        }
    }
    true
}

/// The name that a part without wildcards stands for. A wildcard in brackets stands for itself.
fn unescaped(part: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = part;
    while let Some(letter) = rest.chars().next() {
        let escaped = ["[*]", "[?]", "[[]", "[]]"].into_iter().find(|escaped| rest.starts_with(escaped));
        match (escaped, letter) {
            (Some(escaped), _) => {
                name.push_str(&escaped[1..2]);
                rest = &rest[escaped.len()..];
            }
            (None, '*' | '?' | '[') => return None,
            (None, letter) => {
                name.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    Some(name)
}
