//! Implements what the API needs of a node.

use crate::{
    backups::snapshot_through,
    integrity::fencing::{ENDING, Fencing},
    leader::{
        client::{LeaderClient, LeaderError, Repeat, RetryPolicy},
        heartbeats::Heartbeats,
        keep_alives::KeepAlives,
        read_index::ReadIndexes,
        writes::Writes,
    },
    node::{Leader, Node, REMOVED},
    peer::{
        secret::ClusterSecret,
        service::{ChangeRefusal, MembershipRequest, ServiceRequest, ServiceResponse},
    },
    raft::clock::Clock,
    serve::{backup, status, view::StoreView},
    watch::{disk::Disk, reports::Reports},
};
use futures::future::{BoxFuture, FutureExt};
use nexus_api::{
    cluster::{
        Backup, Cluster, Committed, Consistency, History, Measurements, NodeStatus, Operation,
        OperationError, OperationOutcome, ReadView, SharedView, StorageFailure, Unavailable, WriteRequest,
    },
    mint::Mint,
};
use nexus_api_types::change_plan::ChangePlan;
use nexus_domain::{
    ClusterId, InstanceId, ProjectId, Proposal, Revision, SessionId, Stamp, WallTime, entity::HeartbeatMode,
    reply_cache::Request,
};
use nexus_raft_store::{EventsPage, Member, Published};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// Longest time of one change of the membership, joint consensus included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(12);
/// Longest time that a read waits for the revision that it asks for.
const MIN_REVISION_WAIT: Duration = Duration::from_secs(5);

/// A node, as the API uses it.
pub(crate) struct NodeCluster {
    pub(crate) leader: LeaderClient,
    pub(crate) writes: Writes,
    pub(crate) reads: ReadIndexes,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) keep_alives: KeepAlives,
    pub(crate) reports: Arc<Reports>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) secret: ClusterSecret,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mint: Arc<dyn Mint>,
    pub(crate) fencing: Arc<Fencing>,
}

impl Cluster for NodeCluster {
    fn propose(&self, write: WriteRequest) -> BoxFuture<'_, Result<Committed, Unavailable>> {
        async move {
            let WriteRequest { command, actor, acting, request } = write;
            let request = request.map(Request::Keyed);
            let is_keyed = request.is_some();
            let proposal = Proposal { command, actor, acting, request, stamp: Stamp::default() };
            let (answer, published) = if is_keyed {
                self.writes.propose(proposal).await?
            } else {
                self.writes.propose_in_slot(proposal).await?
            };
            // What this node computed while it found out that its state is wrong may be wrong, too.
            if self.fencing.is_ending() {
                return Err(Unavailable::Unknown(ENDING.to_owned()));
            }
            Ok(Committed { answer, view: self.view(published) })
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
            let published = self.node().applied(index.0, deadline).await.map_err(|()| {
                Unavailable::NotApplied(format!(
                    "this node has not applied revision {index} yet; try another node"
                ))
            })?;
            if self.fencing.is_ending() {
                return Err(Unavailable::NotApplied(ENDING.to_owned()));
            }
            Ok(ReadView { view: self.view(published), staleness })
        }
        .boxed()
    }

    fn local(&self) -> SharedView {
        self.view(self.node().published())
    }

    fn wall(&self) -> WallTime {
        self.reports.wall().max(self.node().published().state.clock().wall)
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
            let page = self.node().store.events(from, limit).await;
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
            let page = self.node().store.events_of(project, from, limit, bytes).await;
            page.map(history).map_err(|error| StorageFailure(error.to_string()))
        }
        .boxed()
    }

    fn applied_after(&self, revision: Revision) -> BoxFuture<'_, Option<Revision>> {
        async move {
            let mut published = self.node().store.published();
            let seen = published.wait_for(|published| published.revision() > revision).await.ok()?;
            Some(seen.revision())
        }
        .boxed()
    }

    fn status(&self) -> NodeStatus {
        self.own_status()
    }

    fn measurements(&self) -> Measurements {
        status::measurements(
            &self.leader.timings,
            &self.node().store,
            &self.reports,
            &[("read_index", self.reads.waiting()), ("lease_signals", self.heartbeats.waiting())],
        )
    }

    fn leader_status(&self) -> BoxFuture<'_, Result<NodeStatus, Unavailable>> {
        async move {
            // Only a leader that a quorum acknowledges has a status that counts.
            self.reads.next().await?;
            if self.node().leads() {
                return Ok(self.own_status());
            }
            let policy = RetryPolicy::within(self.node().timing.request_deadline());
            let read = |response| match response {
                ServiceResponse::Status(report) => Some(Ok::<_, String>(*report)),
                _ => None,
            };
            let report = self.leader.ask(ServiceRequest::Status, policy, read).await;
            let report = report.map_err(|error| {
                Unavailable::NotApplied(match error {
                    LeaderError::NotCarriedOut(why)
                    | LeaderError::Unknown(why)
                    | LeaderError::Refused(why) => why,
                    LeaderError::Removed => REMOVED.to_owned(),
                })
            })?;
            Ok(status::merged(self.own_status(), report, &self.reports))
        }
        .boxed()
    }

    fn operate(&self, operation: Operation) -> BoxFuture<'_, Result<OperationOutcome, OperationError>> {
        async move {
            match membership_request(operation) {
                Some(request) => self.change_membership(request).await,
                None => self.snapshot().await,
            }
        }
        .boxed()
    }

    fn plan(&self, operation: Operation) -> BoxFuture<'_, Result<ChangePlan, OperationError>> {
        async move {
            let change = membership_request(operation).and_then(|request| request.plannable());
            let Some(change) = change else { return Ok(ChangePlan::default()) };
            let request = ServiceRequest::Membership(MembershipRequest::Plan(change));
            let read = |response| match response {
                ServiceResponse::Plan(text) => serde_json::from_str(&text).ok().map(Ok),
                response => Some(Err(refusal(response)?)),
            };
            let policy = RetryPolicy::within(OPERATION_TIMEOUT);
            self.leader.ask(request, policy, read).await.map_err(not_operated)
        }
        .boxed()
    }

    fn draining(&self) -> watch::Receiver<bool> {
        self.node().draining()
    }

    fn seal_secret(&self, token: &str, cluster: ClusterId, joining: InstanceId) -> String {
        self.secret.seal(token, (cluster, joining), &*self.mint)
    }

    fn backup(&self, through: Revision) -> BoxFuture<'_, Result<Backup, Unavailable>> {
        backup::backup(self.node(), &self.disk, through).boxed()
    }
}

impl NodeCluster {
    fn node(&self) -> &Node {
        &self.leader.node
    }

    /// A view of a published state.
    fn view(&self, published: Arc<Published>) -> SharedView {
        StoreView::shared(published, &self.node().store)
    }

    fn own_status(&self) -> NodeStatus {
        status::status(self.node(), &self.disk, &self.reports)
    }

    /// How old this node's own state may be: the time since it last heard from a leader.
    async fn staleness(&self) -> Duration {
        match self.node().leader() {
            Leader::Local => self.own_status().quorum_seen.unwrap_or_default(),
            Leader::Remote(_) | Leader::Unknown => self.node().time_since_leader().await,
        }
    }

    /// Reads come often: one keep-alive in a tenth of the lease is enough. Measured by this node's own clock, since the
    /// time of the state stands still while nothing is written.
    fn is_keep_alive_due(&self, session: SessionId) -> bool {
        let published = self.node().published();
        let state = &published.state;
        let Some(found) = state.session(session) else { return false };
        let lease = match found.heartbeat_mode {
            HeartbeatMode::Attended => state.settings().session_timeout,
            HeartbeatMode::Unattended => state.settings().session_unattended,
        };
        let pause = Duration::from_millis(lease.0 / 10);
        self.keep_alives.is_due(session, pause, self.clock.monotonic()) || !found.is_active()
    }

    async fn snapshot(&self) -> Result<OperationOutcome, OperationError> {
        let applied = self.node().published().revision();
        snapshot_through(self.node(), &self.disk, applied, OPERATION_TIMEOUT).await?;
        Ok(OperationOutcome::Done)
    }

    /// Sends a change of the membership to the leader, with retries while there is none.
    async fn change_membership(
        &self,
        request: MembershipRequest,
    ) -> Result<OperationOutcome, OperationError> {
        let policy = RetryPolicy {
            deadline: Instant::now() + OPERATION_TIMEOUT,
            attempt_timeout: OPERATION_TIMEOUT,
            repeat: Repeat::IfNotCarriedOut,
        };
        let operated = self.leader.ask(ServiceRequest::Membership(request), policy, operated).await;
        operated.map_err(not_operated)
    }
}

fn history(page: EventsPage) -> History {
    let EventsPage { events, next, has_more, oldest } = page;
    History { events, next, has_more, oldest }
}

/// The result of a change of the membership.
fn operated(response: ServiceResponse) -> Option<Result<OperationOutcome, OperationError>> {
    Some(match response {
        ServiceResponse::Done => Ok(OperationOutcome::Done),
        ServiceResponse::Joined(node) => Ok(OperationOutcome::Joined { node }),
        ServiceResponse::Leads(node) => Ok(OperationOutcome::Leader(node)),
        ServiceResponse::Rebuilding { kept_in } => Ok(OperationOutcome::Rebuilding { kept_in }),
        response => Err(refusal(response)?),
    })
}

/// The refusal of a change, or of its plan.
fn refusal(response: ServiceResponse) -> Option<OperationError> {
    match response {
        ServiceResponse::Refused(ChangeRefusal::Unsafe(why)) => Some(OperationError::Refused(why)),
        ServiceResponse::Refused(ChangeRefusal::UnknownNode(node)) => Some(OperationError::UnknownNode(node)),
        ServiceResponse::Refused(ChangeRefusal::BadToken) => Some(OperationError::BadToken),
        _ => None,
    }
}

fn not_operated(error: LeaderError<OperationError>) -> OperationError {
    match error {
        LeaderError::NotCarriedOut(why) => Unavailable::NotApplied(why).into(),
        LeaderError::Unknown(why) => Unavailable::Unknown(why).into(),
        LeaderError::Refused(error) => error,
        LeaderError::Removed => Unavailable::NotApplied(REMOVED.to_owned()).into(),
    }
}

/// The request to the leader; none for an operation of this node alone.
fn membership_request(operation: Operation) -> Option<MembershipRequest> {
    Some(match operation {
        Operation::Join { token, instance, peer_addr, client_addr, replica } => {
            let member = Member { peer_addr, client_addr, instance };
            if replica {
                MembershipRequest::JoinAsReplica { token, member }
            } else {
                MembershipRequest::Join { token: Some(token), replaces: None, member }
            }
        }
        Operation::Promote(node) => MembershipRequest::Promote { node },
        Operation::Demote(node) => MembershipRequest::Demote { node },
        Operation::Remove(node) => MembershipRequest::Remove { node },
        Operation::Replace { old, new } => MembershipRequest::Replace { old, new },
        Operation::Drain { node, draining } => MembershipRequest::Drain { node, is_draining: draining },
        Operation::TransferLeader(to) => MembershipRequest::TransferLeader { to },
        Operation::Rebuild { node, forced } => MembershipRequest::Rebuild { node, forced },
        Operation::Snapshot => return None,
    })
}
