//! The log as its readers and its writer share it: its first and last entry, the vote, and the cached entries.

use super::cache::Cache;
use crate::{
    error::StoreError,
    fatal::Fatal,
    keys,
    record::{self, Kind},
    storage::{Column, KeyRange, Order, Storage},
    types::{Entry, LogId, Vote},
};
use std::{
    ops::{Bound, RangeBounds},
    sync::{Arc, Mutex, MutexGuard},
};

/// The content of the log at this moment.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) purged: Option<LogId>,
    /// The index of the first entry, if there is one.
    pub(super) first: Option<u64>,
    /// The last entry, or the last purged one if the log is empty.
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// The part of the log that is written to storage.
    pub(super) saved_committed: Option<LogId>,
    /// A number that grows with each truncation and purge: a read that one of them interrupted is repeated.
    pub(super) generation: u64,
    pub(super) cache: Cache,
}

/// The shared log.
pub(super) struct Log {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) fatal: Fatal,
    tail: Mutex<Tail>,
}

impl Log {
    pub(super) fn new(storage: Arc<dyn Storage>, fatal: Fatal, tail: Tail) -> Self {
        Self { storage, fatal, tail: Mutex::new(tail) }
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().expect("no code panics while it holds the tail of the log")
    }

    /// The part of a range that the log has.
    pub(super) fn clip(&self, range: &impl RangeBounds<u64>) -> (u64, u64) {
        let tail = self.tail();
        let (Some(first), Some(last)) = (tail.first, tail.last) else {
            return (0, 0);
        };
        let start = match range.start_bound() {
            Bound::Unbounded => 0,
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
        };
        let end = match range.end_bound() {
            Bound::Unbounded => u64::MAX,
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
        };
        (start.max(first), end.min(last.index + 1))
    }

    /// The entries of a range that the log has, without gaps, until they have `limit` bytes together.
    pub(super) fn read(&self, range: &impl RangeBounds<u64>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        loop {
            let generation = self.tail().generation;
            let (start, end) = self.clip(range);
            if let Some(entries) = self.try_read(start, end, limit, generation)? {
                return Ok(entries);
            }
        }
    }

    /// Like [`Log::read`], but `None` if entries were removed meanwhile.
    fn try_read(
        &self,
        start: u64,
        end: u64,
        limit: usize,
        generation: u64,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut found: Vec<Entry> = Vec::new();
        let mut used = 0;
        let mut next = start;
        loop {
            let cold_end = {
                let tail = self.tail();
                if tail.generation != generation {
                    return Ok(None);
                }
                if next >= end || (used >= limit && !found.is_empty()) {
                    return Ok(Some(found));
                }
                match tail.cache.first() {
                    Some(first) if first > next => first.min(end),
                    Some(_) => {
                        found.extend(tail.cache.read(next, end, limit.saturating_sub(used)));
                        return Ok(Some(found));
                    }
                    None => end,
                }
            };
            let range = KeyRange::between(keys::entry(next), keys::entry(cold_end));
            for pair in self.storage.scan(Column::Log, &range, Order::Ascending) {
                let (key, value) = pair?;
                if used >= limit {
                    break;
                }
                used = used.saturating_add(value.len());
                let entry = read_entry(&key, &value).map_err(|error| self.fatal.raise(error))?;
                if entry.log_id.index != next {
                    // The entry was removed meanwhile, or lost: the generation decides at the next attempt.
                    break;
                }
                next += 1;
                found.push(entry);
            }
            if used < limit && next < cold_end {
                if self.tail().generation != generation {
                    return Ok(None);
                }
                let lost = StoreError::Inconsistent(format!("log entry {next} is missing"));
                return Err(self.fatal.raise(lost));
            }
        }
    }
}

/// Reads one stored entry.
pub(super) fn read_entry(key: &[u8], value: &[u8]) -> Result<Entry, StoreError> {
    let entry: Entry =
        record::decode(Kind::ENTRY, value).map_err(|cause| StoreError::corrupt(Column::Log, key, cause))?;
    if *key != keys::entry(entry.log_id.index) {
        let index = entry.log_id.index;
        return Err(StoreError::Inconsistent(format!("log entry {index} is stored under another index")));
    }
    Ok(entry)
}
