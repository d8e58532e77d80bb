//! `/projects/{id}/features`: creates, lists, changes and deletes features.

use crate::{
    api::Api,
    auth::Caller,
    brief,
    cluster::SharedView,
    documents,
    failure::ApiError,
    openapi::{Operation, Parameter, Routes},
    page,
    read::Read,
    streamed_json::StreamedJson,
    write::{Done, Write},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    Code, Data,
    body::TextField,
    feature::{self as wire, Available, BlockedBy, CreateFeature, Deleted, UpdateFeature},
};
use nexus_domain::{
    FeatureId, OutOfBudget, ProjectId, Reply, WorkBudget,
    command::{self, FeaturePatch, NewFeature},
    decide::{STEPS_OF_FEATURE, blocker},
    entity::{Feature, Lane},
};
use std::collections::HashMap;

const STATUSES: [&str; 5] = ["draft", "ready", "active", "done", "cancelled"];

pub(super) fn routes() -> Routes {
    let listed = Operation::read("List features")
        .about("They are ordered by lane, now first; then by priority; then newest first. A page of long specs is shorter.")
        .query(Parameter::word("status", "Only features at this stage.", &STATUSES))
        .query(Parameter::word("lane", "Only features in this lane.", &Lane::ALL.map(Lane::name)))
        .answers_page::<wire::Feature>();
    let free = Operation::read("List ready features")
        .about("Features that can be picked now come first. The others say what blocks them.");
    let changed = Operation::write("Change a feature")
        .about("New paths of an active feature are claimed in the same step, or nothing changes.")
        .optional_body::<UpdateFeature>();
    let dropped = Operation::write("Delete a draft");
    let finished = Operation::write("Delete a finished feature").about(
        "Deletes a done or cancelled feature with its spec, learnings and checkpoints. Its author and leads may do it. \
         Decisions stay, and past events stay until they expire.",
    );
    const ONE: &str = "/projects/{project}/features/{slug}";
    Routes::new()
        .get("/projects/{project}/features", list, listed.command("feature list"))
        .post(
            "/projects/{project}/features",
            create,
            Operation::write("Create a draft")
                .body::<CreateFeature>()
                .answers::<wire::Feature>(201)
                .command("feature create -s SLUG -t TITLE --touches PATH"),
        )
        .get(
            "/projects/{project}/features/available",
            available,
            free.answers_list::<Available>().command("feature available"),
        )
        .get(
            ONE,
            show,
            Operation::read("Show a feature").answers::<wire::Feature>(200).command("feature show SLUG"),
        )
        .patch(ONE, update, changed.answers::<wire::Feature>(200).command("feature edit SLUG"))
        .delete(ONE, delete, dropped.answers::<Deleted>(200).command("feature delete SLUG"))
        .delete(
            "/projects/{project}/finished/{slug}",
            delete_finished,
            finished.answers::<Deleted>(200).command("feature delete SLUG --finished"),
        )
}

async fn list(State(api): State<Api>, Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let filter = Filter::parse(&read.query)?;
    let limit = page::limit(&read.query)?;
    let after = page::board_place(project, &read.query)?;
    let view = read.view().clone();
    let matching = move |work: &mut WorkBudget| {
        let mut found = Vec::with_capacity(limit + 1);
        for feature in view.state().features_after(project, after) {
            work.charge(STEPS_OF_FEATURE).map_err(|OutOfBudget| too_many_features())?;
            if filter.accepts(feature) {
                found.push(feature.clone());
            }
            if found.len() > limit {
                break;
            }
        }
        Ok(found)
    };
    let found = api.long_reads.compute(read.caller.engineer, matching).await?;
    Ok(read.answer_written(page::features(&read, limit, &found).await?.end()?))
}

/// The filter of a list.
struct Filter {
    status: Option<&'static str>,
    lane: Option<Lane>,
}

impl Filter {
    fn parse(query: &HashMap<String, String>) -> Result<Self, ApiError> {
        let status = query.get("status").map(|name| status_from(name)).transpose();
        let lane = query.get("lane").map(|name| Lane::from_text(name)).transpose();
        Ok(Self {
            status: status.map_err(|problem| ApiError::field("status", problem))?,
            lane: lane.map_err(|problem| ApiError::field("lane", problem))?,
        })
    }

    fn accepts(&self, feature: &Feature) -> bool {
        self.status.is_none_or(|status| feature.status.name() == status)
            && self.lane.is_none_or(|lane| feature.lane == lane)
    }
}

/// Parses the name of a status.
fn status_from(name: &str) -> Result<&'static str, String> {
    let found = STATUSES.into_iter().find(|known| *known == name);
    found.ok_or_else(|| "must be draft, ready, active, done or cancelled".to_owned())
}

async fn available(
    State(api): State<Api>,
    Path(project): Path<String>,
    read: Read,
) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let (view, caller, is_brief) = (read.view().clone(), read.caller, read.is_brief);
    let listed = move |work: &mut WorkBudget| free_first(&view, caller, project, is_brief, work);
    let json = api.long_reads.compute(caller.engineer, listed).await?;
    read.answer_streamed(&api, json).await
}

/// The ready features; those that the caller can pick come first.
fn free_first(
    view: &SharedView,
    caller: Caller,
    project: ProjectId,
    is_brief: bool,
    work: &mut WorkBudget,
) -> Result<StreamedJson, ApiError> {
    let state = view.state();
    let session = match caller.session {
        Some(session) => Some(session),
        None => state.session_of(project, caller.engineer, None).map(|session| session.id),
    };
    let (mut free, mut blocked) = (Vec::new(), Vec::new());
    for feature in state.ready_features(project) {
        work.charge(STEPS_OF_FEATURE).map_err(|OutOfBudget| too_many_features())?;
        match blocker(state, feature, session, work)? {
            None => free.push(feature),
            Some(by) => blocked.push((feature, BlockedBy::from(&by))),
        }
    }
    if is_brief {
        return Ok(StreamedJson::default().value(&Data { data: brief::available(&free, &blocked) }));
    }
    let free = free.into_iter().map(|feature| (feature, None));
    let blocked = blocked.into_iter().map(|(feature, by)| (feature, Some(by)));
    Ok(StreamedJson::default().text(r#"{"data":"#).available(free.chain(blocked)).text("}"))
}

/// The error when a list takes more work than one request may.
pub(super) fn too_many_features() -> ApiError {
    let message =
        "looking at all of the project's features takes more work than one request may cause: ask for pages";
    ApiError::new(Code::ValidationError, message)
}

async fn show(Path((project, slug)): Path<(String, String)>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let feature = read.feature(project, &slug)?;
    let spec = documents::spec(read.view(), feature).await?;
    Ok(read.answer(wire::Feature::of(feature, spec)))
}

async fn create(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let body = write.body::<CreateFeature>()?;
    let spec = body.spec.0;
    let depends_on = write.feature_slugs(&api, project, &body.depends_on).await?;
    let feature = NewFeature {
        id: FeatureId(api.mint.id()),
        slug: body.slug,
        title: body.title,
        spec: spec.clone(),
        lane: body.lane.unwrap_or_default(),
        priority: body.priority.map(|priority| priority.0),
        touches: body.touches,
        reads: body.reads,
        depends_on,
    };
    let done =
        write.propose(&api, command::CreateFeature { project, feature: Box::new(feature) }.into()).await?;
    answer_with(&done, StatusCode::CREATED, &spec)
}

async fn update(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    let body = write.body::<UpdateFeature>()?;
    let spec = body.spec.map(|spec| spec.0);
    let depends_on = match body.depends_on {
        Some(named) => Some(write.feature_slugs(&api, project, &named).await?),
        None => None,
    };
    let patch = FeaturePatch {
        title: body.title,
        spec: spec.clone(),
        lane: body.lane,
        priority: body.priority.map(|priority| priority.0),
        touches: body.touches,
        reads: body.reads,
        depends_on,
    };
    let done =
        write.propose(&api, command::UpdateFeature { project, slug, patch: Box::new(patch) }.into()).await?;
    match spec {
        Some(spec) => answer_with(&done, StatusCode::OK, &spec),
        None => answer(done, StatusCode::OK).await,
    }
}

async fn delete(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    let done =
        write.propose(&api, command::DeleteFeature { project, slug, is_finished: false }.into()).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}

async fn delete_finished(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    let done =
        write.propose(&api, command::DeleteFeature { project, slug, is_finished: true }.into()).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}

/// Answers with the feature and the spec of this write. A retry gets the same spec, even if it was changed since.
fn answer_with(done: &Done, status: StatusCode, spec: &str) -> Result<Response, ApiError> {
    let Reply::Feature(feature) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(status, wire::Feature::of(feature, spec.to_owned())))
}

/// Answers with the feature that a write made or changed, with its spec.
pub(super) async fn answer(done: Done, status: StatusCode) -> Result<Response, ApiError> {
    let Reply::Feature(feature) = &done.reply else { return Err(done.unexpected()) };
    let spec = documents::spec(&done.view, feature).await?;
    Ok(done.answer(status, wire::Feature::of(feature, spec)))
}
