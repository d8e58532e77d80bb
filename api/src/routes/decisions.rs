//! `/projects/{id}/decisions`: decisions about a project.

use super::identifiers::{feature_slug, no_feature, project_id};
use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Parameter, Routes},
    page,
    read::Read,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::knowledge::{AddDecision, Decision};
use nexus_domain::{
    Document, DocumentKey,
    command::{self, NewDecision},
    ids::DecisionId,
};

pub(super) fn routes() -> Routes {
    const ALL: &str = "/projects/{project}/decisions";
    let listed = Operation::read("List decisions, newest first")
        .query(Parameter::slug("feature", "Only decisions about this feature."))
        .answers_page::<Decision>();
    let added = Operation::write("Record a decision");
    Routes::new().get(ALL, list, listed).post(ALL, add, added.body::<AddDecision>().answers::<Decision>(201))
}

async fn list(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    read.project(project)?;
    let state = read.view().state();
    let decision = |place| DocumentKey::Decision(project, place);
    let shown = |document: &Document| match document {
        Document::Decision(decision) => Some(Decision::of(state, decision)),
        _ => None,
    };
    let page = match read.query.get("feature") {
        None => page::texts(&read, decision, page::NO_MARKS, shown).await?,
        Some(slug) => {
            let slug = feature_slug(slug)?;
            let feature = state.feature_by_slug(project, &slug).ok_or_else(|| no_feature(slug.as_str()))?;
            let about = |place| DocumentKey::DecisionAbout(project, feature.id, place);
            page::texts(&read, about, Some(decision), shown).await?
        }
    };
    Ok(read.answer_written(page.end()?))
}

async fn add(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let body = write.body::<AddDecision>()?;
    let decision = Box::new(NewDecision {
        id: DecisionId(api.mint.id()),
        feature: body.feature_slug.map(|slug| feature_slug(&slug.0)).transpose()?,
        title: body.title,
        decision: body.decision.0,
        rationale: body.rationale.map(|text| text.0),
        alternatives: body.alternatives.map(|text| text.0),
        supersedes: body.supersedes,
    });
    let done = write.propose(&api, command::AddDecision { project, decision }.into()).await?;
    let Document::Decision(decision) = done.text().await? else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, Decision::of(done.view.state(), &decision)))
}
