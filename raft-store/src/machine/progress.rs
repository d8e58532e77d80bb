//! The progress of the state machine: the last applied entry, and the hashes of the state.

use crate::{
    storage::{Column, KeyRange},
    types::{LogId, StoredMembership},
};
use nexus_domain::Revision;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// The progress, which is stored with every batch of applied entries, and in every snapshot.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The last applied entry.
    pub(crate) applied: Option<LogId>,
    /// The last applied membership.
    pub(crate) membership: StoredMembership,
    /// A rolling hash of everything that was ever written. It is equal on all nodes at the same entry.
    pub(crate) history: u64,
    /// The digest of the current rows.
    pub(crate) rows: RowsDigest,
    /// The events before this revision are deleted.
    pub(crate) oldest_events: Revision,
    /// The bytes of all events that were ever stored, keys and deleted ones included.
    pub(crate) event_bytes: u64,
}

impl Progress {
    /// The index of the last applied entry; 0 before the first one.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.applied.map_or(0, |log_id| log_id.index))
    }
}

/// A digest of a set of rows, which can be updated row by row: the sum of their hashes. It detects rows that storage
/// lost, but not forged ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RowsDigest {
    count: u64,
    sum: u64,
}

impl RowsDigest {
    /// Adds the [hash](hash_row) of a row.
    pub(crate) fn add(&mut self, hash: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash);
    }

    /// Removes the [hash](hash_row) of a row.
    pub(crate) fn remove(&mut self, hash: u64) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash);
    }
}

/// The hash of a row and its key.
pub(crate) fn hash_row(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, 0))
}

/// Computes the rolling hash after one more entry.
pub(crate) struct EntryHash(Xxh3);

impl EntryHash {
    pub(crate) fn begin(history: u64, revision: Revision) -> Self {
        let mut hash = Xxh3::with_seed(history);
        hash.update(&revision.0.to_le_bytes());
        Self(hash)
    }

    /// Adds a key that the entry writes or deletes.
    pub(crate) fn write(&mut self, column: Column, key: &[u8], value: Option<&[u8]>) {
        self.0.update(column.name().as_bytes());
        self.bytes(key);
        self.0.update(&[u8::from(value.is_some())]);
        self.bytes(value.unwrap_or_default());
    }

    /// Adds a range of keys that the entry deletes.
    pub(crate) fn erase(&mut self, column: Column, range: &KeyRange) {
        self.write(column, &range.start, None);
        self.bytes(range.end.as_deref().unwrap_or_default());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.digest()
    }
}
