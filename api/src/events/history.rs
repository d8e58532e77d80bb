//! Reads the durable history of one project. Never waits.

use crate::cluster::{Cluster, StorageFailure};
use nexus_domain::{ProjectId, Recorded, Revision};

/// Events of all projects that are read at once.
const PAGE: usize = 512;
/// Events of all projects that one call looks at: what others do must not hold a request for long.
const MAX_SCANNED: usize = 16 * PAGE;

/// Some of a project's history.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// In order; never part of a revision.
    pub(crate) events: Vec<Recorded>,
    /// Everything up to here was looked at.
    pub(crate) through: Revision,
    /// Whether there is more that is applied already.
    pub(crate) has_more: bool,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest event that is kept.
    Oldest,
    /// After a revision; it is an error when what follows is not kept any more.
    After(Revision),
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Events after the start are gone.
    #[error("history before revision {oldest} is compacted")]
    Compacted {
        /// The oldest revision that is kept.
        oldest: Revision,
    },
    /// The device failed.
    #[error(transparent)]
    Storage(#[from] StorageFailure),
}

/// A project's events from a start on: `limit` of them, and then the rest of the last revision.
pub(crate) async fn read(
    cluster: &dyn Cluster,
    project: ProjectId,
    start: Start,
    limit: usize,
) -> Result<Chunk, ReadError> {
    let mut from = match start {
        Start::Oldest => Revision(0),
        Start::After(revision) => Revision(revision.0.saturating_add(1)),
    };
    let mut chunk = Chunk { events: Vec::new(), through: from, has_more: true };
    let mut scanned = 0;
    while chunk.has_more && chunk.events.len() < limit && scanned < MAX_SCANNED {
        let page = cluster.events(from, PAGE).await?;
        if start != Start::Oldest && page.oldest > from {
            return Err(ReadError::Compacted { oldest: page.oldest });
        }
        scanned += page.events.len();
        // A page that is not full reaches to the end of what is applied.
        chunk.has_more = page.events.len() >= PAGE;
        chunk.through = Revision(page.next.0.saturating_sub(1));
        from = page.next;
        chunk.events.extend(page.events.into_iter().filter(|event| event.event.project() == Some(project)));
    }
    chunk.cut(limit);
    Ok(chunk)
}

impl Chunk {
    /// Keeps so many events, and then the rest of the last revision.
    fn cut(&mut self, limit: usize) {
        let Some(last) = limit.checked_sub(1).and_then(|at| self.events.get(at)) else { return };
        let last = last.revision;
        let kept = self.events.partition_point(|event| event.revision <= last);
        if kept < self.events.len() {
            self.events.truncate(kept);
            (self.through, self.has_more) = (last, true);
        }
    }
}
