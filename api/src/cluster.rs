//! What a node offers to the API. The node implements it; tests may do so in memory.

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use nexus_domain::{
    Acting, Actor, Answer, ClusterId, Command, Document, DocumentKey, NodeId, ProjectId, Recorded, Revision,
    SessionId, State, WallTime, ids::InstanceId, replies::KeyedRequest,
};
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

/// A write as it stands before the leader stamps it with a time.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// What is asked.
    pub command: Command,
    /// By whom.
    pub actor: Actor,
    /// As which session.
    pub acting: Acting,
    /// The request, when its client chose a key for it. Without one the node sees to it that its own retries have
    /// no second effect.
    pub request: Option<KeyedRequest>,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Reflects every write that was acknowledged before the read began, through whichever node.
    #[default]
    Linearizable,
    /// This node's own state, without a question to anybody.
    Stale,
}

/// The state at one revision, with the documents beside it.
pub trait View: Send + Sync {
    /// The state.
    fn state(&self) -> &State;
    /// The log index that it reflects: at least that of its last proposal.
    fn revision(&self) -> Revision;
    /// Hash over everything that was applied so far.
    fn state_hash(&self) -> u64;
    /// Reads documents in the order of their keys, each as new as the state or newer.
    ///
    /// # Errors
    /// When storage fails.
    fn documents(
        &self,
        keys: Vec<DocumentKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<Document>>, StorageFailure>>;
    /// Reads documents of one list, newest first, from the last key of a range down to its first and
    /// at most so many. Those newer than the state are there too, unless the range ends before them.
    ///
    /// # Errors
    /// When storage fails.
    fn newest(
        &self,
        range: RangeInclusive<DocumentKey>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(DocumentKey, Document)>, StorageFailure>>;
}

/// A view that can be passed around.
pub type SharedView = Arc<dyn View>;

/// Storage did not answer; the node is about to stop.
#[derive(Debug, Clone, thiserror::Error)]
#[error("storage failed: {0}")]
pub struct StorageFailure(pub String);

/// Some of the history.
#[derive(Clone, Debug)]
pub struct History {
    /// Events in order; never part of a revision.
    pub events: Vec<Recorded>,
    /// Where the next page begins: everything before it that was asked for is in this page.
    pub next: Revision,
    /// Whether there may be more that is applied already.
    pub has_more: bool,
    /// Events of earlier revisions may be gone: what was asked for from before it may lack some.
    pub oldest: Revision,
}

/// A write that is committed, and a view that includes it.
pub struct Committed {
    /// The answer, a refusal included.
    pub answer: Answer,
    /// State of this node, at the answer's revision or later.
    pub view: SharedView,
}

/// A read's view.
pub struct ReadView {
    /// The state.
    pub view: SharedView,
    /// How old it may be; none for a linearizable read.
    pub staleness: Option<Duration>,
}

/// Why the cluster could not do something at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Certainly nothing was applied.
    #[error("{0}")]
    NotApplied(String),
    /// It may have been applied: only a retry with the same identity can tell.
    #[error("{0}")]
    Unknown(String),
}

/// Something to be done to the membership, in safe steps.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Lets a guest in as a learner; it becomes a voter once it has caught up.
    Join {
        /// The digest of the token that it shows.
        token: nexus_domain::entity::TokenDigest,
        /// Its data folder.
        instance: InstanceId,
        /// Where other nodes reach it.
        peer_addr: String,
        /// Where clients reach it.
        client_addr: String,
    },
    /// Makes a learner a voter.
    Promote(NodeId),
    /// Takes a member out.
    Remove(NodeId),
    /// Hands leadership over.
    TransferLeader(Option<NodeId>),
    /// Takes a snapshot on this node and drops the log before it.
    Snapshot,
}

/// What an operation gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operated {
    /// A guest was let in.
    Joined {
        /// Under this id.
        node: NodeId,
    },
    /// It is done.
    Done,
    /// This node leads.
    Leader(NodeId),
}

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// It would be unsafe, or makes no sense: what and why, and what to do instead.
    #[error("{0}")]
    Refused(String),
    /// No such node.
    #[error("no node {0} in the cluster")]
    UnknownNode(NodeId),
    /// The token is unknown or ran out.
    #[error("the join token is unknown or expired; make a new one with: nexus cluster join-token")]
    BadToken,
    /// The cluster could not do it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a node is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decides the order of writes.
    Leader,
    /// Follows.
    Follower,
    /// Wants to lead.
    Candidate,
    /// Follows without a vote.
    Learner,
    /// Stopped, or stopping.
    Stopped,
}

impl Role {
    /// Its name in answers and metrics.
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

/// One member as a node knows it.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// Id.
    pub id: NodeId,
    /// Whether it votes.
    pub voter: bool,
    /// Where other nodes reach it.
    pub peer_addr: String,
    /// Where clients reach it.
    pub client_addr: String,
    /// Entries that it lacks; known to the leader alone.
    pub lag: Option<u64>,
    /// Time since its last acknowledgement; known to the leader alone.
    pub last_seen: Option<Duration>,
    /// How it is, by its own account; none when it was not heard of for a while.
    pub condition: Option<Condition>,
    /// Whether its state was found to be another one than the node's that answers.
    pub diverged: bool,
}

/// How a member is, by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
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
}

/// A node's view of itself and of the cluster, without a question to anybody.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// This node.
    pub id: NodeId,
    /// What it is.
    pub role: Role,
    /// Whom it follows.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The last log index known to be committed.
    pub committed: u64,
    /// The last log index applied.
    pub applied: u64,
    /// The last log index stored.
    pub last_log: u64,
    /// The last log index in a snapshot.
    pub snapshot: u64,
    /// Everyone.
    pub members: Vec<MemberStatus>,
    /// Size of the database on disk, in bytes.
    pub disk_bytes: u64,
    /// Free bytes on its data folder's file system.
    pub disk_free: u64,
    /// Whether that is too little: what grows may be refused.
    pub disk_low: bool,
    /// Whether the disk keeps writes waiting.
    pub flush_slow: bool,
    /// Snapshots that could not be made since it started.
    pub failed_snapshots: u64,
    /// Elections that this node won since it started.
    pub elections_won: u64,
    /// Time since a quorum acknowledged the leader; known to the leader alone.
    pub quorum_seen: Option<Duration>,
}

/// A node may take this long to write down what a backup is made of: gigabytes.
pub const MAX_PREPARATION: Duration = Duration::from_secs(60);

/// Everything that the cluster keeps, as one stream that ends in its checksum.
pub struct Backup {
    /// Everything up to here is in it.
    pub revision: Revision,
    /// Its length.
    pub bytes: u64,
    /// Its pieces, of at most a MiB; ends after the first failure.
    pub pieces: BoxStream<'static, Result<Bytes, StorageFailure>>,
}

/// What a node offers.
pub trait Cluster: Send + Sync + 'static {
    /// Writes: returns once the entry is committed and applied on this node.
    fn propose(&self, write: WriteRequest) -> BoxFuture<'_, Result<Committed, Unavailable>>;

    /// Reads, as fresh as asked for; with `min_revision`, not before that is applied here.
    fn read(
        &self,
        consistency: Consistency,
        min_revision: Option<Revision>,
    ) -> BoxFuture<'_, Result<ReadView, Unavailable>>;

    /// This node's own state, at once.
    fn local(&self) -> SharedView;

    /// The time of day that the cluster goes by, also while nothing is written: the later one of its
    /// clocks and of the state. Keys expire by it.
    fn wall(&self) -> WallTime;

    /// Renews the lease of a session by a heartbeat of its client. Returns false when the session is over. Heartbeats
    /// that arrive together become one log entry.
    fn heartbeat(&self, session: SessionId) -> BoxFuture<'_, Result<bool, Unavailable>>;

    /// Renews the lease of a session that has acted. Nobody waits for it, and it is lost when there is no leader.
    fn keep_alive(&self, session: SessionId);

    /// Applied events of all projects from a revision on: `limit` of them, or some megabytes, and then the rest of
    /// the last revision.
    fn events(&self, from: Revision, limit: usize) -> BoxFuture<'_, Result<History, StorageFailure>>;

    /// The same of one project, of so many bytes if that is less. A page may have none, though there are more: what
    /// others do must not hold a request for long.
    fn events_of(
        &self,
        project: ProjectId,
        from: Revision,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<History, StorageFailure>>;

    /// Waits until this node has applied more than a revision, and says up to where; none when the
    /// node has stopped.
    fn applied_after(&self, revision: Revision) -> BoxFuture<'_, Option<Revision>>;

    /// What this node is now.
    fn status(&self) -> NodeStatus;

    /// The status that only the leader knows whole, asked from it.
    fn leader_status(&self) -> BoxFuture<'_, Result<NodeStatus, Unavailable>>;

    /// Changes the membership, through the leader.
    fn operate(&self, operation: Operation) -> BoxFuture<'_, Result<Operated, OperationError>>;

    /// The secret by which members of the cluster know each other, encrypted for a guest: only who has the join token
    /// can read it. In hexadecimal.
    fn seal_secret(&self, token: &str, cluster: ClusterId, guest: InstanceId) -> String;

    /// A backup that holds everything up to a revision, which this node has applied. It is of one moment;
    /// nothing that happens later changes it, and what it takes is given back when it is dropped.
    fn backup(&self, through: Revision) -> BoxFuture<'_, Result<Backup, Unavailable>>;
}
