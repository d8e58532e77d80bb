//! Writes: each is proposed by the leader, wherever it is, with retries until the outcome is certain or the time is
//! over. A retry is safe, since the reply table applies each request once.

use crate::{
    leader::{
        client::{LeaderClient, RetryPolicy},
        slots::Slots,
    },
    peer::service::{ServiceRequest, ServiceResponse},
    raft::clock::Clock,
};
use nexus_api::cluster::Unavailable;
use nexus_domain::{Answer, Proposal, Refusal, decide::TOO_NEW};
use nexus_raft_store::Published;
use std::sync::Arc;

/// Attempts of a write whose slot holds a later answer. After the first one, the node knows the sequences that it had
/// forgotten.
const MAX_SLOT_ATTEMPTS: usize = 3;

/// Writes through this node.
pub(crate) struct Writes {
    pub(crate) leader: LeaderClient,
    pub(crate) clock: Arc<dyn Clock>,
    /// The slots of writes without a client's key.
    pub(crate) slots: Slots,
}

/// A committed write, and a state of this node that reflects it.
pub(crate) type Applied = (Answer, Arc<Published>);

impl Writes {
    /// Proposes a write with a client's key.
    ///
    /// # Errors
    /// When the write was not applied, or its outcome is unknown.
    pub(crate) async fn propose(&self, proposal: Proposal) -> Result<Applied, Unavailable> {
        let answer = self.send(&Arc::new(proposal)).await?;
        self.applied_here(answer).await
    }

    /// Proposes a write without a client's key, in a slot of this node.
    ///
    /// # Errors
    /// The errors of [`propose`](Self::propose).
    pub(crate) async fn propose_in_slot(&self, proposal: Proposal) -> Result<Applied, Unavailable> {
        let mut proposal = Arc::new(proposal);
        for _ in 0..MAX_SLOT_ATTEMPTS {
            let Some(slot) = self.slots.take(self.clock.monotonic()) else {
                return Err(Unavailable::NotApplied("too many writes at once".to_owned()));
            };
            // This is the only holder of the proposal, so it is copied for a second attempt alone.
            Arc::make_mut(&mut proposal).request = Some(slot.request());
            let sent = self.send(&proposal).await;
            if !matches!(sent, Err(Unavailable::Unknown(_))) {
                slot.settle();
            }
            let (answer, published) = self.applied_here(sent?).await?;
            if answer.outcome != Err(Refusal::Superseded) {
                return Ok((answer, published));
            }
            tracing::warn!(
                "this node's data folder was replaced by an older copy: its request sequences continue above the forgotten ones"
            );
            self.slots.continue_above(published.state.last_sequence(self.leader.node.id));
        }
        Err(Unavailable::NotApplied(
            "this node counts from an older copy of its data folder; try again".to_owned(),
        ))
    }

    /// Sends a proposal until there is an answer.
    async fn send(&self, proposal: &Arc<Proposal>) -> Result<Answer, Unavailable> {
        // Before it is sent to a leader that may be older and could not even decode it.
        if self.leader.node.is_too_new(&proposal.command) {
            return Err(Unavailable::NotApplied(TOO_NEW.to_owned()));
        }
        let policy = RetryPolicy::within(self.leader.node.timing.request_deadline());
        let request = ServiceRequest::Propose { proposal: proposal.clone() };
        let read = |response| match response {
            ServiceResponse::Proposed(answer) => Some(Ok(*answer)),
            ServiceResponse::NoRoom { reason } => Some(Err(reason)),
            _ => None,
        };
        let answer = self.leader.ask(request, policy, read).await.map_err(|error| {
            error.into_unavailable(|why| format!("no quorum answered in time ({why}); try again in a moment"))
        })?;
        tracing::debug!(revision = answer.revision.0, "committed");
        Ok(answer)
    }

    /// Returns an answer once this node has applied its entry too, so that the next read here reflects it.
    async fn applied_here(&self, answer: Answer) -> Result<Applied, Unavailable> {
        let deadline = self.leader.node.deadline();
        let published = self.leader.node.applied(answer.revision.0, deadline).await.map_err(|()| {
            Unavailable::Unknown(
                "it is committed, but this node has not applied it yet; try again".to_owned(),
            )
        })?;
        Ok((answer, published))
    }
}
