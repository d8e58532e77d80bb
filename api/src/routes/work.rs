//! `/projects/{id}/features/{slug}/…`: the steps of a feature's life, from ready to done.

use super::{feature_slug, features::answer, project_id};
use crate::{
    api::Api,
    failure::ApiError,
    render,
    write::{Done, Write},
};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use nexus_api_types::feature::Picked;
use nexus_domain::{Command, ProjectId, Reply, entity::Lane, words::Slug};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/projects/{project}/features/pick-next", post(pick_next))
        .route("/projects/{project}/features/{slug}/pick", post(pick))
        .route(
            "/projects/{project}/features/{slug}/ready",
            step(|project, slug| Command::ReadyFeature { project, slug }),
        )
        .route(
            "/projects/{project}/features/{slug}/draft",
            step(|project, slug| Command::DraftFeature { project, slug }),
        )
        .route(
            "/projects/{project}/features/{slug}/release",
            step(|project, slug| Command::ReleaseFeature { project, slug }),
        )
        .route(
            "/projects/{project}/features/{slug}/done",
            step(|project, slug| Command::CompleteFeature { project, slug }),
        )
        .route(
            "/projects/{project}/features/{slug}/cancel",
            step(|project, slug| Command::CancelFeature { project, slug }),
        )
}

/// A step that takes nothing but the feature's name and answers with the feature.
fn step(command: fn(ProjectId, Slug) -> Command) -> axum::routing::MethodRouter<Api> {
    post(
        move |State(api): State<Api>, Path((project, slug)): Path<(String, String)>, write: Write| async move {
            let command = command(project_id(&project)?, feature_slug(&slug)?);
            let done = write.propose(&api, command).await?;
            answer(&api, done, StatusCode::OK).await
        },
    )
}

async fn pick(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let (project, slug) = (project_id(&project)?, feature_slug(&slug)?);
    let done = write.propose(&api, Command::PickFeature { project, slug }).await?;
    picked(&api, done).await
}

async fn pick_next(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let mut fields = write.fields()?;
    let lanes = fields.list("lanes", Lane::ALL.len(), render::lane_from).unwrap_or_default();
    fields.finish()?;
    let done = write.propose(&api, Command::PickNext { project, lanes }).await?;
    picked(&api, done).await
}

async fn picked(api: &Api, done: Done) -> Result<Response, ApiError> {
    let Reply::Picked { feature, session } = &done.reply else { return Err(done.unexpected()) };
    let documents = api.documents(&done.view, render::spec_keys([feature])).await?;
    let spec = render::specs(documents).next().unwrap_or_default();
    let claims = render::claims_of_feature(done.view.state(), session, feature);
    Ok(done.answer(StatusCode::OK, Picked { feature: render::feature(feature, spec), claims }))
}
