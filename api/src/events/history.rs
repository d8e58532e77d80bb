//! Reads the stored events of one project. It does not wait for new ones.

use crate::cluster::{Cluster, StorageFailure};
use nexus_domain::{ProjectId, Recorded, Revision, State};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Permits for pages of events that are read or rendered at once in this process: each takes some megabytes, and many
/// clients may lag far behind.
static EVENT_PAGE_PERMITS: Semaphore = Semaphore::const_new(4);

/// A page of a project's events.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The events in order; a revision is never split.
    pub(crate) events: Vec<Recorded>,
    /// The page covers everything up to this revision.
    pub(crate) through: Revision,
    /// Whether more events are applied already.
    pub(crate) has_more: bool,
    /// The permit of the page, while it has events. A caller drops it before it waits for anything else.
    pub(crate) _permit: Option<SemaphorePermit<'static>>,
}

/// The position from which events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The oldest event that is still stored.
    Oldest,
    /// The first event after a revision. Reading fails if the events that follow it are no longer stored.
    After(Revision),
}

/// Why the events cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Events after the start are no longer stored.
    #[error("history before revision {oldest} is compacted")]
    Compacted {
        /// The oldest stored revision.
        oldest: Revision,
    },
    /// The start is a revision that was lost when the cluster was restored.
    #[error("the cluster's history was reset at {from}, and this revision is lost")]
    Reset {
        /// The first revision of the new history.
        from: Revision,
    },
    /// Reading from storage failed.
    #[error(transparent)]
    Storage(#[from] StorageFailure),
}

/// Checks that the history of the cluster has this revision, or had it.
///
/// # Errors
/// [`ReadError::Reset`] if a reset of the history has lost it: a reader that goes on from there may have seen what
/// never happened.
pub(crate) fn check_cursor(state: &State, cursor: Revision) -> Result<(), ReadError> {
    match state.reset_that_lost(cursor) {
        Some(reset) => Err(ReadError::Reset { from: reset.from }),
        None => Ok(()),
    }
}

/// Reads a project's events from a start on: `limit` of them, or `bytes` bytes and some megabytes at most, and then the
/// rest of the last revision.
pub(crate) async fn read(
    cluster: &dyn Cluster,
    project: ProjectId,
    start: Start,
    limit: usize,
    bytes: usize,
) -> Result<Chunk, ReadError> {
    if let Start::After(revision) = start {
        check_cursor(cluster.local().state(), revision)?;
    }
    let from = match start {
        Start::Oldest => Revision(0),
        Start::After(revision) => Revision(revision.0.saturating_add(1)),
    };
    // The semaphore is never closed.
    let permit = EVENT_PAGE_PERMITS.acquire().await.ok();
    let page = cluster.events_of(project, from, limit, bytes).await?;
    if start != Start::Oldest && page.oldest > from {
        return Err(ReadError::Compacted { oldest: page.oldest });
    }
    let through = Revision(page.next.0.saturating_sub(1));
    let permit = permit.filter(|_| !page.events.is_empty());
    Ok(Chunk { events: page.events, through, has_more: page.has_more, _permit: permit })
}
