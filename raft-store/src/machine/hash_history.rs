//! The state's hashes after the last entries, so that a hash of another node can be compared at that node's index. They
//! are only in memory, and decide nothing.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Entries whose hashes are kept: some seconds of the heaviest load, in 64 KiB. A node that is further behind is
/// compared once it has caught up to them.
const MAX_ENTRIES: usize = 4_096;

/// The hashes after the last applied entries, by index.
#[derive(Debug, Default)]
pub(crate) struct HashHistory(Mutex<VecDeque<(u64, u64)>>);

impl HashHistory {
    /// Appends the hashes of further entries. An index that is not a later one clears the history first.
    pub(crate) fn extend(&self, hashes: impl IntoIterator<Item = (u64, u64)>) {
        let mut history = self.lock();
        for (index, hash) in hashes {
            if history.back().is_some_and(|(last, _)| *last >= index) {
                history.clear();
            }
            if history.len() == MAX_ENTRIES {
                history.pop_front();
            }
            history.push_back((index, hash));
        }
    }

    /// The hash after an entry; `None` if it is too old, or not applied.
    pub(crate) fn at(&self, index: u64) -> Option<u64> {
        let history = self.lock();
        let at = history.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        history.get(at).map(|(_, hash)| *hash)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hashes_are_found_by_index_and_older_ones_are_forgotten() {
        let history = HashHistory::default();
        history.extend((1..=5_000).map(|index| (index, index * 7)));
        assert_eq!(history.at(5_000), Some(35_000));
        assert_eq!(history.at(905), Some(905 * 7));
        assert_eq!((history.at(904), history.at(5_001)), (None, None));
    }

    #[test]
    fn after_a_snapshot_the_history_has_a_gap_and_no_old_entries() {
        let history = HashHistory::default();
        history.extend([(1, 1), (2, 2)]);
        history.extend([(9, 9)]);
        assert_eq!((history.at(2), history.at(5), history.at(9)), (Some(2), None, Some(9)));
        history.extend([(9, 10)]);
        assert_eq!((history.at(2), history.at(9)), (None, Some(10)));
    }
}
