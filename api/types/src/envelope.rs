//! What every answer is wrapped in.

use crate::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Data<T> {
    /// What was asked for.
    pub data: T,
}

/// A success with a word about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted<T> {
    /// What was asked for.
    pub data: T,
    /// For people.
    pub message: String,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For programs.
    pub code: Code,
    /// For people: what happened, to what, and what to do next.
    pub message: String,
    /// More for programs; its form depends on the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Finds the request in the logs.
    pub request_id: String,
}

/// Whether a write that failed for want of a quorum may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Safe to send again.
    NotApplied,
    /// Send again with the same `Idempotency-Key`.
    Unknown,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// In the list's own order.
    pub items: Vec<T>,
    /// Gives the next page; opaque.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}
