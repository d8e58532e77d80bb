//! What git says is not committed, is ignored, or is in a stash. Changes nothing.

use crate::{git::Git, run::Key};
use std::path::{Path, PathBuf};

/// Files that are looked at after a command: more than that is no work of one command.
pub(super) const MAX_CHANGED: usize = 5_000;

/// Submodules within submodules that are looked into.
const MAX_SUBMODULE_DEPTH: usize = 3;

/// What is not committed in the working tree of a folder, below it, and in its submodules: absolute paths.
pub(crate) fn uncommitted(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    add_uncommitted(folder, MAX_SUBMODULE_DEPTH, &mut found);
    found
}

fn add_uncommitted(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let git = Git::at(folder);
    let Ok(top) = git.top() else { return };
    for path in uncommitted_in(&git) {
        if found.len() >= MAX_CHANGED {
            return;
        }
        let path = top.join(path);
        // A submodule is one entry of the repository around it, whatever changed in it.
        if depth > 0 && path.join(".git").exists() {
            add_uncommitted(&path, depth - 1, found);
        }
        found.push(path);
    }
}

/// The files that a stash changes when it is put back: absolute paths. Without a name it is the newest one.
pub(crate) fn stashed(folder: &Path, name: Option<&str>) -> Vec<PathBuf> {
    let git = Git::at(folder);
    let Ok(top) = git.top() else { return Vec::new() };
    let stash = match name {
        None => "stash@{0}".to_owned(),
        Some(name) if name.chars().all(|letter| letter.is_ascii_digit()) => format!("stash@{{{name}}}"),
        // To git a word that begins with a dash is an option.
        Some(name) => name.trim_start_matches('-').to_owned(),
    };
    let first = format!("{stash}^1");
    let changed = git.entries(&["diff-tree", "-r", "-z", "--name-only", "--no-renames", &first, &stash]);
    // Files that git did not know have a parent of their own.
    let others = git.entries(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", &format!("{stash}^3")]);
    let paths = changed.unwrap_or_default().into_iter().chain(others.unwrap_or_default());
    paths.take(MAX_CHANGED).map(|path| top.join(path)).collect()
}

/// What is not committed, from the root of the work tree and below the folder. A folder is another repository, or a
/// worktree: its files are not of this one.
fn uncommitted_in(git: &Git) -> Vec<String> {
    const STATUS: [&str; 8] = [
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=none",
        "--",
        ".",
    ];
    // `XY path`.
    let status = git.entries(&STATUS).map(|entries| {
        entries.into_iter().filter_map(|entry| entry.get(3..).map(str::to_owned)).collect::<Vec<_>>()
    });
    // It reads all settings for people, and fails at one that makes no sense; what is asked then reads none, and only
    // takes a file that was written anew with the same content for a changed one.
    let paths = status.unwrap_or_else(|_| {
        let tracked = [
            "diff-index",
            "-z",
            "--name-only",
            "--no-renames",
            "--ignore-submodules=none",
            "HEAD",
            "--",
            ".",
        ];
        let others = ["ls-files", "-z", "--others", "--exclude-standard", "--full-name", "--", "."];
        let mut paths = git.entries(&tracked).unwrap_or_default();
        paths.extend(git.entries(&others).unwrap_or_default());
        paths
    });
    paths.into_iter().filter(|path| !path.ends_with('/')).collect()
}

/// These paths without those that git ignores: what is built belongs to nobody.
pub(crate) fn not_ignored(root: &Path, paths: Vec<String>) -> Vec<String> {
    if paths.is_empty() {
        return paths;
    }
    // To git a path that begins with a colon is a pattern.
    let input = paths.iter().map(|path| format!("./{path}\0")).collect();
    // With 1 it says that none of them is ignored.
    let ignored = Git::at(root).entries_of(&["check-ignore", "-z", "--stdin"], input, |code| code <= 1);
    let ignored = ignored.unwrap_or_default();
    let is_ignored = |path: &String| ignored.iter().any(|one| one.strip_prefix("./") == Some(path.as_str()));
    paths.into_iter().filter(|path| !is_ignored(path)).collect()
}

/// The word for a use of a tool that has no name.
pub(crate) fn unnamed(key: &Key) -> String {
    format!("{}-shell", key.kind())
}
