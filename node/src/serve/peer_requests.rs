//! Answers the requests of peers beyond Raft.

use crate::{
    leader::{heartbeats::Heartbeats, propose},
    node::{Node, REQUEST_DEADLINE},
    peer::{
        PeerService,
        service::{MembershipRequest, ServiceRequest, ServiceResponse},
    },
};
use futures::future::{BoxFuture, FutureExt};
use nexus_domain::NodeId;
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;
use tracing::Instrument;

/// The answer to a node that was removed from the cluster.
const NO_MEMBER: &str = "the node that asks is no member of this cluster; join anew with a token";

/// Answers peers from the running node. Until there is one, requests are answered as unavailable: a joining node serves
/// its peers before it has an id.
#[derive(Clone, Default)]
pub(crate) struct NodeService(Arc<OnceLock<Running>>);

struct Running {
    node: Arc<Node>,
    heartbeats: Heartbeats,
}

impl NodeService {
    /// Sets the running node, which answers from now on.
    pub(crate) fn begin(&self, node: Arc<Node>, heartbeats: Heartbeats) {
        let _ = self.0.set(Running { node, heartbeats });
    }
}

impl PeerService for NodeService {
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        let span = tracing::debug_span!("peer", ?from);
        async move {
            match self.0.get() {
                Some(running) => running.answer(from, request).await,
                None => ServiceResponse::Unavailable { reason: "this node is still starting".to_owned() },
            }
        }
        .instrument(span)
        .boxed()
    }
}

impl Running {
    async fn answer(&self, from: Option<NodeId>, request: ServiceRequest) -> ServiceResponse {
        let node = &self.node;
        // The leader knows who is a member; a node that was removed still knows the secret.
        let is_join = matches!(request, ServiceRequest::Membership(MembershipRequest::Join { .. }));
        let may_ask = is_join || from.and_then(|from| node.member(from)).is_some();
        match request {
            ServiceRequest::WhoIs { node: id } => ServiceResponse::Member(node.member(id)),
            ServiceRequest::Report => ServiceResponse::Report(Box::new(node.own_node_report())),
            ServiceRequest::ClusterTime(time) => {
                // Only the time of the leader counts, as far as this node knows the leader.
                if from.is_some() && from == node.leader_id() {
                    node.leader_clock.observe(time);
                }
                ServiceResponse::Done
            }
            _ if node.leader_id() != Some(node.id) => ServiceResponse::NotLeader { leader: node.leader_id() },
            _ if !may_ask => ServiceResponse::Unavailable { reason: NO_MEMBER.to_owned() },
            ServiceRequest::Propose { proposal } if !propose::may_be_forwarded(&proposal) => {
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
            request => node.serve_as_leader(request, Instant::now() + REQUEST_DEADLINE).await,
        }
    }
}

impl Node {
    /// Carries out a request to the leader on this node, which leads.
    pub(crate) async fn serve_as_leader(
        &self,
        request: ServiceRequest,
        deadline: Instant,
    ) -> ServiceResponse {
        match request {
            ServiceRequest::ReadIndex => match self.read_index_here().await {
                Ok(revision) => ServiceResponse::ReadIndex(revision),
                Err(reason) => ServiceResponse::Unavailable { reason },
            },
            ServiceRequest::Propose { proposal } => {
                let outcome = self.propose_here(&proposal, deadline).await;
                propose::response(outcome, self.leader_id())
            }
            ServiceRequest::Heartbeats { heartbeats, keep_alives } => {
                self.renew_as_leader(heartbeats, keep_alives, deadline).await
            }
            // Boxed, since it is much larger than what every write waits for.
            ServiceRequest::Membership(request) => Box::pin(self.change_membership(request)).await,
            ServiceRequest::Status => ServiceResponse::Status(Box::new(self.own_report())),
            ServiceRequest::WhoIs { .. } | ServiceRequest::Report | ServiceRequest::ClusterTime(_) => {
                ServiceResponse::Unavailable { reason: "the request is not for the leader".to_owned() }
            }
        }
    }
}
