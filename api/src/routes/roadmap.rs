//! `/projects/{id}/roadmap`: the order of features in their lanes.

use super::features;
use crate::{
    api::Api,
    cluster::SharedView,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    streamed_json::StreamedJson,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    feature::{self as wire, Feature},
    roadmap::{CheckedMoveFeature, MoveFeature, Reorder, Roadmap},
};
use nexus_domain::{OutOfBudget, ProjectId, WorkBudget, command, decide::STEPS_OF_FEATURE, entity::Lane};

pub(super) fn routes() -> Routes {
    let shown = Operation::read("Show the roadmap");
    let reordered = Operation::write("Put features at the head of their lanes")
        .about("All of them are moved and numbered from 1, or none. The other features of the lane follow.")
        .body::<Reorder>();
    let moved = Operation::write("Move a feature to a lane");
    Routes::new()
        .get("/projects/{project}/roadmap", show, shown.answers::<Roadmap>(200).command("roadmap"))
        .patch(
            "/projects/{project}/roadmap/reorder",
            reorder,
            reordered.answers::<Roadmap>(200).command("roadmap reorder LANE SLUG"),
        )
        .patch(
            "/projects/{project}/roadmap/{slug}/lane",
            put,
            moved.body::<MoveFeature>().answers::<Feature>(200).command("roadmap move SLUG --lane LANE"),
        )
}

async fn show(State(api): State<Api>, Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let view = read.view().clone();
    let json =
        api.long_reads.compute(read.caller.engineer, move |work| roadmap(&view, project, work)).await?;
    read.answer_streamed(&api, json).await
}

/// The whole roadmap with every lane, as a [`Roadmap`].
fn roadmap(view: &SharedView, project: ProjectId, work: &mut WorkBudget) -> Result<StreamedJson, ApiError> {
    let mut json =
        StreamedJson::default().text(r#"{"data":{"projectId":"#).value(&project.0).text(r#","lanes":["#);
    for (at, lane) in Lane::ALL.into_iter().enumerate() {
        let before = if at == 0 { r#"{"lane":"# } else { r#",{"lane":"# };
        json = json.text(before).value(&wire::Lane::from(lane)).text(r#","features":"#);
        let mut features = Vec::new();
        for feature in view.state().features_in_lane(project, lane) {
            work.charge(STEPS_OF_FEATURE).map_err(|OutOfBudget| features::too_many_features())?;
            features.push(feature);
        }
        json = json.features(features).text("}");
    }
    Ok(json.text("]}}"))
}

async fn reorder(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let fields = write.incoming.fields()?;
    if fields.is_empty() {
        return Err(ApiError::field("body", "must name a lane, as in {\"now\": [\"a-feature\"]}"));
    }
    let named = fields.checked::<Reorder>()?;
    let mut lanes = Vec::new();
    for (lane, named) in named {
        let mut slugs = Vec::with_capacity(named.len());
        for text in named {
            slugs.push(write.feature_slug(&api, project, &text).await?);
        }
        lanes.push((lane, slugs));
    }
    let done = write.propose(&api, command::ReorderRoadmap { project, lanes }.into()).await?;
    let view = done.view.clone();
    let json =
        api.long_reads.compute(write.caller.engineer, move |work| roadmap(&view, project, work)).await?;
    let mut response = json.answer(api.cluster.clone(), api.background.handle()).await?;
    done.stamp(response.headers_mut());
    Ok(response)
}

async fn put(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    let CheckedMoveFeature { lane, priority } = write.body::<MoveFeature>()?;
    let priority = priority.map(|priority| priority.0);
    let done = write.propose(&api, command::MoveFeature { project, slug, lane, priority }.into()).await?;
    features::answer(done, StatusCode::OK).await
}
