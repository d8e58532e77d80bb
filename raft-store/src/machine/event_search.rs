//! Searches the history for the events of a deleted project: a bounded part with each entry.

use crate::keys;
use nexus_domain::{ProjectId, Revision};

/// Events of all projects that one entry examines: some milliseconds.
const MAX_EVENTS: usize = 2_000;
/// Bytes of the events that one entry examines.
const MAX_BYTES: usize = 4 << 20;

/// The result of a search so far.
pub(super) struct EventSearch {
    project: ProjectId,
    found: Vec<Vec<u8>>,
    seen: usize,
    bytes: usize,
    /// The revision of the last examined event.
    current: Revision,
    is_full: bool,
}

impl EventSearch {
    pub(super) const fn of(project: ProjectId) -> Self {
        let current = Revision(0);
        Self { project, found: Vec::new(), seen: 0, bytes: 0, current, is_full: false }
    }

    /// Examines the next event, in the order of revisions. Returns false if it is left to the next entry, with all
    /// events after it. A revision is always examined as a whole.
    pub(super) fn examine(&mut self, key: &[u8], value: &[u8]) -> bool {
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

    /// The keys of the project's events, and the revision before which there are no others; `None` if the search
    /// reached the end.
    pub(super) fn finish(self) -> (Vec<Vec<u8>>, Option<Revision>) {
        (self.found, self.is_full.then_some(self.current))
    }
}
