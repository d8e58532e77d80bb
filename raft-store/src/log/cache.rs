//! The newest entries of the log, in memory. Storage has every cached entry, too.

use crate::types::Entry;
use std::collections::VecDeque;

/// The encoded bytes of the cached entries. Apply and replication to a follower that keeps up never read from storage.
pub(super) const CACHE_BYTES: usize = 8 << 20;

/// A gapless run of entries up to the last one.
#[derive(Default)]
pub(super) struct Cache {
    entries: VecDeque<(Entry, usize)>,
    bytes: usize,
}

impl Cache {
    /// Adds the entry after the last one, whose encoded size is `bytes`.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.bytes += bytes;
        self.entries.push_back((entry, bytes));
        // The last entry stays, whatever its size, since it is about to be sent.
        while self.bytes > CACHE_BYTES && self.entries.len() > 1 {
            self.pop_first();
        }
    }

    fn pop_first(&mut self) {
        if let Some((_, bytes)) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
    }

    /// The index of the first cached entry.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|(entry, _)| entry.log_id.index)
    }

    /// Keeps the entries up to this index, including it; `None` keeps nothing.
    pub(super) fn truncate_after(&mut self, index: Option<u64>) {
        while self.entries.back().is_some_and(|(entry, _)| Some(entry.log_id.index) > index) {
            if let Some((_, bytes)) = self.entries.pop_back() {
                self.bytes -= bytes;
            }
        }
    }

    /// Drops the entries up to this index, including it.
    pub(super) fn purge(&mut self, index: u64) {
        while self.first().is_some_and(|first| first <= index) {
            self.pop_first();
        }
    }

    /// The entries from `start`, which must be cached, to before `end`. They have at most `limit` bytes, except that
    /// the first one is always among them.
    pub(super) fn read(&self, start: u64, end: u64, limit: usize) -> Vec<Entry> {
        let Some(first) = self.first() else {
            return Vec::new();
        };
        let skipped = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut left = limit;
        let mut found = Vec::new();
        for (entry, bytes) in self.entries.iter().skip(skipped) {
            let fits = found.is_empty() || *bytes <= left;
            if entry.log_id.index >= end || !fits {
                break;
            }
            left = left.saturating_sub(*bytes);
            found.push(entry.clone());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LeaderId, LogId};
    use openraft::EntryPayload;

    fn entry(index: u64) -> Entry {
        let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
        Entry { log_id, payload: EntryPayload::Blank }
    }

    fn indexes(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.log_id.index).collect()
    }

    #[test]
    fn the_oldest_entries_leave_when_there_is_no_room() {
        let mut cache = Cache::default();
        for index in 10..14 {
            cache.push(entry(index), CACHE_BYTES / 3);
        }
        assert_eq!(cache.first(), Some(11));
        cache.push(entry(14), CACHE_BYTES * 2);
        assert_eq!(indexes(&cache.read(14, 20, 0)), [14], "one entry is always kept and always read");
    }

    #[test]
    fn reading_stops_at_the_end_or_the_limit_but_never_before_one_entry() {
        let mut cache = Cache::default();
        for index in 10..20 {
            cache.push(entry(index), 10);
        }
        assert_eq!(indexes(&cache.read(12, 15, 1000)), [12, 13, 14]);
        assert_eq!(indexes(&cache.read(12, 15, 20)), [12, 13]);
        assert_eq!(indexes(&cache.read(12, 15, 1)), [12]);
        cache.truncate_after(Some(13));
        cache.purge(11);
        assert_eq!(indexes(&cache.read(12, 100, 1000)), [12, 13]);
        cache.truncate_after(None);
        assert_eq!(cache.first(), None);
        assert_eq!(cache.bytes, 0);
    }
}
