//! Which files a shell command writes, as far as its text shows it. This runs nothing, and never fails: what is not known
//! becomes a pattern of all that it could be, or is left to the snapshots of [`guard`](crate::guard).
//!
//! `shuck-parser` parses the text (ARCHITECTURE.md says why); this interprets the tree. Time, depth and size are bounded:
//! a text beyond the bounds counts as unreadable.
//! - [`read`]: parses a text. [`value`]: a text with parts that are unknown. [`budget`]: bounds the work.
//! - [`scope`]: folder, variables and functions. [`expand`] and [`parameter`]: the values of a word. [`glob`]: the files
//!   that match a pattern.
//! - [`walk`]: goes through the commands in order. [`compound`]: branches and loops. [`assign`]: assignments of variables.
//!   [`input`]: what a command prints for the next one. [`target`]: collects what is written. [`unrooted`]: patterns of
//!   files in a folder that is not known.
//! - [`simple`]: a simple command. [`starters`]: programs that start another one. [`options`], [`programs`], [`table`]: the
//!   usual programs, as a table. [`special`], [`archives`], [`fetched`], [`find`], [`git`], [`sed`]: programs that no table
//!   can describe. [`interpreters`], [`languages`], [`texts`]: programs that run a text.

mod archives;
mod assign;
mod budget;
mod compound;
mod expand;
mod fetched;
mod find;
mod git;
mod glob;
mod input;
mod interpreters;
mod languages;
mod options;
#[cfg(test)]
pub(crate) mod ordinary;
mod parameter;
mod programs;
mod read;
mod scope;
mod sed;
mod simple;
mod special;
mod starters;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod texts;
mod unrooted;
mod value;
mod walk;

pub(in crate::hosts) use interpreters::is_shell;
pub(crate) use unrooted::{UnrootedPattern, claim_conflicts};

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

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
    seen: BTreeSet<PathBuf>,
}

impl Writes {
    /// Returns whether there was room for it.
    fn add_path(&mut self, path: PathBuf) -> bool {
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
    fn add_discard(&mut self, folder: PathBuf) -> bool {
        if self.discards.contains(&folder) {
            return true;
        }
        let fits = self.discards.len() < MAX_FOLDERS;
        if fits {
            self.discards.push(folder);
        }
        fits
    }

    fn add_pattern(&mut self, folder: PathBuf, pattern: String) {
        let one = (folder, pattern);
        if self.patterns.contains(&one) {
            return;
        }
        self.may_write_anything |= self.patterns.len() == MAX_PATTERNS;
        if self.patterns.len() < MAX_PATTERNS {
            self.patterns.push(one);
        }
    }

    fn add_unrooted_new(&mut self, below: Option<PathBuf>, pattern: String) {
        self.may_write_anything |= !add_unrooted(&mut self.unrooted_new, below, pattern);
    }

    fn add_unrooted_existing(&mut self, below: Option<PathBuf>, pattern: String) {
        self.may_write_anything |= !add_unrooted(&mut self.unrooted_existing, below, pattern);
    }

    fn add_mentioned(&mut self, path: PathBuf) {
        if self.mentioned.len() < MAX_NAMED && !self.mentioned.contains(&path) {
            self.mentioned.push(path);
        }
    }

    fn add_unstashed(&mut self, folder: PathBuf, name: Option<String>) {
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

/// Folders of one command that are looked at: git is asked about each of them.
const MAX_FOLDERS: usize = 20;

/// Paths of one command that are looked at: a longer list is no work of an editor.
const MAX_PATHS: usize = 2_000;

/// Patterns of one command: comparing them with what is held is work for the cluster.
const MAX_PATTERNS: usize = 100;

/// Names in texts of programs that are looked at.
const MAX_NAMED: usize = 256;

/// How long a command is read at most: a host waits ten seconds for its hook, and the cluster is still to be asked.
const LONGEST: Duration = Duration::from_secs(2);

/// The stack of whatever reads a command: trees are walked as deep as the parser lets them be, a few within each other.
const STACK_BYTES: usize = 64 << 20;

/// What a command writes that starts in this folder.
pub(crate) fn writes(command: &str, folder: &Path) -> Writes {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (command, folder) = (command.to_owned(), folder.to_owned());
    let reading = move || {
        // The caller may have given up.
        let _ = sender.send(read_through(&command, &folder));
    };
    // A reader that panics or goes on for ever is one that could not read it; it ends with this process.
    let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(reading);
    let seen = started.ok().and_then(|_| receiver.recv_timeout(LONGEST).ok());
    seen.unwrap_or_else(|| Writes { unreadable: Some(read::TOO_SLOW), ..Writes::default() })
}

fn read_through(command: &str, folder: &Path) -> Writes {
    let mut shell = walk::Shell::in_folder(folder);
    shell.run(command);
    shell.run_uncalled();
    shell.writes.may_write_anything |= shell.budget.is_over();
    shell.writes
}
