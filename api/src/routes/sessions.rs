//! `/projects/{id}/sessions` and `/projects/{id}/status`: sessions, their heartbeats, and the work in a project.

use super::{claims, features::too_many_features};
use crate::{
    api::Api,
    brief,
    cluster::{Consistency, SharedView},
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    references,
    streamed_json::StreamedJson,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    Data,
    session::{self as wire, CheckedStartSession, Ok as Yes, ProjectStatus, StartSession},
};
use nexus_domain::{
    EngineerId, OutOfBudget, ProjectId, Refusal, Reply, SessionId, WorkBudget, command,
    decide::{STEPS_OF_FEATURE, access},
    entity::{Feature, Status},
    refusal::EntityKind,
};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes() -> Routes {
    let started = Operation::write("Start a session")
        .about(
            "Returns the active session of this project, engineer and agent if there is one. Without an agent, it is the \
             engineer's default session.",
        )
        .optional_body::<StartSession>();
    let beaten = Operation::local("Send a heartbeat")
        .about("From the first one on, the session has the short lease until it ends.");
    Routes::new()
        .post(
            "/projects/{project}/sessions",
            start,
            started.answers::<wire::Session>(201).command("session start --agent NAME"),
        )
        .get(
            "/projects/{project}/sessions/active",
            active,
            Operation::read("List active sessions").answers_list::<wire::SessionOf>().command("session list"),
        )
        .delete(
            "/projects/{project}/sessions/{session}",
            end,
            Operation::write("End a session and release everything that it holds")
                .answers::<Yes>(200)
                .command("session end ID"),
        )
        .post(
            HEARTBEAT,
            heartbeat,
            beaten.answers::<Yes>(200).without_command("The keep-alive process of a run sends it."),
        )
        .get(
            "/projects/{project}/status",
            status,
            Operation::read("Show the active work of a project")
                .answers::<ProjectStatus>(200)
                .command("status"),
        )
}

const HEARTBEAT: &str = "/projects/{project}/sessions/{session}/heartbeat";

/// Whether requests of this route are heartbeats, on which leases depend.
pub(crate) fn is_heartbeat(route: &str) -> bool {
    route.strip_prefix("/api") == Some(HEARTBEAT)
}

fn session_id(text: &str) -> Result<SessionId, ApiError> {
    text.parse::<Uuid>().map(SessionId).map_err(|_| ApiError::field("sessionId", "must be a UUID"))
}

async fn start(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let CheckedStartSession { feature_id: named, agent, metadata } = write.body::<StartSession>()?;
    let feature = match named {
        Some(named) => Some(write.feature_id(&api, project, named).await?),
        None => None,
    };
    let metadata = metadata.unwrap_or_default();
    let id = SessionId(api.mint.id());
    let done =
        write.propose(&api, command::StartSession { project, id, agent, feature, metadata }.into()).await?;
    let Reply::Session(session) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, wire::Session::of(done.view.state(), session)))
}

async fn active(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let state = read.view().state();
    let active = state.sessions_in(project).filter(|session| session.is_active());
    let sessions: Vec<_> = active.filter_map(|session| wire::SessionOf::of(state, session)).collect();
    Ok(read.answer(sessions))
}

async fn end(
    State(api): State<Api>,
    Path((project, session)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let (project, session) = (write.project_id(&api, &project).await?, session_id(&session)?);
    let done = write.propose(&api, command::EndSession { project, session }.into()).await?;
    Ok(done.answer(StatusCode::OK, Yes { ok: true }))
}

/// Renews the lease of a session. It is no write of its own, since many heartbeats become one log entry.
async fn heartbeat(
    State(api): State<Api>,
    Path((project, session)): Path<(String, String)>,
    headers: axum::http::HeaderMap,
) -> Result<Response, ApiError> {
    let caller = crate::auth::authenticate(&*api.cluster, &api.verifier, &headers).await?;
    let project = references::project_id(&api, &project).await?;
    let id = session_id(&session)?;
    let unknown = || ApiError::from(Refusal::NotFound { kind: EntityKind::Session, name: id.to_string() });
    let mut view = api.cluster.local();
    if view.state().session(id).is_none() {
        // The session may have been started through another node just now.
        view = api.cluster.read(Consistency::Linearizable, None).await?.view;
    }
    let (engineer, key) = caller.identity(&*api.cluster, view.state())?;
    access::reader(view.state(), engineer, key, project)?;
    access::may_write(engineer, key)?;
    let session = view.state().session(id).ok_or_else(unknown)?;
    if session.engineer != caller.engineer {
        return Err(Refusal::ForeignSession(id).into());
    }
    if session.project != project {
        return Err(unknown());
    }
    if !api.cluster.heartbeat(id).await? {
        return Err(unknown());
    }
    let mut response =
        axum::response::IntoResponse::into_response(axum::Json(Data { data: Yes { ok: true } }));
    let revision = api.cluster.local().revision();
    response.headers_mut().insert(nexus_api_types::header::REVISION, revision.0.into());
    Ok(response)
}

async fn status(
    State(api): State<Api>,
    Path(project): Path<String>,
    read: Read,
) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let (view, asker, is_brief) = (read.view().clone(), read.caller.engineer, read.is_brief);
    let shown = move |work: &mut WorkBudget| match is_brief {
        true => brief_status(&view, project, asker, work),
        false => full_status(&view, project, work),
    };
    let json = api.long_reads.compute(asker, shown).await?;
    read.answer_streamed(&api, json).await
}

/// Work steps for one more session in a list.
const STEPS_OF_SESSION: usize = 1_000;

/// The active features, and the interrupted ones.
fn active_and_interrupted<'a>(
    state: &'a nexus_domain::State,
    project: ProjectId,
    work: &mut WorkBudget,
) -> Result<[Vec<&'a Arc<Feature>>; 2], ApiError> {
    let (mut active, mut interrupted) = (Vec::new(), Vec::new());
    for feature in state.features_after(project, None) {
        work.charge(STEPS_OF_FEATURE).map_err(|OutOfBudget| too_many_features())?;
        match feature.status {
            Status::Active { .. } => active.push(feature),
            Status::Ready { interrupted_at: Some(_) } => interrupted.push(feature),
            Status::Draft | Status::Ready { .. } | Status::Done { .. } | Status::Cancelled => {}
        }
    }
    Ok([active, interrupted])
}

/// The first `most` sessions, with their engineers.
fn working(
    state: &nexus_domain::State,
    project: ProjectId,
    most: usize,
    work: &mut WorkBudget,
) -> Result<Vec<wire::Working>, ApiError> {
    let mut sessions = Vec::new();
    for session in state.sessions_in(project).take(most) {
        work.charge(STEPS_OF_SESSION).map_err(|OutOfBudget| too_many_features())?;
        sessions.extend(wire::SessionOf::of(state, session).map(wire::Working::from));
    }
    Ok(sessions)
}

/// The [`ProjectStatus`] of a project.
fn full_status(
    view: &SharedView,
    project: ProjectId,
    work: &mut WorkBudget,
) -> Result<StreamedJson, ApiError> {
    let state = view.state();
    let [active, interrupted] = active_and_interrupted(state, project, work)?;
    let sessions = working(state, project, usize::MAX, work)?;
    let claims = claims::listed(state, state.sessions_in(project), claims::MAX_LISTED_CLAIMS, work)?;
    let json = StreamedJson::default().text(r#"{"data":{"activeFeatures":"#).features(active);
    let json = json.text(r#","claims":"#).value(&claims);
    let json = json.text(r#","claimsTotal":"#).value(&state.claim_count_in(project));
    let json = json.text(r#","sessions":"#).value(&sessions);
    Ok(json.text(r#","interrupted":"#).features(interrupted).text("}}"))
}

/// The shortened [`ProjectStatus`] for a tool.
fn brief_status(
    view: &SharedView,
    project: ProjectId,
    asker: EngineerId,
    work: &mut WorkBudget,
) -> Result<StreamedJson, ApiError> {
    let state = view.state();
    let [active, interrupted] = active_and_interrupted(state, project, work)?;
    let data = ProjectStatus {
        active_features: brief::features(active, asker),
        claims: claims::listed(state, state.sessions_in(project), brief::MAX_CLAIMS, work)?,
        claims_total: state.claim_count_in(project) as u64,
        sessions: working(state, project, brief::MAX_SESSIONS, work)?,
        interrupted: brief::features(interrupted, asker),
    };
    Ok(StreamedJson::default().value(&Data { data }))
}
