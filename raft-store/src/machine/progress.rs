//! What goes with the state: how far it got, and the hashes that tell it from another one.

use crate::{
    storage::{Column, KeyRange},
    types::{LogId, StoredMembership},
};
use nexus_domain::Revision;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// Stored with every batch of applied entries, and in every snapshot.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The last applied entry.
    pub(crate) applied: Option<LogId>,
    /// The last applied membership.
    pub(crate) membership: StoredMembership,
    /// Hash of all that was ever written, entry by entry: equal on all nodes at the same entry.
    pub(crate) history: u64,
    /// The rows as they are, in whatever order.
    pub(crate) rows: RowsDigest,
    /// Events before this revision are gone.
    pub(crate) oldest_events: Revision,
    /// Bytes of all events that were ever stored, with their keys; also of those that are gone.
    pub(crate) event_bytes: u64,
}

impl Progress {
    /// Index of the last applied entry, or 0.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.applied.map_or(0, |log_id| log_id.index))
    }
}

/// Tells one set of rows from another, and can be kept up to date row by row: the sum of their
/// hashes. It finds rows that storage lost, not rows that someone forged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RowsDigest {
    count: u64,
    sum: u64,
}

impl RowsDigest {
    /// Adds a row by its [hash](hash_row).
    pub(crate) fn add(&mut self, hash: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash);
    }

    /// Takes away a row by its [hash](hash_row).
    pub(crate) fn remove(&mut self, hash: u64) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash);
    }
}

/// The hash of a row, its key included.
pub(crate) fn hash_row(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, 0))
}

/// The hash of one more entry, seeded by that of all before it.
pub(crate) struct EntryHash(Xxh3);

impl EntryHash {
    pub(crate) fn begin(history: u64, revision: Revision) -> Self {
        let mut hash = Xxh3::with_seed(history);
        hash.update(&revision.0.to_le_bytes());
        Self(hash)
    }

    /// One key that the entry writes, or deletes.
    pub(crate) fn write(&mut self, column: Column, key: &[u8], value: Option<&[u8]>) {
        self.0.update(column.name().as_bytes());
        self.bytes(key);
        self.0.update(&[u8::from(value.is_some())]);
        self.bytes(value.unwrap_or_default());
    }

    /// A range of keys that the entry deletes.
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
