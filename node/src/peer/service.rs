//! What nodes ask each other beyond Raft: ReadIndex, forwarded proposals, heartbeats of sessions,
//! membership. Only the words; whoever implements [`PeerService`] gives the answers.

use futures::future::BoxFuture;
use nexus_domain::{Answer, NodeId, Proposal, Revision, SessionId};
use nexus_raft_store::Member;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request beyond Raft. Grows only at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServiceRequest {
    /// To the leader: up to which index must a reader have applied, to read linearizably from now on?
    ReadIndex,
    /// To the leader: propose this, and answer when it is applied.
    Propose {
        /// The proposal; the leader stamps it.
        proposal: Arc<Proposal>,
    },
    /// To the leader: these sessions gave signs of life.
    Heartbeats {
        /// Each one only for a session of its own engineer, as the asking node has checked.
        sessions: Vec<SessionId>,
    },
    /// To the leader: change the membership.
    Membership(MembershipRequest),
}

/// A change of membership. Grows only at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MembershipRequest {
    /// Take in a node that does not vote.
    AddLearner {
        /// Its id.
        node: NodeId,
        /// Where it is, and which data folder.
        member: Member,
    },
    /// Let a learner that has caught up vote.
    Promote {
        /// Its id.
        node: NodeId,
    },
    /// Leave a node out.
    Remove {
        /// Its id.
        node: NodeId,
    },
    /// Hand leadership over.
    TransferLeader {
        /// To whom; none is whoever is most up to date.
        to: Option<NodeId>,
    },
}

/// The answer to a [`ServiceRequest`]. Grows only at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServiceResponse {
    /// To a ReadIndex.
    ReadIndex(Revision),
    /// To a proposal: it was applied at that index, and this came of it.
    Proposed {
        /// Index of the entry.
        revision: Revision,
        /// What applying it gave.
        answer: Answer,
    },
    /// To anything that has no more to say than that it was done.
    Done,
    /// This node is not the leader; nothing was done.
    NotLeader {
        /// Who is, as far as it knows.
        leader: Option<NodeId>,
    },
    /// No quorum, or shutting down; nothing was done.
    Unavailable {
        /// For people.
        reason: String,
    },
    /// It was proposed, and its outcome is unknown.
    OutcomeUnknown {
        /// For people.
        reason: String,
    },
    /// It was refused for good.
    Refused {
        /// For people.
        reason: String,
    },
}

/// Answers what peers ask beyond Raft.
pub trait PeerService: Send + Sync + 'static {
    /// Answers one request. Many run at once; the future is dropped when the caller's time is over or
    /// its connection breaks. `from` is none while the asking node has no id yet.
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse>;
}
