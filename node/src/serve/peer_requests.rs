//! Answers the requests of peers beyond Raft.

use crate::{
    integrity::fencing::{ENDING, Fencing},
    leader::{heartbeats::Heartbeats, service::LeaderService},
    peer::{
        PeerService,
        service::{MembershipRequest, ServiceRequest, ServiceResponse},
    },
    watch::{cluster_clock::ClusterClock, reports::Reports},
};
use futures::future::{BoxFuture, FutureExt};
use nexus_domain::{Actor, NodeId, Proposal};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::Instant;

/// The answer to a node that was removed from the cluster.
const NO_MEMBER: &str = "the node that asks is no member of this cluster; join anew with a token";

/// The answer of a healthy node that shall be rebuilt without force, or by another node than its leader.
const NOT_FENCED: &str = "this node is not fenced, and follows another leader or none";

/// Longest wait of a node that lags until it has applied the entry whose hash is asked for.
const HASH_WAIT: Duration = Duration::from_millis(500);

/// Answers peers from the running node. Until there is one, requests are answered as unavailable: a joining node serves
/// its peers before it has an id.
#[derive(Clone, Default)]
pub(crate) struct NodeService(Arc<OnceLock<PeerRequests>>);

/// The parts of a running node that answer peers.
pub(crate) struct PeerRequests {
    pub(crate) leader: Arc<LeaderService>,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) reports: Arc<Reports>,
    pub(crate) clock: Arc<ClusterClock>,
    pub(crate) fencing: Arc<Fencing>,
}

impl NodeService {
    /// Sets the running node, which answers from now on.
    pub(crate) fn begin(&self, running: PeerRequests) {
        let _ = self.0.set(running);
    }
}

impl PeerService for NodeService {
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        async move {
            match self.0.get() {
                Some(running) => running.answer(from, request).await,
                None => ServiceResponse::Unavailable { reason: "this node is still starting".to_owned() },
            }
        }
        .boxed()
    }
}

impl PeerRequests {
    /// Answers a request, unless this node has found that its state must not be used. What it applied while it found
    /// that may have got a wrong answer.
    async fn answer(&self, from: Option<NodeId>, request: ServiceRequest) -> ServiceResponse {
        let is_about_itself = matches!(request, ServiceRequest::Details | ServiceRequest::Rebuild { .. });
        if self.fencing.is_ending() && !is_about_itself {
            return ServiceResponse::Unavailable { reason: ENDING.to_owned() };
        }
        match self.carry_out(from, request).await {
            ServiceResponse::Proposed(_) if self.fencing.is_ending() => {
                ServiceResponse::OutcomeUnknown { reason: ENDING.to_owned() }
            }
            answer => answer,
        }
    }

    async fn carry_out(&self, from: Option<NodeId>, request: ServiceRequest) -> ServiceResponse {
        let node = &self.leader.node;
        // The leader knows who is a member; a node that was removed still knows the secret.
        let is_join = matches!(request, ServiceRequest::Membership(MembershipRequest::Join { .. }));
        let may_ask = is_join || from.and_then(|from| node.member(from)).is_some();
        match request {
            ServiceRequest::WhoIs { node: id } => match node.member(id) {
                // Without a leader, this node may lag, or be new or removed itself: it cannot say who is no member.
                None if !node.hears_leader().await => {
                    ServiceResponse::Unavailable { reason: "this node hears no leader".to_owned() }
                }
                member => ServiceResponse::Member(member),
            },
            ServiceRequest::Report => ServiceResponse::Report(Box::new(self.reports.own())),
            ServiceRequest::Details => ServiceResponse::Details(self.reports.own_details().to_text()),
            ServiceRequest::Drain { node: id, is_draining } if from.is_some() && from == node.leader_id() => {
                self.reports.set_draining(id, is_draining);
                ServiceResponse::Done
            }
            ServiceRequest::Drain { .. } => {
                ServiceResponse::Unavailable { reason: "only the leader drains a node".to_owned() }
            }
            ServiceRequest::HashAt { index } => {
                let _ = node.applied(index, Instant::now() + HASH_WAIT).await;
                ServiceResponse::HashAt(node.store.hash_at(index))
            }
            ServiceRequest::Rebuild { forced } => {
                // Only the leader knows whether the others have a quorum without this node.
                if !forced || from.is_none() || from != node.leader_id() {
                    return ServiceResponse::Unavailable { reason: NOT_FENCED.to_owned() };
                }
                match self.fencing.rebuild().await {
                    Ok(kept_in) => ServiceResponse::Rebuilding { kept_in: kept_in.display().to_string() },
                    Err(error) => ServiceResponse::Unavailable { reason: format!("{error:#}") },
                }
            }
            ServiceRequest::ClusterTime(time) => {
                // Only the time of the leader counts, as far as this node knows the leader.
                if from.is_some() && from == node.leader_id() {
                    self.clock.observe(time);
                }
                ServiceResponse::Done
            }
            _ if !node.leads() => ServiceResponse::NotLeader { leader: node.leader_id() },
            _ if !may_ask => ServiceResponse::Unavailable { reason: NO_MEMBER.to_owned() },
            ServiceRequest::Propose { proposal } if !may_be_forwarded(&proposal) => {
                tracing::warn!(
                    ?from,
                    command = proposal.command.name(),
                    "a peer sent a proposal that only a leader may make"
                );
                ServiceResponse::Unavailable { reason: "only a leader proposes that".to_owned() }
            }
            ServiceRequest::Heartbeats { heartbeats, keep_alives } => {
                if !keep_alives.is_empty() {
                    self.heartbeats.keep_alive(keep_alives);
                }
                if heartbeats.is_empty() {
                    return ServiceResponse::Heartbeats { unknown: Vec::new() };
                }
                match self.heartbeats.heartbeat(heartbeats.clone()).await {
                    Ok(unknown) => ServiceResponse::Heartbeats {
                        unknown: heartbeats.into_iter().filter(|id| unknown.contains(id)).collect(),
                    },
                    Err(unavailable) => ServiceResponse::OutcomeUnknown { reason: unavailable.to_string() },
                }
            }
            request => self.leader.serve(request, node.deadline()).await,
        }
    }
}

/// Whether a node may forward this to the leader: only what a client asked for. The leader proposes the cluster's own
/// commands itself.
fn may_be_forwarded(proposal: &Proposal) -> bool {
    proposal.actor != Actor::System && !proposal.command.facts().is_internal
}
