//! Looks for the events of a deleted project: a bounded part of the history with each entry.

use crate::keys;
use nexus_domain::{ProjectId, Revision};

/// Events that one entry looks at: some milliseconds, whosever they are.
const MAX_EVENTS: usize = 2_000;
/// Bytes of them.
const MAX_BYTES: usize = 4 << 20;

/// What was found so far.
pub(super) struct EventSearch {
    project: ProjectId,
    found: Vec<Vec<u8>>,
    seen: usize,
    bytes: usize,
    /// The revision of the last event that was looked at.
    current: Revision,
    is_full: bool,
}

impl EventSearch {
    pub(super) const fn of(project: ProjectId) -> Self {
        let current = Revision(0);
        Self { project, found: Vec::new(), seen: 0, bytes: 0, current, is_full: false }
    }

    /// Looks at the next event, in the order of revisions. False: this one, and whatever comes after it, is for the
    /// next entry. A revision that was begun is gone through to its end.
    pub(super) fn looks_at(&mut self, key: &[u8], value: &[u8]) -> bool {
        let Some((revision, project)) = keys::read_event(key) else { return true };
        let is_next = revision != self.current;
        self.current = revision;
        self.is_full = is_next && (self.seen >= MAX_EVENTS || self.bytes >= MAX_BYTES);
        if self.is_full {
            return false;
        }
        self.seen += 1;
        self.bytes += value.len();
        if project == self.project {
            self.found.push(key.to_vec());
        }
        true
    }

    /// The keys of the project's events, and the revision before which there are no others; none: before the end.
    pub(super) fn finish(self) -> (Vec<Vec<u8>>, Option<Revision>) {
        (self.found, self.is_full.then_some(self.current))
    }
}
