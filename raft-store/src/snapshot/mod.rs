//! Snapshots: the whole state machine at one entry, as one file. The log is no part of it.
//!
//! [`format`] is the format of the file. A snapshot is [built](SnapshotBuilder) beside apply from a view of storage,
//! [sent and received](SnapshotReceiver) in chunks, [installed](install) in place of the state machine's columns, and
//! stored in the [`SnapshotDir`], where one is current. A client downloads it as a [backup](Backup).

mod backup;
mod build;
mod dir;
mod file;
mod format;
pub(crate) mod install;
mod transfer;

pub use backup::{Backup, BackupContents, check_backup};
pub use build::SnapshotBuilder;
pub use file::{CHUNK_BYTES, SnapshotFile};
pub use transfer::SnapshotReceiver;

pub(crate) use dir::SnapshotDir;
