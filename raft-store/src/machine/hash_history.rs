//! The hashes of the last entries, so that another node's can be compared at the entry where that one
//! is. In memory alone; never decides anything.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Entries that are remembered: some seconds of the heaviest load, in 64 KiB. A node that is further
/// behind is compared once it has come closer.
const MAX_ENTRIES: usize = 4_096;

/// The hashes of the last applied entries by index.
#[derive(Debug, Default)]
pub(crate) struct HashHistory(Mutex<VecDeque<(u64, u64)>>);

impl HashHistory {
    /// Goes on with these entries; all that came before an index that is not a later one is forgotten.
    pub(crate) fn extend(&self, hashes: impl IntoIterator<Item = (u64, u64)>) {
        let mut hash_history = self.lock();
        for (index, hash) in hashes {
            if hash_history.back().is_some_and(|(last, _)| *last >= index) {
                hash_history.clear();
            }
            if hash_history.len() == MAX_ENTRIES {
                hash_history.pop_front();
            }
            hash_history.push_back((index, hash));
        }
    }

    /// The hash after an entry, if it is remembered.
    pub(crate) fn at(&self, index: u64) -> Option<u64> {
        let hash_history = self.lock();
        let at = hash_history.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        hash_history.get(at).map(|(_, hash)| *hash)
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
        let hash_history = HashHistory::default();
        hash_history.extend((1..=5_000).map(|index| (index, index * 7)));
        assert_eq!(hash_history.at(5_000), Some(35_000));
        assert_eq!(hash_history.at(905), Some(905 * 7));
        assert_eq!((hash_history.at(904), hash_history.at(5_001)), (None, None));
    }

    #[test]
    fn after_a_snapshot_the_trail_has_a_gap_and_no_old_entries() {
        let hash_history = HashHistory::default();
        hash_history.extend([(1, 1), (2, 2)]);
        hash_history.extend([(9, 9)]);
        assert_eq!((hash_history.at(2), hash_history.at(5), hash_history.at(9)), (Some(2), None, Some(9)));
        hash_history.extend([(9, 10)]);
        assert_eq!((hash_history.at(2), hash_history.at(9)), (None, Some(10)));
    }
}
