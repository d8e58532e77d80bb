//! Which files a shell command writes, as far as it can be seen before it runs. Runs nothing, and never
//! fails: what it cannot know it leaves out, and what changed all the same is looked at afterwards.
//!
//! Why no parser of somebody else's: those there are take a whole script or nothing of it, keep words as
//! raw text that has to be parsed again, and bring more code than the rest of this program. A guard wants
//! what is to be seen of a command, also of one that is broken.
//! - [`token`]: words, operators, redirections and here-documents. [`word`]: what a word stands for.
//! - [`walk`]: goes through the commands in order, in the folder that each runs in.
//! - [`program`]: what the usual programs write. [`git`]: what git writes.

mod git;
mod program;
#[cfg(test)]
mod tests;
mod token;
mod walk;
mod word;

use std::path::{Path, PathBuf};

/// What a command writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    /// Files and folders, absolute.
    pub(crate) paths: Vec<PathBuf>,
    /// Folders below which it throws away what is not committed, absolute.
    pub(crate) discards: Vec<PathBuf>,
}

impl Writes {
    fn path(&mut self, path: PathBuf) {
        if self.paths.len() < MAX_PATHS && !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    fn discard(&mut self, folder: PathBuf) {
        if self.discards.len() < MAX_PATHS && !self.discards.contains(&folder) {
            self.discards.push(folder);
        }
    }

    /// Whether it writes nothing that is known.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.paths.is_empty() && self.discards.is_empty()
    }
}

/// Paths of one command that are looked at: a longer list is no work of an editor.
const MAX_PATHS: usize = 2_000;

/// What a command writes that starts in this folder.
pub(crate) fn writes(command: &str, folder: &Path) -> Writes {
    walk::walk(command, folder)
}
