//! The envelopes of answers.

use crate::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Data<T> {
    /// The requested data.
    pub data: T,
}

/// A failed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The error: its code, its message and its details.
    pub error: ErrorBody,
}

/// The body of a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The stable code, for programs.
    pub code: Code,
    /// The message, for people: what happened, to what, and what to do next.
    pub message: String,
    /// Details for programs. Their form depends on the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The id of the request, which finds it in the logs.
    pub request_id: String,
}

/// The kind of what does not exist: `details.resource` of a `NOT_FOUND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingResource {
    /// An engineer of the cluster.
    Engineer,
    /// An API key.
    ApiKey,
    /// A project of the cluster.
    Project,
    /// A member of a project.
    Member,
    /// A feature of a project.
    Feature,
    /// A session of an engineer.
    Session,
    /// A node of the cluster.
    Node,
    /// A decision about a project.
    Decision,
    /// A kind that a newer server knows.
    #[serde(other)]
    Unknown,
}

/// Whether a write that failed for want of a quorum may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The write was not applied, and can be sent again.
    NotApplied,
    /// The write may have been applied. It can be sent again with the same `Idempotency-Key`.
    Unknown,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, in the list's own order.
    pub items: Vec<T>,
    /// The opaque cursor of the next page; null on the last one.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}
