//! The resets of the cluster's history, and the indexes that belong to none of its entries.

use super::State;
use crate::{
    entity::{HistoryStart, NodeRecord},
    ids::ClusterId,
    reply_cache::ReplySlot,
    row::RowKey,
    time::Revision,
};
use std::{collections::BTreeSet, sync::Arc};

/// Queries about resets. None of them changes the state.
impl State {
    /// The last reset, with which the present history begins; `None` if there was none.
    pub fn history_start(&self) -> Option<&HistoryStart> {
        self.history_starts.get_max().map(|(_, start)| &**start)
    }

    /// The reset by which this index was lost; `None` for an index of the history.
    pub fn reset_that_lost(&self, at: Revision) -> Option<&HistoryStart> {
        // The index before the first one stands for everything up to the reset.
        let is_lost = |start: &&Arc<HistoryStart>| start.through < at && at.0 + 1 < start.from.0;
        self.history_starts.values().find(is_lost).map(|start| &**start)
    }

    /// The index that lies this many entries before another, where indexes that no entry has do not count.
    pub fn entries_before(&self, at: Revision, count: u64) -> Revision {
        let (mut at, mut left) = (at.0, count);
        for start in self.history_starts.values().rev() {
            // The index may be of a log that is older than this reset.
            if start.from.0 > at {
                continue;
            }
            let entries = at - start.from.0;
            if left <= entries {
                break;
            }
            left -= entries + 1;
            at = start.through.0;
        }
        Revision(at.saturating_sub(left))
    }

    /// The oldest revision whose events may still be stored at a revision.
    pub(crate) fn oldest_events(&self, at: Revision) -> Revision {
        self.entries_before(at, self.settings.most_event_revisions())
    }
}

/// Changes by events, with the rows that they touch.
impl State {
    pub(crate) fn put_history_start(&mut self, start: Arc<HistoryStart>) {
        self.history_starts.insert(start.from, start);
    }

    /// Begins a history. Nodes of the former cluster retry nothing any more, so their slots are emptied.
    pub(crate) fn begin_history(
        &mut self,
        cluster: ClusterId,
        start: &Arc<HistoryStart>,
        node: &Arc<NodeRecord>,
        touched: &mut BTreeSet<RowKey>,
    ) {
        if let Some(origin) = &mut self.origin {
            Arc::make_mut(origin).cluster = cluster;
            touched.insert(RowKey::Origin);
        }
        touched.insert(RowKey::HistoryStart(start.from));
        self.put_history_start(start.clone());
        touched.insert(RowKey::Node(node.id));
        self.put_node(node.clone());
        let slots: Vec<ReplySlot> = self.slotted_replies.keys().copied().collect();
        touched.extend(slots.into_iter().map(RowKey::SlottedReply));
        self.slotted_replies.clear();
    }

    /// Notes that nothing of the history before this index is left to end.
    pub(crate) fn end_former_history(&mut self, from: Revision, touched: &mut BTreeSet<RowKey>) {
        if let Some(start) = self.history_starts.get_mut(&from) {
            Arc::make_mut(start).is_ending = false;
            touched.insert(RowKey::HistoryStart(from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::ResetKind;

    fn with_starts(starts: &[(u64, u64)]) -> State {
        let mut state = State::default();
        for (through, from) in starts {
            state.put_history_start(Arc::new(HistoryStart {
                from: Revision(*from),
                through: Revision(*through),
                former: ClusterId::MIN,
                kind: ResetKind::Restored,
                is_ending: false,
            }));
        }
        state
    }

    #[test]
    fn indexes_between_two_histories_are_lost_but_the_last_before_the_new_one() {
        let state = with_starts(&[(10, 100), (150, 1_000)]);
        let lost: Vec<u64> = [1, 10, 11, 98, 99, 100, 150, 151, 998, 999, 1_000, 2_000]
            .into_iter()
            .filter(|at| state.reset_that_lost(Revision(*at)).is_some())
            .collect();
        assert_eq!(lost, [11, 98, 151, 998]);
        assert_eq!(state.reset_that_lost(Revision(11)).map(|start| start.from), Some(Revision(100)));
        assert_eq!(state.history_start().map(|start| start.from), Some(Revision(1_000)));
    }

    #[test]
    fn entries_are_counted_across_resets() {
        let state = with_starts(&[(10, 100), (150, 1_000)]);
        let before = |count| state.entries_before(Revision(1_005), count).0;
        // 1,005 to 1,000, then 150 to 100, then 10 and below.
        assert_eq!([0, 5, 6, 7, 56, 57, 66, 67, 500].map(before), [1_005, 1_000, 150, 149, 100, 10, 1, 0, 0]);
        assert_eq!(State::default().entries_before(Revision(7), 3), Revision(4));
        assert_eq!(state.entries_before(Revision(50), 3), Revision(47), "an index of another log");
    }
}
