//! The durable mark: up to where the log was durable, and which vote, at the last flush. It lies outside of the
//! database.
//!
//! After a crash RocksDB reads its write-ahead log up to the first damaged record. The rest may be a torn tail of
//! unacknowledged writes, or acknowledged entries that were damaged later; RocksDB cannot tell one from the other. The
//! mark can. It is a small file beside the database. After each flush, and before it is acknowledged, the mark is set
//! to the entry and the vote that the flush made durable. If the log comes back shorter, or the vote older, the node
//! has lost something that it had acknowledged.
//!
//! The mark itself is not flushed each time, which would double the cost of a write. So it is
//! - exact after the process died, since the system has the bytes;
//! - after a power failure, at least as high as [`SYNC_EVERY`] flushes earlier, or as the system had written back by
//!   itself (half a minute on Linux).
//!
//! The mark is never ahead of the log: it is written after the flush, and lowered, durably, before a truncation is
//! written. It does not reveal damage to acknowledged entries that are newer than itself, nor damage in the middle of
//! what RocksDB still reads. Those are found at start by the checksums of the records and by gaps in the indexes of the
//! whole log.
//!
//! Two slots, a block apart, are written alternately: a torn write to one leaves the other.

use crate::{
    error::{Quarantined, StoreError},
    record::{self, Kind},
    storage::{File, Folder},
    types::{LogId, Vote},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, sync::Arc};

const NAME: &str = "durable.mark";
/// The distance of the slots: a block of the file system, so that one torn write cannot damage both.
const SLOT_BYTES: u64 = 4096;
/// The longest record in a slot: one sector, which devices write atomically.
const MAX_RECORD_BYTES: usize = 512;
/// The flushes of the log between two flushes of the mark.
pub(super) const SYNC_EVERY: u32 = 256;

/// The log's end and the vote that were durable.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The last entry, or the last purged one if there was none.
    pub(super) last: Option<LogId>,
    /// The last durable vote.
    pub(super) vote: Option<Vote>,
}

impl Mark {
    /// Checks that a restarted node has everything that this mark had.
    pub(super) fn verify(&self, found: &Self) -> Result<(), StoreError> {
        let shorter = match (self.last, found.last) {
            (None, _) => false,
            (Some(_), None) => true,
            // A longer log of older terms, or a shorter one of newer terms, is not the log that the mark was set for.
            (Some(marked), Some(last)) => last.index < marked.index || last.leader_id < marked.leader_id,
        };
        if shorter {
            let [marked, last] =
                [self.last, found.last].map(|id| id.map_or("nothing".into(), |id| id.to_string()));
            return Err(Quarantined::because(format!(
                "its log was durable up to {marked}, but ends at {last}"
            )));
        }
        let older = match (self.vote, found.vote) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(marked), Some(vote)) => vote.partial_cmp(&marked).is_none_or(Ordering::is_lt),
        };
        if older {
            let [marked, vote] =
                [self.vote, found.vote].map(|vote| vote.map_or("none".into(), |vote| vote.to_string()));
            return Err(Quarantined::because(format!("its vote was durable as {marked}, but reads {vote}")));
        }
        Ok(())
    }
}

/// The open file of the mark.
pub(super) struct MarkFile {
    file: Arc<dyn File>,
    sequence: u64,
}

impl MarkFile {
    /// Creates the file with an empty mark, durably.
    pub(super) fn create(folder: &dyn Folder) -> Result<Self, StoreError> {
        let mut mark = Self { file: folder.create(NAME)?, sequence: 0 };
        mark.replace(&Mark::default())?;
        folder.sync()?;
        Ok(mark)
    }

    /// Opens the file; `None` if it does not exist, or if neither slot is readable.
    pub(super) fn open(folder: &dyn Folder) -> Result<Option<(Self, Mark)>, StoreError> {
        let Some(file) = folder.open(NAME)? else {
            return Ok(None);
        };
        let mut newest = None;
        for slot in 0..2 {
            let mut bytes = [0; MAX_RECORD_BYTES];
            let length = file.read_at(slot * SLOT_BYTES, &mut bytes)?;
            if let Some((sequence, mark)) = read_slot(&bytes[..length]) {
                newest = newest.filter(|(newer, _)| *newer > sequence).or(Some((sequence, mark)));
            }
        }
        Ok(newest.map(|(sequence, mark)| (Self { file, sequence }, mark)))
    }

    /// Writes a new mark, which is not durable itself before [`MarkFile::sync`].
    pub(super) fn write(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.sequence += 1;
        let bytes = record::encode(Kind::MARK, &(self.sequence, mark));
        assert!(bytes.len() <= MAX_RECORD_BYTES, "a mark of {} bytes", bytes.len());
        self.file.write_at(self.sequence % 2 * SLOT_BYTES, &bytes)
    }

    /// Writes a mark to both slots, durably, so that no higher one can come back.
    pub(super) fn replace(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.write(mark)?;
        self.write(mark)?;
        self.sync()
    }

    /// Makes the mark durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync()
    }
}

fn read_slot(bytes: &[u8]) -> Option<(u64, Mark)> {
    let (_, _, length) = record::open_first(bytes).ok()?;
    record::decode(Kind::MARK, &bytes[..length]).ok()
}
