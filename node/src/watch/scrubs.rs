//! The results of the scrubs of this node, for its status and its metrics.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The results of scrubs since the start.
#[derive(Default)]
pub(crate) struct ScrubResults {
    finished: AtomicU64,
    damage: Mutex<Option<String>>,
}

impl ScrubResults {
    /// The number of scrubs that came to their end without a finding.
    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Counts a scrub that came to its end.
    pub(crate) fn count_finished(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// The damage that this node has found in itself.
    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes damage. It stays until the node is started again.
    pub(crate) fn found(&self, damage: String) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = Some(damage);
    }
}
