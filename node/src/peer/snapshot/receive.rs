//! Receives a snapshot, on the follower.

use super::messages::{Progress, Start, tag};
use crate::peer::{
    error::Cause,
    frame::{FrameError, Frames, read},
    limits::{SNAPSHOT_PROGRESS, SNAPSHOT_STALL},
    raft::RaftPort,
};
use bytes::{Buf, BytesMut};
use nexus_raft_store::TypeConfig;
use openraft::{Snapshot, raft::SnapshotResponse};
use std::{pin::pin, sync::Arc};
use tokio::{
    select,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Receives one snapshot and installs it. When the leader disconnects before the end, the received part is dropped with
/// its file.
pub(in crate::peer) async fn serve(
    mut frames: Frames,
    raft: Arc<dyn RaftPort>,
    shutdown: CancellationToken,
) -> Result<(), Cause> {
    let progress = select! {
        received = receive(&mut frames, &*raft) => match received? {
            Ok(done) => Progress::Done(done),
            Err(reason) => {
                tracing::warn!(reason, "a snapshot could not be installed");
                Progress::Failed(reason)
            }
        },
        () = shutdown.cancelled() => Progress::Failed("shutting down".to_owned()),
    };
    frames.push(&progress)?;
    timeout(SNAPSHOT_STALL, frames.flush()).await.map_err(|_| Cause::Stalled)??;
    Ok(())
}

type Installed = SnapshotResponse<TypeConfig>;

/// The outer error is one of the connection, the inner one is sent to the leader.
async fn receive(frames: &mut Frames, raft: &dyn RaftPort) -> Result<Result<Installed, String>, Cause> {
    let Start { vote, meta, length } = read(next(frames).await?)?;
    let mut receiver = match raft.begin_receiving(length).await {
        Ok(receiver) => receiver,
        Err(error) => return Ok(Err(error.to_string())),
    };
    loop {
        let mut frame = next(frames).await?;
        if frame.is_empty() {
            return Err(FrameError::Garbled("a snapshot frame without a tag".to_owned()).into());
        }
        match frame.get_u8() {
            tag::CHUNK => {
                if let Err(error) = receiver.write_chunk(frame.freeze()).await {
                    return Ok(Err(error.to_string()));
                }
            }
            tag::END => break,
            other => return Err(FrameError::Garbled(format!("snapshot frame of kind {other}")).into()),
        }
    }
    // Installing may take long, so the leader is sent progress meanwhile.
    let mut install = pin!(async {
        let snapshot = receiver.finish().await.map_err(|error| error.to_string())?;
        raft.install_snapshot(vote, Snapshot { meta, snapshot }).await
    });
    let mut progress = interval(SNAPSHOT_PROGRESS);
    loop {
        select! {
            installed = &mut install => return Ok(installed),
            _ = progress.tick() => { frames.push(&Progress::Working)?; }
            received = frames.next() => {
                received?;
                return Err(FrameError::Garbled("bytes after the end of a snapshot".to_owned()).into());
            }
        }
    }
}

async fn next(frames: &mut Frames) -> Result<BytesMut, Cause> {
    Ok(timeout(SNAPSHOT_STALL, frames.next()).await.map_err(|_| Cause::Stalled)??)
}
