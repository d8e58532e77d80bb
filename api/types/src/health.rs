//! Health on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `/health` and `/health/ready`: bare, without an envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    pub status: String,
    /// The results of the checks.
    pub checks: Checks,
    /// The time of the answer.
    pub timestamp: Moment,
}

impl Readiness {
    /// The status of a node that can answer a linearizable read.
    pub const READY: &str = "ready";
    /// The status of a node that cannot.
    pub const NOT_READY: &str = "not_ready";

    /// Whether the node can answer a linearizable read.
    pub fn is_ready(&self) -> bool {
        self.status == Self::READY
    }
}

/// The checks of readiness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checks {
    /// Whether this node can answer a linearizable read.
    pub raft: RaftCheck,
    /// Whether its storage answers.
    pub storage: StorageCheck,
}

/// The check of Raft on this node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaftCheck {
    /// `healthy` or `unhealthy`.
    pub status: String,
    /// Time of a linearizable read, in milliseconds.
    pub latency_ms: u64,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub role: String,
    /// The node id of the leader, if there is one.
    pub leader: Option<u64>,
    /// The Raft term.
    pub term: u64,
    /// Log entries that are known to be committed and not applied here.
    pub lag: u64,
    /// Why it is unhealthy, or that the node is drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The check of storage on this node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageCheck {
    /// `healthy` or `unhealthy`.
    pub status: String,
    /// Time of a read from storage, in milliseconds.
    pub latency_ms: u64,
    /// `enough`, or `low` when writes that store more may be refused. A node with little space is healthy, and answers
    /// reads as ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

/// Answer of `/health/live`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// Always `alive`, since a node that is not cannot answer.
    pub status: String,
    /// The time of the answer.
    pub timestamp: Moment,
}
