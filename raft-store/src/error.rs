//! Failures of the store. They stop the node, whereas a refusal of the domain is an answer.

use crate::{
    column::Column,
    record::{FORMAT, RecordError},
};
use nexus_domain::RulesVersion;
use std::io;

/// A failure of the store.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// The device or the file system returned an error.
    #[error("storage failed while {doing}: {cause}")]
    Disk {
        /// The operation that failed.
        doing: &'static str,
        /// The error of the system.
        cause: String,
    },
    /// The database finds its files damaged, by their checksums.
    #[error("the database is damaged, found while {doing}: {cause}")]
    Damaged {
        /// The operation that failed.
        doing: &'static str,
        /// The error of the database, which names the file.
        cause: String,
    },
    /// The disk has no space left.
    #[error(
        "the disk is full, found while {doing}; free space in the data folder's file system and start again"
    )]
    Full {
        /// The operation that failed.
        doing: &'static str,
    },
    /// Another process has the data folder open.
    #[error(
        "another process has this data folder open: a nexusd that still runs on it, or is stopping; two can \
         never share one"
    )]
    InUse,
    /// A record is damaged.
    #[error("corrupt record in {column} at {key}: {cause}")]
    Corrupt {
        /// The column that the record is in.
        column: Column,
        /// The key of the record, in hexadecimal.
        key: String,
        /// The defect of the record.
        cause: RecordError,
    },
    /// A version before this one wrote the data folder.
    #[error(
        "an earlier version of Nexus wrote this data folder, in format {0}, and this one reads format {FORMAT} only; \
         start it with an empty data folder, or this folder with the version that wrote it"
    )]
    OlderFormat(u8),
    /// The stored parts of the state contradict each other.
    #[error("stored state is inconsistent: {0}")]
    Inconsistent(String),
    /// The node has lost something that it had acknowledged.
    #[error(transparent)]
    Quarantined(#[from] Quarantined),
    /// A snapshot is damaged, incomplete or of another version.
    #[error("snapshot refused: {0}")]
    Snapshot(String),
    /// Applying an entry failed, so that the node's state is unknown.
    #[error("applying log entry {index} failed: {cause}")]
    Apply {
        /// The log index of the entry.
        index: u64,
        /// The error of the device or the decoder.
        cause: String,
    },
    /// The cluster applies newer rules than this program knows.
    #[error(
        "the cluster applies rules of version {cluster}, and this program knows them up to {KNOWN} only: it was \
         upgraded already; start this node with the newer program", KNOWN = RulesVersion::KNOWN
    )]
    TooNew {
        /// The version of the rules that the cluster applies.
        cluster: RulesVersion,
    },
    /// A restore or a recovery was interrupted while it built this folder.
    #[error(
        "this data folder is unfinished: a restore or a recovery that built it was interrupted; run that command again, \
         which removes this folder and builds a new one"
    )]
    Unfinished,
    /// A new history cannot be built from this data, or for this cluster.
    #[error("no new history can begin: {0}")]
    NewHistory(String),
    /// The store stopped after an earlier failure.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

/// The data folder has lost something that the node had acknowledged. A voter that forgot a vote could vote twice, and
/// one that lost entries could take an acknowledgement back, so it must never vote under its old id again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this node is quarantined: {reason}. It may have forgotten votes or entries that the cluster counts on. \
     It is rebuilt under a new node id by nexus cluster rebuild, and its data folder is kept"
)]
pub struct Quarantined {
    /// The missing or damaged part.
    pub reason: String,
}

impl Quarantined {
    pub(crate) fn because(reason: impl Into<String>) -> StoreError {
        StoreError::Quarantined(Self { reason: reason.into() })
    }
}

impl StoreError {
    /// Whether the data folder is damaged or has lost something, so that no further attempt can succeed. A device that
    /// fails or is full, or a folder of another version, is no damage.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Corrupt { .. } | Self::Inconsistent(_) | Self::Quarantined(_) => {
                true
            }
            Self::Disk { .. }
            | Self::Full { .. }
            | Self::InUse
            | Self::OlderFormat(_)
            | Self::Snapshot(_)
            | Self::Apply { .. }
            | Self::TooNew { .. }
            | Self::Unfinished
            | Self::NewHistory(_)
            | Self::Stopped(_) => false,
        }
    }

    /// Whether checksums say that what is on the disk is not what was written. A record that cannot be decoded although
    /// its checksum is right is a fault of the program, which may be the same on all nodes.
    pub fn is_rot(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Corrupt { cause: RecordError::Checksum { .. } | RecordError::Truncated { .. }, .. }
        )
    }

    /// Wraps an error of the file system.
    pub(crate) fn from_io(doing: &'static str, cause: &io::Error) -> Self {
        if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::Full { doing }
        } else {
            Self::Disk { doing, cause: cause.to_string() }
        }
    }

    /// A record of `column` that could not be read back.
    pub(crate) fn corrupt(column: Column, key: &[u8], cause: RecordError) -> Self {
        // No flip of one bit makes an older format of this one.
        if let RecordError::Format(older @ 1..FORMAT) = cause {
            return Self::OlderFormat(older);
        }
        let mut text = String::with_capacity(key.len() * 2);
        for byte in key {
            text.push_str(&format!("{byte:02x}"));
        }
        Self::Corrupt { column, key: text, cause }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Full { .. } => io::ErrorKind::StorageFull,
            StoreError::Corrupt { .. } | StoreError::Damaged { .. } | StoreError::Snapshot(_) => {
                io::ErrorKind::InvalidData
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checksum_or_a_missing_end_shows_rot() {
        let is_rot = |cause| StoreError::corrupt(Column::Meta, b"machine/progress", cause).is_rot();
        assert!(is_rot(RecordError::Checksum { expected: 1, actual: 2 }));
        assert!(is_rot(RecordError::Truncated { expected: 9, actual: 3 }));
        assert!(!is_rot(RecordError::Payload("an unknown variant".to_owned())));
        assert!(!is_rot(RecordError::Kind { expected: 1, actual: 2 }));
        assert!(StoreError::Damaged { doing: "reading", cause: String::new() }.is_rot());
    }

    #[test]
    fn a_folder_of_an_earlier_version_is_not_called_corrupt() {
        let error =
            |format| StoreError::corrupt(Column::Meta, b"machine/progress", RecordError::Format(format));
        assert_eq!(error(FORMAT - 1), StoreError::OlderFormat(FORMAT - 1));
        for bit in 0..8 {
            assert!(matches!(error(FORMAT ^ (1 << bit)), StoreError::Corrupt { .. }), "bit {bit}");
        }
    }
}
