//! What the transport needs of Raft, and the running Raft behind it. A node that is about to join
//! serves peers before it has one.

use super::snapshot::SnapshotSink;
use futures::{future::BoxFuture, stream::BoxStream};
use nexus_raft_store::types::TypeConfig;
use openraft::{
    alias::{SnapshotMetaOf, VoteOf},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use std::sync::{Arc, OnceLock};

/// Raft has stopped; the text says why.
pub type RaftStopped = String;

/// The receiving side of Raft.
pub trait RaftPort: Send + Sync + 'static {
    /// Takes one append or heartbeat.
    ///
    /// # Errors
    /// When Raft has stopped, as for all others here.
    fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<AppendEntriesResponse<TypeConfig>, RaftStopped>>;

    /// Takes appends as they come, and answers them in order.
    fn stream_append(
        &self,
        requests: BoxStream<'static, AppendEntriesRequest<TypeConfig>>,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, RaftStopped>>;

    /// Votes.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn vote(&self, request: VoteRequest<TypeConfig>) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>>;

    /// Says whether it would vote.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn pre_vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>>;

    /// Makes way for the next leader, or becomes it.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn transfer_leader(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<TransferLeaderResponse<TypeConfig>, RaftStopped>>;

    /// Begins to receive a snapshot; dropping the sink discards what it got.
    ///
    /// # Errors
    /// When there is no room for it, or another one is being received.
    fn receive_snapshot(
        &self,
        vote: VoteOf<TypeConfig>,
        meta: SnapshotMetaOf<TypeConfig>,
    ) -> BoxFuture<'_, Result<Box<dyn SnapshotSink>, RaftStopped>>;
}

/// Where the transport finds Raft once it runs. Clones are the same slot.
#[derive(Clone, Default)]
pub struct RaftSlot(Arc<OnceLock<Arc<dyn RaftPort>>>);

impl RaftSlot {
    /// Puts Raft in; whatever came before a first one stays.
    pub fn fill(&self, raft: impl RaftPort) {
        // A second Raft in one process would be a second life of the same log.
        let filled = self.0.set(Arc::new(raft));
        debug_assert!(filled.is_ok(), "Raft is started once per process");
    }

    /// Raft, if it runs.
    pub(super) fn get(&self) -> Option<Arc<dyn RaftPort>> {
        self.0.get().cloned()
    }
}
