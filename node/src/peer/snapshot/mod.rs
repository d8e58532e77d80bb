//! Snapshots to a follower that is too far behind: one connection for each, in chunks, every chunk
//! with its own deadline. Whether the whole is sound, the checksum that the store puts at its end
//! decides, not this module.
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

/// The first frame.
#[derive(Debug, Serialize, Deserialize)]
struct Start {
    /// The vote of the leader that sends.
    vote: Vote,
    /// What the snapshot covers.
    meta: SnapshotMeta,
    /// Its bytes, all together.
    length: u64,
}

/// First byte of every frame after [`Start`]: what the rest of it is.
mod tag {
    /// Bytes of the snapshot.
    pub(super) const CHUNK: u8 = 0;
    /// The end, without bytes.
    pub(super) const END: u8 = 1;
}

/// What the follower says, whenever it likes.
#[derive(Debug, Serialize, Deserialize)]
enum Progress {
    /// It is still writing or installing.
    Working,
    /// It is done.
    Done(SnapshotResponse<TypeConfig>),
    /// It gives up.
    Failed(String),
}
