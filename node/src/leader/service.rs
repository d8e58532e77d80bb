//! Carries out requests to the leader while this node leads, from local clients and from peers.

use crate::{
    membership::change::Membership,
    node::Node,
    peer::service::{ServiceRequest, ServiceResponse},
    proposer::{ProposeOutcome, Proposer},
    watch::reports::Reports,
};
use nexus_domain::{Reply, Revision, SessionId, command};
use openraft::raft::{ReadPolicy, linearizable_read::LinearizerOption};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// Longest wait for a quorum that confirms that this node leads.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The requests that a leader carries out for others.
pub(crate) struct LeaderService {
    pub(crate) node: Node,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) reports: Arc<Reports>,
}

impl LeaderService {
    /// Carries out one request. A node that does not lead says so.
    pub(crate) async fn serve(&self, request: ServiceRequest, deadline: Instant) -> ServiceResponse {
        match request {
            ServiceRequest::ReadIndex => self.read_index().await,
            ServiceRequest::Propose { proposal } => {
                let outcome = self.proposer.propose(&proposal, deadline).await;
                self.response(outcome)
            }
            ServiceRequest::Heartbeats { heartbeats, keep_alives } => {
                self.renew_leases(heartbeats, keep_alives, deadline).await
            }
            // Boxed, since it is much larger than what every write waits for.
            ServiceRequest::Membership(request) => Box::pin(self.membership.change(request)).await,
            ServiceRequest::MayFence { node } => match self.membership.may_lose(node) {
                Ok(()) => ServiceResponse::Done,
                Err(reason) => ServiceResponse::Unavailable { reason },
            },
            ServiceRequest::Status => {
                ServiceResponse::Status(Box::new(self.reports.status(&self.node.metrics())))
            }
            ServiceRequest::WhoIs { .. }
            | ServiceRequest::Report
            | ServiceRequest::Details
            | ServiceRequest::Drain { .. }
            | ServiceRequest::HashAt { .. }
            | ServiceRequest::Rebuild { .. }
            | ServiceRequest::ClusterTime(_) => {
                ServiceResponse::Unavailable { reason: "the request is not for the leader".to_owned() }
            }
        }
    }

    /// The read index of this node, if a quorum confirms now that it leads.
    async fn read_index(&self) -> ServiceResponse {
        let option = LinearizerOption::from(ReadPolicy::ReadIndex).with_wait_timeout(CONFIRMATION_TIMEOUT);
        let reason = match timeout(CONFIRMATION_TIMEOUT, self.node.raft.get_read_linearizer(option)).await {
            Ok(Ok(linearizer)) => {
                return ServiceResponse::ReadIndex(Revision(linearizer.read_log_id().log_id().index));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no quorum answered".to_owned(),
        };
        ServiceResponse::Unavailable { reason }
    }

    /// Renews leases by one entry of the log.
    async fn renew_leases(
        &self,
        heartbeats: Vec<SessionId>,
        keep_alives: Vec<SessionId>,
        deadline: Instant,
    ) -> ServiceResponse {
        let command = command::Heartbeats { heartbeats, keep_alives };
        match self.proposer.propose_as_system(command, deadline).await {
            ProposeOutcome::Applied(answer) => match answer.outcome {
                Ok(Reply::Heartbeats { unknown }) => ServiceResponse::Heartbeats { unknown },
                other => {
                    let reason = format!("heartbeats got the reply of another command: {other:?}");
                    ServiceResponse::OutcomeUnknown { reason }
                }
            },
            outcome => self.response(outcome),
        }
    }

    fn response(&self, outcome: ProposeOutcome) -> ServiceResponse {
        match outcome {
            ProposeOutcome::Applied(answer) => ServiceResponse::Proposed(Box::new(answer)),
            ProposeOutcome::NotProposed(_) => ServiceResponse::NotLeader { leader: self.node.leader_id() },
            ProposeOutcome::Refused(reason) => ServiceResponse::NoRoom { reason },
            ProposeOutcome::Unknown(reason) => ServiceResponse::OutcomeUnknown { reason },
        }
    }
}
