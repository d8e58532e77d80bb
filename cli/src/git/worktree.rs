//! Finds work trees by the files alone: no setting moves them.

use crate::confined::read_bounded;
use std::path::{Path, PathBuf};

/// Bytes of a file of git that names a folder: a word and a path.
const MAX_GIT_FILE_BYTES: u64 = 64 << 10;

/// A work tree of git, which is a folder with a `.git`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkTree {
    /// The root of the work tree, without symbolic links.
    pub(crate) top: PathBuf,
}

impl WorkTree {
    /// The work tree with this root, as git sees it: an empty folder `.git` does not count.
    pub(crate) fn at(top: &Path) -> Option<Self> {
        let own = top.join(".git");
        let has_parts = |git: &Path| git.join("HEAD").symlink_metadata().is_ok();
        let is_one = if own.is_dir() {
            has_parts(&own) && own.join("objects").is_dir() && own.join("refs").is_dir()
        } else {
            git_folder(top).is_some_and(|git| has_parts(&git))
        };
        is_one.then(|| Self { top: top.to_owned() })
    }

    /// The nearest work tree around a file or folder.
    pub(crate) fn around(path: &Path) -> Option<Self> {
        path.ancestors().find_map(Self::at)
    }
}

/// The folder that the file `.git` in the root of a worktree or of a submodule names.
pub(crate) fn git_folder(top: &Path) -> Option<PathBuf> {
    let text = read_git_file(&top.join(".git"))?;
    Some(top.join(text.strip_prefix("gitdir:")?.trim()))
}

/// The content of a file of git that names a folder.
pub(crate) fn read_git_file(path: &Path) -> Option<String> {
    read_bounded(path, MAX_GIT_FILE_BYTES).ok()
}
