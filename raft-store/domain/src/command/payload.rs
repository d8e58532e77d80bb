//! What commands carry about new features, checkpoints and decisions. The texts in them become documents, which the
//! state does not hold.

use crate::{
    document::CheckpointKind,
    entity::Lane,
    ids::{CheckpointId, DecisionId, FeatureId, SessionId},
    pattern::Pattern,
    short_text::{Slug, Title},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
