//! `/projects/{id}/sessions/checkpoints`: recorded states of work on a feature.

use crate::{
    api::Api,
    documents,
    failure::ApiError,
    openapi::{Operation, Parameter, Routes},
    page,
    read::Read,
    write::Write,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use nexus_api_types::{
    checkpoint::{Checkpoint, SaveCheckpoint, Skipped},
    header as names,
};
use nexus_domain::{
    Document, DocumentKey, Reply,
    command::{self, NewCheckpoint},
    document::{CheckpointKind, LatestCheckpoint},
    ids::CheckpointId,
};

/// The message for a skipped checkpoint, which old clients compare.
const SKIPPED: &str = "Duplicate checkpoint skipped";

pub(super) fn routes() -> Routes {
    let saved = Operation::write("Save a checkpoint")
        .about(
            "An `auto_periodic` checkpoint that equals the newest one is not kept: the answer is 200 with \
             `data: null` and a message.",
        )
        .body::<SaveCheckpoint>()
        .answers::<Checkpoint>(201)
        .answers_bare::<Skipped>(200, "It was a duplicate, which is not kept.");
    let feature = || Parameter::feature("featureId", "The feature, by its id or slug.").required();
    const ALL: &str = "/projects/{project}/sessions/checkpoints";
    Routes::new()
        .post(ALL, save, saved.command("save -n NOTE"))
        .get(
            ALL,
            history,
            Operation::read("List checkpoints, newest first")
                .query(feature())
                .answers_page::<Checkpoint>()
                .command("checkpoints SLUG"),
        )
        .get(
            "/projects/{project}/sessions/checkpoints/latest",
            latest,
            Operation::read("Show the newest checkpoint")
                .query(feature())
                .answers_maybe::<Checkpoint>(200)
                .command("resume SLUG"),
        )
}

async fn save(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let body = write.body::<SaveCheckpoint>()?;
    let session = body.session_id;
    let feature = write.feature_id(&api, project, body.feature_id).await?;
    let checkpoint = Box::new(NewCheckpoint {
        id: CheckpointId(api.mint.id()),
        session,
        feature,
        kind: body.kind.unwrap_or(CheckpointKind::AutoPeriodic),
        context: body.context.map_or_else(|| "{}".into(), |context| context.0),
        notes: body.notes.map(|notes| notes.0),
    });
    // Without a header, the request acts as the session whose work it records.
    let acting = write.caller.session.unwrap_or(session);
    let command = command::SaveCheckpoint { project, checkpoint }.into();
    let done = write.incoming.propose_as(&api, write.caller.actor(), Some(acting), command).await?;
    if done.reply == Reply::DuplicateCheckpoint {
        let skipped = Skipped { data: None, message: SKIPPED.to_owned() };
        let mut response = Json(skipped).into_response();
        response.headers_mut().insert(names::REVISION, HeaderValue::from(done.revision.0));
        return Ok(response);
    }
    let Document::Checkpoint(checkpoint) = done.text().await? else { return Err(done.unexpected()) };
    // A checkpoint of the feature's holder was the newest one when it was written, also for a retry.
    let is_latest = checkpoint.is_of_holder;
    Ok(done.answer(StatusCode::CREATED, Checkpoint::of(&checkpoint, is_latest)))
}

async fn latest(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let feature = read.feature_of_query(project, "featureId")?;
    let latest = read.view().state().latest_checkpoint(project, feature);
    let keys = latest.map(LatestCheckpoint::key).into_iter().collect();
    let found = documents::read(read.view(), keys).await?.pop().flatten();
    Ok(read.answer(match &found {
        Some(Document::Checkpoint(checkpoint)) => Some(Checkpoint::of(checkpoint, true)),
        _ => None,
    }))
}

async fn history(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let feature = read.feature_of_query(project, "featureId")?;
    let key = |place| DocumentKey::Checkpoint(project, feature, place);
    // The texts of a deleted draft are still stored, but not shown.
    let latest = read.view().state().latest_checkpoint(project, feature);
    let shown = |document: &Document| match document {
        Document::Checkpoint(checkpoint) => Some(Checkpoint::of(checkpoint, latest?.id == checkpoint.id)),
        _ => None,
    };
    let mut page = page::texts(&read, key, page::NO_MARKS, shown).await?;
    page.next_cursor = page.next_cursor.filter(|_| latest.is_some());
    Ok(read.answer_written(page.end()?))
}
