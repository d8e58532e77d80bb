//! The cluster on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
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
    /// Free bytes on its data folder's file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// Whether free space is low, so that writes may be refused.
    #[serde(default)]
    pub disk_low: bool,
    /// Whether flushes of its disk are slow.
    #[serde(default)]
    pub disk_slow: bool,
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

/// Body of `POST /cluster/members`: a node asks to join.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// The join token that an admin made.
    pub join_token: String,
    /// The id of its data folder.
    pub instance: Uuid,
    /// The address that other nodes reach it at.
    #[schema(max_length = 255, pattern = r"^[a-z0-9.-]+:[1-9][0-9]{0,3}$")]
    pub peer_addr: String,
    /// The address that clients reach it at.
    #[schema(max_length = 255, pattern = r"^[a-z0-9.-]+:[1-9][0-9]{0,3}$")]
    pub client_addr: String,
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

/// Body of `POST /cluster/join-tokens`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateJoinToken {
    /// Validity in seconds; an hour when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604800)]
    pub ttl_seconds: Option<u64>,
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

/// Body of `POST /cluster/leader`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferLeader {
    /// The id of the next leader; the best voter when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub to: Option<u64>,
}

/// The cluster's settings. In a `PATCH`, what is absent stays. Times in seconds, fractions allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who may register: `open`, `invite` or `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(open|invite|closed)$")]
    pub registration: Option<String>,
    /// A session with heartbeats is disconnected after this long without one.
    #[serde(default, rename = "session.timeout", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.1, maximum = 2592000.0)]
    pub session_timeout: Option<f64>,
    /// A disconnected session keeps its claims for this long.
    #[serde(default, rename = "session.grace", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 2592000.0)]
    pub session_grace: Option<f64>,
    /// A session that never sent a heartbeat is disconnected after this long without a request.
    #[serde(default, rename = "session.unattended", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.1, maximum = 2592000.0)]
    pub session_unattended: Option<f64>,
    /// How many revisions of events are kept.
    #[serde(default, rename = "events.revisions", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 10000000)]
    pub event_revisions: Option<u64>,
    /// How many answers are remembered for retries.
    #[serde(default, rename = "replies.count", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 1000000)]
    pub replies: Option<u64>,
    /// How long answers are remembered.
    #[serde(default, rename = "replies.age", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.1, maximum = 2592000.0)]
    pub reply_age: Option<f64>,
    /// How long events are kept at most.
    #[serde(default, rename = "events.age", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.1, maximum = 2592000.0)]
    pub event_age: Option<f64>,
    /// Bytes of events that are kept at most, on each node's disk.
    #[serde(default, rename = "events.bytes", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub event_bytes: Option<u64>,
    /// Estimated bytes of memory that one project may take.
    #[serde(default, rename = "quota.project.memory", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub quota_project_memory: Option<u64>,
    /// Bytes of texts on disk that one project may have.
    #[serde(default, rename = "quota.project.texts", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub quota_project_texts: Option<u64>,
    /// Estimated bytes of memory of what one engineer made, in all projects.
    #[serde(default, rename = "quota.engineer.memory", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub quota_engineer_memory: Option<u64>,
    /// Bytes of texts on disk that one engineer wrote, in all projects.
    #[serde(default, rename = "quota.engineer.texts", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub quota_engineer_texts: Option<u64>,
    /// Projects that one engineer may have made.
    #[serde(default, rename = "quota.engineer.projects", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 10000)]
    pub quota_engineer_projects: Option<u64>,
    /// Estimated bytes of memory of the whole cluster, on each node.
    #[serde(default, rename = "quota.cluster.memory", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub quota_cluster_memory: Option<u64>,
    /// Bytes of texts on disk of the whole cluster, on each node.
    #[serde(default, rename = "quota.cluster.texts", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1048576, maximum = 1099511627776_i64)]
    pub quota_cluster_texts: Option<u64>,
}

/// Answer of an operation on the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operated {
    /// Always true. A failure has an error as its answer.
    pub ok: bool,
    /// The new leader, after a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
}
