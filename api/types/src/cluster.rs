//! The cluster on the wire.

use crate::{
    Moment,
    body::{Seconds, TextField, Unknown, Whole, body, text_schema},
    certificate::NodeCertificates,
    change_plan::ChangePlan,
};
use nexus_domain::{ids::InstanceId, settings::Registration};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};
use uuid::Uuid;

/// The role of a node in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// The node decides the order of writes.
    Leader,
    /// The node votes and replicates.
    Voter,
    /// The node replicates, and does not vote.
    Learner,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// The id of the node, which is never used again.
    pub id: u64,
    /// The role of the node.
    pub role: NodeRole,
    /// The address that other nodes reach it at.
    pub peer_addr: String,
    /// The address that clients reach it at.
    pub client_addr: String,
    /// Log entries that it lacks, as the leader knows; none without a leader.
    pub lag: Option<u64>,
    /// Milliseconds since its last acknowledgement to the leader.
    pub last_seen_ms: Option<u64>,
    /// Whether this node answers the request.
    pub this_node: bool,
    /// The last log index that it has applied; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
    /// The hash over everything that it has applied up to there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<String>,
    /// Whether another node found a different state after the same entries: one of the two is wrong.
    #[serde(default)]
    pub state_mismatch: bool,
    /// Why it has fenced itself, so that it serves and votes no more. Left out for a node that has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<NodeFence>,
    /// The damage that it has found in itself, while the cluster cannot do without it. Left out without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Free bytes on its data folder's file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// Whether free space is low, so that writes may be refused.
    #[serde(default)]
    pub disk_low: bool,
    /// Whether flushes of its disk are slow.
    #[serde(default)]
    pub disk_slow: bool,
    /// The version of its program; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its program; none when it has not reported for some seconds, or cannot say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// Microseconds from the node that answers to this one and back; none for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
    /// Whether the node is a replica: a learner that is not promoted by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replica: bool,
    /// Whether the node is drained, such as before a restart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
    /// Bytes that its database takes on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_used_bytes: Option<u64>,
    /// The time within which 99 of 100 flushes of its log ended since it was started, in microseconds: the next bound
    /// of the histogram above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_p99_us: Option<u64>,
    /// Its certificates; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<NodeCertificates>,
    /// Its region, its zone, and its priority as the leader; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<NodePlace>,
    /// Its scheduled backups; none when it takes none, or has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<ScheduledBackups>,
    /// Its times of Raft; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<NodeTiming>,
}

/// The times of Raft of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTiming {
    /// Milliseconds between two heartbeats, while it leads.
    pub heartbeat_ms: u64,
    /// Milliseconds without a leader after which it calls an election, at least.
    pub election_ms: u64,
}

/// The backups that a node takes on a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduledBackups {
    /// The folder or the bucket that they are written to.
    pub to: String,
    /// The seconds from one to the next.
    pub every_seconds: u64,
    /// Whether the node is taking one.
    pub running: bool,
    /// The time of the newest one that the node found there, whichever node took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Moment>,
    /// The bytes of that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_bytes: Option<u64>,
    /// The milliseconds that the last one of this node took, its check included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_took_ms: Option<u64>,
    /// The number that this node took and checked since it was started.
    pub taken: u64,
    /// The attempts of this node that failed since it was started.
    pub failures: u64,
    /// Why the last attempt failed, until one succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// A program, and the versions that it can work with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// The version, with the commit where it is known.
    pub version: String,
    /// The newest version of the rules that it knows. It knows all earlier ones, too.
    pub rules: u16,
    /// The version of the rules up to which its node lets the cluster go, if that is held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_up_to: Option<u16>,
    /// The format of the records that it stores and sends.
    pub format: u16,
    /// The protocol that it talks with other nodes.
    pub protocol: u16,
}

/// Why a node has fenced itself: its state is wrong, or its data folder is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeFence {
    /// The time at which it found that out.
    pub since: Moment,
    /// The evidence, in words for people.
    pub reason: String,
}

/// The region and the zone of a node, and its priority as the leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePlace {
    /// The region, such as `eu-west`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The zone within the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The priority as a leader: of the nodes that are well, one with the highest leads. 100 unless it says otherwise.
    pub priority: u8,
}

impl NodePlace {
    /// The priority of a node that has none of its own.
    pub const PRIORITY: u8 = 100;
}

impl Default for NodePlace {
    fn default() -> Self {
        Self { region: None, zone: None, priority: Self::PRIORITY }
    }
}

/// The health of the cluster in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All voters answer.
    Healthy,
    /// There is a leader, and a voter is silent.
    Degraded,
    /// The node hears no leader.
    NoLeader,
    /// A member has fenced itself, since its state is wrong or its data folder damaged.
    Fenced,
    /// A member has found damage in itself, and goes on since the cluster cannot do without it.
    Damaged,
    /// A member has another state after the same entries.
    StateMismatch,
    /// The cluster has removed the node that answers.
    Removed,
}

/// The health of the cluster, as the node that answers has seen it since some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthVerdict {
    /// The health that the node saw last.
    pub health: Health,
    /// The moment at which the node saw it change to that, or its start.
    pub since: Moment,
}

/// The use of one quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUse {
    /// The kind of owner: `cluster`, `project` or `engineer`.
    pub owner: String,
    /// The project's slug or the engineer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `memory` or `texts`, in bytes; or `projects`. The setting is `quota.` with the owner and this.
    pub resource: String,
    /// How much is used, in bytes or projects.
    pub used: u64,
    /// How much may be used, in bytes or projects.
    pub quota: u64,
}

/// Answer of `GET /cluster/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The id of the cluster, once it is formed.
    pub cluster_id: Option<Uuid>,
    /// The node that answers.
    pub node_id: u64,
    /// The version of the node that answers.
    pub version: String,
    /// The version of the rules that the cluster goes by, as this node has applied them; 0 if the node cannot say.
    #[serde(default)]
    pub rules: u16,
    /// The id of the leader, if there is one.
    pub leader: Option<u64>,
    /// The Raft term.
    pub term: u64,
    /// The last log index that this node knows to be committed.
    pub committed: u64,
    /// The last log index that this node has applied.
    pub applied: u64,
    /// The hash over everything that was applied up to there; equal on all nodes at the same `applied`.
    pub state_hash: String,
    /// Whether this node could answer a linearizable read now.
    pub healthy: bool,
    /// How the cluster looks to the node that answers, and since when; none in the first seconds after its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<HealthVerdict>,
    /// Whether the other nodes say that this one was removed from the cluster. Left out where they do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Why the node that answers has fenced itself. It then shows nothing but itself. Left out where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<NodeFence>,
    /// The number of nodes that may be lost without stopping writes.
    pub tolerates_losses: u64,
    /// The members, by id.
    pub nodes: Vec<Node>,
    /// The use of quotas: of the whole cluster, then the fullest ones of the caller and of the caller's projects. An
    /// admin sees those of all.
    #[serde(default)]
    pub quotas: Vec<QuotaUse>,
    /// The time of the answer.
    pub timestamp: Moment,
}

/// An address as `host:port`.
pub struct Address(pub String);

impl TextField for Address {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        let is_valid = text.len() <= 255
            && text
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if is_valid { Ok(Self(text.to_owned())) } else { Err("must be host:port".to_owned()) }
    }

    fn text_schema() -> RefOr<Schema> {
        text_schema(None, 255, r"^[a-z0-9.-]+:[1-9][0-9]{0,3}$")
    }
}

body! {
    /// Body of `POST /cluster/members`: a node asks to join.
    pub struct JoinRequest => CheckedJoinRequest, Unknown::Refused {
        /// The join token that an admin made.
        join_token "joinToken": String,
        /// The id of its data folder.
        instance: InstanceId,
        /// The address that other nodes reach it at.
        peer_addr "peerAddr": Address,
        /// The address that clients reach it at.
        client_addr "clientAddr": Address,
        /// Whether it joins as a replica, which is not promoted by itself.
        replica: Option<bool>,
    }
}

/// Answer of `POST /cluster/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The id of the new member.
    pub node_id: u64,
    /// The cluster that it has joined.
    pub cluster_id: Uuid,
    /// The cluster's secret, which members know each other by: hexadecimal, encrypted for the holder of the join token
    /// (XChaCha20-Poly1305).
    pub sealed_secret: String,
}

/// Longest validity of a join token: a week, since it lets a machine read everything.
const MAX_JOIN_TOKEN_SECONDS: u64 = 7 * 24 * 3600;

body! {
    /// Body of `POST /cluster/join-tokens`.
    pub struct CreateJoinToken => CheckedCreateJoinToken, Unknown::Refused {
        /// Validity in seconds; an hour when absent.
        ttl_seconds "ttlSeconds": Option<Whole<1, MAX_JOIN_TOKEN_SECONDS>>,
    }
}

/// Answer of `POST /cluster/join-tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinToken {
    /// The token, which is shown only once.
    pub token: String,
    /// When it expires: an estimate.
    pub expires_at: Moment,
}

body! {
    /// Body of `POST /cluster/leader`.
    pub struct TransferLeader => CheckedTransferLeader, Unknown::Refused {
        /// The id of the next leader; the best voter when absent.
        to: Option<Whole<1, { u64::MAX }>>,
    }
}

body! {
    /// Body of `POST /cluster/members/{node}/replace`.
    pub struct ReplaceMember => CheckedReplaceMember, Unknown::Refused {
        /// The id of the node that takes the place of this one.
        by: Whole<1, { u64::MAX }>,
    }
}

body! {
    /// Body of `POST /cluster/members/{node}/rebuild`.
    pub struct Rebuild => CheckedRebuild, Unknown::Refused {
        /// Whether the node is rebuilt although it is not fenced.
        force: Option<bool>,
    }
}

impl TextField for Registration {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            _ => Err("must be open, invite or closed".to_owned()),
        }
    }

    fn text_schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.pattern(Some("^(open|invite|closed)$")).into()
    }
}

body! {
    /// The cluster's settings. In a `PATCH`, what is absent stays. Times in seconds, fractions allowed.
    pub struct Settings => CheckedSettings, Unknown::Refused {
        /// Whether anybody may register (`open`), only engineers whom an admin registers (`invite`), or nobody
        /// (`closed`).
        registration: Option<Registration>,
        /// A session with heartbeats is disconnected after this long without one.
        session_timeout "session.timeout": Option<Seconds> = 0.1 ..= 2592000.0,
        /// A disconnected session keeps its claims for this long.
        session_grace "session.grace": Option<Seconds> = 0.0 ..= 2592000.0,
        /// A session that never sent a heartbeat is disconnected after this long without a request.
        session_unattended "session.unattended": Option<Seconds> = 0.1 ..= 2592000.0,
        /// How many revisions of events are kept.
        event_revisions "events.revisions": Option<u64> = 1000 ..= 10000000,
        /// How many answers are remembered for retries.
        replies "replies.count": Option<u64> = 100 ..= 1000000,
        /// How long answers are remembered.
        reply_age "replies.age": Option<Seconds> = 0.1 ..= 2592000.0,
        /// How long events are kept at most.
        event_age "events.age": Option<Seconds> = 0.1 ..= 2592000.0,
        /// Bytes of events that are kept at most, on each node's disk.
        event_bytes "events.bytes": Option<u64> = 1048576 ..= 1099511627776_i64,
        /// Estimated bytes of memory that one project may take.
        quota_project_memory "quota.project.memory": Option<u64> = 1048576 ..= 1099511627776_i64,
        /// Bytes of texts on disk that one project may have.
        quota_project_texts "quota.project.texts": Option<u64> = 1048576 ..= 1099511627776_i64,
        /// Estimated bytes of memory of what one engineer made, in all projects.
        quota_engineer_memory "quota.engineer.memory": Option<u64> = 1048576 ..= 1099511627776_i64,
        /// Bytes of texts on disk that one engineer wrote, in all projects.
        quota_engineer_texts "quota.engineer.texts": Option<u64> = 1048576 ..= 1099511627776_i64,
        /// Projects that one engineer may have made.
        quota_engineer_projects "quota.engineer.projects": Option<u64> = 0 ..= 10000,
        /// Estimated bytes of memory of the whole cluster, on each node.
        quota_cluster_memory "quota.cluster.memory": Option<u64> = 1048576 ..= 1099511627776_i64,
        /// Bytes of texts on disk of the whole cluster, on each node.
        quota_cluster_texts "quota.cluster.texts": Option<u64> = 1048576 ..= 1099511627776_i64,
    }
}

/// Answer of an operation on the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operated {
    /// Always true. A failure has an error as its answer.
    pub ok: bool,
    /// The new leader, after a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
    /// The plan of the change, if the request was a dry run: nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ChangePlan>,
    /// The folder on the machine of the node that keeps its former data, after a rebuild. Left out for a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_in: Option<String>,
}
