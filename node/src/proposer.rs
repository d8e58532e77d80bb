//! Proposes commands to Raft on this node. Only a leader can commit them; `leader` finds out where it is. Refuses
//! commands that would store more while space is low, and those that not every member knows yet.

use crate::{
    node::Node,
    watch::{cluster_clock::ClusterClock, timings::Timings},
};
use nexus_domain::{Acting, Actor, Answer, Command, Proposal, SessionId, Stamp, decide::TOO_NEW};
use nexus_raft_store::Command as LogCommand;
use openraft::errors::{ClientWriteError, RaftError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Proposes to the Raft of this node.
pub(crate) struct Proposer {
    node: Node,
    clock: Arc<ClusterClock>,
    timings: Arc<Timings>,
    /// Why commands that store more are refused now, if they are.
    growth_refusal: Mutex<Option<Arc<str>>>,
}

impl Proposer {
    /// A proposer that refuses nothing yet.
    pub(crate) fn new(node: Node, clock: Arc<ClusterClock>, timings: Arc<Timings>) -> Self {
        Self { node, clock, timings, growth_refusal: Mutex::default() }
    }

    /// Makes one attempt to propose, with the times of now.
    pub(crate) async fn propose(&self, proposal: &Arc<Proposal>, deadline: Instant) -> ProposeOutcome {
        if let Some(why) = self.refusal_of(proposal) {
            return ProposeOutcome::Refused(why.to_string());
        }
        let mut stamped = Proposal::clone(proposal);
        stamped.stamp = self.clock.stamp();
        let began = Instant::now();
        let span = tracing::debug_span!("commit", command = proposal.command.name());
        let write = self.node.raft.client_write(LogCommand(Arc::new(stamped))).instrument(span);
        let written = timeout_at(deadline, write).await;
        match written {
            Ok(Ok(response)) => {
                self.timings.commit.record(began.elapsed());
                match response.data.0 {
                    Some(answer) => ProposeOutcome::Applied(answer),
                    None => ProposeOutcome::Unknown("the state machine gave no answer".to_owned()),
                }
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                ProposeOutcome::NotProposed("this node does not lead".to_owned())
            }
            Ok(Err(error)) => ProposeOutcome::Unknown(error.to_string()),
            Err(_) => ProposeOutcome::Unknown("no quorum acknowledged it".to_owned()),
        }
    }

    /// Proposes a command of the cluster itself. It has no identity: applying it twice does no harm.
    pub(crate) async fn propose_as_system(
        &self,
        command: impl Into<Command>,
        deadline: Instant,
    ) -> ProposeOutcome {
        let proposal = Proposal {
            command: command.into(),
            actor: Actor::System,
            acting: Acting::Engineer { candidate: SessionId::MIN },
            request: None,
            stamp: Stamp::default(),
        };
        self.propose(&Arc::new(proposal), deadline).await
    }

    /// Refuses commands that store more from now on, with a reason; none lets them in again. Returns whether they were
    /// refused before.
    pub(crate) fn refuse_growth(&self, reason: Option<String>) -> bool {
        std::mem::replace(&mut *self.growth_refusal(), reason.map(Arc::from)).is_some()
    }

    /// Why this proposal is refused now, if it is. A retry of one that was applied is never refused: it only gets its
    /// answer.
    fn refusal_of(&self, proposal: &Proposal) -> Option<Arc<str>> {
        if self.node.is_too_new(&proposal.command) {
            return Some(TOO_NEW.into());
        }
        if !proposal.command.facts().grows {
            return None;
        }
        let refusal = self.growth_refusal().clone()?;
        let published = self.node.published();
        let is_retry = proposal.request.as_ref().is_some_and(|request| published.state.has_answered(request));
        (!is_retry).then_some(refusal)
    }

    fn growth_refusal(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.growth_refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
