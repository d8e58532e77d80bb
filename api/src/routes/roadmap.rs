//! `/projects/{id}/roadmap`: which features come first.

use super::{feature_slug, features, project_id};
use crate::{
    api::Api,
    cluster::SharedView,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    render,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    feature::Feature,
    roadmap::{MoveFeature, Reorder, Roadmap, RoadmapLane},
};
use nexus_domain::{Command, ProjectId, decide::MAX_MOVED, entity::Lane};

pub(super) fn routes() -> Routes {
    let shown = Operation::read("Show what comes first");
    let reordered = Operation::write("Put features at the head of their lanes")
        .about("Moves and numbers them from 1, whole or not at all; the others of the lane follow.")
        .body::<Reorder>();
    let moved = Operation::write("Move a feature to a lane");
    Routes::new()
        .get("/projects/{project}/roadmap", show, shown.answers::<Roadmap>(200))
        .patch("/projects/{project}/roadmap/reorder", reorder, reordered.answers::<Roadmap>(200))
        .patch(
            "/projects/{project}/roadmap/{slug}/lane",
            put,
            moved.body::<MoveFeature>().answers::<Feature>(200),
        )
}

async fn show(State(api): State<Api>, Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    read.project(project)?;
    let roadmap = roadmap(&api, read.view(), project).await?;
    Ok(read.answer(roadmap))
}

/// The whole roadmap, every lane of it.
async fn roadmap(api: &Api, view: &SharedView, project: ProjectId) -> Result<Roadmap, ApiError> {
    let state = view.state();
    let keys = render::spec_keys(state.features_after(project, None));
    let mut specs = render::specs(api.documents(view, keys).await?);
    let lanes = Lane::ALL.map(|lane| RoadmapLane {
        lane: render::lane(lane),
        features: state
            .features_in_lane(project, lane)
            .map(|feature| render::feature(feature, specs.next().unwrap_or_default()))
            .collect(),
    });
    Ok(Roadmap { project_id: project.0, lanes: lanes.into() })
}

async fn reorder(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let mut fields = write.fields()?;
    if fields.is_empty() {
        return Err(ApiError::field("body", "must name a lane, as in {\"now\": [\"a-feature\"]}"));
    }
    let mut named = Vec::new();
    for lane in Lane::ALL {
        let slugs = fields.list(lane.name(), MAX_MOVED, |slug| Ok::<_, &str>(slug.to_owned()));
        named.extend(slugs.map(|slugs| (lane, slugs)));
    }
    fields.no_others("is no lane; lanes are now, next, later and icebox");
    fields.finish()?;
    let lanes = named.into_iter().map(|(lane, slugs)| {
        let slugs = slugs.iter().map(|slug| feature_slug(slug)).collect::<Result<Vec<_>, _>>()?;
        Ok((lane, slugs))
    });
    let lanes = lanes.collect::<Result<Vec<_>, ApiError>>()?;
    let done = write.propose(&api, Command::ReorderRoadmap { project, lanes }).await?;
    let roadmap = roadmap(&api, &done.view, project).await?;
    Ok(done.answer(StatusCode::OK, roadmap))
}

async fn put(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let slug = feature_slug(&slug)?;
    let mut fields = write.fields()?;
    let lane = fields.required_text("lane", render::lane_from);
    let priority = fields.number("priority", 1..=u64::from(u32::MAX));
    fields.finish()?;
    let Some(lane) = lane else { return Err(ApiError::internal(&"fields passed")) };
    let priority = priority.and_then(|priority| u32::try_from(priority).ok());
    let done = write.propose(&api, Command::MoveFeature { project, slug, lane, priority }).await?;
    features::answer(&api, done, StatusCode::OK).await
}
