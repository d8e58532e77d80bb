//! How far the log and the vote were durable when that was last noted. Never inside the database.
//!
//! After a crash RocksDB reads its write-ahead log up to the first damaged record. What lies behind
//! may be a torn tail that nobody counted on, or entries that were acknowledged and then damaged:
//! it cannot tell. The mark can. It is a small file beside the database: after each flush, and
//! before anyone hears of it, it says which entry and which vote that flush made durable. A log
//! that comes back shorter, or a vote that comes back older, has forgotten a promise.
//!
//! The mark itself is not flushed each time; that would double the price of a write. So it is
//! - exact after the process died, since the system has the bytes;
//! - after a power failure at least what was noted [`SYNC_EVERY`] flushes earlier, or what the
//!   system had written back by itself (half a minute on Linux).
//!
//! Never ahead of the log: it is written after the flush, and lowered, durably, before a truncation
//! is written. It cannot see damage to acknowledged entries that are newer than itself, and damage
//! in the middle of what RocksDB still reads; there the checksums of the records and the gapless
//! indexes help, which are checked for the whole log at start.
//!
//! Two slots take turns, a block apart: a write that tears one leaves the other.

use crate::{
    error::{Quarantined, StoreError},
    record::{self, Kind},
    storage::{File, Folder},
    types::{LogId, Vote},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, sync::Arc};

const NAME: &str = "durable.mark";
/// Distance of the slots: a file system's block, so that one torn write cannot reach both.
const SLOT_BYTES: u64 = 4096;
/// Longest record in a slot: one sector, which devices write whole.
const MAX_RECORD_BYTES: usize = 512;
/// Flushes of the log between two of the mark.
pub(super) const SYNC_EVERY: u32 = 256;

/// What was durable.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The last entry, or the last purged one if there was none.
    pub(super) last: Option<LogId>,
    /// The last durable vote.
    pub(super) vote: Option<Vote>,
}

impl Mark {
    /// Checks that what was found after a restart keeps what this mark promised.
    pub(super) fn verify(&self, found: &Self) -> Result<(), StoreError> {
        let shorter = match (self.last, found.last) {
            (None, _) => false,
            (Some(_), None) => true,
            // A longer log of older terms, or a shorter one of newer terms, is another log.
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

/// The open file.
pub(super) struct MarkFile {
    file: Arc<dyn File>,
    sequence: u64,
}

impl MarkFile {
    /// Makes a new one that promises nothing, durably.
    pub(super) fn create(folder: &dyn Folder) -> Result<Self, StoreError> {
        let mut mark = Self { file: folder.create(NAME)?, sequence: 0 };
        mark.replace(&Mark::default())?;
        folder.sync()?;
        Ok(mark)
    }

    /// Opens the one that is there; none when there is no file, or no slot in it that can be read.
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

    /// Notes what is durable now; the note itself is not, before [`MarkFile::sync`].
    pub(super) fn write(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.sequence += 1;
        let bytes = record::encode(Kind::MARK, &(self.sequence, mark));
        assert!(bytes.len() <= MAX_RECORD_BYTES, "a mark of {} bytes", bytes.len());
        self.file.write_at(self.sequence % 2 * SLOT_BYTES, &bytes)
    }

    /// Notes it in both slots, durably: nothing higher can come back.
    pub(super) fn replace(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.write(mark)?;
        self.write(mark)?;
        self.sync()
    }

    /// Makes the note durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync()
    }
}

fn read_slot(bytes: &[u8]) -> Option<(u64, Mark)> {
    let (_, _, length) = record::open_first(bytes).ok()?;
    record::decode(Kind::MARK, &bytes[..length]).ok()
}
