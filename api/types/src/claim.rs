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
    /// Held by one session alone.
    #[default]
    Exclusive,
    /// Held together with other readers.
    Shared,
}

/// A path that a session holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The file, folder or glob.
    pub file_path: String,
    /// The project of the path.
    pub project_id: Uuid,
    /// The engineer whose session holds it.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    pub engineer_name: String,
    /// The feature it is held for; none for a claim made while working.
    pub feature_id: Option<Uuid>,
    /// When it was claimed.
    pub claimed_at: Moment,
    /// When it is released if the session shows no further sign of life: an estimate.
    pub expires_at: Moment,
    /// The session that holds it.
    pub session_id: Uuid,
    /// The agent of the session.
    pub agent: Option<String>,
    /// Whether it is held alone or shared.
    pub mode: Mode,
    /// The log index of the entry that acquired it.
    pub fence: u64,
}

/// The holder of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedBy {
    /// The engineer whose session holds the path.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    pub engineer_name: String,
    /// The session that holds the path.
    pub session_id: Uuid,
    /// The agent of the session.
    pub agent: Option<String>,
    /// The feature that the path is held for.
    pub feature_id: Option<Uuid>,
    /// The slug of that feature.
    pub feature_slug: Option<String>,
    /// When the path was claimed.
    pub claimed_at: Moment,
    /// When it is released if the session shows no further sign of life: an estimate.
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
    /// The holder of the path.
    pub claimed_by: ClaimedBy,
    /// True when the paths may not collide after all: their wildcards are too complex to decide that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// Answer of `POST …/claims/refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// Paths that are held, with a renewed lease.
    pub refreshed: Vec<String>,
    /// Paths of the request that are not held.
    pub not_owned: Vec<String>,
}

/// Body of `POST …/claims`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimPaths {
    /// Files, folders or globs: all of them or none.
    #[schema(value_type = Vec<PathPattern>, min_items = 1, max_items = 10000)]
    pub paths: Vec<String>,
    /// How to hold them; `exclusive` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// An active feature of the same session, which they are held for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub feature_id: Option<Uuid>,
}

/// Answer of `POST …/claims`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claimed {
    /// The claims on the requested paths, including those that were held before.
    pub claims: Vec<Claim>,
}

/// Body of `POST …/claims/refresh`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RefreshClaims {
    /// The paths to look for; all that are held when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub paths: Option<Vec<String>>,
}

/// Body of `DELETE …/claims`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleasePaths {
    /// The paths as they were claimed; all that were claimed while working when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PathPattern>>, max_items = 10000)]
    pub paths: Option<Vec<String>>,
}

/// Body of `POST …/claims/force-release`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceRelease {
    /// The paths as they were claimed.
    #[schema(value_type = Vec<PathPattern>, min_items = 1, max_items = 10000)]
    pub paths: Vec<String>,
    /// Why they are taken away, for the record.
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
    /// The released paths; a retry may list the first of them only.
    pub released: Vec<String>,
    /// The number of released paths.
    pub count: u64,
}

/// Body of `POST …/claims/check`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPaths {
    /// The paths that the caller is about to change.
    #[schema(value_type = Vec<PathPattern>, min_items = 1, max_items = 10000)]
    pub paths: Vec<String>,
    /// The fence under which the caller changes them. A newer holder of one of them is the error `STALE_FENCE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

/// Who holds a path, from the view of the caller.
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

/// A path of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedPath {
    /// The path of the request, normalised.
    pub path: String,
    /// Who holds it.
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
