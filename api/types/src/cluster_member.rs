//! The members of the cluster as it has recorded them, on the wire.

use crate::{
    Moment,
    cluster::{NodePlace, NodeRole},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A member of the cluster, as the cluster has recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMember {
    /// The id of the node, which is never used again.
    pub id: u64,
    /// The role of the node.
    pub role: NodeRole,
    /// Whether the node is a replica: a learner that is not promoted by itself.
    pub replica: bool,
    /// Whether the node is drained. Left out where it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
    /// The address that other nodes reach it at.
    pub peer_addr: String,
    /// The address that clients reach it at.
    pub client_addr: String,
    /// The id of its data folder; none while this node does not have the record yet.
    pub instance: Option<Uuid>,
    /// When the cluster gave it its id.
    pub admitted_at: Option<Moment>,
    /// The member in whose place it joined, after that one lost its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// Log entries that it lacks, as the leader knows; none without a leader.
    pub lag: Option<u64>,
    /// Milliseconds since the leader last heard it; none before that, of the leader itself, and without a leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<u64>,
    /// The version of its program; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its region, its zone, and its priority as the leader; none when it has not reported for some seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<NodePlace>,
}

impl ClusterMember {
    /// A member that lacks at most this many entries has caught up: they are less than a second of writes.
    pub const MAX_LAG: u64 = 1_000;
}

/// Answer of `GET /cluster/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterMembers {
    /// The members, by id.
    pub members: Vec<ClusterMember>,
}
