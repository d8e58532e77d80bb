//! Learnings and decisions on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that was learned while working on a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    /// Identity.
    pub id: Uuid,
    /// The feature.
    pub feature_id: Uuid,
    /// Who tells it.
    pub engineer_id: Uuid,
    /// Their name.
    #[serde(default)]
    pub engineer_name: String,
    /// The text.
    pub content: String,
    /// When.
    pub created_at: Moment,
}

/// Body of `POST …/features/:slug/learnings`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AddLearning {
    /// The text, at least 1 character.
    #[schema(min_length = 1)]
    pub content: String,
}

/// Something that was decided about a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Identity.
    pub id: Uuid,
    /// The project.
    pub project_id: Uuid,
    /// The feature it is about.
    pub feature_id: Option<Uuid>,
    /// The slug of that feature.
    #[serde(default)]
    pub feature_slug: Option<String>,
    /// Who wrote it down.
    pub engineer_id: Uuid,
    /// Their name.
    #[serde(default)]
    pub engineer_name: String,
    /// One line.
    pub title: String,
    /// What was decided.
    pub decision: String,
    /// Why.
    pub rationale: Option<String>,
    /// Instead of what.
    pub alternatives: Option<String>,
    /// The decision whose place it takes.
    pub supersedes: Option<Uuid>,
    /// When.
    pub created_at: Moment,
}

/// Body of `POST …/decisions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddDecision {
    /// 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub title: String,
    /// What was decided, at least 1 character.
    #[schema(min_length = 1)]
    pub decision: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Instead of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<String>,
    /// The feature it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, pattern = r"^[a-z0-9-]+$")]
    pub feature_slug: Option<String>,
    /// The decision whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub supersedes: Option<Uuid>,
}
