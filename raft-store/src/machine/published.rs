//! The state as readers see it. Never changes: a new one takes its place.

use super::progress::Progress;
use crate::types::{LogId, StoredMembership};
use nexus_domain::{Revision, State};

/// Everything at one revision, already written. Holding it blocks nobody.
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

    /// Index of the last applied entry; 0 before the first.
    pub fn revision(&self) -> Revision {
        self.progress.revision()
    }

    /// Hash of everything that was ever applied: nodes with the same revision and another hash have
    /// drifted apart.
    pub fn hash(&self) -> u64 {
        self.progress.history
    }

    /// The last applied membership.
    pub fn membership(&self) -> &StoredMembership {
        &self.progress.membership
    }

    /// Events of earlier revisions are gone.
    pub fn oldest_events(&self) -> Revision {
        self.progress.oldest_events
    }
}
