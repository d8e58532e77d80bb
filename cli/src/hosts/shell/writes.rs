//! The files that a command writes, or may write: lists of paths and patterns, each of a bounded length.

use super::unrooted::UnrootedPattern;
use std::{collections::BTreeSet, path::PathBuf};

/// The files that a command writes, or may write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    /// Absolute paths of files and folders that it writes.
    pub(crate) paths: Vec<PathBuf>,
    /// Absolute paths of folders below which it discards uncommitted changes.
    pub(crate) discards: Vec<PathBuf>,
    /// Patterns of files that it may write, each below a folder with an absolute path.
    pub(crate) patterns: Vec<(PathBuf, String)>,
    /// Files that it may create in a folder that is not known.
    pub(crate) unrooted_new: Vec<UnrootedPattern>,
    /// Existing files that it may change or remove.
    pub(crate) unrooted_existing: Vec<UnrootedPattern>,
    /// Absolute paths of files that are named in the text of a program which writes something.
    pub(crate) mentioned: Vec<PathBuf>,
    /// Stashes that it applies: the folder, and the name if one is given.
    pub(crate) unstashed: Vec<(PathBuf, Option<String>)>,
    /// Whether it may write any file, since there was more than the bounds allow.
    pub(crate) may_write_anything: bool,
    /// Why a part of it could not be read.
    pub(crate) unreadable: Option<&'static str>,
    /// The same paths as a set.
    pub(super) seen: BTreeSet<PathBuf>,
}

impl Writes {
    /// Returns whether there was room for it.
    pub(super) fn add_path(&mut self, path: PathBuf) -> bool {
        if self.seen.contains(&path) {
            return true;
        }
        let fits = self.paths.len() < MAX_PATHS;
        if fits {
            self.seen.insert(path.clone());
            self.paths.push(path);
        }
        fits
    }

    /// Returns whether there was room for it.
    pub(super) fn add_discard(&mut self, folder: PathBuf) -> bool {
        if self.discards.contains(&folder) {
            return true;
        }
        let fits = self.discards.len() < MAX_FOLDERS;
        if fits {
            self.discards.push(folder);
        }
        fits
    }

    pub(super) fn add_pattern(&mut self, folder: PathBuf, pattern: String) {
        let one = (folder, pattern);
        if self.patterns.contains(&one) {
            return;
        }
        self.may_write_anything |= self.patterns.len() == MAX_PATTERNS;
        if self.patterns.len() < MAX_PATTERNS {
            self.patterns.push(one);
        }
    }

    pub(super) fn add_unrooted_new(&mut self, below: Option<PathBuf>, pattern: String) {
        self.may_write_anything |= !add_unrooted(&mut self.unrooted_new, below, pattern);
    }

    pub(super) fn add_unrooted_existing(&mut self, below: Option<PathBuf>, pattern: String) {
        self.may_write_anything |= !add_unrooted(&mut self.unrooted_existing, below, pattern);
    }

    pub(super) fn add_mentioned(&mut self, path: PathBuf) {
        if self.mentioned.len() < MAX_NAMED && !self.mentioned.contains(&path) {
            self.mentioned.push(path);
        }
    }

    pub(super) fn add_unstashed(&mut self, folder: PathBuf, name: Option<String>) {
        if self.unstashed.len() < MAX_FOLDERS {
            self.unstashed.push((folder, name));
        }
    }
}

/// Returns whether there was room for it. A pattern that knows neither name nor folder is left out.
fn add_unrooted(list: &mut Vec<UnrootedPattern>, below: Option<PathBuf>, pattern: String) -> bool {
    let is_any = below.is_none() && pattern.split('/').all(|part| matches!(part, "**" | "*"));
    let one = UnrootedPattern { below, pattern };
    let fits = is_any || list.contains(&one) || list.len() < MAX_PATTERNS;
    if fits && !is_any && !list.contains(&one) {
        list.push(one);
    }
    fits
}

/// Most folders of one command that are checked: git runs for each of them.
const MAX_FOLDERS: usize = 20;

/// Most paths of one command that are checked: no editor makes a longer list.
const MAX_PATHS: usize = 2_000;

/// Patterns of one command: comparing them with what is held is work for the cluster.
const MAX_PATTERNS: usize = 100;

/// Most names in texts of programs that are checked.
const MAX_NAMED: usize = 256;
