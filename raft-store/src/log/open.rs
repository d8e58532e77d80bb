//! Loads the log at start, and checks all of it. It repairs nothing. Begins the log of a new history.

use super::{
    flusher::{FlushStats, Flusher},
    mark::{Mark, MarkFile},
    tail::{Log, Tail, read_entry},
    writer::LogStore,
};
use crate::{
    error::{Quarantined, StoreError},
    fatal::Fatal,
    keys::meta,
    record::{self, Kind},
    storage::{Batch, Column, Folder, KeyRange, Order, Reader, Storage},
    types::{Entry, LogId, Vote},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

impl LogStore {
    /// Loads and checks the log, and starts its flusher.
    ///
    /// # Errors
    /// [`StoreError::Quarantined`] if the log or the vote is behind the mark, or if the mark is lost;
    /// [`StoreError::Corrupt`] and [`StoreError::Inconsistent`] for damaged or missing entries.
    pub(crate) fn open(storage: &Arc<dyn Storage>, fatal: &Fatal) -> Result<Self, StoreError> {
        let tail = load(storage.as_ref())?;
        let found = Mark { last: tail.last, vote: tail.vote };
        let folder = storage.folder();
        let (mut mark_file, mark) = match MarkFile::open(folder.as_ref())? {
            Some(opened) => opened,
            // The mark is created before anything is written, so a store without a mark is new.
            None if found == Mark::default() => (MarkFile::create(folder.as_ref())?, found),
            None => return Err(mark_is_gone()),
        };
        mark.verify(&found)?;
        // Writes of an earlier process may be only in the system's memory. From here on Raft relies on them, so they
        // have to be durable first.
        storage.flush()?;
        mark_file.replace(&found)?;
        let stats = Arc::new(FlushStats::default());
        let flusher = Flusher {
            storage: storage.clone(),
            mark_file,
            mark: found,
            fatal: fatal.clone(),
            stats: stats.clone(),
            unsynced_marks: 0,
        };
        let queue = flusher.start()?;
        let log = Arc::new(Log::new(storage.clone(), fatal.clone(), tail));
        Ok(Self { log, queue, stats })
    }
}

fn load(storage: &dyn Storage) -> Result<Tail, StoreError> {
    let mut tail = Tail::default();
    let ends = read_log(storage, &mut |entry, bytes| {
        tail.cache.push(entry, bytes);
        Ok(())
    })?;
    let LogEnds { purged, first, last, vote, committed } = ends;
    Ok(Tail { purged, first, last, vote, committed, saved_committed: committed, ..tail })
}

/// The two ends of a log, and what else Raft has stored beside it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LogEnds {
    /// The last entry that was purged.
    pub purged: Option<LogId>,
    /// The index of the first entry; `None` if the log is empty.
    pub first: Option<u64>,
    /// The last entry, or the last purged one if the log is empty.
    pub last: Option<LogId>,
    /// The last vote of the node.
    pub vote: Option<Vote>,
    /// The last entry that is known to be committed.
    pub committed: Option<LogId>,
}

/// Reads a whole log and checks it. `visit` gets every entry with the bytes that it takes.
///
/// # Errors
/// [`StoreError::Corrupt`] and [`StoreError::Inconsistent`] for damaged or missing entries, or an error of `visit`.
pub(crate) fn read_log(
    reader: &(impl Reader + ?Sized),
    visit: &mut dyn FnMut(Entry, usize) -> Result<(), StoreError>,
) -> Result<LogEnds, StoreError> {
    let purged = read_meta(reader, Kind::LOG_ID, meta::PURGED)?;
    let mut ends = LogEnds {
        purged,
        first: None,
        last: purged,
        vote: read_meta(reader, Kind::VOTE, meta::VOTE)?,
        committed: read_meta(reader, Kind::LOG_ID, meta::COMMITTED)?,
    };
    for pair in reader.scan(Column::Log, &KeyRange::all(), Order::Ascending) {
        let (key, value) = pair?;
        let entry = read_entry(&key, &value)?;
        let log_id = entry.log_id;
        if let Some(last) = ends.last {
            if log_id.index != last.index + 1 {
                let missing = last.index + 1;
                return Err(StoreError::Inconsistent(format!(
                    "log entry {missing} is missing between {last} and {log_id}"
                )));
            }
            if log_id.leader_id < last.leader_id {
                return Err(StoreError::Inconsistent(format!(
                    "log entry {log_id} follows {last}, which a later leader wrote"
                )));
            }
        }
        ends.first.get_or_insert(log_id.index);
        ends.last = Some(log_id);
        visit(entry, value.len())?;
    }
    Ok(ends)
}

impl LogEnds {
    /// Checks that the log has everything that its mark says was durable.
    ///
    /// # Errors
    /// [`StoreError::Quarantined`] if it has not, or if the mark is gone.
    pub(crate) fn check_mark(&self, mark: Option<Mark>) -> Result<(), StoreError> {
        let found = Mark { last: self.last, vote: self.vote };
        match mark {
            Some(mark) => mark.verify(&found),
            None if found == Mark::default() => Ok(()),
            None => Err(mark_is_gone()),
        }
    }
}

/// Reads the mark; `None` if it is gone or unreadable.
///
/// # Errors
/// If the device fails.
pub(crate) fn read_mark(folder: &dyn Folder) -> Result<Option<Mark>, StoreError> {
    Ok(MarkFile::open(folder)?.map(|(_, mark)| mark))
}

fn mark_is_gone() -> StoreError {
    Quarantined::because("the mark of what was durable is gone or unreadable")
}

/// Gives a new storage an empty log that ends at this entry, durably but for the batch, which the caller writes last.
///
/// # Errors
/// If the device fails or is full.
pub(crate) fn begin_log(
    folder: &dyn Folder,
    batch: &mut Batch,
    last: LogId,
    vote: Vote,
) -> Result<(), StoreError> {
    MarkFile::create(folder)?.replace(&Mark { last: Some(last), vote: Some(vote) })?;
    batch.put(Column::Meta, meta::PURGED, record::encode(Kind::LOG_ID, &last));
    batch.put(Column::Meta, meta::COMMITTED, record::encode(Kind::LOG_ID, &last));
    batch.put(Column::Meta, meta::VOTE, record::encode(Kind::VOTE, &vote));
    Ok(())
}

/// Reads a single record of a kind.
///
/// # Errors
/// If the device fails or the record is damaged.
pub(crate) fn read_meta<T: DeserializeOwned>(
    reader: &(impl Reader + ?Sized),
    kind: Kind,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    match reader.get(Column::Meta, key)? {
        None => Ok(None),
        Some(value) => record::decode(kind, &value)
            .map(Some)
            .map_err(|cause| StoreError::corrupt(Column::Meta, key, cause)),
    }
}
