//! Proposes writes: to Raft when this node leads, or through the leader, with retries until the outcome is certain or
//! the time is over. A retry is safe, since the reply table applies each request once.

use crate::{
    node::{Leader, Node, REQUEST_DEADLINE, RETRY_PAUSE},
    peer::{
        PeerError, PeerTarget,
        service::{ServiceRequest, ServiceResponse},
    },
};
use nexus_api::cluster::Unavailable;
use nexus_domain::{Acting, Actor, Answer, Command, NodeId, Proposal, SessionId, Stamp, decide::TOO_NEW};
use nexus_raft_store::Command as LogCommand;
use openraft::errors::{ClientWriteError, RaftError};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

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
        let deadline = Instant::now() + REQUEST_DEADLINE;
        let mut may_be_applied = false;
        loop {
            let outcome = match self.leader() {
                Leader::Local => self.propose_here(proposal, deadline).await,
                Leader::Remote(leader) => {
                    let span = tracing::debug_span!("forward", to = %leader);
                    self.forward(&leader, proposal, deadline).instrument(span).await
                }
                Leader::Unknown => ProposeOutcome::NotProposed("there is no leader".to_owned()),
            };
            let why = match outcome {
                ProposeOutcome::Applied(answer) => {
                    tracing::debug!(revision = answer.revision.0, "committed");
                    return Ok(answer);
                }
                ProposeOutcome::NotProposed(why) => why,
                ProposeOutcome::Unknown(why) => {
                    may_be_applied = true;
                    why
                }
                ProposeOutcome::Refused(why) if may_be_applied => return Err(Unavailable::Unknown(why)),
                ProposeOutcome::Refused(why) => return Err(Unavailable::NotApplied(why)),
            };
            if Instant::now() + RETRY_PAUSE >= deadline {
                let message = format!("no quorum answered in time ({why}); try again in a moment");
                return Err(if may_be_applied {
                    Unavailable::Unknown(message)
                } else {
                    Unavailable::NotApplied(message)
                });
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
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

    async fn forward(
        &self,
        leader: &PeerTarget,
        proposal: &Arc<Proposal>,
        deadline: Instant,
    ) -> ProposeOutcome {
        let request = ServiceRequest::Propose { proposal: proposal.clone() };
        let within = deadline.saturating_duration_since(Instant::now());
        let response = tokio::select! {
            response = self.peers.request(leader, request, within) => response,
            () = self.leader_changes() => return ProposeOutcome::Unknown(format!("{leader} lost the lead")),
        };
        match response {
            Ok(ServiceResponse::Proposed(answer)) => ProposeOutcome::Applied(*answer),
            Ok(ServiceResponse::NotLeader { .. }) => {
                ProposeOutcome::NotProposed(format!("{leader} does not lead"))
            }
            Ok(ServiceResponse::Unavailable { reason }) => ProposeOutcome::NotProposed(reason),
            Ok(ServiceResponse::NoRoom { reason }) => ProposeOutcome::Refused(reason),
            Ok(ServiceResponse::OutcomeUnknown { reason }) => ProposeOutcome::Unknown(reason),
            Ok(_) => ProposeOutcome::Unknown(format!("{leader} gave an answer to something else")),
            Err(PeerError::NotSent(cause)) => ProposeOutcome::NotProposed(format!("{leader}: {cause}")),
            Err(PeerError::Unknown(cause)) => ProposeOutcome::Unknown(format!("{leader}: {cause}")),
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
    proposal.actor != Actor::System && !proposal.command.is_of_the_cluster()
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
