//! Reads the durable history of one project. Never waits.

use crate::cluster::{Cluster, StorageFailure};
use nexus_domain::{ProjectId, Recorded, Revision};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Pages of events that are read or rendered at once in this process: each takes some megabytes, and many consumers may be
/// far behind.
static PAGES: Semaphore = Semaphore::const_new(4);

/// Some of a project's history.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// In order; never part of a revision.
    pub(crate) events: Vec<Recorded>,
    /// Everything up to here was looked at.
    pub(crate) through: Revision,
    /// Whether there is more that is applied already.
    pub(crate) has_more: bool,
    /// Its part of the memory for pages, while it has events. Whoever waits for something else lets it go first.
    pub(crate) _room: Option<SemaphorePermit<'static>>,
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

/// A project's events from a start on: `limit` of them, or so many bytes, some megabytes at most, and then the rest of
/// the last revision.
pub(crate) async fn read(
    cluster: &dyn Cluster,
    project: ProjectId,
    start: Start,
    limit: usize,
    bytes: usize,
) -> Result<Chunk, ReadError> {
    let from = match start {
        Start::Oldest => Revision(0),
        Start::After(revision) => Revision(revision.0.saturating_add(1)),
    };
    // It is never closed.
    let room = PAGES.acquire().await.ok();
    let page = cluster.events_of(project, from, limit, bytes).await?;
    if start != Start::Oldest && page.oldest > from {
        return Err(ReadError::Compacted { oldest: page.oldest });
    }
    let through = Revision(page.next.0.saturating_sub(1));
    let room = room.filter(|_| !page.events.is_empty());
    Ok(Chunk { events: page.events, through, has_more: page.has_more, _room: room })
}
