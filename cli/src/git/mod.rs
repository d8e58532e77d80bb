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
