//! The leader's end of a snapshot.

use super::{Progress, SnapshotSource, Start, tag};
use crate::peer::{
    error::Cause,
    frame::{Frames, read},
    limits::SNAPSHOT_CHUNK,
};
use bytes::BytesMut;
use nexus_raft_store::types::TypeConfig;
use openraft::{
    StorageError,
    alias::{SnapshotOf, VoteOf},
    errors::{ErrorSource, ReplicationClosed, StreamingError},
    raft::SnapshotResponse,
};
use std::{io, time::Duration};
use tokio::{select, time::timeout};

type Outcome<T> = Result<T, StreamingError<TypeConfig>>;

/// Sends a snapshot over a fresh connection and waits until the follower has installed it. `stall` is
/// how long a chunk may take to leave, and how long the follower may be silent at the end.
pub(in crate::peer) async fn send<D: SnapshotSource>(
    mut frames: Frames,
    vote: VoteOf<TypeConfig>,
    snapshot: SnapshotOf<TypeConfig, D>,
    cancel: impl Future<Output = ReplicationClosed>,
    stall: Duration,
) -> Outcome<SnapshotResponse<TypeConfig>> {
    let sending = async {
        frames.push(&Start { vote, meta: snapshot.meta }).map_err(Cause::from)?;
        let mut source = snapshot.snapshot;
        while let Some(chunk) = source.next_chunk(SNAPSHOT_CHUNK).await.map_err(unreadable)? {
            frames.push_raw(&[&[tag::CHUNK], &chunk]).map_err(Cause::from)?;
            if let Some(response) = flush(&mut frames, stall).await? {
                return Ok(response);
            }
        }
        frames.push_raw(&[&[tag::END]]).map_err(Cause::from)?;
        loop {
            if let Some(response) = hear(&mut frames, stall).await? {
                return Ok(response);
            }
        }
    };
    select! {
        closed = cancel => Err(closed.into()),
        sent = sending => sent,
    }
}

/// Sends what was pushed, and hears the follower out meanwhile: it may give up early.
async fn flush(frames: &mut Frames, stall: Duration) -> Outcome<Option<SnapshotResponse<TypeConfig>>> {
    while frames.is_dirty() {
        let heard = timeout(stall, frames.flush_or_next()).await.map_err(|_| Cause::Stalled)?;
        if let Some(frame) = heard.map_err(Cause::from)?
            && let Some(response) = judge(frame)?
        {
            return Ok(Some(response));
        }
    }
    Ok(None)
}

/// Waits for the follower's next word.
async fn hear(frames: &mut Frames, stall: Duration) -> Outcome<Option<SnapshotResponse<TypeConfig>>> {
    let heard = timeout(stall, frames.next()).await.map_err(|_| Cause::Stalled)?;
    judge(heard.map_err(Cause::from)?)
}

fn judge(frame: BytesMut) -> Outcome<Option<SnapshotResponse<TypeConfig>>> {
    match read(frame).map_err(Cause::from)? {
        Progress::Working => Ok(None),
        Progress::Done(response) => Ok(Some(response)),
        Progress::Failed(reason) => Err(Cause::Failed(reason).into()),
    }
}

/// A snapshot that this node cannot read is a failure of its own disk, not of the follower.
fn unreadable(error: io::Error) -> StorageError<TypeConfig> {
    StorageError::read_snapshot(None, ErrorSource::from_error(&error))
}
