//! Snapshots of work trees: what they were like before a command, and what is different after it. Files are compared by
//! content, and by inode and change time, which no program can set; never by modification time, which `tar` and `touch`
//! set.
//!
//! Git lists the files and keeps their earlier content. Whether a file changed is checked without git as well, since
//! settings, index flags and filters make git overlook changes.
//!
//! A run has one snapshot, which commands that run at the same time share: a change is reported to the first that ends,
//! and the next one is compared with the state at that time. If a host does not report the end of a command, its
//! changes are found before the next one.
//!
//! - [`run_snapshot`]: the snapshot of a run. [`run_folder`]: how it is stored. [`tree`]: the state of a work tree.
//! - [`change`]: what is different from a snapshot. [`compare`]: finds it. [`copies`]: contents that git could not
//!   restore.
//! - [`roots`]: the work trees that belong to a command. [`running_commands`]: the commands that have begun.

mod change;
mod compare;
mod copies;
pub(crate) mod roots;
mod run_folder;
mod run_snapshot;
mod running_commands;
#[cfg(all(test, unix))]
mod tests;
mod tree;

pub(crate) use change::{FileChange, PriorContent, SnapshotDiff};
pub(crate) use run_snapshot::WorkTreeSnapshot;
