//! Parses the ids and slugs in the path of a request.

use crate::failure::ApiError;
use nexus_domain::{EngineerId, ProjectId, Refusal, refusal::EntityKind, short_text::Slug};
use uuid::Uuid;

/// Parses a project id in a path.
pub(super) fn project_id(text: &str) -> Result<ProjectId, ApiError> {
    text.parse::<Uuid>().map(ProjectId).map_err(|_| ApiError::field("projectId", "must be a UUID"))
}

/// Parses an engineer's id in a path.
pub(super) fn engineer_id(text: &str) -> Result<EngineerId, ApiError> {
    text.parse::<Uuid>().map(EngineerId).map_err(|_| ApiError::field("engineerId", "must be a UUID"))
}

/// Parses a feature's slug in a path. There is no feature with an invalid slug.
pub(super) fn feature_slug(text: &str) -> Result<Slug, ApiError> {
    Slug::parse(text).map_err(|_| no_feature(text))
}

/// The error for a feature that does not exist.
pub(super) fn no_feature(slug: &str) -> ApiError {
    /// Characters of a slug that an answer repeats.
    const REPEATED: usize = 100;
    let name = slug.chars().take(REPEATED).collect();
    Refusal::NotFound { kind: EntityKind::Feature, name }.into()
}
