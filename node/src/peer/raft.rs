//! What the transport needs of Raft, and the running Raft behind it. A node that is about to join
//! serves peers before it has one.

use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, future::BoxFuture, stream::BoxStream};
use nexus_raft_store::{
    SnapshotFile, SnapshotReceiver, StateMachine, StoreError, StoreHandle, TypeConfig, Vote,
};
use openraft::{
    Raft,
    alias::SnapshotOf,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use std::{
    fmt::Display,
    sync::{Arc, OnceLock},
};

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
    fn vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>>;

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

    /// Begins to receive a snapshot of so many bytes.
    ///
    /// # Errors
    /// When there is no room for it, or the device fails.
    fn begin_receiving(&self, length: u64) -> BoxFuture<'_, Result<SnapshotReceiver, StoreError>>;

    /// Makes a snapshot the state of this node.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn install_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
    ) -> BoxFuture<'_, Result<SnapshotResponse<TypeConfig>, RaftStopped>>;
}

/// The Raft of this node, and the store under it.
pub struct LocalRaft {
    /// Raft.
    pub raft: Raft<TypeConfig, StateMachine>,
    /// Its store.
    pub store: StoreHandle,
}

impl RaftPort for LocalRaft {
    fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<AppendEntriesResponse<TypeConfig>, RaftStopped>> {
        self.raft.append_entries(request).map_err(stopped).boxed()
    }

    fn stream_append(
        &self,
        requests: BoxStream<'static, AppendEntriesRequest<TypeConfig>>,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, RaftStopped>> {
        self.raft.stream_append(requests).map_err(stopped).boxed()
    }

    fn vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>> {
        self.raft.vote(request).map_err(stopped).boxed()
    }

    fn pre_vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>> {
        self.raft.pre_vote(request).map_err(stopped).boxed()
    }

    fn transfer_leader(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<TransferLeaderResponse<TypeConfig>, RaftStopped>> {
        self.raft.handle_transfer_leader(request).map_err(stopped).boxed()
    }

    fn begin_receiving(&self, length: u64) -> BoxFuture<'_, Result<SnapshotReceiver, StoreError>> {
        self.store.begin_receiving(length).boxed()
    }

    fn install_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
    ) -> BoxFuture<'_, Result<SnapshotResponse<TypeConfig>, RaftStopped>> {
        self.raft.install_full_snapshot(vote, snapshot).map_err(stopped).boxed()
    }
}

fn stopped(error: impl Display) -> RaftStopped {
    error.to_string()
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
