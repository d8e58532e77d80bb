//! The files that the command line keeps.
//!
//! - [`home`]: the folder of your own files.
//! - [`login`]: who you are and where the cluster is, in that folder, readable by you alone.
//! - [`link`]: which project a repository is, in its root, to be committed.
//! - [`atomic`]: how files are written, so that a crash leaves the old one or the new one. [`stored`]: names of files on
//!   disk.
//!
//! What is kept of runs of agents is in [`agent_run`](crate::agent_run).

pub(crate) mod atomic;
pub(crate) mod home;
pub(crate) mod link;
pub(crate) mod login;
pub(crate) mod stored;
