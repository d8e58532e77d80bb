//! Sessions and the overall picture on the wire.

use crate::{Moment, claim::Claim, engineer::Engineer, feature::Feature};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Whether a session is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Within its lease.
    Active,
    /// Silent; keeps its claims until its grace is over.
    Disconnected,
}

/// About the place a client runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Checked-out branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub git_branch: Option<String>,
    /// Folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub working_dir: Option<String>,
    /// Version of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub client_version: Option<String>,
}

/// One run of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Identity.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Whose.
    pub engineer_id: Uuid,
    /// On what.
    pub feature_id: Option<Uuid>,
    /// Alive or not.
    pub status: SessionStatus,
    /// The last sign of life.
    pub last_heartbeat: Moment,
    /// About its client.
    pub metadata: Metadata,
    /// Start.
    pub created_at: Moment,
    /// Which agent; none for the engineer's default session.
    pub agent: Option<String>,
    /// End of its lease, or of its grace: an estimate.
    pub expires_at: Moment,
}

/// A session and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionOf {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub engineer: Engineer,
}

/// Body of `POST …/sessions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartSession {
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub feature_id: Option<Uuid>,
    /// About the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Which agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub agent: Option<String>,
}

/// An answer that only says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ok {
    /// Always true.
    pub ok: bool,
}

/// A session with all of it at hand, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Working {
    /// The fields of the session.
    #[serde(flatten)]
    pub fields: Session,
    /// The same as one object, as `…/sessions/active` has it.
    pub session: Session,
    /// Whose it is.
    pub engineer: Engineer,
}

impl From<SessionOf> for Working {
    fn from(SessionOf { session, engineer }: SessionOf) -> Self {
        Self { fields: session.clone(), session, engineer }
    }
}

/// Answer of `GET …/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectStatus {
    /// What is worked on.
    pub active_features: Vec<Feature>,
    /// What is held: at most 10,000 claims.
    pub claims: Vec<Claim>,
    /// How many claims there are.
    #[serde(default)]
    pub claims_total: u64,
    /// Who works.
    pub sessions: Vec<Working>,
    /// What waits to be taken up again.
    pub interrupted: Vec<Feature>,
}
