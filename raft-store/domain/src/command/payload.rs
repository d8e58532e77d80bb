//! What commands carry about new API keys, features, checkpoints and decisions. The texts in them become documents, which the
//! state does not hold.

use crate::{
    document::CheckpointKind,
    entity::{ApiKey, KeyPrefix, Lane},
    ids::{CheckpointId, DecisionId, EngineerId, FeatureId, KeyId, ProjectId, SessionId},
    pattern::Pattern,
    short_text::{Label, Slug, Title},
    time::WallTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A new API key. Apply adds its owner and the time at which it was created.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewApiKey {
    /// The key's id.
    pub id: KeyId,
    /// The lookup prefix, unique in the cluster.
    pub prefix: KeyPrefix,
    /// The Argon2id hash of the key, as a PHC string.
    pub hash: Arc<str>,
    /// The owner's own label.
    pub label: Label,
    /// The wall time from which on it is not accepted; `None` if it never expires.
    pub expires_at: Option<WallTime>,
    /// The only project that it is accepted for; `None` if it is accepted for all.
    pub project: Option<ProjectId>,
    /// Whether it is accepted for reading only.
    pub readonly: bool,
}

impl NewApiKey {
    /// The key of this engineer, created at this wall time.
    pub(crate) fn owned_by(&self, engineer: EngineerId, created_at: WallTime) -> ApiKey {
        let Self { id, prefix, hash, label, expires_at, project, readonly } = self.clone();
        ApiKey { id, engineer, prefix, hash, label, expires_at, project, readonly, created_at }
    }
}

/// A new feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewFeature {
    /// The feature's id.
    pub id: FeatureId,
    /// The feature's name in addresses, unique in the project and never changed.
    pub slug: Slug,
    /// One line for people.
    pub title: Title,
    /// The specification, of any length that the API accepts.
    pub spec: Arc<str>,
    /// The lane of the board that it is put in.
    pub lane: Lane,
    /// The priority in the lane, from 1; the lowest comes first. `None` means the end of the lane.
    pub priority: Option<u32>,
    /// Paths that its holder claims exclusively. Together with `reads`, at most 10,000.
    pub touches: Arc<[Pattern]>,
    /// Paths that its holder claims shared.
    pub reads: Arc<[Pattern]>,
    /// Features of the same project that must be done or cancelled before it can be picked, at most 100.
    pub depends_on: Arc<[Slug]>,
}

/// Changes of a feature. A field that is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FeaturePatch {
    /// The new title.
    pub title: Option<Title>,
    /// The new specification.
    pub spec: Option<Arc<str>>,
    /// The new lane.
    pub lane: Option<Lane>,
    /// The new priority in the lane, from 1.
    pub priority: Option<u32>,
    /// The new list of exclusive paths; it replaces the old list.
    pub touches: Option<Arc<[Pattern]>>,
    /// The new list of shared paths; it replaces the old list.
    pub reads: Option<Arc<[Pattern]>>,
    /// The new list of dependencies; it replaces the old list.
    pub depends_on: Option<Arc<[Slug]>>,
}

/// A checkpoint: a recorded state of the work on a feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewCheckpoint {
    /// The checkpoint's id.
    pub id: CheckpointId,
    /// The session whose work is recorded. It must belong to the actor.
    pub session: SessionId,
    /// The feature that the work is about.
    pub feature: FeatureId,
    /// What caused the checkpoint. A periodic one that repeats the newest one is not stored.
    pub kind: CheckpointKind,
    /// The client's own record: the JSON text of an object with sorted keys.
    pub context: Arc<str>,
    /// A note for people.
    pub notes: Option<Arc<str>>,
}

/// A decision about a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewDecision {
    /// The decision's id.
    pub id: DecisionId,
    /// The feature that it is about. `None` means the whole project.
    pub feature: Option<Slug>,
    /// One line for people.
    pub title: Title,
    /// What was decided.
    pub decision: Arc<str>,
    /// The reasons for it.
    pub rationale: Option<Arc<str>>,
    /// The alternatives that were rejected.
    pub alternatives: Option<Arc<str>>,
    /// An earlier decision of the same project that this one replaces.
    pub supersedes: Option<DecisionId>,
}
