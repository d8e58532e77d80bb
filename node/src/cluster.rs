//! Implements what the API needs of a node.

use crate::{
    heartbeats::Heartbeats,
    keep_alives::KeepAlives,
    node::{Leader, Node, REQUEST_DEADLINE, RETRY_PAUSE},
    peer::{
        PeerError,
        service::{ChangeRefusal, MembershipRequest, ServiceRequest, ServiceResponse},
    },
    read::ReadIndexes,
    status,
    view::StoreView,
};
use futures::future::{BoxFuture, FutureExt};
use nexus_api::cluster::{
    Backup, Cluster, Committed, Consistency, History, NodeStatus, Operation, OperationError,
    OperationOutcome, ReadView, SharedView, StorageFailure, Unavailable, WriteRequest,
};
use nexus_domain::{
    Answer, ClusterId, InstanceId, ProjectId, Proposal, Refusal, Revision, SessionId, Stamp, WallTime,
    entity::HeartbeatMode, reply_cache::Request,
};
use nexus_raft_store::{EventsPage, Member};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Longest time of one change of the membership, joint consensus included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(12);
/// Attempts of a write whose slot holds a later answer. After the first one, the node knows the sequences that it had
/// forgotten.
const MAX_SLOT_ATTEMPTS: usize = 3;
/// Longest time that a read waits for the revision that it asks for.
const MIN_REVISION_WAIT: Duration = Duration::from_secs(5);

/// A node, as the API uses it.
pub(crate) struct NodeCluster {
    pub(crate) node: Arc<Node>,
    pub(crate) reads: ReadIndexes,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) keep_alives: KeepAlives,
}

impl Cluster for NodeCluster {
    fn propose(&self, write: WriteRequest) -> BoxFuture<'_, Result<Committed, Unavailable>> {
        async move {
            let WriteRequest { command, actor, acting, request } = write;
            let stamp = Stamp::default();
            let mut proposal = Proposal { command, actor, acting, request: None, stamp };
            let Some(keyed) = request else { return self.propose_in_slot(proposal).await };
            proposal.request = Some(Request::Keyed(keyed));
            self.applied_here(self.node.propose(&Arc::new(proposal)).await?).await
        }
        .boxed()
    }

    fn read(
        &self,
        consistency: Consistency,
        min_revision: Option<Revision>,
    ) -> BoxFuture<'_, Result<ReadView, Unavailable>> {
        async move {
            let (index, staleness) = match consistency {
                Consistency::Linearizable => (self.reads.next().await?, None),
                Consistency::Stale => (Revision(0), Some(self.staleness().await)),
            };
            let index = index.max(min_revision.unwrap_or_default());
            let deadline = Instant::now() + MIN_REVISION_WAIT;
            let published = self.node.applied(index.0, deadline).await.map_err(|()| {
                Unavailable::NotApplied(format!(
                    "this node has not applied revision {index} yet; try another node"
                ))
            })?;
            Ok(ReadView { view: StoreView::shared(published, &self.node.store), staleness })
        }
        .boxed()
    }

    fn local(&self) -> SharedView {
        StoreView::shared(self.node.published(), &self.node.store)
    }

    fn wall(&self) -> WallTime {
        self.node.cluster_wall_time().max(self.node.published().state.clock().wall)
    }

    fn heartbeat(&self, session: SessionId) -> BoxFuture<'_, Result<bool, Unavailable>> {
        async move {
            let unknown = self.heartbeats.heartbeat(vec![session]).await?;
            Ok(!unknown.contains(&session))
        }
        .boxed()
    }

    fn keep_alive(&self, session: SessionId) {
        if self.is_keep_alive_due(session) {
            self.heartbeats.keep_alive(vec![session]);
        }
    }

    fn events(&self, from: Revision, limit: usize) -> BoxFuture<'_, Result<History, StorageFailure>> {
        async move {
            let page = self.node.store.events(from, limit).await;
            page.map(history).map_err(|error| StorageFailure(error.to_string()))
        }
        .boxed()
    }

    fn events_of(
        &self,
        project: ProjectId,
        from: Revision,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<History, StorageFailure>> {
        async move {
            let page = self.node.store.events_of(project, from, limit, bytes).await;
            page.map(history).map_err(|error| StorageFailure(error.to_string()))
        }
        .boxed()
    }

    fn applied_after(&self, revision: Revision) -> BoxFuture<'_, Option<Revision>> {
        async move {
            let mut published = self.node.store.published();
            let seen = published.wait_for(|published| published.revision() > revision).await.ok()?;
            Some(seen.revision())
        }
        .boxed()
    }

    fn status(&self) -> NodeStatus {
        self.node.status()
    }

    fn leader_status(&self) -> BoxFuture<'_, Result<NodeStatus, Unavailable>> {
        async move {
            // Only a leader that a quorum acknowledges has a status that counts.
            self.reads.next().await?;
            match self.node.leader() {
                Leader::Local => Ok(self.node.status()),
                Leader::Remote(leader) => {
                    match self.node.peers.request(&leader, ServiceRequest::Status, REQUEST_DEADLINE).await {
                        Ok(ServiceResponse::Status(report)) => {
                            Ok(status::merged(self.node.status(), *report))
                        }
                        Ok(_) => Err(Unavailable::NotApplied(format!("{leader} does not lead"))),
                        Err(error) => Err(Unavailable::NotApplied(error.to_string())),
                    }
                }
                Leader::Unknown => Err(Unavailable::NotApplied("there is no leader".to_owned())),
            }
        }
        .boxed()
    }

    fn operate(&self, operation: Operation) -> BoxFuture<'_, Result<OperationOutcome, OperationError>> {
        async move {
            let request = match operation {
                Operation::Join { token, instance, peer_addr, client_addr } => MembershipRequest::Join {
                    token: Some(token),
                    replaces: None,
                    member: Member { peer_addr, client_addr, instance },
                },
                Operation::Promote(node) => MembershipRequest::Promote { node },
                Operation::Remove(node) => MembershipRequest::Remove { node },
                Operation::TransferLeader(to) => MembershipRequest::TransferLeader { to },
                Operation::Snapshot => return self.snapshot().await,
            };
            self.change_membership(request).await
        }
        .boxed()
    }

    fn seal_secret(&self, token: &str, cluster: ClusterId, joining: InstanceId) -> String {
        self.node.secret.seal(token, (cluster, joining), &*self.node.mint)
    }

    fn backup(&self, through: Revision) -> BoxFuture<'_, Result<Backup, Unavailable>> {
        self.node.backup(through).boxed()
    }
}

impl NodeCluster {
    /// Proposes a write without a client's key, in a slot of this node.
    async fn propose_in_slot(&self, proposal: Proposal) -> Result<Committed, Unavailable> {
        let mut proposal = Arc::new(proposal);
        for _ in 0..MAX_SLOT_ATTEMPTS {
            let Some(slot) = self.node.slots.take(self.node.clock.monotonic()) else {
                return Err(Unavailable::NotApplied("too many writes at once".to_owned()));
            };
            // This is the only holder of the proposal, so it is copied for a second attempt alone.
            Arc::make_mut(&mut proposal).request = Some(slot.request());
            let proposed = self.node.propose(&proposal).await;
            if !matches!(proposed, Err(Unavailable::Unknown(_))) {
                slot.settle();
            }
            let committed = self.applied_here(proposed?).await?;
            if committed.answer.outcome != Err(Refusal::Superseded) {
                return Ok(committed);
            }
            tracing::warn!(
                "this node's data folder was replaced by an older copy: its request sequences continue above the forgotten ones"
            );
            self.node.slots.continue_above(committed.view.state().last_sequence(self.node.id));
        }
        Err(Unavailable::NotApplied(
            "this node counts from an older copy of its data folder; try again".to_owned(),
        ))
    }

    /// Returns an answer once this node has applied its entry too, so that the next read here reflects it.
    async fn applied_here(&self, answer: Answer) -> Result<Committed, Unavailable> {
        let deadline = Instant::now() + REQUEST_DEADLINE;
        let published = self.node.applied(answer.revision.0, deadline).await.map_err(|()| {
            Unavailable::Unknown(
                "it is committed, but this node has not applied it yet; try again".to_owned(),
            )
        })?;
        Ok(Committed { answer, view: StoreView::shared(published, &self.node.store) })
    }

    /// How old this node's own state may be: the time since it last heard from a leader.
    async fn staleness(&self) -> Duration {
        match self.node.leader() {
            Leader::Local => self.node.status().quorum_seen.unwrap_or_default(),
            Leader::Remote(_) | Leader::Unknown => self.node.time_since_leader().await,
        }
    }

    /// Reads come often: one keep-alive in a tenth of the lease is enough. Measured by this node's own clock, since the
    /// time of the state stands still while nothing is written.
    fn is_keep_alive_due(&self, session: SessionId) -> bool {
        let published = self.node.published();
        let state = &published.state;
        let Some(found) = state.session(session) else { return false };
        let lease = match found.heartbeat_mode {
            HeartbeatMode::Attended => state.settings().session_timeout,
            HeartbeatMode::Unattended => state.settings().session_unattended,
        };
        let pause = Duration::from_millis(lease.0 / 10);
        self.keep_alives.is_due(session, pause, self.node.clock.monotonic()) || !found.is_active()
    }

    async fn snapshot(&self) -> Result<OperationOutcome, OperationError> {
        let applied = self.node.published().revision();
        self.node.snapshot_through(applied, OPERATION_TIMEOUT).await?;
        Ok(OperationOutcome::Done)
    }

    /// Sends a change of the membership to the leader, with retries while there is none.
    async fn change_membership(
        &self,
        request: MembershipRequest,
    ) -> Result<OperationOutcome, OperationError> {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        loop {
            let why = match self.try_change_membership(&request).await {
                Ok(operated) => return Ok(operated),
                Err(Retry::Never(error)) => return Err(error),
                Err(Retry::Later(why)) => why,
            };
            if Instant::now() + RETRY_PAUSE >= deadline {
                return Err(Unavailable::NotApplied(why).into());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn try_change_membership(&self, request: &MembershipRequest) -> Result<OperationOutcome, Retry> {
        let response = match self.node.leader() {
            Leader::Local => self.node.change_membership(request.clone()).await,
            Leader::Remote(leader) => {
                let request = ServiceRequest::Membership(request.clone());
                match self.node.peers.request(&leader, request, OPERATION_TIMEOUT).await {
                    Ok(response) => response,
                    Err(PeerError::NotSent(cause)) => return Err(Retry::Later(format!("{leader}: {cause}"))),
                    Err(PeerError::Unknown(cause)) => {
                        let unknown = Unavailable::Unknown(format!("{leader}: {cause}"));
                        return Err(Retry::Never(unknown.into()));
                    }
                }
            }
            Leader::Unknown => return Err(Retry::Later("there is no leader".to_owned())),
        };
        operated(response)
    }
}

fn history(page: EventsPage) -> History {
    let EventsPage { events, next, has_more, oldest } = page;
    History { events, next, has_more, oldest }
}

enum Retry {
    Later(String),
    Never(OperationError),
}

fn operated(response: ServiceResponse) -> Result<OperationOutcome, Retry> {
    match response {
        ServiceResponse::Done => Ok(OperationOutcome::Done),
        ServiceResponse::Joined(node) => Ok(OperationOutcome::Joined { node }),
        ServiceResponse::Leads(node) => Ok(OperationOutcome::Leader(node)),
        ServiceResponse::NotLeader { .. } => Err(Retry::Later("the leader is changing".to_owned())),
        ServiceResponse::Unavailable { reason } => Err(Retry::Later(reason)),
        ServiceResponse::OutcomeUnknown { reason } => Err(Retry::Never(Unavailable::Unknown(reason).into())),
        ServiceResponse::Refused(ChangeRefusal::Unsafe(why)) => {
            Err(Retry::Never(OperationError::Refused(why)))
        }
        ServiceResponse::Refused(ChangeRefusal::UnknownNode(node)) => {
            Err(Retry::Never(OperationError::UnknownNode(node)))
        }
        ServiceResponse::Refused(ChangeRefusal::BadToken) => Err(Retry::Never(OperationError::BadToken)),
        other => {
            let unknown = Unavailable::Unknown(format!("an answer to something else: {other:?}"));
            Err(Retry::Never(unknown.into()))
        }
    }
}
