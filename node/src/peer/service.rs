//! The requests between nodes beyond Raft: ReadIndex, forwarded proposals, heartbeats of sessions, changes of the
//! membership, and reports. Only their types; an implementation of [`PeerService`] answers them.

use futures::future::BoxFuture;
use nexus_domain::{
    Answer, ClusterTime, NodeId, Proposal, Revision, RulesVersion, SessionId, WallTime, entity::TokenDigest,
};
use nexus_raft_store::Member;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request beyond Raft. New variants go at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServiceRequest {
    /// Asks the leader for the log index that a linearizable read must wait for.
    ReadIndex,
    /// Asks the leader to propose a command, and to answer once it is applied.
    Propose {
        /// The proposal; the leader stamps it.
        proposal: Arc<Proposal>,
    },
    /// Asks the leader to renew the leases of sessions.
    Heartbeats {
        /// Sessions whose clients sent a heartbeat, each for a session of its own engineer, as the asking node has
        /// checked.
        heartbeats: Vec<SessionId>,
        /// Sessions whose other requests showed that they are alive.
        keep_alives: Vec<SessionId>,
    },
    /// Asks the leader to change the membership.
    Membership(MembershipRequest),
    /// Asks any node for the membership entry of a node.
    WhoIs {
        /// The id of that node.
        node: NodeId,
    },
    /// Asks the leader for its status and that of all members.
    Status,
    /// Asks any node for a report about itself.
    Report,
    /// Sends the leader's cluster time to another node, which continues from it if it leads later.
    ClusterTime(ClusterTime),
    /// Asks any node for more about itself than its report has.
    Details,
    /// The leader says to all members that a node is drained for a restart, or not any more: to that node, which then
    /// is, and to the others, each of which may be the next leader.
    Drain {
        /// The id of the node.
        node: NodeId,
        /// Whether the node is drained from now on.
        is_draining: bool,
    },
    /// Asks any node for its state hash after a log entry.
    HashAt {
        /// The index of the entry.
        index: u64,
    },
    /// Asks the leader whether the cluster can do without a node that wants to fence itself. The permission is for this
    /// moment.
    MayFence {
        /// The id of the node.
        node: NodeId,
    },
    /// Lets a node be rebuilt: it keeps its data under another name, and comes back under a new id.
    Rebuild {
        /// Whether it shall do so although it is not fenced.
        forced: bool,
    },
}

/// A change of the membership. New variants go at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MembershipRequest {
    /// Adds a joining node, as a learner that becomes a voter once it has caught up.
    Join {
        /// The digest of its join token; none for a member that lost its data and rejoins under a new id.
        token: Option<TokenDigest>,
        /// The former member that it replaces, if any.
        replaces: Option<NodeId>,
        /// Its addresses and its data folder.
        member: Member,
    },
    /// Makes a learner that has caught up a voter.
    Promote {
        /// The id of the learner.
        node: NodeId,
    },
    /// Removes a member.
    Remove {
        /// The id of the member.
        node: NodeId,
    },
    /// Transfers leadership to a voter.
    TransferLeader {
        /// The next leader; none for the voter that is most up to date.
        to: Option<NodeId>,
    },
    /// Adds a joining node as a replica: a learner that is not promoted by itself.
    JoinAsReplica {
        /// The digest of its join token.
        token: TokenDigest,
        /// Its addresses and its data folder.
        member: Member,
    },
    /// Makes a voter a replica.
    Demote {
        /// The id of the voter.
        node: NodeId,
    },
    /// Puts one member into the place of another one, in one joint step.
    Replace {
        /// The member that leaves.
        old: NodeId,
        /// The member that becomes a voter instead.
        new: NodeId,
    },
    /// Prepares a node for a restart, or ends that.
    Drain {
        /// The id of the node.
        node: NodeId,
        /// Whether it is drained from now on.
        is_draining: bool,
    },
    /// Asks for the plan of a change, which is not carried out.
    Plan(PlannableChange),
    /// Lets a member be rebuilt, if the others have a quorum without it.
    Rebuild {
        /// The id of the member.
        node: NodeId,
        /// Whether it is rebuilt although it is not fenced.
        forced: bool,
    },
}

/// A change of the membership that can be planned: each but a join. A type of its own, since a request that contained
/// another one would be decoded as deeply as a peer nests it. New variants go at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlannableChange {
    /// Makes a learner that has caught up a voter.
    Promote {
        /// The id of the learner.
        node: NodeId,
    },
    /// Makes a voter a replica.
    Demote {
        /// The id of the voter.
        node: NodeId,
    },
    /// Removes a member.
    Remove {
        /// The id of the member.
        node: NodeId,
    },
    /// Puts one member into the place of another one, in one joint step.
    Replace {
        /// The member that leaves.
        old: NodeId,
        /// The member that becomes a voter instead.
        new: NodeId,
    },
    /// Transfers leadership to a voter.
    TransferLeader {
        /// The next leader; none for the voter that is most up to date.
        to: Option<NodeId>,
    },
    /// Prepares a node for a restart, or ends that.
    Drain {
        /// The id of the node.
        node: NodeId,
        /// Whether it is drained from now on.
        is_draining: bool,
    },
    /// Lets a member be rebuilt, if the others have a quorum without it.
    Rebuild {
        /// The id of the member.
        node: NodeId,
        /// Whether it is rebuilt although it is not fenced.
        forced: bool,
    },
}

impl MembershipRequest {
    /// The change that is asked for, if it can be planned.
    pub(crate) fn plannable(&self) -> Option<PlannableChange> {
        Some(match *self {
            Self::Promote { node } => PlannableChange::Promote { node },
            Self::Demote { node } => PlannableChange::Demote { node },
            Self::Remove { node } => PlannableChange::Remove { node },
            Self::Replace { old, new } => PlannableChange::Replace { old, new },
            Self::TransferLeader { to } => PlannableChange::TransferLeader { to },
            Self::Drain { node, is_draining } => PlannableChange::Drain { node, is_draining },
            Self::Rebuild { node, forced } => PlannableChange::Rebuild { node, forced },
            Self::Join { .. } | Self::JoinAsReplica { .. } | Self::Plan(_) => return None,
        })
    }
}

/// The answer to a [`ServiceRequest`]. New variants go at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ServiceResponse {
    /// Answers a ReadIndex with the index to wait for.
    ReadIndex(Revision),
    /// Answers a proposal that was applied.
    Proposed(Box<Answer>),
    /// Answers a batch of heartbeats.
    Heartbeats {
        /// The sessions among them that are over.
        unknown: Vec<SessionId>,
    },
    /// The request was carried out.
    Done,
    /// Answers a join with the id of the new member.
    Joined(NodeId),
    /// Answers a transfer with the new leader.
    Leads(NodeId),
    /// Answers with the membership entry of a node, if it is a member.
    Member(Option<Member>),
    /// Answers with the leader's status.
    Status(Box<StatusReport>),
    /// The node does not lead. Nothing was done.
    NotLeader {
        /// The leader, as far as the node knows.
        leader: Option<NodeId>,
    },
    /// The node cannot serve the request now. Nothing was done.
    Unavailable {
        /// The reason, in words for people.
        reason: String,
    },
    /// The request was proposed, and its outcome is unknown.
    OutcomeUnknown {
        /// The reason, in words for people.
        reason: String,
    },
    /// The change of the membership was refused.
    Refused(ChangeRefusal),
    /// Answers with the node's report about itself.
    Report(Box<NodeReport>),
    /// Answers a proposal that would store more while space is low. Nothing was done.
    NoRoom {
        /// A sentence that names the disk that is low, and a remedy.
        reason: String,
    },
    /// Answers with [`NodeDetails`] as JSON.
    ///
    /// [`NodeDetails`]: super::details::NodeDetails
    Details(String),
    /// Answers with a [`ChangePlan`] as JSON.
    ///
    /// [`ChangePlan`]: nexus_api_types::change_plan::ChangePlan
    Plan(String),
    /// Answers with the state hash after an entry; none when the node does not know it any more, or not yet.
    HashAt(Option<u64>),
    /// Answers a rebuild: the node begins anew.
    Rebuilding {
        /// The path of the folder on that node which keeps its former data.
        kept_in: String,
    },
}

/// Why a change of the membership was refused. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeRefusal {
    /// The change would be unsafe or pointless. The text says why, and what to do instead.
    Unsafe(String),
    /// The node is no member.
    UnknownNode(NodeId),
    /// The join token is unknown or expired.
    BadToken,
}

/// The status of a leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The leader that reports.
    pub leader: NodeId,
    /// The Raft term of the leader.
    pub term: u64,
    /// The status of each member, as the leader knows it.
    pub members: Vec<MemberReport>,
}

/// The status of a member, as the reporting node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// The id of the member.
    pub id: NodeId,
    /// Whether the member is a voter.
    pub voter: bool,
    /// The addresses and the data folder of the member.
    pub member: Member,
    /// Log entries that the member lacks; known to the leader alone.
    pub lag: Option<u64>,
    /// Milliseconds since its last acknowledgement; known to the leader alone.
    pub last_seen_ms: Option<u64>,
    /// The last report of the member about itself, unless it is too old.
    pub report: Option<NodeReport>,
    /// Whether its state was found to differ from that of the reporting node.
    pub diverged: bool,
}

/// The report of a node about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The last log index that the node has applied.
    pub applied: u64,
    /// The hash of its state at that index.
    pub state_hash: u64,
    /// Free bytes on its data folder's file system.
    pub disk_free: u64,
    /// Whether free space is low.
    pub disk_low: bool,
    /// Whether flushes of its disk are slow.
    pub flush_slow: bool,
    /// The time of its wall clock.
    pub wall: WallTime,
    /// The newest rules version that it knows.
    pub rules: RulesVersion,
}

/// Answers the requests of peers beyond Raft.
pub trait PeerService: Send + Sync + 'static {
    /// Answers one request. Many run at once, and the future is dropped at the caller's deadline or when its connection
    /// breaks. `from` is none while the calling node has no id yet.
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse>;
}
