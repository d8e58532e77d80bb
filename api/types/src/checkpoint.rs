//! Checkpoints on the wire: recorded states of work.

use crate::Moment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a checkpoint was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointType {
    /// Now and then; one that says what the newest one says is not kept.
    #[default]
    AutoPeriodic,
    /// By a person or an agent.
    Manual,
    /// When a session was lost.
    CrashRecovery,
}

/// A recorded state of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Identity.
    pub id: Uuid,
    /// Whose work.
    pub session_id: Uuid,
    /// On what.
    pub feature_id: Uuid,
    /// For whom.
    pub engineer_id: Uuid,
    /// Why.
    #[serde(rename = "type")]
    pub kind: CheckpointType,
    /// SHA-256 in hex of feature, context and claims: tells one state of work from another.
    pub state_hash: String,
    /// The paths that the session held for the feature.
    pub active_claims: Vec<String>,
    /// What the client said about it.
    #[schema(value_type = Object)]
    pub context: Map<String, Value>,
    /// A note for people.
    pub notes: Option<String>,
    /// Whether it is the newest of its feature.
    pub is_latest: bool,
    /// When.
    pub created_at: Moment,
}

/// Body of `POST …/sessions/checkpoints`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaveCheckpoint {
    /// Whose work: a session of one's own.
    pub session_id: Uuid,
    /// On what.
    pub feature_id: Uuid,
    /// Whatever helps to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// `auto_periodic` when absent.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CheckpointType>,
    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// Answer of `POST …/sessions/checkpoints` for one that says what the newest one says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// Always null.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Value>,
    /// What happened.
    pub message: String,
}
