//! File claims on the wire.

use crate::Moment;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a path is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By one session alone.
    #[default]
    Exclusive,
    /// Together with other readers.
    Shared,
}

/// A path that a session holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The path as its holder claimed it.
    pub file_path: String,
    /// The path that was wanted.
    pub wanted_path: String,
    /// Who holds it.
    pub claimed_by: ClaimedBy,
}

/// Answer of `POST …/claims/refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// Held, with a fresh lease.
    pub refreshed: Vec<String>,
    /// Asked about, but not held.
    pub not_owned: Vec<String>,
}
