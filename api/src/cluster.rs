//! The trait through which the API uses a node. The node implements it, and tests do so in memory.

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use nexus_api_types::{
    certificate::NodeCertificates,
    change_plan::ChangePlan,
    cluster::{Build, Health, NodeFence, NodePlace, NodeTiming, ScheduledBackups},
};
use nexus_domain::{
    Acting, Actor, Answer, ClusterId, Command, Document, DocumentKey, NodeId, ProjectId, Recorded, Revision,
    SessionId, State, WallTime, ids::InstanceId, reply_cache::KeyedRequest,
};
use std::{ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::sync::watch;

/// A write, before the leader stamps it with a time.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// The command to apply.
    pub command: Command,
    /// The engineer and the key, or the absence of one.
    pub actor: Actor,
    /// The session that acts.
    pub acting: Acting,
    /// The identity of the request, if its client chose a key for it. Without one, the node makes sure that its own
    /// retries have no second effect.
    pub request: Option<KeyedRequest>,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Reflects every write that was acknowledged before the read began, through any node.
    #[default]
    Linearizable,
    /// Reads this node's own state, without asking the leader.
    Stale,
}

/// The state at one revision, with the documents beside it.
pub trait View: Send + Sync {
    /// The state at that revision.
    fn state(&self) -> &State;
    /// The log index that the state reflects: at least that of its last proposal.
    fn revision(&self) -> Revision;
    /// The hash over everything that was applied so far.
    fn state_hash(&self) -> u64;
    /// Reads documents in the order of their keys, each as new as the state or newer.
    ///
    /// # Errors
    /// When storage fails.
    fn documents(
        &self,
        keys: Vec<DocumentKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<Document>>, StorageFailure>>;
    /// Reads at most `limit` documents of one list, newest first, from the last key of a range down to its first. It
    /// includes documents that are newer than the state, unless the range ends before them.
    ///
    /// # Errors
    /// When storage fails.
    fn newest(
        &self,
        range: RangeInclusive<DocumentKey>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(DocumentKey, Document)>, StorageFailure>>;
}

/// A view that tasks can share.
pub type SharedView = Arc<dyn View>;

/// Storage failed, and the node is about to stop.
#[derive(Debug, Clone, thiserror::Error)]
#[error("storage failed: {0}")]
pub struct StorageFailure(pub String);

/// A page of stored events.
#[derive(Clone, Debug)]
pub struct History {
    /// The events in order; a revision is never split.
    pub events: Vec<Recorded>,
    /// The revision at which the next page begins. This page has all requested events before it.
    pub next: Revision,
    /// Whether more events may be applied already.
    pub has_more: bool,
    /// Events of earlier revisions may no longer be stored, so a page from before it may lack some.
    pub oldest: Revision,
}

/// A write that is committed, and a view that includes it.
pub struct Committed {
    /// The reply, or the refusal.
    pub answer: Answer,
    /// The state of this node, at the answer's revision or later.
    pub view: SharedView,
}

/// The view for a read.
pub struct ReadView {
    /// The state and its documents.
    pub view: SharedView,
    /// The possible age of the state; none for a linearizable read.
    pub staleness: Option<Duration>,
}

/// Why the cluster gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The request was certainly not applied.
    #[error("{0}")]
    NotApplied(String),
    /// The request may have been applied. A retry with the same identity gets the outcome.
    #[error("{0}")]
    Unknown(String),
}

/// An operation on the cluster.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Adds a joining node as a learner. It becomes a voter once it has caught up.
    Join {
        /// The digest of its join token.
        token: nexus_domain::entity::TokenDigest,
        /// The id of its data folder.
        instance: InstanceId,
        /// The address that other nodes reach it at.
        peer_addr: String,
        /// The address that clients reach it at.
        client_addr: String,
        /// Whether it joins as a replica.
        replica: bool,
    },
    /// Makes a learner a voter.
    Promote(NodeId),
    /// Makes a voter a replica: a learner that is not promoted by itself.
    Demote(NodeId),
    /// Removes a member.
    Remove(NodeId),
    /// Puts one member into the place of another one.
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
        draining: bool,
    },
    /// Transfers leadership, to that node or to the best one.
    TransferLeader(Option<NodeId>),
    /// Lets a member begin anew under another id. Its data is kept.
    Rebuild {
        /// The id of the member.
        node: NodeId,
        /// Whether it is rebuilt although it is not fenced.
        forced: bool,
    },
    /// Makes a snapshot on this node, which purges the log before it.
    Snapshot,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationOutcome {
    /// The node was added.
    Joined {
        /// The id of the new member.
        node: NodeId,
    },
    /// The operation is done.
    Done,
    /// Leadership was transferred to this node.
    Leader(NodeId),
    /// The node begins anew.
    Rebuilding {
        /// The folder on its machine that keeps its former data.
        kept_in: String,
    },
}

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The operation would be unsafe or pointless. The text says why, and what to do instead.
    #[error("{0}")]
    Refused(String),
    /// The node is no member.
    #[error("no node {0} in the cluster")]
    UnknownNode(NodeId),
    /// The join token is unknown or expired.
    #[error("the join token is unknown or expired; make a new one with: nexus cluster join-token")]
    BadToken,
    /// The cluster cannot carry it out now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The role of a node in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The node decides the order of writes.
    Leader,
    /// The node follows the leader, and votes.
    Follower,
    /// The node is in an election.
    Candidate,
    /// The node follows the leader without a vote.
    Learner,
    /// Raft has stopped, or is stopping.
    Stopped,
}

impl Role {
    /// The name of the role in answers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Stopped => "stopped",
        }
    }
}

/// The status of a member, as the reporting node knows it.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// The id of the member.
    pub id: NodeId,
    /// Whether the member is a voter.
    pub voter: bool,
    /// The address that other nodes reach it at.
    pub peer_addr: String,
    /// The address that clients reach it at.
    pub client_addr: String,
    /// Log entries that it lacks; known to the leader alone.
    pub lag: Option<u64>,
    /// Time since its last acknowledgement; known to the leader alone.
    pub last_seen: Option<Duration>,
    /// Its last report about itself; none when there was none for some seconds.
    pub condition: Option<Condition>,
    /// Whether its state was found to differ from that of the reporting node.
    pub diverged: bool,
    /// Why it has fenced itself, as it said last; none for a node that has not.
    pub fenced: Option<NodeFence>,
    /// The damage that it has found in itself, for which the cluster cannot do without it.
    pub damage: Option<String>,
    /// The version of its program; none when it has not reported for some seconds.
    pub version: Option<String>,
    /// Its program; none when it has not reported for some seconds, or cannot say.
    pub build: Option<Build>,
    /// Its certificates; none when it has not reported for some seconds.
    pub certificates: Option<NodeCertificates>,
    /// Its region, its zone, and its priority as the leader; none when it has not reported for some seconds.
    pub place: Option<NodePlace>,
    /// Whether it is drained.
    pub draining: bool,
    /// Size of its database on disk, in bytes; none when it has not reported for some seconds.
    pub disk_bytes: Option<u64>,
    /// The time within which 99 of 100 flushes of its log ended; none when it has not reported for some seconds.
    pub flush_p99: Option<Duration>,
    /// Its scheduled backups; none when it takes none, or has not reported for some seconds.
    pub backups: Option<ScheduledBackups>,
    /// Its times of Raft; none when it has not reported for some seconds.
    pub timing: Option<NodeTiming>,
    /// The time from this node to that one and back; none for this node itself.
    pub round_trip: Option<Duration>,
}

/// The report of a member about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The last log index that it has applied.
    pub applied: u64,
    /// The hash of its state at that index.
    pub state_hash: u64,
    /// Free bytes on its data folder's file system.
    pub disk_free: u64,
    /// Whether free space is low.
    pub disk_low: bool,
    /// Whether flushes of its disk are slow.
    pub flush_slow: bool,
}

/// The status of a node and of the cluster, as the node knows it.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The id of this node.
    pub id: NodeId,
    /// The role of this node.
    pub role: Role,
    /// The leader, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The current Raft term.
    pub term: u64,
    /// The last log index known to be committed.
    pub committed: u64,
    /// The last log index applied.
    pub applied: u64,
    /// The last log index stored.
    pub last_log: u64,
    /// The last log index in a snapshot.
    pub snapshot: u64,
    /// All members, learners included.
    pub members: Vec<MemberStatus>,
    /// Size of the database on disk, in bytes.
    pub disk_bytes: u64,
    /// Free bytes on its data folder's file system.
    pub disk_free: u64,
    /// Whether free space is low, so that writes which store more may be refused.
    pub disk_low: bool,
    /// Whether flushes of the disk are slow.
    pub flush_slow: bool,
    /// Snapshots that could not be made since it started.
    pub failed_snapshots: u64,
    /// Elections that this node won since it started.
    pub elections_won: u64,
    /// Whether other members say that the cluster has removed this node.
    pub removed: bool,
    /// Whether this node is drained.
    pub draining: bool,
    /// How the cluster looks to this node, and since when; none in the first seconds.
    pub verdict: Option<(Health, WallTime)>,
    /// Time since a quorum acknowledged the leader; known to the leader alone.
    pub quorum_seen: Option<Duration>,
    /// Whether a change of the voters is half done: a majority of those before it counts, too.
    pub is_joint: bool,
    /// The certificates that this node uses.
    pub certificates: NodeCertificates,
}

/// How long something took, since the node was started.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Upper bounds in ascending order, each with the number of times that took at most as long.
    pub buckets: Vec<(Duration, u64)>,
    /// How many times it happened.
    pub count: u64,
    /// The time that all of them took together.
    pub total: Duration,
}

/// Measurements of a node by itself since it was started, for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// Times from a proposal on the leader until its entry was committed and applied there.
    pub commit: Latency,
    /// Flushes of the log.
    pub flush: Latency,
    /// Batches of entries, from the first of them until their state was written.
    pub apply: Latency,
    /// Requests that this node sent to the leader.
    pub forward: Latency,
    /// Waits of linearizable reads for their index.
    pub read_index: Latency,
    /// Elections in which this node stood and won.
    pub elections_won: u64,
    /// Elections in which this node stood and did not win.
    pub elections_lost: u64,
    /// Sessions that ended because their lease and their grace ran out, in entries that this node applied.
    pub leases_expired: u64,
    /// How far the clocks of the cluster are ahead of this node's own, in milliseconds; 0 while they agree.
    pub clock_correction_ms: i64,
    /// How often changed certificates were taken into use, and how often they could not be used.
    pub certificate_reloads: (u64, u64),
    /// Scrubs of the store that came to their end without a finding.
    pub scrubs: u64,
    /// Whether a scrub has found damage.
    pub is_damaged: bool,
    /// The lengths of the node's queues, by their names in metrics.
    pub queues: Vec<(&'static str, u64)>,
}

/// A node may take this long to write the snapshot for a backup, which may have gigabytes.
pub const MAX_PREPARATION: Duration = Duration::from_secs(60);

/// Everything that the cluster stores, as one stream that ends with its checksum.
pub struct Backup {
    /// The backup covers everything up to this revision.
    pub revision: Revision,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its pieces, of at most a MiB each. The stream ends after the first failure.
    pub pieces: BoxStream<'static, Result<Bytes, StorageFailure>>,
}

/// The interface of a node for the API.
pub trait Cluster: Send + Sync + 'static {
    /// Proposes a write, and returns once its entry is committed and applied on this node.
    fn propose(&self, write: WriteRequest) -> BoxFuture<'_, Result<Committed, Unavailable>>;

    /// Obtains a view of the requested consistency. With `min_revision`, it waits until that is applied here.
    fn read(
        &self,
        consistency: Consistency,
        min_revision: Option<Revision>,
    ) -> BoxFuture<'_, Result<ReadView, Unavailable>>;

    /// This node's own state, without waiting.
    fn local(&self) -> SharedView;

    /// The time of day of the cluster, also while nothing is written: that of its clocks or of the state, whichever is
    /// later. Keys expire by it.
    fn wall(&self) -> WallTime;

    /// Renews the lease of a session by a heartbeat of its client. Returns false when the session is over. Heartbeats
    /// that arrive together become one log entry.
    fn heartbeat(&self, session: SessionId) -> BoxFuture<'_, Result<bool, Unavailable>>;

    /// Renews the lease of a session that has acted. Nobody waits for it, and it is lost when there is no leader.
    fn keep_alive(&self, session: SessionId);

    /// Reads applied events of all projects from a revision on: `limit` of them, or some megabytes, and then the rest
    /// of the last revision.
    fn events(&self, from: Revision, limit: usize) -> BoxFuture<'_, Result<History, StorageFailure>>;

    /// Reads the events of one project in the same way, and at most `bytes` bytes. A page may be empty although there
    /// are more events, since a request must not read those of other projects for long.
    fn events_of(
        &self,
        project: ProjectId,
        from: Revision,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<History, StorageFailure>>;

    /// Waits until this node has applied more than a revision, and returns the last applied one; none when the node has
    /// stopped.
    fn applied_after(&self, revision: Revision) -> BoxFuture<'_, Option<Revision>>;

    /// The status of this node.
    fn status(&self) -> NodeStatus;

    /// Returns the measurements of this node by itself.
    fn measurements(&self) -> Measurements;

    /// The status with the knowledge of the leader, which is asked for it.
    fn leader_status(&self) -> BoxFuture<'_, Result<NodeStatus, Unavailable>>;

    /// Carries out an operation on the cluster, through the leader.
    fn operate(&self, operation: Operation) -> BoxFuture<'_, Result<OperationOutcome, OperationError>>;

    /// Plans an operation on the cluster, and does nothing. What would be refused is refused in the same way.
    fn plan(&self, operation: Operation) -> BoxFuture<'_, Result<ChangePlan, OperationError>>;

    /// Whether this node is drained, and when that changes.
    fn draining(&self) -> watch::Receiver<bool>;

    /// The cluster's secret, encrypted for a joining node: only the holder of the join token can decrypt it. It is
    /// written in hexadecimal.
    fn seal_secret(&self, token: &str, cluster: ClusterId, joining: InstanceId) -> String;

    /// A backup that covers a revision which this node has applied. Later writes do not change it, and its resources
    /// are freed when it is dropped.
    fn backup(&self, through: Revision) -> BoxFuture<'_, Result<Backup, Unavailable>>;
}
