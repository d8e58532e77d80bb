//! Calls of git whose output depends on the repository alone. They change nothing in it.
//!
//! - [`call`]: one call, independent of the user's settings. [`worktree`]: finds work trees. [`commits`]: the files
//!   that commits change. [`status`]: what is not committed.

mod call;
mod commits;
mod status;
mod worktree;

pub(crate) use call::{Elapsed, Git};
pub(crate) use commits::{
    Commit, Edge, LONGEST_LISTING, add_trailer, being_made, commits, committed, fetched, has_remotes,
    in_tree, known, listed_by, staged,
};
pub(crate) use status::{Indexed, Status, blobs, changed_between, indexed, raw_hashes, status};
pub(crate) use worktree::{WorkTree, git_folder, read_git_file};

/// Reads bytes as the output of every call of git: the fuzz target of this module.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_all(printed: &[u8]) -> (Vec<std::path::PathBuf>, Vec<Commit>) {
    (status::read_all(printed), commits::read_all(printed))
}
