//! Sends a snapshot to a follower that lags too far: over its own connection, in chunks with a deadline each. The
//! checksum that the store puts at the end of the snapshot shows whether it arrived intact; this module does not check
//! it.
//!
//! - [`send`]: the leader's end.
//! - [`receive`]: the follower's end.

mod receive;
mod send;

pub(super) use receive::serve;
pub(super) use send::send;

use nexus_raft_store::{SnapshotMeta, TypeConfig, Vote};
use openraft::raft::SnapshotResponse;
use serde::{Deserialize, Serialize};

/// The first frame of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Start {
    /// The vote of the leader that sends.
    vote: Vote,
    /// The log index and the membership that the snapshot covers.
    meta: SnapshotMeta,
    /// The length of the snapshot in bytes.
    length: u64,
}

/// The first byte of every frame after [`Start`]: the kind of the rest.
mod tag {
    /// Bytes of the snapshot.
    pub(super) const CHUNK: u8 = 0;
    /// The end of the snapshot, without bytes.
    pub(super) const END: u8 = 1;
}

/// A message of the follower, which it may send at any time.
#[derive(Debug, Serialize, Deserialize)]
enum Progress {
    /// The follower is still writing or installing.
    Working,
    /// The snapshot is installed.
    Done(SnapshotResponse<TypeConfig>),
    /// The follower has given up, with the reason.
    Failed(String),
}
