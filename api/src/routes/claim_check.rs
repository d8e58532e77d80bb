//! `/projects/{id}/claims/check`: tells who holds paths that a client is about to change. It changes nothing.

use crate::{
    api::Api,
    auth::Caller,
    cluster::SharedView,
    failure::ApiError,
    openapi::{Operation, Routes},
    write::ReadWithBody,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use nexus_api_types::{
    Code,
    claim::{CheckPaths, Checked, CheckedCheckPaths, CheckedPath, Claim, Standing},
};
use nexus_domain::{
    ProjectId, WorkBudget,
    decide::{OverlappingClaim, overlapping_claims},
    entity::ClaimKey,
    pattern::Pattern,
    refusal::MAX_LISTED,
};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn routes() -> Routes {
    let checked = Operation::read("Check who holds paths")
        .about(
            "For clients that are about to change the paths, such as a commit guard. It claims nothing. With a fence, \
             the error is `STALE_FENCE` if one of the paths has a newer holder.",
        )
        .body::<CheckPaths>()
        .answers::<Checked>(200)
        .may_conflict();
    Routes::new().post("/projects/{project}/claims/check", check, checked.command("why PATH"))
}

/// Claims that one check may find, which bounds its memory.
const MAX_FOUND: usize = 100_000;

async fn check(
    State(api): State<Api>,
    Path(project): Path<String>,
    ReadWithBody { read, body }: ReadWithBody,
) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let CheckedCheckPaths { paths, fence } = body.body::<CheckPaths>()?;
    let (view, caller, fence) = (read.view().clone(), read.caller, fence.map(|fence| fence.0));
    let checked = api
        .long_reads
        .compute(caller.engineer, move |work| checked(&view, caller, project, &paths.0, fence, work))
        .await?;
    Ok(read.answer(checked))
}

/// The standing of each path, as the caller sees it.
fn checked(
    view: &SharedView,
    caller: Caller,
    project: ProjectId,
    paths: &[Pattern],
    fence: Option<u64>,
    work: &mut WorkBudget,
) -> Result<Checked, ApiError> {
    let state = view.state();
    if let Some(fence) = fence
        && let Some(reset) = state.history_start().filter(|reset| fence < reset.from.0)
    {
        let message = format!("the cluster's history was reset at {}: no earlier fence is valid", reset.from);
        return Err(ApiError::new(Code::StaleFence, message).at(view.revision()));
    }
    let found = overlapping_claims(state, project, paths, MAX_FOUND, work)?;
    if found.len() == MAX_FOUND {
        let problem = format!("collide with {MAX_FOUND} claims or more; ask about fewer or narrower ones");
        return Err(ApiError::field("paths", problem));
    }
    let mut claims: BTreeMap<Pattern, Vec<ClaimKey>> = BTreeMap::new();
    for OverlappingClaim { asked, claim, .. } in found {
        claims.entry(asked).or_default().push(claim);
    }
    let known = |key: &ClaimKey| {
        let session = state.session(key.session).expect("every claim belongs to a session that is kept");
        let claim = state.claim(key).expect("the index holds what is claimed");
        (session, claim)
    };
    let acting = caller.acting_session(state, project);
    let is_mine = |key: &ClaimKey| Some(key.session) == acting;
    // A later claim by the same holder for the same feature is no takeover: the fence of the feature counts.
    let is_newer = |key: &ClaimKey, fence: u64| {
        let work = key.feature.filter(|_| is_mine(key)).and_then(|feature| state.feature(project, feature));
        work.and_then(|work| work.fence()).unwrap_or(known(key).1.fence).0 > fence
    };
    if let Some(fence) = fence
        && let Some(newer) = claims.values().flatten().find(|key| is_newer(key, fence))
    {
        let (session, claim) = known(newer);
        let message = format!(
            "{} is held under fence {}, which is newer than {fence}: what you hold was taken over",
            newer.path, claim.fence.0
        );
        let details = Some(json!({ "claim": Claim::of(state, session, newer, claim) }));
        return Err(ApiError { details, ..ApiError::new(Code::StaleFence, message) }.at(view.revision()));
    }
    let mut left = MAX_LISTED;
    let mut checked = |path: &Pattern| {
        let mut found: Vec<&ClaimKey> = claims.get(path).into_iter().flatten().collect();
        let standing = match (found.is_empty(), found.iter().all(|key| is_mine(key))) {
            (true, _) => Standing::Free,
            (false, true) => Standing::Mine,
            (false, false) => Standing::Held,
        };
        // Claims of others come first, since they matter to the caller.
        found.sort_by_key(|key| is_mine(key));
        found.truncate(left);
        left -= found.len();
        let listed = |key: &ClaimKey| {
            let (session, claim) = known(key);
            Claim::of(state, session, key, claim)
        };
        CheckedPath { path: path.to_string(), standing, claims: found.into_iter().map(listed).collect() }
    };
    let paths: Vec<CheckedPath> = paths.iter().map(&mut checked).collect();
    let ok = paths.iter().all(|path| path.standing != Standing::Held);
    Ok(Checked { ok, paths })
}
