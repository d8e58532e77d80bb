//! `/projects/{id}/features/{slug}/…`: the status changes of a feature, from ready to done.

use super::features::answer;
use crate::{
    api::Api,
    documents,
    failure::ApiError,
    openapi::{Operation, Routes},
    write::{Done, Write},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use futures::future::{BoxFuture, FutureExt};
use nexus_api_types::{
    claim::Claim,
    feature::{Feature, PickNext, Picked},
};
use nexus_domain::{Command, ProjectId, Reply, command, short_text::Slug};

pub(super) fn routes() -> Routes {
    let picked = |summary| {
        Operation::write(summary)
            .about("Claims every path in `touches` exclusively and every path in `reads` shared, or none of them.")
            .answers::<Picked>(200)
    };
    let next = picked("Pick the best feature that is free").optional_body::<PickNext>();
    let of_feature = |summary| Operation::write(summary).answers::<Feature>(200);
    Routes::new()
        .post("/projects/{project}/features/pick-next", pick_next, next.command("next"))
        .post(
            "/projects/{project}/features/{slug}/pick",
            pick,
            picked("Pick a feature").command("feature pick SLUG"),
        )
        .post(
            "/projects/{project}/features/{slug}/ready",
            step(|project, slug| command::ReadyFeature { project, slug }.into()),
            of_feature("Make a draft ready to be picked").command("feature ready SLUG"),
        )
        .post(
            "/projects/{project}/features/{slug}/draft",
            draft,
            of_feature("Make a ready feature a draft again").command("feature draft SLUG"),
        )
        .post(
            "/projects/{project}/features/{slug}/release",
            step(|project, slug| command::ReleaseFeature { project, slug }.into()),
            of_feature("Release a feature, unfinished").command("feature release SLUG"),
        )
        .post(
            "/projects/{project}/features/{slug}/done",
            step(|project, slug| command::CompleteFeature { project, slug }.into()),
            of_feature("Finish a feature").command("feature done SLUG"),
        )
        .post(
            "/projects/{project}/features/{slug}/cancel",
            step(|project, slug| command::CancelFeature { project, slug }.into()),
            of_feature("Cancel a feature").command("feature cancel SLUG"),
        )
}

type Answering = BoxFuture<'static, Result<Response, ApiError>>;

/// A handler for a step that needs only the feature's slug and answers with the feature.
fn step(
    command: fn(ProjectId, Slug) -> Command,
) -> impl Fn(State<Api>, Path<(String, String)>, Write) -> Answering + Clone {
    move |State(api), Path((project, slug)), write| {
        async move {
            let project = write.project_id(&api, &project).await?;
            let slug = write.feature_slug(&api, project, &slug).await?;
            let done = write.propose(&api, command(project, slug)).await?;
            answer(done, StatusCode::OK).await
        }
        .boxed()
    }
}

/// Makes a ready feature a draft again. Old clients do not use this route, so unknown fields are refused.
async fn draft(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    answer(write.propose(&api, command::DraftFeature { project, slug }.into()).await?, StatusCode::OK).await
}

async fn pick(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    let done = write.propose(&api, command::PickFeature { project, slug }.into()).await?;
    picked(done).await
}

async fn pick_next(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let lanes = write.body::<PickNext>()?.lanes.unwrap_or_default();
    let done = write.propose(&api, command::PickNext { project, lanes }.into()).await?;
    picked(done).await
}

async fn picked(done: Done) -> Result<Response, ApiError> {
    let Reply::Picked { feature, session } = &done.reply else { return Err(done.unexpected()) };
    let spec = documents::spec(&done.view, feature).await?;
    let claims = Claim::all_of(done.view.state(), session, feature);
    Ok(done.answer(StatusCode::OK, Picked { feature: Feature::of(feature, spec), claims }))
}
