//! Snapshots: the whole state machine at one entry, as one file. The log is no part of it.
//!
//! [`format`] is the format of the file. A snapshot is [built](SnapshotBuilder) beside apply from a view of storage,
//! [sent and received](SnapshotReceiver) in chunks, [installed](install) in place of the state machine's columns, and
//! stored in the [`SnapshotDir`], where one is current. A client downloads it as a [backup](Backup), and a new cluster
//! begins with it as a [`new_history`].

mod backup;
mod build;
mod dir;
mod file;
mod format;
pub(crate) mod install;
pub(crate) mod new_history;
mod transfer;

pub use backup::{Backup, BackupContents, BackupFile, check_backup};
pub use build::SnapshotBuilder;
pub use dir::SnapshotNote;
pub use file::{CHUNK_BYTES, SnapshotFile};
pub use new_history::{Founder, NewHistory, recover, restore};
pub use transfer::SnapshotReceiver;

pub(crate) use dir::{SnapshotDir, snapshots_in};
