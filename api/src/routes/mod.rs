//! The routes, with one file per resource. [`service`](crate::service) puts them into the router.

mod auth;
mod backup;
mod checkpoints;
mod claim_check;
mod claims;
mod cluster;
mod decisions;
mod engineers;
mod events;
mod features;
mod health;
mod keys;
mod learnings;
mod projects;
mod roadmap;
mod sessions;
mod settings;
mod socket;
mod work;

pub(crate) use backup::is_backup;
pub(crate) use events::{MAX_WAIT, is_long_poll};
pub(crate) use health::{is_health, monitoring};
pub(crate) use sessions::is_heartbeat;

use crate::{api::Api, failure::ApiError, openapi::Routes};
use axum::Router;
use nexus_domain::{EngineerId, ProjectId, Refusal, refusal::EntityKind, short_text::Slug};
use uuid::Uuid;

/// All routes under `/api` that the OpenAPI document describes.
pub(crate) fn api() -> Routes {
    Routes::new()
        .merge(auth::routes())
        .merge(keys::routes())
        .merge(socket::routes())
        .merge(engineers::routes())
        .merge(projects::routes())
        .merge(features::routes())
        .merge(work::routes())
        .merge(claims::routes())
        .merge(claim_check::routes())
        .merge(sessions::routes())
        .merge(checkpoints::routes())
        .merge(learnings::routes())
        .merge(decisions::routes())
        .merge(roadmap::routes())
        .merge(events::routes())
        .merge(cluster::routes())
        .merge(backup::routes())
        .merge(settings::routes())
        .merge(health::routes())
}

/// The WebSocket route, which is served with and without the prefix `/api`.
pub(crate) fn socket() -> Router<Api> {
    socket::socket()
}

/// The routes that are also served without the prefix `/api`.
pub(crate) fn bare() -> Router<Api> {
    health::routes().into_parts().0.merge(socket::socket())
}

/// Parses a project id in a path.
fn project_id(text: &str) -> Result<ProjectId, ApiError> {
    text.parse::<Uuid>().map(ProjectId).map_err(|_| ApiError::field("projectId", "must be a UUID"))
}

/// Parses an engineer's id in a path.
fn engineer_id(text: &str) -> Result<EngineerId, ApiError> {
    text.parse::<Uuid>().map(EngineerId).map_err(|_| ApiError::field("engineerId", "must be a UUID"))
}

/// Parses a feature's slug in a path. There is no feature with an invalid slug.
fn feature_slug(text: &str) -> Result<Slug, ApiError> {
    Slug::parse(text).map_err(|_| no_feature(text))
}

fn no_feature(slug: &str) -> ApiError {
    /// Characters of a slug that an answer repeats.
    const MAX_SLUG_CHARS: usize = 100;
    let name = slug.chars().take(MAX_SLUG_CHARS).collect();
    Refusal::NotFound { kind: EntityKind::Feature, name }.into()
}
