//! Linux: the command runs in a mount namespace in which held files are mounted read-only.
//!
//! Two namespaces are nested. In the outer one files are mounted and unmounted; the command runs in the inner one,
//! whose user namespace has fewer rights: earlier mounts are locked there, so that the command cannot unmount them or
//! make them writable, not even as root. Later mounts are not locked completely, so the command may not mount and
//! unmount there. In a user namespace of its own it may, unless it may make none; all mounts from before that namespace
//! are locked there. The process that was started becomes the command itself: its id, its terminal and its exit code
//! are the command's own.
//!
//! - [`launch`]: protects this process, which then becomes the command. [`companion_process`]: the process beside it,
//!   which asks the cluster. [`follow`]: follows claims while the command runs. [`message`]: messages between them.
//! - [`namespace`]: makes and enters namespaces. [`read_only_mounts`]: the mounts over held files. [`foreign_mounts`]:
//!   mounts of others in a checkout.

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
