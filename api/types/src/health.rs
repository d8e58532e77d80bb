//! Health on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `/health` and `/health/ready`: bare, without an envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    pub status: String,
    /// What was looked at.
    pub checks: Checks,
    /// When.
    pub timestamp: Moment,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checks {
    /// Whether this node can answer a linearizable read.
    pub raft: RaftCheck,
    /// Whether its storage answers.
    pub storage: StorageCheck,
}

/// Raft, as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaftCheck {
    /// `healthy` or `unhealthy`.
    pub status: String,
    /// Time that the read took, in milliseconds.
    pub latency_ms: u64,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub role: String,
    /// The leader's node id.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// Entries that are known to be committed and not applied here.
    pub lag: u64,
    /// Why it is unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Storage, as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageCheck {
    /// `healthy` or `unhealthy`.
    pub status: String,
    /// Time that a read took, in milliseconds.
    pub latency_ms: u64,
    /// `enough`, or `low` when what grows may be refused. A word of its own: a node with little space is
    /// healthy, and answers reads as ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

/// Answer of `/health/live`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// `alive`.
    pub status: String,
    /// When.
    pub timestamp: Moment,
}
