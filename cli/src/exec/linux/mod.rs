//! Linux: the command runs in a mount namespace in which held files are mounted read-only.
//!
//! Two namespaces are nested. In the outer one files are mounted and unmounted; the command runs in the inner one, whose
//! user namespace is a lesser one: what was mounted before it began is locked there, so that nothing that the command
//! does, not even as root, can unmount it or make it writable. What comes later is not locked as a whole, so the command
//! may not mount and unmount there; in a user namespace of its own it may, unless it may make none, and all that was mounted
//! before is locked in that one. The process that was started becomes the command itself: its id, its terminal and its exit
//! code are the command's own.
//!
//! - [`launch`]: protects this process, which then becomes the command. [`companion_process`]: the process beside it, which
//!   asks the cluster. [`follow`]: follows what changes while the command runs. [`message`]: messages between them.
//! - [`namespace`]: makes and enters namespaces. [`read_only_mounts`]: the mounts over held files. [`foreign_mounts`]: mounts
//!   of others in a checkout.

mod companion_process;
mod follow;
mod foreign_mounts;
mod launch;
mod message;
mod namespace;
mod read_only_mounts;

pub(super) use companion_process::{ask, obstacle, try_namespaces};
pub(super) use follow::follow;
pub(super) use launch::prepare;
