//! The repository around the current folder. Changes nothing in it.
//!
//! - [`spelling`]: the files that a path may mean. [`paths`]: paths as the cluster names them.
//! - [`state`]: its branch and commit. [`tree`]: the files that a pattern matches. [`unmatched`]: paths that match no
//!   file.

mod paths;
mod spelling;
mod state;
mod tree;
mod unmatched;

pub(crate) use paths::{as_typed, from_here, from_root};
pub(crate) use spelling::{meant, normalized, real};
pub(crate) use state::{branch, git_state, git_state_of};
pub(crate) use tree::Tree;
pub(crate) use unmatched::{Unmatched, unmatched};
