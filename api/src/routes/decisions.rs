//! `/projects/{id}/decisions`: decisions about a project.

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
        .query(Parameter::slug("feature", "Only decisions about this feature, by its slug or id."))
        .answers_page::<Decision>();
    let added = Operation::write("Record a decision");
    Routes::new().get(ALL, list, listed.command("search WORD")).post(
        ALL,
        add,
        added.body::<AddDecision>().answers::<Decision>(201).command("decision TITLE -r REASON"),
    )
}

async fn list(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
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
            let feature = read.feature(project, slug)?;
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
    let project = write.project_id(&api, &project).await?;
    let body = write.body::<AddDecision>()?;
    let feature = match &body.feature_slug {
        Some(named) => Some(write.feature_slug(&api, project, &named.0).await?),
        None => None,
    };
    let decision = Box::new(NewDecision {
        id: DecisionId(api.mint.id()),
        feature,
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
