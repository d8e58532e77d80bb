//! Git, asked so that its answer depends on the repository alone. Changes nothing in it.
//!
//! - [`call`]: one call, whatever the user has set. [`commits`]: which files commits change.

mod call;
mod commits;

pub(crate) use call::{Elapsed, Git};
pub(crate) use commits::{
    Edge, LONGEST_LISTING, committed, fetched, has_remotes, in_tree, known, listed_by, staged,
};
