//! Which files a shell command writes, as far as it can be seen before it runs. Runs nothing, and never
//! fails: what it cannot know it leaves out, and what changed all the same is looked at afterwards.
//!
//! Why no parser of somebody else's: those there are take a whole script or nothing of it, keep words as
//! raw text that has to be parsed again, and bring more code than the rest of this program. A guard wants
//! what is to be seen of a command, also of one that is broken.
//!
//! Nothing that is typed can keep it busy for long: what takes more than its budget may write anything.
//! - [`token`]: words, operators, redirections and here-documents. [`word`]: what a word stands for.
//!   [`glob`]: the files of a pattern. [`budget`]: how much of all that.
//! - [`walk`]: goes through the commands in order, in the folder that each runs in.
//! - [`program`]: what the usual programs write. [`git`]: what git writes.

mod budget;
mod find;
mod git;
mod glob;
mod program;
#[cfg(test)]
mod tests;
mod token;
mod walk;
mod word;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What a command writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    /// Files and folders, absolute.
    pub(crate) paths: Vec<PathBuf>,
    /// Folders below which it throws away what is not committed, absolute.
    pub(crate) discards: Vec<PathBuf>,
    /// Folders below which it may write any file that matches a pattern, absolute.
    pub(crate) anywhere: Vec<(PathBuf, String)>,
    /// Whether there is more than was looked at: then it may write anything.
    pub(crate) is_beyond: bool,
    /// The paths, to find them again.
    seen: BTreeSet<PathBuf>,
}

impl Writes {
    /// Gives whether there was room for it.
    fn path(&mut self, path: PathBuf) -> bool {
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

    /// Gives whether there was room for it.
    fn discard(&mut self, folder: PathBuf) -> bool {
        if self.discards.contains(&folder) {
            return true;
        }
        let fits = self.discards.len() < MAX_FOLDERS;
        if fits {
            self.discards.push(folder);
        }
        fits
    }

    fn anywhere(&mut self, folder: PathBuf, pattern: String) {
        let one = (folder, pattern);
        if self.anywhere.len() < MAX_FOLDERS && !self.anywhere.contains(&one) {
            self.anywhere.push(one);
        }
    }
}

/// Folders of one command that are looked at: git is asked about each of them.
const MAX_FOLDERS: usize = 20;

/// Paths of one command that are looked at: a longer list is no work of an editor.
const MAX_PATHS: usize = 2_000;

/// What a command writes that starts in this folder.
pub(crate) fn writes(command: &str, folder: &Path) -> Writes {
    walk::walk(command, folder)
}
