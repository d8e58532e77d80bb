//! `/projects/{id}/claims`: which paths are held.

use super::project_id;
use crate::{api::Api, failure::ApiError, read::Read, render, write::Write};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use nexus_api_types::claim::Refreshed;
use nexus_domain::{Command, Reply, decide::MAX_PATTERNS, pattern::Pattern};
use std::collections::BTreeSet;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/projects/{project}/claims", get(all))
        .route("/projects/{project}/claims/mine", get(mine))
        .route("/projects/{project}/claims/refresh", post(refresh))
}

async fn all(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    read.project(project)?;
    let state = read.view().state();
    let mut claims = Vec::new();
    for session in state.sessions_in(project) {
        claims.extend(state.claims_of(session).map(|(key, claim)| render::claim(state, session, key, claim)));
    }
    Ok(read.answer(claims))
}

/// Those of the session that asks; without one, those of all of the engineer's sessions.
async fn mine(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    read.project(project)?;
    let state = read.view().state();
    let caller = read.caller;
    let own = state.sessions_in(project).filter(|session| match caller.session {
        Some(id) => session.id == id,
        None => session.engineer == caller.engineer,
    });
    let mut claims = Vec::new();
    for session in own {
        claims.extend(state.claims_of(session).map(|(key, claim)| render::claim(state, session, key, claim)));
    }
    Ok(read.answer(claims))
}

async fn refresh(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let mut fields = write.fields()?;
    let asked = fields.list("paths", MAX_PATTERNS, Pattern::parse);
    fields.finish()?;
    let done = write.propose(&api, Command::RefreshClaims { project }).await?;
    let Reply::Paths(held) = &done.reply else { return Err(done.unexpected()) };
    let held: BTreeSet<&Pattern> = held.iter().collect();
    let refreshed = match asked {
        None => Refreshed { refreshed: texts(held), not_owned: Vec::new() },
        Some(asked) => {
            let (refreshed, not_owned) =
                asked.iter().partition::<BTreeSet<&Pattern>, _>(|path| held.contains(path));
            Refreshed { refreshed: texts(refreshed), not_owned: texts(not_owned) }
        }
    };
    Ok(done.answer(StatusCode::OK, refreshed))
}

fn texts<'a>(paths: impl IntoIterator<Item = &'a Pattern>) -> Vec<String> {
    paths.into_iter().map(ToString::to_string).collect()
}
