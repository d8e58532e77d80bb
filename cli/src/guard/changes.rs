//! What git says is not committed, is ignored, or is in a stash. Changes nothing.

use crate::{
    git::{self, Git, WorkTree},
    repository::real,
    run::Key,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Files of a folder, or of a stash, that are looked at before a command throws them away or puts them back.
const MAX_CHANGED: usize = 5_000;

/// Submodules within submodules that are looked into.
const MAX_SUBMODULE_DEPTH: usize = 3;

/// How long git may take to say what a command would change: its host waits ten seconds for all of the hook.
const LONGEST: Duration = Duration::from_secs(2);

/// What is not committed in the working tree of a folder, below it, and in its submodules: absolute paths.
pub(crate) fn uncommitted(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let end = Instant::now() + LONGEST;
    let folder = real(folder);
    if let Some(tree) = WorkTree::around(&folder) {
        add_uncommitted(&tree, &folder, end, MAX_SUBMODULE_DEPTH, &mut found);
    }
    found
}

fn add_uncommitted(tree: &WorkTree, folder: &Path, end: Instant, depth: usize, found: &mut Vec<PathBuf>) {
    let status = git::status(&Git::in_tree(tree).until(end)).unwrap_or_default();
    for entry in status.entries {
        let path = tree.top.join(&entry.path);
        if !path.starts_with(folder) {
            continue;
        }
        if found.len() >= MAX_CHANGED {
            return;
        }
        // A folder that git does not know is another repository, or a worktree: its files are not of this one.
        if !entry.is_repository || entry.is_in_head {
            found.push(path);
        }
    }
    let modules = git::indexed(&Git::in_tree(tree).until(end)).unwrap_or_default();
    for module in modules.iter().filter(|file| file.is_repository && depth > 0) {
        let path = tree.top.join(&module.path);
        if (path.starts_with(folder) || folder.starts_with(&path))
            && let Some(inner) = WorkTree::at(&path)
        {
            add_uncommitted(&inner, folder, end, depth - 1, found);
        }
    }
}

/// The files that a stash changes when it is put back: absolute paths. Without a name it is the newest one.
pub(crate) fn stashed(folder: &Path, name: Option<&str>) -> Vec<PathBuf> {
    let git = Git::at(folder).until(Instant::now() + LONGEST);
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

/// These paths without those that git ignores: what is built belongs to nobody.
pub(crate) fn not_ignored(root: &Path, paths: Vec<String>) -> Vec<String> {
    if paths.is_empty() {
        return paths;
    }
    // To git a path that begins with a colon is a pattern.
    let input = paths.iter().map(|path| format!("./{path}\0")).collect();
    // With 1 it says that none of them is ignored.
    let git = Git::at(root).until(Instant::now() + LONGEST);
    let ignored = git.entries_of(&["check-ignore", "-z", "--stdin"], input, |code| code <= 1);
    let ignored = ignored.unwrap_or_default();
    let is_ignored = |path: &String| ignored.iter().any(|one| one.strip_prefix("./") == Some(path.as_str()));
    paths.into_iter().filter(|path| !is_ignored(path)).collect()
}

/// The word for a use of a tool that has no name.
pub(crate) fn unnamed(key: &Key) -> String {
    format!("{}-shell", key.kind())
}
