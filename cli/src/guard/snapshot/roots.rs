//! Finds the work trees that a command may change: the one in which it starts, those that its text names, and those in
//! which the agent works according to its host. Does not run git.

use super::super::checkout::LinkedCheckout;
use crate::git::WorkTree;
use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
};

/// Most work trees of one check, with submodules and other repositories in their folders: git runs for each of them.
pub(super) const MAX_TREES: usize = 64;

/// Most words of a command that are checked.
const MAX_WORDS: usize = 1_000;

/// Most folders that a command may have changed to, from each of which its words may lead further.
const MAX_FOLDERS: usize = 8;

/// Most repositories around another one.
const MAX_AROUND: usize = 3;

/// Most entries that are checked in a linked folder without a repository, which may contain several repositories.
const MAX_ENTRIES: usize = 200;

/// Characters that end a word of a shell, or separate an option or a variable from its value.
const BETWEEN: &str = ";&|()<>\"'`=,";

/// The work trees that are linked, the one of the folder first.
pub(crate) fn of_command(folder: &Path, named: &[PathBuf], command: &str) -> Vec<WorkTree> {
    let mut found = LinkedWorkTrees::default();
    found.add(folder);
    named.iter().for_each(|folder| found.add(folder));
    for path in mentioned(folder, command) {
        found.add(&path);
    }
    found.trees
}

#[derive(Default)]
struct LinkedWorkTrees {
    trees: Vec<WorkTree>,
    /// Folders that were checked.
    seen: HashSet<PathBuf>,
}

impl LinkedWorkTrees {
    /// Adds the work tree around a path, and those around that, as far as they are linked.
    fn add(&mut self, path: &Path) {
        let Ok(path) = fs::canonicalize(path) else { return };
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(&path).to_owned() };
        if !self.seen.insert(folder.clone()) {
            return;
        }
        let is_linked = |path: &Path| LinkedCheckout::of(path).is_ok_and(|checkout| checkout.is_some());
        let Some(tree) = WorkTree::around(&folder) else {
            if is_linked(&folder) {
                self.add_inner(&folder);
            }
            return;
        };
        if self.trees.contains(&tree) || !is_linked(&folder) {
            return;
        }
        let mut around = tree.top.parent().and_then(WorkTree::around);
        self.trees.push(tree);
        for _ in 0..MAX_AROUND {
            let Some(tree) = around.filter(|tree| is_linked(&tree.top)) else { break };
            around = tree.top.parent().and_then(WorkTree::around);
            if !self.trees.contains(&tree) {
                self.trees.push(tree);
            }
        }
    }

    /// Adds the repositories in a linked folder that is no repository itself.
    fn add_inner(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten().take(MAX_ENTRIES) {
            if let Some(tree) = WorkTree::at(&entry.path()).filter(|tree| !self.trees.contains(tree)) {
                self.trees.push(tree);
            }
        }
    }
}

/// Existing paths that words of a command name, each relative to the folders that earlier words may have led to.
fn mentioned(folder: &Path, command: &str) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let words = command.split(|letter: char| letter.is_whitespace() || BETWEEN.contains(letter));
    for word in words.filter(|word| !word.is_empty() && seen.insert(word)).take(MAX_WORDS) {
        // An option may have its value right after its letter.
        let word = if word.starts_with('-') { word.get(2..).unwrap_or_default() } else { word };
        let Some(word) = expanded(word) else { continue };
        let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.join(&word)).collect();
        for path in paths {
            let Ok(meta) = fs::metadata(&path) else { continue };
            if meta.is_dir() && folders.len() < MAX_FOLDERS && !folders.contains(&path) {
                folders.push(path.clone());
            }
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// A word with the home folder, or the variable that it begins with, in its place.
fn expanded(word: &str) -> Option<PathBuf> {
    let (name, rest) = if let Some(rest) = word.strip_prefix('~') {
        ("HOME", rest)
    } else if let Some(word) = word.strip_prefix('$') {
        let word = word.trim_start_matches('{');
        let end =
            word.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(word.len());
        (&word[..end], word[end..].trim_start_matches('}'))
    } else {
        return (!word.is_empty()).then(|| PathBuf::from(word));
    };
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    let rest = rest.strip_prefix('/').or_else(|| rest.is_empty().then_some(""))?;
    Some(PathBuf::from(value).join(rest))
}
