//! Proposes writes: to Raft when this node leads, or through the leader, with retries until the outcome is certain or
//! the time is over. A retry is safe, since the reply table applies each request once.

use crate::{
    leader::client::{Repeat, RetryPolicy},
    node::{Node, REQUEST_DEADLINE},
    peer::service::{ServiceRequest, ServiceResponse},
};
use nexus_api::cluster::Unavailable;
use nexus_domain::{Acting, Actor, Answer, Command, NodeId, Proposal, SessionId, Stamp, decide::TOO_NEW};
use nexus_raft_store::Command as LogCommand;
use openraft::errors::{ClientWriteError, RaftError};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// The outcome of one attempt to propose.
pub(crate) enum ProposeOutcome {
    /// The proposal is committed and applied.
    Applied(Answer),
    /// The proposal certainly did not reach the log; another node may lead.
    NotProposed(String),
    /// The proposal may be in the log.
    Unknown(String),
    /// The proposal certainly did not reach the log, and a retry now would be refused again.
    Refused(String),
}

impl Node {
    /// Proposes until there is an answer, wherever the leader is.
    pub(crate) async fn propose(&self, proposal: &Arc<Proposal>) -> Result<Answer, Unavailable> {
        // Before it is sent to a leader that may be older and could not even decode it.
        if self.is_too_new(&proposal.command) {
            return Err(Unavailable::NotApplied(TOO_NEW.to_owned()));
        }
        let policy = RetryPolicy {
            deadline: Instant::now() + REQUEST_DEADLINE,
            attempt_timeout: REQUEST_DEADLINE,
            repeat: Repeat::Always,
        };
        let request = ServiceRequest::Propose { proposal: proposal.clone() };
        let read = |response| match response {
            ServiceResponse::Proposed(answer) => Some(Ok(*answer)),
            ServiceResponse::NoRoom { reason } => Some(Err(reason)),
            _ => None,
        };
        let answer = self.ask_leader(request, policy, read).await.map_err(|error| {
            error.into_unavailable(|why| format!("no quorum answered in time ({why}); try again in a moment"))
        })?;
        tracing::debug!(revision = answer.revision.0, "committed");
        Ok(answer)
    }

    /// Makes one attempt on this node.
    pub(crate) async fn propose_here(&self, proposal: &Arc<Proposal>, deadline: Instant) -> ProposeOutcome {
        if let Some(why) = self.refusal_of(proposal) {
            return ProposeOutcome::Refused(why.to_string());
        }
        let mut stamped = Proposal::clone(proposal);
        stamped.stamp = self.stamp();
        let written = timeout_at(deadline, self.raft.client_write(LogCommand(Arc::new(stamped)))).await;
        match written {
            Ok(Ok(response)) => match response.data.0 {
                Some(answer) => ProposeOutcome::Applied(answer),
                None => ProposeOutcome::Unknown("the state machine gave no answer".to_owned()),
            },
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                ProposeOutcome::NotProposed("this node does not lead".to_owned())
            }
            Ok(Err(error)) => ProposeOutcome::Unknown(error.to_string()),
            Err(_) => ProposeOutcome::Unknown("no quorum acknowledged it".to_owned()),
        }
    }
}

/// A proposal of the cluster itself, without an identity: applying it twice does no harm.
pub(crate) fn system_proposal(command: Command) -> Proposal {
    Proposal {
        command,
        actor: Actor::System,
        acting: Acting::Engineer { candidate: SessionId::MIN },
        request: None,
        stamp: Stamp::default(),
    }
}

/// Whether a node may forward this to the leader: only what a client asked for. The leader proposes the cluster's own
/// commands itself.
pub(crate) fn may_be_forwarded(proposal: &Proposal) -> bool {
    proposal.actor != Actor::System && !proposal.command.facts().is_internal
}

/// The response to a peer that forwarded a proposal.
pub(crate) fn response(outcome: ProposeOutcome, leader: Option<NodeId>) -> ServiceResponse {
    match outcome {
        ProposeOutcome::Applied(answer) => ServiceResponse::Proposed(Box::new(answer)),
        ProposeOutcome::NotProposed(_) => ServiceResponse::NotLeader { leader },
        ProposeOutcome::Refused(reason) => ServiceResponse::NoRoom { reason },
        ProposeOutcome::Unknown(reason) => ServiceResponse::OutcomeUnknown { reason },
    }
}
