//! The part of Raft that the transport needs, as a trait, and its implementation by the running Raft. A joining node
//! serves peers before its Raft runs.

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

/// The reason why Raft has stopped.
pub type RaftStopped = String;

/// The receiving side of Raft, as the transport calls it.
pub trait RaftPort: Send + Sync + 'static {
    /// Handles one append or heartbeat.
    ///
    /// # Errors
    /// When Raft has stopped, as for all others here.
    fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<AppendEntriesResponse<TypeConfig>, RaftStopped>>;

    /// Handles a stream of appends, and answers them in order.
    fn stream_append(
        &self,
        requests: BoxStream<'static, AppendEntriesRequest<TypeConfig>>,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, RaftStopped>>;

    /// Handles a request for a vote.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>>;

    /// Answers whether this node would vote.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn pre_vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>>;

    /// Handles a transfer of leadership, to this node or another one.
    ///
    /// # Errors
    /// When Raft has stopped.
    fn transfer_leader(
        &self,
        request: TransferLeaderRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<TransferLeaderResponse<TypeConfig>, RaftStopped>>;

    /// Begins to receive a snapshot of `length` bytes.
    ///
    /// # Errors
    /// When the disk has no room for it, or fails.
    fn begin_receiving(&self, length: u64) -> BoxFuture<'_, Result<SnapshotReceiver, StoreError>>;

    /// Replaces the state of this node by a snapshot.
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
    /// The running Raft.
    pub raft: Raft<TypeConfig, StateMachine>,
    /// The store that receives snapshots.
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

/// Holds Raft for the transport once it runs. Clones share it.
#[derive(Clone, Default)]
pub struct RaftCell(Arc<OnceLock<Arc<dyn RaftPort>>>);

impl RaftCell {
    /// Sets Raft, once.
    pub fn set(&self, raft: impl RaftPort) {
        // A second Raft would write to the same log.
        let is_first = self.0.set(Arc::new(raft));
        debug_assert!(is_first.is_ok(), "Raft is started once per process");
    }

    /// The running Raft; none before it is set.
    pub(super) fn get(&self) -> Option<Arc<dyn RaftPort>> {
        self.0.get().cloned()
    }
}
