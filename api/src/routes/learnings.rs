//! `/projects/{id}/features/{slug}/learnings`: learnings from the work on a feature.

use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Routes},
    page,
    read::Read,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::knowledge::{AddLearning, Learning};
use nexus_domain::{Document, DocumentKey, command, ids::LearningId};

pub(super) fn routes() -> Routes {
    const ALL: &str = "/projects/{project}/features/{slug}/learnings";
    let added = Operation::write("Record a learning");
    Routes::new()
        .get(
            ALL,
            list,
            Operation::read("List learnings, newest first").answers_page::<Learning>().command("search WORD"),
        )
        .post(ALL, add, added.body::<AddLearning>().answers::<Learning>(201).command("learn SLUG TEXT"))
}

async fn list(Path((project, slug)): Path<(String, String)>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let state = read.view().state();
    let feature = read.feature(project, &slug)?;
    let learning = |place| DocumentKey::Learning(project, feature.id, place);
    let shown = |document: &Document| match document {
        Document::Learning(learning) => Some(Learning::of(state, learning)),
        _ => None,
    };
    Ok(read.answer_written(page::texts(&read, learning, page::NO_MARKS, shown).await?.end()?))
}

async fn add(
    State(api): State<Api>,
    Path((project, slug)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let slug = write.feature_slug(&api, project, &slug).await?;
    let content = write.body::<AddLearning>()?.content.0;
    let id = LearningId(api.mint.id());
    let done = write.propose(&api, command::AddLearning { project, slug, id, content }.into()).await?;
    let Document::Learning(learning) = done.text().await? else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, Learning::of(done.view.state(), &learning)))
}
