//! File claims on the wire.

use crate::Moment;
use crate::text::PathPattern;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How a path is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By one session alone.
    #[default]
    Exclusive,
    /// Together with other readers.
    Shared,
}

/// A path that a session holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// File, folder or glob.
    pub file_path: String,
    /// Project.
    pub project_id: Uuid,
    /// Whose session.
    pub engineer_id: Uuid,
    /// Their name.
    pub engineer_name: String,
    /// For what; none for a claim made while working.
    pub feature_id: Option<Uuid>,
    /// Since when.
    pub claimed_at: Moment,
    /// When it is released if nothing more is heard of its session: an estimate.
    pub expires_at: Moment,
    /// The session that holds it.
    pub session_id: Uuid,
    /// The session's agent.
    pub agent: Option<String>,
    /// Alone or shared.
    pub mode: Mode,
    /// Log index of the acquiring entry.
    pub fence: u64,
}

/// Who is in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedBy {
    /// Whose session.
    pub engineer_id: Uuid,
    /// Their name.
    pub engineer_name: String,
    /// The session.
    pub session_id: Uuid,
    /// Its agent.
    pub agent: Option<String>,
    /// For what.
    pub feature_id: Option<Uuid>,
    /// Its slug.
    pub feature_slug: Option<String>,
    /// Since when.
    pub claimed_at: Moment,
    /// When it is released if nothing more is heard of its session: an estimate.
    pub expires_at: Moment,
}

/// One path that somebody else holds: an item of `details.conflicts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The path as its holder claimed it.
    pub file_path: String,
    /// The path that was wanted.
    pub wanted_path: String,
    /// Who holds it.
    pub claimed_by: ClaimedBy,
    /// True when the two only may collide: their wildcards are too complex to tell them apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// Answer of `POST …/claims/refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// Held, with a fresh lease.
    pub refreshed: Vec<String>,
    /// Asked about, but not held.
    pub not_owned: Vec<String>,
}

/// Body of `POST …/claims`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimPaths {
    /// Files, folders or globs: all of them or none.
    #[schema(value_type = Vec<PathPattern>, min_items = 1, max_items = 10000)]
    pub paths: Vec<String>,
    /// Alone or shared; alone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// For what: an active feature of the same session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub feature_id: Option<Uuid>,
}

/// Answer of `POST …/claims`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claimed {
    /// The claims on the paths that were asked for, those that were held before included.
    pub claims: Vec<Claim>,
}

/// Body of `POST …/claims/refresh`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RefreshClaims {
    /// Asked about; all that are held when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub paths: Option<Vec<String>>,
}

/// Body of `DELETE …/claims`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleasePaths {
    /// As they were claimed; all that were claimed while working when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub paths: Option<Vec<String>>,
}

/// Body of `POST …/claims/force-release`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceRelease {
    /// As they were claimed.
    #[schema(value_type = Vec<PathPattern>, min_items = 1, max_items = 10000)]
    pub paths: Vec<String>,
    /// Why: for the record.
    #[schema(
        min_length = 1,
        max_length = 2048,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    pub reason: String,
}

/// Answer of `DELETE …/claims` and of `POST …/claims/force-release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The claims that are free now; a retry may be told of the first of them only.
    pub released: Vec<String>,
    /// How many they are.
    pub count: u64,
}

/// Body of `POST …/claims/check`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPaths {
    /// Paths about to be changed.
    #[schema(value_type = Vec<PathPattern>, min_items = 1, max_items = 10000)]
    pub paths: Vec<String>,
    /// The fence under which they are changed: a newer holder of one of them gives `STALE_FENCE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

/// Whose a path is, for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Held by the session that asks; without one, by a session of the engineer who asks.
    Mine,
    /// Held by nobody.
    Free,
    /// Held by somebody else.
    Held,
}

/// A path that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedPath {
    /// As it was asked for, normalised.
    pub path: String,
    /// Whose it is.
    pub standing: Standing,
    /// The claims that collide with it: at most 100 in one answer.
    pub claims: Vec<Claim>,
}

/// Answer of `POST …/claims/check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Whether nobody else holds any of the paths.
    pub ok: bool,
    /// Each path, in the order of the question.
    pub paths: Vec<CheckedPath>,
}
