//! Checkpoints on the wire: recorded states of work.

use crate::{
    Moment,
    body::{FeatureRef, LongText, SortedObject, Unknown, body, words},
};
use nexus_domain::{
    SessionId,
    document::{self, CheckpointKind},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a checkpoint was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointType {
    /// Written regularly. One that is equal to the newest one is not kept.
    #[default]
    AutoPeriodic,
    /// Written by a person or an agent.
    Manual,
    /// Written when a session was lost.
    CrashRecovery,
}

words!(
    CheckpointKind = CheckpointType, "must be auto_periodic, manual or crash_recovery": AutoPeriodic, Manual, CrashRecovery
);

/// A recorded state of work on a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The id of the checkpoint.
    pub id: Uuid,
    /// The session whose work it records.
    pub session_id: Uuid,
    /// The feature that the session worked on.
    pub feature_id: Uuid,
    /// The engineer of the session.
    pub engineer_id: Uuid,
    /// Why it was written.
    #[serde(rename = "type")]
    pub kind: CheckpointType,
    /// SHA-256 in hex of feature, context and claims: tells one state of work from another.
    pub state_hash: String,
    /// The paths that the session held for the feature.
    pub active_claims: Vec<String>,
    /// The context that the client sent.
    #[schema(value_type = Object)]
    pub context: Map<String, Value>,
    /// A note for people.
    pub notes: Option<String>,
    /// Whether it is the newest of its feature.
    pub is_latest: bool,
    /// When it was written.
    pub created_at: Moment,
}

impl Checkpoint {
    /// A stored checkpoint, which may be the newest of its feature.
    pub fn of(checkpoint: &document::Checkpoint, is_latest: bool) -> Self {
        Self {
            id: checkpoint.id.0,
            session_id: checkpoint.session.0,
            feature_id: checkpoint.feature.0,
            engineer_id: checkpoint.engineer.0,
            kind: checkpoint.kind.into(),
            state_hash: checkpoint.state_hash.to_string(),
            active_claims: checkpoint.claims.iter().map(ToString::to_string).collect(),
            // The text was made from an object, so that it parses unless storage damaged it.
            context: serde_json::from_str(&checkpoint.context).unwrap_or_default(),
            notes: checkpoint.notes.as_ref().map(ToString::to_string),
            is_latest,
            created_at: checkpoint.created_at.into(),
        }
    }
}

body! {
    /// Body of `POST …/sessions/checkpoints`.
    pub struct SaveCheckpoint => CheckedSaveCheckpoint, Unknown::Ignored {
        /// The session whose work is recorded: one of the caller's own.
        session_id "sessionId": SessionId,
        /// The feature that the session works on.
        feature_id "featureId": FeatureRef,
        /// Further data that helps another agent to continue, in any form.
        context: Option<SortedObject>,
        /// Why it is written; `auto_periodic` when absent.
        kind "type": Option<CheckpointKind>,
        /// A note for people.
        notes: Option<LongText>,
    }
}

/// Answer of `POST …/sessions/checkpoints` for a checkpoint that is equal to the newest one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// Always null, since nothing was stored.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Value>,
    /// Says that the checkpoint was a duplicate.
    pub message: String,
}
