//! The state that readers see. A published state never changes; a new one replaces it.

use super::progress::Progress;
use crate::types::{LogId, StoredMembership};
use nexus_domain::{Revision, State};

/// The state at one revision, which is already written. Holding it blocks nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Published {
    /// The state at this revision.
    pub state: State,
    pub(crate) progress: Progress,
}

impl Published {
    /// The last applied entry.
    pub fn applied(&self) -> Option<LogId> {
        self.progress.applied
    }

    /// The index of the last applied entry; 0 before the first one.
    pub fn revision(&self) -> Revision {
        self.progress.revision()
    }

    /// The rolling hash of everything that was ever written. Nodes with the same revision and different hashes have
    /// diverged.
    pub fn hash(&self) -> u64 {
        self.progress.history
    }

    /// The last applied membership.
    pub fn membership(&self) -> &StoredMembership {
        &self.progress.membership
    }

    /// The first revision whose events are stored.
    pub fn oldest_events(&self) -> Revision {
        self.progress.oldest_events
    }
}
