//! Sessions and the overall picture on the wire.

use crate::{
    Moment,
    body::{BodyField, FeatureRef, Fields, Problem, Schemas, Unknown, body},
    claim::Claim,
    engineer::Engineer,
    feature::Feature,
    holder::{HolderSession, Lease},
};
use nexus_domain::{
    State,
    entity::{self, SessionMetadata},
    short_text::{AgentName, Label},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, schema::Schema},
};
use uuid::Uuid;

/// The status of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// The session is within its lease.
    Active,
    /// The session was silent for too long. It keeps its claims until its grace period is over.
    Disconnected,
}

/// Information about the client of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The checked-out branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub git_branch: Option<String>,
    /// The working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub working_dir: Option<String>,
    /// The version of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub client_version: Option<String>,
    /// A name that its engineer gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 0, max_length = 2048, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub name: Option<String>,
}

/// A session of one agent or engineer in one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id of the session.
    pub id: Uuid,
    /// The project of the session.
    pub project_id: Uuid,
    /// The engineer of the session.
    pub engineer_id: Uuid,
    /// The feature that it works on.
    pub feature_id: Option<Uuid>,
    /// The status of the session.
    pub status: SessionStatus,
    /// When its lease was last renewed.
    pub last_heartbeat: Moment,
    /// Information about its client.
    pub metadata: Metadata,
    /// When it was started.
    pub created_at: Moment,
    /// The name of the agent; none for the engineer's default session.
    pub agent: Option<String>,
    /// The end of its lease, or of its grace period: an estimate.
    pub expires_at: Moment,
    /// The kind of its lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

impl Session {
    /// Its description where it holds something.
    pub fn holder(&self) -> HolderSession {
        let Metadata { git_branch, working_dir, name, .. } = &self.metadata;
        HolderSession::new(name.as_deref(), working_dir.as_deref(), git_branch.as_deref(), self.lease)
    }

    /// A session of the state.
    pub fn of(state: &State, session: &entity::Session) -> Self {
        let text = |label: &Option<Label>| label.as_ref().map(ToString::to_string);
        Self {
            id: session.id.0,
            project_id: session.project.0,
            engineer_id: session.engineer.0,
            feature_id: session.feature.map(|feature| feature.0),
            status: if session.is_active() { SessionStatus::Active } else { SessionStatus::Disconnected },
            last_heartbeat: session.last_heartbeat.into(),
            metadata: Metadata {
                git_branch: text(&session.metadata.git_branch),
                working_dir: text(&session.metadata.working_dir),
                client_version: text(&session.metadata.client_version),
                name: text(&session.metadata.name),
            },
            created_at: session.created_at.into(),
            agent: session.agent.as_ref().map(ToString::to_string),
            expires_at: state.in_wall_time(session.lease.until()).into(),
            lease: Some(session.heartbeat_mode.into()),
        }
    }
}

/// A session with its engineer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionOf {
    /// The session itself.
    pub session: Session,
    /// The engineer of the session.
    pub engineer: Engineer,
}

impl SessionOf {
    /// A session of the state; none if its engineer is deleted.
    pub fn of(state: &State, session: &entity::Session) -> Option<Self> {
        let engineer = state.engineer(session.engineer)?;
        Some(Self { session: Session::of(state, session), engineer: (&**engineer).into() })
    }
}

impl BodyField for SessionMetadata {
    type Sent = Metadata;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        Fields::read_object(value, |fields| {
            let (git_branch, working_dir) = (fields.read("gitBranch"), fields.read("workingDir"));
            let (client_version, name) = (fields.read("clientVersion"), fields.read("name"));
            Some(Self {
                git_branch: git_branch?,
                working_dir: working_dir?,
                client_version: client_version?,
                name: name?,
            })
        })
    }

    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name(Metadata::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((Metadata::name().into_owned(), <Metadata as PartialSchema>::schema()));
    }
}

body! {
    /// Body of `POST …/sessions`.
    pub struct StartSession => CheckedStartSession, Unknown::Ignored, derive(Default) {
        /// The feature to work on.
        feature_id "featureId": Option<FeatureRef>,
        /// Information about the client.
        metadata: Option<SessionMetadata>,
        /// The name of the agent; the default session of the engineer when absent.
        agent: Option<AgentName>,
    }
}

/// An answer that only says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ok {
    /// Always true. A failure has an error as its answer.
    pub ok: bool,
}

/// A session with its engineer, and its fields at the top level too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Working {
    /// The fields of the session.
    #[serde(flatten)]
    pub fields: Session,
    /// The same fields as one object, as in `…/sessions/active`.
    pub session: Session,
    /// The engineer of the session.
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
    /// The features that are worked on.
    pub active_features: Vec<Feature>,
    /// The claims: at most 10,000 of them.
    pub claims: Vec<Claim>,
    /// The number of all claims.
    #[serde(default)]
    pub claims_total: u64,
    /// The sessions of the project.
    pub sessions: Vec<Working>,
    /// Ready features whose last session was lost.
    pub interrupted: Vec<Feature>,
}
