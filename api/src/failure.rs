//! Errors as HTTP: the only module that turns refusals and failures into answers.

use crate::cluster::{OperationError, Unavailable};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nexus_api_types::{
    Code,
    body::Problems,
    claim::Conflict,
    envelope::{MissingResource, Outcome},
    feature::Blocked,
    holder::HolderSession,
};
use nexus_domain::{
    Refusal, Revision,
    refusal::{EntityKind, HolderNote, KeyResetRefusal},
};
use serde_json::{Value, json};

/// `Retry-After` in seconds when there is no quorum: an election takes less.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An error answer. The request id is added when the response leaves.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The stable code, for programs.
    pub code: Code,
    /// The message, for people.
    pub message: String,
    /// Details for programs; their form depends on the code.
    pub details: Option<Value>,
    /// Seconds to wait before a retry.
    pub retry_after: Option<u32>,
    /// The log index that the answer reflects.
    pub revision: Option<Revision>,
}

impl ApiError {
    /// An error with a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None, revision: None }
    }

    /// The error for a field of the request that breaks a rule.
    pub fn field(field: &str, problem: impl std::fmt::Display) -> Self {
        Problems::of(field, problem).into()
    }

    /// The error for something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// The error for a defect, which is logged and not shown to the client.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "internal error");
        Self::new(
            Code::InternalError,
            "something went wrong on this node; its log says what, under this requestId",
        )
    }

    /// The same error, reflecting a revision.
    pub fn at(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }
}

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        let details = Some(problems.details());
        Self { details, ..Self::new(Code::ValidationError, problems.to_string()) }
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        let (outcome, message) = match unavailable {
            Unavailable::NotApplied(message) => (Outcome::NotApplied, message),
            Unavailable::Unknown(message) => (Outcome::Unknown, message),
        };
        Self {
            details: Some(json!({ "outcome": outcome })),
            retry_after: Some(RETRY_AFTER_SECONDS),
            ..Self::new(Code::ServiceUnavailable, message)
        }
    }
}

impl From<OperationError> for ApiError {
    fn from(error: OperationError) -> Self {
        match error {
            // The same as what is kept for retries of the operation.
            OperationError::Refused(why) => Refusal::Cluster(why).into(),
            OperationError::UnknownNode(node) => {
                Refusal::NotFound { kind: EntityKind::Node, name: node.to_string() }.into()
            }
            OperationError::BadToken => Self::new(Code::Forbidden, error.to_string()),
            OperationError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let (code, details) = match &refusal {
            Refusal::KeyRevoked => (Code::InvalidApiKey, None),
            Refusal::TicketInvalid => (Code::Unauthorized, None),
            Refusal::RoleTooLow { .. } | Refusal::MemberRoleTooLow { .. } => (Code::InsufficientRole, None),
            Refusal::NotProjectMember => (Code::NotProjectMember, None),
            Refusal::KeyOutOfScope
            | Refusal::KeyReadonly
            | Refusal::RegistrationClosed(_)
            | Refusal::JoinTokenInvalid
            | Refusal::ForeignSession(_) => (Code::Forbidden, None),
            Refusal::NotFound { kind, .. } => (Code::NotFound, Some(json!({ "resource": missing(*kind) }))),
            Refusal::EmailTaken(_) => (Code::AlreadyExists, Some(json!({ "field": "email" }))),
            Refusal::SlugTaken { .. } => (Code::AlreadyExists, Some(json!({ "field": "slug" }))),
            Refusal::SlugReserved(_) => (Code::ValidationError, Some(json!({ "slug": [message.clone()] }))),
            Refusal::MemberExists => (Code::AlreadyExists, Some(json!({ "field": "engineerId" }))),
            Refusal::KeyPrefixTaken => (Code::AlreadyExists, None),
            Refusal::InvalidTransition { from, to, .. } => {
                (Code::InvalidStatusTransition, Some(json!({ "from": from, "to": to })))
            }
            Refusal::NotADraft { status, .. } => {
                (Code::InvalidStatusTransition, Some(json!({ "from": status, "to": "deleted" })))
            }
            Refusal::NotFinished { status, .. } => {
                (Code::InvalidStatusTransition, Some(json!({ "from": status, "to": "deleted" })))
            }
            Refusal::QuotaExceeded { owner, resource, used, more, quota } => {
                let setting = format!("quota.{}.{resource}", owner.kind());
                let details = json!({ "setting": setting, "used": used, "more": more, "quota": quota });
                (Code::ValidationError, Some(json!({ "quota": details })))
            }
            Refusal::NotActive { status, .. } => {
                (Code::InvalidStatusTransition, Some(json!({ "from": status })))
            }
            Refusal::DependenciesOpen { open, .. } => {
                (Code::InvalidStatusTransition, Some(json!({ "dependsOn": open })))
            }
            Refusal::DependencyCycle { .. } => {
                (Code::ValidationError, Some(json!({ "dependsOn": [message.clone()] })))
            }
            Refusal::FeatureClaimed { by, .. } => {
                (Code::FeatureAlreadyClaimed, Some(json!({ "holder": holder(by) })))
            }
            Refusal::NotHolder { by, .. } => (Code::ValidationError, Some(json!({ "holder": holder(by) }))),
            Refusal::FilesClaimed { conflicts } => {
                let conflicts: Vec<Conflict> = conflicts.iter().map(Into::into).collect();
                (Code::FileAlreadyClaimed, Some(json!({ "conflicts": conflicts })))
            }
            Refusal::NothingAvailable { blocked } => {
                let blocked: Vec<Blocked> = blocked.iter().map(Into::into).collect();
                (Code::NotFound, Some(json!({ "blocked": blocked })))
            }
            Refusal::TooMany { what, .. } => {
                (Code::ValidationError, Some(json!({ what: [message.clone()] })))
            }
            Refusal::SettingOutOfRange { setting, problem } => {
                (Code::ValidationError, Some(json!({ setting: [problem] })))
            }
            Refusal::NamedTwice(slug) => {
                (Code::ValidationError, Some(json!({ slug.as_str(): [message.clone()] })))
            }
            Refusal::KeyReset(KeyResetRefusal::OwnKey) => (Code::ValidationError, None),
            Refusal::KeyReset(
                KeyResetRefusal::LeadWithoutProject
                | KeyResetRefusal::AdminsKey
                | KeyResetRefusal::LeadKeepsOthers,
            ) => (Code::InsufficientRole, None),
            Refusal::IdempotencyKeyReused => (Code::IdempotencyKeyReused, None),
            // Nodes retry this themselves.
            Refusal::Superseded => (Code::ServiceUnavailable, None),
            Refusal::Cluster(_) => (Code::ValidationError, Some(json!({ "cluster": [message.clone()] }))),
            Refusal::TooMuchWork { .. } => (Code::ValidationError, None),
        };
        Self { details, ..Self::new(code, message) }
    }
}

const fn missing(kind: EntityKind) -> MissingResource {
    match kind {
        EntityKind::Engineer => MissingResource::Engineer,
        EntityKind::Key => MissingResource::ApiKey,
        EntityKind::Project => MissingResource::Project,
        EntityKind::Member => MissingResource::Member,
        EntityKind::Feature => MissingResource::Feature,
        EntityKind::Session => MissingResource::Session,
        EntityKind::Node => MissingResource::Node,
        EntityKind::Decision => MissingResource::Decision,
    }
}

/// The holder of a feature, for an error.
fn holder(note: &HolderNote) -> Value {
    let session: HolderSession = note.session.as_deref().map(Into::into).unwrap_or_default();
    let mut holder = json!({
        "engineerId": note.holder.engineer.0,
        "engineerName": note.engineer_name.as_str(),
        "sessionId": note.holder.session.0,
        "agent": note.holder.agent.as_ref().map(ToString::to_string),
    });
    if let (Some(holder), Value::Object(more)) = (holder.as_object_mut(), json!(session)) {
        holder.extend(more);
    }
    holder
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The body is written when the response leaves, where the request id is known.
        response.extensions_mut().insert(self);
        response
    }
}
