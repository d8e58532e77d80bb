//! Git, asked so that its answer depends on the repository alone. Changes nothing in it.
//!
//! - [`call`]: one call, whatever the user has set. [`worktree`]: where a work tree is. [`commits`]: which files commits
//!   change. [`status`]: what is not committed.

mod call;
mod commits;
mod status;
mod worktree;

pub(crate) use call::{Elapsed, Git};
pub(crate) use commits::{
    Edge, LONGEST_LISTING, committed, fetched, has_remotes, in_tree, known, listed_by, staged,
};
pub(crate) use status::{Indexed, Status, blobs, changed_between, indexed, raw_hashes, status};
pub(crate) use worktree::{WorkTree, git_folder, read_git_file};
