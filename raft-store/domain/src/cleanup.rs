//! Bounds how much one log entry cleans up after expired sessions, deleted engineers and deleted projects, so that
//! other writes do not wait for it. The next entries clean up the rest.

use crate::entity::ClaimUsage;

/// The budget for the cleanup by one log entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupLimits {
    /// Claims that are released.
    pub claims: usize,
    /// Bytes of their paths, and of the features and checkpoints that are written.
    pub bytes: usize,
    /// Events that record it.
    pub events: usize,
    /// Rows of deleted projects that are removed.
    pub rows: usize,
}

impl Default for CleanupLimits {
    /// These limits take about 12 ms of one core. The entry's own command, with its `WorkBudget`, comes on top.
    fn default() -> Self {
        Self { claims: 2_500, bytes: 1 << 20, events: 1_000, rows: 2_000 }
    }
}

/// Counts what one log entry has cleaned up, against its limits.
pub(crate) struct CleanupBudget {
    limits: CleanupLimits,
    usage: ClaimUsage,
    events: usize,
}

impl CleanupBudget {
    /// The budget of an entry that has cleaned up nothing yet.
    pub(crate) fn new(limits: CleanupLimits) -> Self {
        Self { limits, usage: ClaimUsage::default(), events: 0 }
    }

    /// Whether the rest is left to the next entry. While the budget is not exhausted, one more thing may be cleaned up
    /// of any size, so that each entry makes progress.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.usage.claims >= self.limits.claims
            || self.usage.bytes >= self.limits.bytes
            || self.events >= self.limits.events
    }

    /// Whether the entry has cleaned up nothing yet.
    pub(crate) const fn is_unused(&self) -> bool {
        self.events == 0
    }

    /// Counts claims that are released, and bytes that are written.
    pub(crate) fn charge(&mut self, usage: ClaimUsage) {
        self.usage.add(usage);
    }

    /// Counts events that are recorded.
    pub(crate) const fn count_events(&mut self, events: usize) {
        self.events += events;
    }
}
