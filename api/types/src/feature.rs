//! Features on the wire.

use crate::text::{PathPattern, SlugText};
use crate::{Moment, claim::Claim};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How soon a feature is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// First.
    Now,
    /// After that.
    #[default]
    Next,
    /// Some day.
    Later,
    /// Put aside.
    Icebox,
}

/// Where a feature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being written.
    Draft,
    /// Free to be picked.
    Ready,
    /// Picked.
    Active,
    /// Finished.
    Done,
    /// Given up.
    Cancelled,
}

/// A feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// Identity.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Unique in the project.
    pub slug: String,
    /// One line.
    pub title: String,
    /// The whole text.
    pub spec: String,
    /// Stage.
    pub status: Status,
    /// How soon.
    pub lane: Lane,
    /// Place in the lane.
    pub priority: u32,
    /// Paths that its holder claims exclusively.
    pub touches: Vec<String>,
    /// Author.
    pub created_by: Uuid,
    /// The engineer who works, or worked, on it.
    pub claimed_by: Option<Uuid>,
    /// The pick.
    pub claimed_at: Option<Moment>,
    /// The end.
    pub completed_at: Option<Moment>,
    /// Creation.
    pub created_at: Moment,
    /// Last change.
    pub updated_at: Moment,
    /// The session that works on it.
    pub session_id: Option<Uuid>,
    /// The session's agent.
    pub agent: Option<String>,
    /// Log index of the pick.
    pub fence: Option<u64>,
    /// Features that must be over first.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Paths that its holder claims shared.
    #[serde(default)]
    pub reads: Vec<String>,
    /// When a session that worked on it was lost.
    pub interrupted_at: Option<Moment>,
}

/// Answer of a pick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Picked {
    /// The feature, active.
    #[serde(flatten)]
    pub feature: Feature,
    /// Its claims.
    pub claims: Vec<Claim>,
}

/// An item of `GET …/features/available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Available {
    /// The feature, ready.
    #[serde(flatten)]
    pub feature: Feature,
    /// What is in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<BlockedBy>,
}

/// What keeps a feature from being picked: a path that is held, or dependencies that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedBy {
    /// Who holds the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engineer_id: Option<Uuid>,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engineer_name: Option<String>,
    /// For what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_slug: Option<String>,
    /// As which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// The session's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Which path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// When it is released if nothing more is heard of its session: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// Features that must be over first and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// A feature that pick-next could not take: an item of `details.blocked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The feature.
    pub feature_slug: String,
    /// What is in its way.
    pub blocked_by: BlockedBy,
}

/// Body of `POST …/features`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateFeature {
    /// 1 to 100 of `a-z`, `0-9`, `-`.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[a-z0-9-]+$")]
    pub slug: String,
    /// 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub title: String,
    /// At least 1 character.
    #[schema(min_length = 1)]
    pub spec: String,
    /// `next` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// The end of the lane when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295u64)]
    pub priority: Option<u32>,
    /// Exclusive paths.
    #[serde(default)]
    #[schema(value_type = Vec<PathPattern>, max_items = 10000)]
    pub touches: Vec<String>,
    /// Shared paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<PathPattern>, max_items = 10000)]
    pub reads: Vec<String>,
    /// What must be over first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<SlugText>, max_items = 100)]
    pub depends_on: Vec<String>,
}

/// Body of `PATCH …/features/{slug}`; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateFeature {
    /// 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub title: Option<String>,
    /// At least 1 character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub spec: Option<String>,
    /// Another lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// Another place in the lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295u64)]
    pub priority: Option<u32>,
    /// All of its exclusive paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub touches: Option<Vec<String>>,
    /// All of its shared paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub reads: Option<Vec<String>>,
    /// All of its dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SlugText>>, max_items = 100)]
    pub depends_on: Option<Vec<String>>,
}

/// Body of `POST …/features/pick-next`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PickNext {
    /// From these lanes; from all of them, `now` first, when absent or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 4)]
    pub lanes: Option<Vec<Lane>>,
}

/// Answer of `DELETE …/features/:slug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// Always true.
    pub deleted: bool,
}
