//! The routes, with one file per resource. [`service`](crate::service) puts them into the router.

mod auth;
mod backup;
mod checkpoints;
mod claim_check;
mod claim_history;
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
pub(crate) use health::{is_health, is_metrics, monitoring, readiness};
pub(crate) use sessions::is_heartbeat;

use crate::{api::Api, openapi::Routes};
use axum::Router;

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
        .merge(claim_history::routes())
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
