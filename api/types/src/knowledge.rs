//! Learnings and decisions on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A learning from the work on a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    /// The id of the learning.
    pub id: Uuid,
    /// The feature that was worked on.
    pub feature_id: Uuid,
    /// The engineer who wrote it.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    #[serde(default)]
    pub engineer_name: String,
    /// The text of the learning.
    pub content: String,
    /// When it was written.
    pub created_at: Moment,
}

/// Body of `POST …/features/:slug/learnings`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AddLearning {
    /// The text, at least 1 character.
    #[schema(min_length = 1)]
    pub content: String,
}

/// A decision about a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The id of the decision.
    pub id: Uuid,
    /// The project that it is about.
    pub project_id: Uuid,
    /// The feature it is about.
    pub feature_id: Option<Uuid>,
    /// The slug of that feature.
    #[serde(default)]
    pub feature_slug: Option<String>,
    /// The engineer who wrote it down.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    #[serde(default)]
    pub engineer_name: String,
    /// The title: one line.
    pub title: String,
    /// What was decided.
    pub decision: String,
    /// The reasons for it.
    pub rationale: Option<String>,
    /// What was not chosen.
    pub alternatives: Option<String>,
    /// The decision that it replaces.
    pub supersedes: Option<Uuid>,
    /// When it was written.
    pub created_at: Moment,
}

/// Body of `POST …/decisions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddDecision {
    /// The title: 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub title: String,
    /// What was decided, at least 1 character.
    #[schema(min_length = 1)]
    pub decision: String,
    /// The reasons for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// What was not chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<String>,
    /// The feature it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, pattern = r"^[a-z0-9-]+$")]
    pub feature_slug: Option<String>,
    /// The decision that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub supersedes: Option<Uuid>,
}
