//! The nodes of the tests: a real server and client each, with a fake Raft and service.

use crate::{
    peer::secret::ClusterSecret,
    peer::{
        LocalIdentity, PeerClient, PeerServer, PeerService, PeerTarget, RaftCell, RaftPort, RaftStopped,
        hello::ExpectedPeer,
        memory::MemoryNetwork,
        service::{ServiceRequest, ServiceResponse},
        wire::{Dial, Listen},
    },
};
use futures::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::BoxStream,
};
use nexus_domain::{ClusterId, InstanceId, NodeId, Revision};
use nexus_raft_store::{
    Entry, LeaderId, LogId, SnapshotFile, SnapshotReceiver, StoreError, TypeConfig, Vote,
};
use openraft::{
    EntryPayload,
    alias::SnapshotOf,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Far longer than any operation here takes, so that only a hang fails.
pub(super) const AMPLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A short deadline, for operations that are meant to miss it.
pub(super) const BRIEF_TIMEOUT: Duration = Duration::from_millis(200);

pub(super) const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(0xC1));

/// A member of the one cluster, with the data folder that belongs to it.
pub(super) fn member(node: u64) -> LocalIdentity {
    LocalIdentity {
        cluster: Some(CLUSTER),
        node: Some(NodeId(node)),
        secret: Some(ClusterSecret::parse("what only the members of the cast know").unwrap()),
        is_initialized: true,
        ..LocalIdentity::new(InstanceId(Uuid::from_u128(u128::from(node))), format!("client-{node}"))
    }
}

/// The peer that `identity` expects at its address.
pub(super) fn target(addr: &str, identity: &LocalIdentity) -> PeerTarget {
    let expected = identity.node.map(|node| ExpectedPeer { node, instance: identity.instance });
    PeerTarget { addr: addr.to_owned(), expected }
}

/// One node with a fake Raft and a fake service.
pub(super) struct Peer {
    pub(super) identity: watch::Sender<LocalIdentity>,
    pub(super) client: PeerClient,
    pub(super) raft: Arc<PlayedRaft>,
    pub(super) service: Arc<PlayedService>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Peer {
    /// A member on a network of pipes, at the address that is its name.
    pub(super) fn on(network: &MemoryNetwork, addr: &str, identity: LocalIdentity) -> Self {
        Self::start(network.listen(addr), network.dialer(addr), identity, true)
    }

    pub(super) fn start(
        listen: impl Listen,
        dial: impl Dial,
        identity: LocalIdentity,
        has_raft: bool,
    ) -> Self {
        let identity = watch::Sender::new(identity);
        let (raft, service) = (Arc::new(PlayedRaft::default()), Arc::new(PlayedService::default()));
        let cell = RaftCell::default();
        if has_raft {
            cell.set(Arc::clone(&raft));
        }
        let client = PeerClient::new(dial, identity.subscribe());
        let server = PeerServer {
            identity: identity.subscribe(),
            raft: cell,
            service: Arc::clone(&service) as Arc<dyn PeerService>,
        };
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(server.run(listen, shutdown.clone()));
        Self { identity, client, raft, service, shutdown, server }
    }

    /// Shuts its server down and waits until that is done.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
    }
}

/// Answers a ReadIndex with the number of earlier ones, and holds all other requests until it is released.
#[derive(Debug)]
pub(super) struct PlayedService {
    pub(super) asked: watch::Sender<u64>,
    pub(super) let_go: Semaphore,
    pub(super) askers: Mutex<Vec<Option<NodeId>>>,
}

impl Default for PlayedService {
    fn default() -> Self {
        Self { asked: watch::Sender::new(0), let_go: Semaphore::new(0), askers: Mutex::default() }
    }
}

impl PeerService for PlayedService {
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        self.askers.lock().unwrap().push(from);
        self.asked.send_modify(|asked| *asked += 1);
        let asked = *self.asked.borrow();
        async move {
            match request {
                ServiceRequest::ReadIndex => ServiceResponse::ReadIndex(Revision(asked)),
                _ => {
                    self.let_go.acquire().await.unwrap().forget();
                    ServiceResponse::Done
                }
            }
        }
        .boxed()
    }
}

/// Accepts every append, except for a conflict before the entry `conflict_at`. Grants no vote.
#[derive(Default)]
pub(super) struct PlayedRaft {
    /// Indexes in the order of their arrival.
    pub(super) appended: Mutex<Vec<u64>>,
    pub(super) conflict_at: Mutex<Option<u64>>,
    /// While held, no append of a stream is answered.
    pub(super) flushing: tokio::sync::Mutex<()>,
}

impl PlayedRaft {
    fn take(&self, request: &AppendEntriesRequest<TypeConfig>) -> StreamAppendResult<TypeConfig> {
        let first = request.entries.first().map(|entry| entry.log_id.index);
        let mut conflict_at = self.conflict_at.lock().unwrap();
        if first.is_some() && first == *conflict_at {
            *conflict_at = None;
            return Err(StreamAppendError::Conflict(request.prev_log_id.unwrap()));
        }
        self.appended.lock().unwrap().extend(request.entries.iter().map(|entry| entry.log_id.index));
        Ok(request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id))
    }
}

impl RaftPort for Arc<PlayedRaft> {
    fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<AppendEntriesResponse<TypeConfig>, RaftStopped>> {
        future::ready(Ok(self.take(&request).into())).boxed()
    }

    fn stream_append(
        &self,
        requests: BoxStream<'static, AppendEntriesRequest<TypeConfig>>,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, RaftStopped>> {
        let raft = Arc::clone(self);
        let answers = requests.then(move |request| {
            let raft = Arc::clone(&raft);
            async move {
                let _flushed = raft.flushing.lock().await;
                Ok(raft.take(&request))
            }
        });
        answers.boxed()
    }

    fn vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>> {
        future::ready(Ok(VoteResponse::new(request.vote, None, false))).boxed()
    }

    fn pre_vote(
        &self,
        request: VoteRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<VoteResponse<TypeConfig>, RaftStopped>> {
        future::ready(Ok(VoteResponse::new(request.vote, None, false))).boxed()
    }

    fn transfer_leader(
        &self,
        _request: TransferLeaderRequest<TypeConfig>,
    ) -> BoxFuture<'_, Result<TransferLeaderResponse<TypeConfig>, RaftStopped>> {
        future::ready(Ok(Ok(()))).boxed()
    }

    fn begin_receiving(&self, _length: u64) -> BoxFuture<'_, Result<SnapshotReceiver, StoreError>> {
        future::ready(Err(StoreError::Snapshot("a played Raft takes no snapshots".to_owned()))).boxed()
    }

    fn install_snapshot(
        &self,
        _vote: Vote,
        _snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
    ) -> BoxFuture<'_, Result<SnapshotResponse<TypeConfig>, RaftStopped>> {
        future::ready(Err("a played Raft takes no snapshots".to_owned())).boxed()
    }
}

/// The log id of an entry of leader 1.
pub(super) fn log_id(index: u64) -> LogId {
    LogId::new(LeaderId { term: 1, node_id: 1 }, index)
}

/// A request of leader 1 with a blank entry at `index`.
pub(super) fn append(index: u64) -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: index.checked_sub(1).map(log_id),
        entries: vec![Entry { log_id: log_id(index), payload: EntryPayload::Blank }],
        leader_commit: None,
    }
}
