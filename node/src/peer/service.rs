//! What nodes ask each other beyond Raft: ReadIndex, forwarded proposals, heartbeats of sessions,
//! membership. Only the words; whoever implements [`PeerService`] gives the answers.

use futures::future::BoxFuture;
use nexus_domain::{
    Answer, ClusterTime, NodeId, Proposal, Revision, RulesVersion, SessionId, WallTime, entity::TokenDigest,
};
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
    /// To the leader: renew the leases of these sessions.
    Heartbeats {
        /// Sessions whose clients sent a heartbeat, each for a session of its own engineer, as the asking node has
        /// checked.
        heartbeats: Vec<SessionId>,
        /// Sessions whose other requests showed that they are alive.
        keep_alives: Vec<SessionId>,
    },
    /// To the leader: change the membership.
    Membership(MembershipRequest),
    /// To anyone: who is this member, as your membership has it?
    WhoIs {
        /// The member's id.
        node: NodeId,
    },
    /// To the leader: what you are, and what you know of the others.
    Status,
    /// To anyone: how you are.
    Report,
    /// From the leader to anyone: the cluster's time, to go on from if you lead later.
    ClusterTime(ClusterTime),
}

/// A change of membership. Grows only at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MembershipRequest {
    /// Let a guest in, as a learner that votes once it has caught up.
    Join {
        /// The digest of its token; none for a member that lost its data and wants its place back.
        token: Option<TokenDigest>,
        /// The member whose place it takes.
        replaces: Option<NodeId>,
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
    /// To a proposal: it was applied, and this came of it.
    Proposed(Box<Answer>),
    /// To heartbeats.
    Heartbeats {
        /// Those of the sessions that are over.
        unknown: Vec<SessionId>,
    },
    /// To anything that has no more to say than that it was done.
    Done,
    /// To a guest: it is in, under this id.
    Joined(NodeId),
    /// To a transfer: this node leads.
    Leads(NodeId),
    /// To a question about a member.
    Member(Option<Member>),
    /// To a question about the node itself.
    Status(Box<StatusReport>),
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
    Refused(ChangeRefusal),
    /// To a question how the node is.
    Report(Box<NodeReport>),
    /// To a proposal: space is low, and it would take more. Nothing was done.
    NoRoom {
        /// Where, and what to do about it.
        reason: String,
    },
}

/// Why a change of membership was refused. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeRefusal {
    /// It would be unsafe, or makes no sense: what, why, and what to do instead.
    Unsafe(String),
    /// There is no such member.
    UnknownNode(NodeId),
    /// The join token is unknown or ran out.
    BadToken,
}

/// What a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The leader.
    pub leader: NodeId,
    /// Its term.
    pub term: u64,
    /// What it knows of each member.
    pub members: Vec<MemberReport>,
}

/// What a leader knows of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Its id.
    pub id: NodeId,
    /// Whether it votes.
    pub voter: bool,
    /// Where it is.
    pub member: Member,
    /// Entries that it lacks.
    pub lag: Option<u64>,
    /// Time since it was last heard of, in milliseconds.
    pub last_seen_ms: Option<u64>,
    /// What it last said of itself.
    pub report: Option<NodeReport>,
    /// Whether its state was found to be another one than the reporting node's.
    pub diverged: bool,
}

/// How a node is, by its own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The last entry that it has applied.
    pub applied: u64,
    /// What its state hashes to after that entry.
    pub state_hash: u64,
    /// Free bytes on its data folder's file system.
    pub disk_free: u64,
    /// Whether that is too little.
    pub disk_low: bool,
    /// Whether its disk keeps writes waiting.
    pub flush_slow: bool,
    /// Its wall clock.
    pub wall: WallTime,
    /// The newest rules that it knows.
    pub rules: RulesVersion,
}

/// Answers what peers ask beyond Raft.
pub trait PeerService: Send + Sync + 'static {
    /// Answers one request. Many run at once; the future is dropped when the caller's time is over or
    /// its connection breaks. `from` is none while the asking node has no id yet.
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse>;
}
