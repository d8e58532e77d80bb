//! The two files that the command line keeps.
//!
//! - [`login`]: who you are and where the cluster is, in your home folder, readable by you alone.
//! - [`link`]: which project a repository is, in its root, to be committed.
//! - [`atomic`]: how both are written, so that a crash leaves the old file or the new one.

mod atomic;
pub(crate) mod link;
pub(crate) mod login;
