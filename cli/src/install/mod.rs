//! Puts entries of Nexus into settings and texts that belong to others, and removes exactly those again. It knows Git.
//! The entries for an agent host are in its file in [`hosts`](crate::hosts).
//!
//! - [`scope`]: whose settings are changed. [`location`]: where a file is, and which links are followed.
//! - [`plan`]: the changes, shown before they are made. [`memory`]: the earlier content of a file, where it cannot be
//!   derived from the present one.
//! - [`json`]: entries in settings. [`block`]: marked lines in texts. [`signature`]: texts that belong to Nexus as a
//!   whole.
//! - [`skill`]: the text about Nexus for agents. [`git`]: the guards before a commit and a push.

pub(crate) mod block;
pub(crate) mod git;
pub(crate) mod json;
mod location;
mod memory;
mod plan;
mod scope;
mod signature;
pub(crate) mod skill;

pub(crate) use location::Base;
pub(crate) use plan::{Change, Operation, Plan};
pub(crate) use scope::Scope;
pub(crate) use signature::signed;
