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
    /// To be done first.
    Now,
    /// Wanted after that.
    #[default]
    Next,
    /// Wanted some day.
    Later,
    /// Not planned at the moment.
    Icebox,
}

/// The status of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being written; it cannot be picked yet.
    Draft,
    /// Free to be picked.
    Ready,
    /// Picked by a session that works on it.
    Active,
    /// Its work is finished.
    Done,
    /// Given up before it was done.
    Cancelled,
}

/// A feature of a project: one piece of work with its spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// The id of the feature.
    pub id: Uuid,
    /// The project of the feature.
    pub project_id: Uuid,
    /// The short name, which is unique in the project.
    pub slug: String,
    /// The title: one line.
    pub title: String,
    /// The specification, as Markdown.
    pub spec: String,
    /// The status of the feature.
    pub status: Status,
    /// How soon it is wanted.
    pub lane: Lane,
    /// The position in the lane; smaller numbers come first.
    pub priority: u32,
    /// Paths that its holder claims exclusively.
    pub touches: Vec<String>,
    /// The engineer who wrote it.
    pub created_by: Uuid,
    /// The engineer who works, or worked, on it.
    pub claimed_by: Option<Uuid>,
    /// When it was picked.
    pub claimed_at: Option<Moment>,
    /// When it was finished.
    pub completed_at: Option<Moment>,
    /// When it was created.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
    /// The session that works on it.
    pub session_id: Option<Uuid>,
    /// The agent of the session.
    pub agent: Option<String>,
    /// The log index of the pick.
    pub fence: Option<u64>,
    /// The slugs of features that must be done or cancelled first.
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
    /// The picked feature, which is active now.
    #[serde(flatten)]
    pub feature: Feature,
    /// The claims that the pick took.
    pub claims: Vec<Claim>,
}

/// An item of `GET …/features/available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Available {
    /// The ready feature.
    #[serde(flatten)]
    pub feature: Feature,
    /// What blocks it; absent if it can be picked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<BlockedBy>,
}

/// What keeps a feature from being picked: a path that is held, or dependencies that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedBy {
    /// The engineer who holds the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engineer_id: Option<Uuid>,
    /// The name of that engineer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engineer_name: Option<String>,
    /// The feature that the path is held for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_slug: Option<String>,
    /// The session that holds the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// The agent of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The path as its holder claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// When it is released if the session shows no further sign of life: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// The slugs of dependencies that are open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// A feature that pick-next could not take: an item of `details.blocked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The slug of the feature.
    pub feature_slug: String,
    /// What blocks it.
    pub blocked_by: BlockedBy,
}

/// Body of `POST …/features`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateFeature {
    /// The short name: 1 to 100 of `a-z`, `0-9`, `-`.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[a-z0-9-]+$")]
    pub slug: String,
    /// The title: 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub title: String,
    /// The specification: at least 1 character.
    #[schema(min_length = 1)]
    pub spec: String,
    /// The lane; `next` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// The position in the lane; its end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295u64)]
    pub priority: Option<u32>,
    /// Paths that the holder will change.
    #[serde(default)]
    #[schema(value_type = Vec<PathPattern>, max_items = 10000)]
    pub touches: Vec<String>,
    /// Paths that the holder will only read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<PathPattern>, max_items = 10000)]
    pub reads: Vec<String>,
    /// The slugs of features that must be done or cancelled first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<SlugText>, max_items = 100)]
    pub depends_on: Vec<String>,
}

/// Body of `PATCH …/features/{slug}`. Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateFeature {
    /// The title: 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub title: Option<String>,
    /// The specification: at least 1 character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub spec: Option<String>,
    /// The lane to move it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// The position in the lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295u64)]
    pub priority: Option<u32>,
    /// All paths that the holder will change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub touches: Option<Vec<String>>,
    /// All paths that the holder will only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub reads: Option<Vec<String>>,
    /// The slugs of all dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SlugText>>, max_items = 100)]
    pub depends_on: Option<Vec<String>>,
}

/// Body of `POST …/features/pick-next`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PickNext {
    /// The lanes to pick from; all of them, `now` first, when absent or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 4)]
    pub lanes: Option<Vec<Lane>>,
}

/// Answer of `DELETE …/features/:slug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// Always true. A failure has an error as its answer.
    pub deleted: bool,
}
