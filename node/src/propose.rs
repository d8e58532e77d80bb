//! Writes: proposed here when this node leads, forwarded when another one does, tried again until
//! the outcome is certain or the time is over. Safe to repeat: the reply table applies it once.

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

/// What became of one try.
pub(crate) enum Tried {
    /// It is committed and applied.
    Answered(Answer),
    /// It was certainly not proposed; somebody else may lead.
    NotProposed(String),
    /// It may have been proposed.
    Unknown(String),
    /// It was certainly not proposed, and another try at once would be no better.
    Refused(String),
}

impl Node {
    /// Proposes until it is answered, wherever the leader is.
    pub(crate) async fn propose(&self, proposal: &Arc<Proposal>) -> Result<Answer, Unavailable> {
        // Before an older leader is asked, who could not even read it.
        if self.is_too_new(&proposal.command) {
            return Err(Unavailable::NotApplied(TOO_NEW.to_owned()));
        }
        let deadline = Instant::now() + REQUEST_DEADLINE;
        let mut may_be_applied = false;
        loop {
            let tried = match self.leader() {
                Leader::Here => self.propose_here(proposal, deadline).await,
                Leader::There(leader) => {
                    let span = tracing::debug_span!("forward", to = %leader);
                    self.forward(&leader, proposal, deadline).instrument(span).await
                }
                Leader::Nowhere => Tried::NotProposed("there is no leader".to_owned()),
            };
            let why = match tried {
                Tried::Answered(answer) => {
                    tracing::debug!(revision = answer.revision.0, "committed");
                    return Ok(answer);
                }
                Tried::NotProposed(why) => why,
                Tried::Unknown(why) => {
                    may_be_applied = true;
                    why
                }
                Tried::Refused(why) if may_be_applied => return Err(Unavailable::Unknown(why)),
                Tried::Refused(why) => return Err(Unavailable::NotApplied(why)),
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

    /// One try on this node.
    pub(crate) async fn propose_here(&self, proposal: &Arc<Proposal>, deadline: Instant) -> Tried {
        if let Some(why) = self.refuses(proposal) {
            return Tried::Refused(why.to_string());
        }
        let mut stamped = Proposal::clone(proposal);
        stamped.stamp = self.stamp();
        let written = timeout_at(deadline, self.raft.client_write(LogCommand(Arc::new(stamped)))).await;
        match written {
            Ok(Ok(response)) => match response.data.0 {
                Some(answer) => Tried::Answered(answer),
                None => Tried::Unknown("the state machine gave no answer".to_owned()),
            },
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                Tried::NotProposed("this node does not lead".to_owned())
            }
            Ok(Err(error)) => Tried::Unknown(error.to_string()),
            Err(_) => Tried::Unknown("no quorum acknowledged it".to_owned()),
        }
    }

    async fn forward(&self, leader: &PeerTarget, proposal: &Arc<Proposal>, deadline: Instant) -> Tried {
        let request = ServiceRequest::Propose { proposal: proposal.clone() };
        let within = deadline.saturating_duration_since(Instant::now());
        let asked = tokio::select! {
            asked = self.peers.request(leader, request, within) => asked,
            () = self.leader_changes() => return Tried::Unknown(format!("{leader} lost the lead")),
        };
        match asked {
            Ok(ServiceResponse::Proposed(answer)) => Tried::Answered(*answer),
            Ok(ServiceResponse::NotLeader { .. }) => Tried::NotProposed(format!("{leader} does not lead")),
            Ok(ServiceResponse::Unavailable { reason }) => Tried::NotProposed(reason),
            Ok(ServiceResponse::NoRoom { reason }) => Tried::Refused(reason),
            Ok(ServiceResponse::OutcomeUnknown { reason }) => Tried::Unknown(reason),
            Ok(_) => Tried::Unknown(format!("{leader} gave an answer to something else")),
            Err(PeerError::NotSent(cause)) => Tried::NotProposed(format!("{leader}: {cause}")),
            Err(PeerError::Unknown(cause)) => Tried::Unknown(format!("{leader}: {cause}")),
        }
    }
}

/// A proposal of the cluster itself: harmless to repeat.
pub(crate) fn of_the_cluster(command: Command) -> Proposal {
    Proposal {
        command,
        actor: Actor::System,
        acting: Acting::Engineer { candidate: SessionId::MIN },
        request: None,
        stamp: Stamp::default(),
    }
}

/// Whether a node may hand this on to the leader: what a client asked of it, and nothing that the cluster asks of itself,
/// whose leader proposes that without being asked.
pub(crate) fn may_be_forwarded(proposal: &Proposal) -> bool {
    proposal.actor != Actor::System && !proposal.command.is_of_the_cluster()
}

/// What a peer that forwarded a proposal is told.
pub(crate) fn response(tried: Tried, leader: Option<NodeId>) -> ServiceResponse {
    match tried {
        Tried::Answered(answer) => ServiceResponse::Proposed(Box::new(answer)),
        Tried::NotProposed(_) => ServiceResponse::NotLeader { leader },
        Tried::Refused(reason) => ServiceResponse::NoRoom { reason },
        Tried::Unknown(reason) => ServiceResponse::OutcomeUnknown { reason },
    }
}
