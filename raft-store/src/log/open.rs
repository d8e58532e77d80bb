//! Loads the log at start, and checks all of it. It repairs nothing.

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
    storage::{Column, KeyRange, Order, Storage},
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
            None => {
                return Err(Quarantined::because("the mark of what was durable is gone or unreadable"));
            }
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
    let purged = read_meta(storage, Kind::LOG_ID, meta::PURGED)?;
    let committed = read_meta(storage, Kind::LOG_ID, meta::COMMITTED)?;
    let mut tail = Tail {
        purged,
        last: purged,
        vote: read_meta(storage, Kind::VOTE, meta::VOTE)?,
        committed,
        saved_committed: committed,
        ..Tail::default()
    };
    for pair in storage.scan(Column::Log, &KeyRange::all(), Order::Ascending) {
        let (key, value) = pair?;
        let entry = read_entry(&key, &value)?;
        let log_id = entry.log_id;
        if let Some(last) = tail.last {
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
        tail.first.get_or_insert(log_id.index);
        tail.last = Some(log_id);
        tail.cache.push(entry, value.len());
    }
    Ok(tail)
}

fn read_meta<T: DeserializeOwned>(
    storage: &dyn Storage,
    kind: Kind,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    match storage.get(Column::Meta, key)? {
        None => Ok(None),
        Some(value) => record::decode(kind, &value)
            .map(Some)
            .map_err(|cause| StoreError::corrupt(Column::Meta, key, cause)),
    }
}
