//! The messages between the two ends of a snapshot's connection.

use nexus_raft_store::{SnapshotMeta, TypeConfig, Vote};
use openraft::raft::SnapshotResponse;
use serde::{Deserialize, Serialize};

/// The first frame of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::peer) struct Start {
    /// The vote of the leader that sends.
    pub(in crate::peer) vote: Vote,
    /// The log index and the membership that the snapshot covers.
    pub(in crate::peer) meta: SnapshotMeta,
    /// The length of the snapshot in bytes.
    pub(in crate::peer) length: u64,
}

/// The first byte of every frame after [`Start`]: the kind of the rest.
pub(in crate::peer) mod tag {
    /// Bytes of the snapshot.
    pub(crate) const CHUNK: u8 = 0;
    /// The end of the snapshot, without bytes.
    pub(crate) const END: u8 = 1;
}

/// A message of the follower, which it may send at any time.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::peer) enum Progress {
    /// The follower is still writing or installing.
    Working,
    /// The snapshot is installed.
    Done(SnapshotResponse<TypeConfig>),
    /// The follower has aborted the transfer, with the reason.
    Failed(String),
}
