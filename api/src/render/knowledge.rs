//! Converts learnings, decisions and checkpoints to wire types.

use nexus_api_types::{checkpoint as wire_checkpoint, knowledge as wire};
use nexus_domain::{
    EngineerId, State,
    document::{Checkpoint, CheckpointKind, Decision, Learning},
};

/// The name of an engineer, or the id of a deleted one.
fn name(state: &State, engineer: EngineerId) -> String {
    state.engineer(engineer).map_or_else(|| engineer.to_string(), |found| found.name.to_string())
}

/// A learning with the name of its author.
pub(crate) fn learning(state: &State, learning: &Learning) -> wire::Learning {
    wire::Learning {
        id: learning.id.0,
        feature_id: learning.feature.0,
        engineer_id: learning.engineer.0,
        engineer_name: name(state, learning.engineer),
        content: learning.content.to_string(),
        created_at: learning.created_at.into(),
    }
}

/// A decision with the name of its author.
pub(crate) fn decision(state: &State, decision: &Decision) -> wire::Decision {
    wire::Decision {
        id: decision.id.0,
        project_id: decision.project.0,
        feature_id: decision.feature.as_ref().map(|(id, _)| id.0),
        feature_slug: decision.feature.as_ref().map(|(_, slug)| slug.to_string()),
        engineer_id: decision.engineer.0,
        engineer_name: name(state, decision.engineer),
        title: decision.title.to_string(),
        decision: decision.decision.to_string(),
        rationale: decision.rationale.as_ref().map(ToString::to_string),
        alternatives: decision.alternatives.as_ref().map(ToString::to_string),
        supersedes: decision.supersedes.map(|id| id.0),
        created_at: decision.created_at.into(),
    }
}

/// A checkpoint. `is_latest` says whether it is the newest of its feature.
pub(crate) fn checkpoint(checkpoint: &Checkpoint, is_latest: bool) -> wire_checkpoint::Checkpoint {
    wire_checkpoint::Checkpoint {
        id: checkpoint.id.0,
        session_id: checkpoint.session.0,
        feature_id: checkpoint.feature.0,
        engineer_id: checkpoint.engineer.0,
        kind: match checkpoint.kind {
            CheckpointKind::AutoPeriodic => wire_checkpoint::CheckpointType::AutoPeriodic,
            CheckpointKind::Manual => wire_checkpoint::CheckpointType::Manual,
            CheckpointKind::CrashRecovery => wire_checkpoint::CheckpointType::CrashRecovery,
        },
        state_hash: checkpoint.state_hash.to_string(),
        active_claims: checkpoint.claims.iter().map(ToString::to_string).collect(),
        // The text was made from an object, so that it parses unless storage damaged it.
        context: serde_json::from_str(&checkpoint.context).unwrap_or_default(),
        notes: checkpoint.notes.as_ref().map(ToString::to_string),
        is_latest,
        created_at: checkpoint.created_at.into(),
    }
}
