//! Implements the network traits of openraft. Every failure is `Unreachable`, so that openraft backs off; a vote or
//! pre-vote is never granted on a peer's behalf.

use super::{
    append::{AppendConnection, AppendStream},
    client::{PeerClient, unexpected_response},
    control::{ControlRequest, ControlResponse},
    error::{Cause, PeerError},
    hello::Purpose,
    limits::{MAX_REPLICATION_BACKOFF, MIN_REPLICATION_BACKOFF, SNAPSHOT_STALL},
    snapshot,
    target::PeerTarget,
};
use futures::{Stream, StreamExt, future, stream};
use nexus_raft_store::{Member, SnapshotFile, TypeConfig, Vote};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    alias::SnapshotOf,
    base::{BoxFuture, BoxStream},
    errors::{RPCError, ReplicationClosed, StreamingError},
    network::{Backoff, RPCOption, stream_append_sequential},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};

type Rpc<T> = Result<T, RPCError<TypeConfig>>;

/// Makes networks for openraft.
pub struct PeerNetworkFactory {
    client: PeerClient,
}

impl PeerNetworkFactory {
    /// Networks that share the connections of `client`.
    pub fn new(client: PeerClient) -> Self {
        Self { client }
    }

    fn network(&self, node: u64, member: &Member, has_stream: bool) -> PeerNetwork {
        PeerNetwork {
            client: self.client.clone(),
            target: PeerTarget::member(node, member),
            has_stream,
            append: None,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetworkFactory {
    type Network = PeerNetwork;

    async fn new_client(&mut self, target: u64, node: &Member) -> PeerNetwork {
        self.network(target, node, true)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> PeerNetwork {
        // Over the control connection: a heartbeat must not queue behind a batch of entries.
        self.network(target, node, false)
    }
}

/// The network to one peer.
pub struct PeerNetwork {
    client: PeerClient,
    target: PeerTarget,
    /// Whether appends have a connection of their own.
    has_stream: bool,
    append: Option<AppendConnection>,
}

impl PeerNetwork {
    async fn control(
        &self,
        request: ControlRequest,
        option: &RPCOption,
    ) -> Result<ControlResponse, PeerError> {
        self.client.call(&self.target, request, option.soft_ttl()).await
    }

    async fn ready_append(&mut self) -> Result<(), Cause> {
        if self.append.as_mut().is_some_and(|append| !append.is_alive()) {
            self.append = None;
        }
        if self.append.is_none() {
            let connected = self.client.connect(&self.target, Purpose::Append).await?;
            self.append = Some(AppendConnection::new(connected));
        }
        Ok(())
    }
}

impl RaftNetworkV2<TypeConfig> for PeerNetwork {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        let prev_log_id = rpc.prev_log_id;
        match self.control(ControlRequest::Append(rpc), &option).await? {
            // openraft takes it for granted that nothing conflicts with an empty log, and panics otherwise.
            ControlResponse::Append(AppendEntriesResponse::Conflict) if prev_log_id.is_none() => {
                Err(Cause::Failed("it reports a conflict before the first entry".to_owned()).into())
            }
            ControlResponse::Append(response) => Ok(response),
            other => Err(unexpected_response(&other).into()),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if !self.has_stream {
            return stream_append_sequential(self, input, option);
        }
        let answers = stream::once(async move {
            let mut input = input;
            // The first request is awaited before the peer is dialled: openraft waits out its backoff there, and
            // dialling first would go round without a pause while the peer is away.
            let Some(first) = input.next().await else { return stream::empty().boxed() };
            if let Err(cause) = self.ready_append().await {
                return stream::iter([Err(cause.into())]).boxed();
            }
            let requests = stream::iter([first]).chain(input);
            AppendStream::new(&mut self.append, requests, option.soft_ttl()).boxed()
        });
        let answers: BoxStream<'s, _> = Box::pin(answers.flatten());
        Box::pin(future::ready(Ok(answers)))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        match self.control(ControlRequest::Vote(rpc), &option).await? {
            ControlResponse::Vote(response) => Ok(response),
            other => Err(unexpected_response(&other).into()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        match self.control(ControlRequest::PreVote(rpc), &option).await? {
            ControlResponse::Vote(response) => Ok(response),
            other => Err(unexpected_response(&other).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        match self.control(ControlRequest::TransferLeader(request), &option).await? {
            ControlResponse::TransferLeader(response) => Ok(response),
            other => Err(unexpected_response(&other).into()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let connected = self.client.connect(&self.target, Purpose::Snapshot).await?;
        let stall = option.soft_ttl().max(SNAPSHOT_STALL);
        snapshot::send(connected.frames, vote, snapshot, cancel, stall).await
    }

    fn backoff(&self) -> Option<Backoff> {
        let pauses = std::iter::successors(Some(MIN_REPLICATION_BACKOFF), |pause| {
            Some((*pause * 2).min(MAX_REPLICATION_BACKOFF))
        });
        Some(Backoff::new(pauses))
    }
}
