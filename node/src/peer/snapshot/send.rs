//! Sends a snapshot, on the leader.

use super::messages::{Progress, Start, tag};
use crate::peer::{
    error::Cause,
    frame::{Frames, read},
};
use bytes::BytesMut;
use nexus_raft_store::{SnapshotFile, StoreError, TypeConfig, Vote};
use openraft::{
    StorageError,
    alias::SnapshotOf,
    errors::{ErrorSource, ReplicationClosed, StreamingError},
    raft::SnapshotResponse,
};
use std::time::Duration;
use tokio::{select, time::timeout};

type Outcome<T> = Result<T, StreamingError<TypeConfig>>;

/// Sends a snapshot over a fresh connection and waits until the follower has installed it. `stall` is
/// how long a chunk may take to leave, and how long the follower may be silent at the end.
pub(in crate::peer) async fn send(
    mut frames: Frames,
    vote: Vote,
    snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
    cancel: impl Future<Output = ReplicationClosed>,
    stall: Duration,
) -> Outcome<SnapshotResponse<TypeConfig>> {
    let (meta, file) = (snapshot.meta, snapshot.snapshot);
    let sending = async {
        frames.push(&Start { vote, meta, length: file.length() }).map_err(Cause::from)?;
        let mut offset = 0;
        while offset < file.length() {
            let chunk = file.read_chunk(offset).await.map_err(|error| unreadable(&error))?;
            if chunk.is_empty() {
                return Err(unreadable(&StoreError::Snapshot("it is shorter than it was".to_owned())).into());
            }
            offset += chunk.len() as u64;
            frames.push_raw(&[&[tag::CHUNK], &chunk]).map_err(Cause::from)?;
            if let Some(response) = flush(&mut frames, stall).await? {
                return Ok(response);
            }
        }
        frames.push_raw(&[&[tag::END]]).map_err(Cause::from)?;
        loop {
            if let Some(response) = receive(&mut frames, stall).await? {
                return Ok(response);
            }
        }
    };
    select! {
        closed = cancel => Err(closed.into()),
        sent = sending => sent,
    }
}

/// Sends pushed bytes, and receives messages of the follower meanwhile: it may give up early.
async fn flush(frames: &mut Frames, stall: Duration) -> Outcome<Option<SnapshotResponse<TypeConfig>>> {
    while frames.is_dirty() {
        let received = timeout(stall, frames.flush_or_next()).await.map_err(|_| Cause::Stalled)?;
        if let Some(frame) = received.map_err(Cause::from)?
            && let Some(response) = outcome(frame)?
        {
            return Ok(Some(response));
        }
    }
    Ok(None)
}

/// Waits for the follower's next message.
async fn receive(frames: &mut Frames, stall: Duration) -> Outcome<Option<SnapshotResponse<TypeConfig>>> {
    let received = timeout(stall, frames.next()).await.map_err(|_| Cause::Stalled)?;
    outcome(received.map_err(Cause::from)?)
}

fn outcome(frame: BytesMut) -> Outcome<Option<SnapshotResponse<TypeConfig>>> {
    match read(frame).map_err(Cause::from)? {
        Progress::Working => Ok(None),
        Progress::Done(response) => Ok(Some(response)),
        Progress::Failed(reason) => Err(Cause::Failed(reason).into()),
    }
}

/// A snapshot that this node cannot read is a failure of its own disk, not of the follower.
fn unreadable(error: &StoreError) -> StorageError<TypeConfig> {
    StorageError::read_snapshot(None, ErrorSource::from_error(error))
}
