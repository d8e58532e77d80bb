//! `/projects/{id}/claims`: lists, takes and releases claims.

use crate::{
    api::Api,
    brief,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::{Read, written},
    write::{Done, Write},
};
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode},
    response::Response,
};
use nexus_api_types::{
    Code,
    claim::{
        self as wire, CheckedForceRelease, ClaimPaths, Claimed, ForceRelease, RefreshClaims, Refreshed,
        ReleasePaths, Released,
    },
    header as names,
};
use nexus_domain::{
    Fence, OutOfBudget, Reply, WorkBudget, command,
    entity::{Claim, ClaimKey, ClaimMode, Session},
    pattern::Pattern,
};
use std::{collections::BTreeSet, sync::Arc};

pub(super) fn routes() -> Routes {
    let listed = Operation::read("List claims")
        .about("The answer has at most 10,000 of them, by session. `X-Total-Count` says how many there are.");
    let taken = Operation::write("Claim paths while working")
        .about("All of the paths are claimed, or none. Shared claims do not collide with each other.")
        .body::<ClaimPaths>();
    let freed = Operation::write("Release paths that were claimed while working").about(
        "All of them are released if no paths are named. Paths that were picked with a feature stay claimed.",
    );
    let forced = Operation::write("Take paths away from whoever holds them")
        .about("Only leads and admins may do it. The paths are named as they were claimed. The reason is recorded.")
        .body::<ForceRelease>();
    Routes::new()
        .get("/projects/{project}/claims", all, listed.answers_list::<wire::Claim>().command("claims"))
        .post("/projects/{project}/claims", claim, taken.answers::<Claimed>(201).command("claim PATH"))
        .delete(
            "/projects/{project}/claims",
            release,
            freed.optional_body::<ReleasePaths>().answers::<Released>(200).command("unclaim PATH"),
        )
        .get(
            "/projects/{project}/claims/mine",
            mine,
            Operation::read("List the caller's claims")
                .answers_list::<wire::Claim>()
                .command("claims --mine"),
        )
        .post(
            "/projects/{project}/claims/refresh",
            refresh,
            Operation::write("Renew the lease, and list the claims that are still held")
                .optional_body::<RefreshClaims>()
                .answers::<Refreshed>(200)
                .without_command("Every request of a session renews what it holds."),
        )
        .post(
            "/projects/{project}/claims/force-release",
            force_release,
            forced.answers::<Released>(200).command("force-release PATH --reason TEXT"),
        )
}

async fn all(State(api): State<Api>, Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let view = read.view().clone();
    let listed = move |work: &mut WorkBudget| {
        let state = view.state();
        listed(state, state.sessions_in(project), MAX_LISTED_CLAIMS, work).map(written)
    };
    let claims = api.long_reads.compute(read.caller.engineer, listed).await?;
    let mut response = read.answer_written(claims);
    let total = HeaderValue::from(read.view().state().claim_count_in(project));
    response.headers_mut().insert(names::TOTAL_COUNT, total);
    Ok(response)
}

/// Lists the claims of the session that acts: without a header, the engineer's default session.
async fn mine(State(api): State<Api>, Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let (view, caller) = (read.view().clone(), read.caller);
    // All of them, except for a tool: a holder has to know its claims, and their number is bounded.
    let most = if read.is_brief { brief::MAX_CLAIMS } else { usize::MAX };
    let listed = move |work: &mut WorkBudget| {
        let acting = caller.acting_session(view.state(), project);
        let own = acting.and_then(|id| view.state().session(id)).filter(|own| own.project == project);
        listed(view.state(), own, most, work).map(written)
    };
    Ok(read.answer_written(api.long_reads.compute(caller.engineer, listed).await?))
}

/// Claims that one answer lists at most: about 5 MB. A header has their total number.
pub(super) const MAX_LISTED_CLAIMS: usize = 10_000;
/// Work steps for one more claim or session in a list.
const STEPS_OF_CLAIM: usize = 400;

/// The first `most` claims of some sessions.
pub(super) fn listed<'a>(
    state: &nexus_domain::State,
    sessions: impl IntoIterator<Item = &'a Arc<Session>>,
    most: usize,
    work: &mut WorkBudget,
) -> Result<Vec<wire::Claim>, ApiError> {
    let mut claims = Vec::new();
    for session in sessions {
        work.charge(STEPS_OF_CLAIM).map_err(too_many_claims)?;
        for (key, claim) in state.claims_of(session) {
            if claims.len() == most {
                return Ok(claims);
            }
            work.charge(STEPS_OF_CLAIM).map_err(too_many_claims)?;
            claims.push(wire::Claim::of(state, session, key, claim));
        }
    }
    Ok(claims)
}

fn too_many_claims(_: OutOfBudget) -> ApiError {
    let message =
        "listing all of these claims takes more work than one request may cause: ask as one session";
    ApiError::new(Code::ValidationError, message)
}

async fn refresh(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let wanted = write.body::<RefreshClaims>()?.paths;
    let done = write.propose(&api, command::RefreshClaims { project }.into()).await?;
    let Reply::Held { paths, .. } = &done.reply else { return Err(done.unexpected()) };
    let held: BTreeSet<&Pattern> = paths.iter().collect();
    let refreshed = match wanted {
        None => Refreshed { refreshed: texts(held), not_owned: Vec::new() },
        Some(wanted) => {
            let (refreshed, not_owned) =
                wanted.iter().partition::<BTreeSet<&Pattern>, _>(|path| held.contains(path));
            Refreshed { refreshed: texts(refreshed), not_owned: texts(not_owned) }
        }
    };
    Ok(done.answer(StatusCode::OK, refreshed))
}

/// Claims paths while working: all of them or none.
async fn claim(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let body = write.body::<ClaimPaths>()?;
    let paths = body.paths.0;
    let feature = match body.feature_id {
        Some(named) => Some(write.feature_id(&api, project, named).await?),
        None => None,
    };
    let mode = body.mode.unwrap_or(ClaimMode::Exclusive);
    let wanted = paths.clone();
    let done = write.propose(&api, command::ClaimPaths { project, paths, mode, feature }.into()).await?;
    let Reply::Claimed(session) = &done.reply else { return Err(done.unexpected()) };
    let state = done.view.state();
    let mut listed = BTreeSet::new();
    let claims = wanted.iter().filter(|path| listed.insert(*path)).map(|path| {
        let key = ClaimKey { project, session: session.id, feature, path: path.clone() };
        // A retry gets the claims of the first attempt, even if they were released since: the session has their time,
        // and the log index of the entry is their fence.
        let taken = Claim { mode, fence: Fence(done.revision.0), claimed_at: session.last_heartbeat };
        let held = state.claim(&key).filter(|held| held.fence <= taken.fence).copied();
        wire::Claim::of(state, session, &key, &held.unwrap_or(taken))
    });
    let claims = claims.collect();
    Ok(done.answer(StatusCode::CREATED, Claimed { claims }))
}

/// Releases paths that were claimed while working; all of them when none are named.
async fn release(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let paths = write.body::<ReleasePaths>()?.paths;
    released(write.propose(&api, command::ReleasePaths { project, paths }.into()).await?)
}

async fn force_release(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let CheckedForceRelease { paths, reason } = write.body::<ForceRelease>()?;
    let (paths, reason) = (paths.0, reason.0);
    released(write.propose(&api, command::ForceRelease { project, paths, reason }.into()).await?)
}

fn released(done: Done) -> Result<Response, ApiError> {
    let Reply::Released { paths, count } = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, Released { released: texts(paths.iter()), count: *count }))
}

fn texts<'a>(paths: impl IntoIterator<Item = &'a Pattern>) -> Vec<String> {
    paths.into_iter().map(ToString::to_string).collect()
}
