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

use bytes::Bytes;
use futures::future::BoxFuture;
use nexus_raft_store::types::TypeConfig;
use openraft::{
    alias::{SnapshotMetaOf, VoteOf},
    raft::SnapshotResponse,
};
use serde::{Deserialize, Serialize};
use std::io;

/// Where the bytes of a snapshot come from.
pub trait SnapshotSource: Send + 'static {
    /// The next bytes, at most `most`; none at the end.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    fn next_chunk(&mut self, most: usize) -> BoxFuture<'_, io::Result<Option<Bytes>>>;
}

/// Where the bytes of a snapshot go. Dropped before [`SnapshotSink::install`], it leaves nothing.
pub trait SnapshotSink: Send {
    /// Adds bytes.
    ///
    /// # Errors
    /// When they cannot be kept, in words for people.
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), String>>;

    /// Checks the whole, and makes it the state of this node.
    ///
    /// # Errors
    /// When it is damaged or Raft has stopped, in words for people.
    fn install(self: Box<Self>) -> BoxFuture<'static, Result<SnapshotResponse<TypeConfig>, String>>;
}

/// The first frame.
#[derive(Debug, Serialize, Deserialize)]
struct Start {
    /// The vote of the leader that sends.
    vote: VoteOf<TypeConfig>,
    /// What the snapshot holds.
    meta: SnapshotMetaOf<TypeConfig>,
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
