//! The files that the command line stores.
//!
//! - [`home`]: the folders of your own files.
//! - [`login`]: your API key and the servers, in that folder, readable by you alone.
//! - [`forgotten_keys`]: copies of the keys that logging out forgets.
//! - [`link`]: the project that a repository belongs to, in a file in its root, to be committed.
//! - [`policy`]: what both of them say about writes while no server answers.
//! - [`receipts`]: what they say about commits without a receipt.
//! - [`atomic`]: writes files so that a crash leaves the old one or the new one. [`stored`]: paths in JSON files.
//!
//! The records of agent runs are in [`agent_run`](crate::agent_run).

pub(crate) mod atomic;
pub(crate) mod forgotten_keys;
pub(crate) mod home;
pub(crate) mod link;
pub(crate) mod login;
pub(crate) mod policy;
pub(crate) mod receipts;
pub(crate) mod stored;
