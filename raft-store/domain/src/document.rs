//! Long texts: written and read whole, never looked at by a rule, so never held in memory.

use crate::{
    ids::{CheckpointId, EngineerId, FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    time::WallTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a document is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DocumentKey {
    /// The spec of a feature.
    Spec(ProjectId, FeatureId),
    /// A checkpoint of the work on a feature; ids grow with time.
    Checkpoint(ProjectId, FeatureId, CheckpointId),
}

impl DocumentKey {
    /// The project it belongs to.
    pub const fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Spec(project, _) | Self::Checkpoint(project, ..) => Some(*project),
        }
    }
}

/// Why a checkpoint was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CheckpointKind {
    /// By a client, now and then.
    AutoPeriodic,
    /// By a person or an agent.
    Manual,
    /// By the cluster, when a session was lost.
    CrashRecovery,
}

/// A recorded state of work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Identity.
    pub id: CheckpointId,
    /// Whose work.
    pub session: SessionId,
    /// On what.
    pub feature: FeatureId,
    /// For whom.
    pub engineer: EngineerId,
    /// Why.
    pub kind: CheckpointKind,
    /// The paths that were held.
    pub claims: Arc<[Pattern]>,
    /// What the client said about it: JSON text.
    pub context: Arc<str>,
    /// A note for people.
    pub notes: Option<Arc<str>>,
    /// When.
    pub created_at: WallTime,
}

/// A long text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Document {
    /// The spec of a feature.
    Spec(Arc<str>),
    /// A checkpoint.
    Checkpoint(Checkpoint),
}
