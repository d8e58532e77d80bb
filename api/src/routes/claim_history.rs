//! `/projects/{id}/claims/history`: who claimed and released paths, from the project's events. It changes nothing.

use super::events::unreadable;
use crate::{
    api::Api,
    cluster::SharedView,
    events::history::{self, Chunk, Start},
    failure::ApiError,
    openapi::{Operation, Routes},
    write::ReadWithBody,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use nexus_api_types::{
    claim::{CheckedClaimHistory, ClaimChange, ClaimChanges, ClaimHistory},
    event::{Event, Fact},
};
use nexus_domain::{
    Event as DomainEvent, OutOfBudget, ProjectId, Recorded, Revision, WorkBudget,
    pattern::{Case, Pattern, SpelledIndex},
};
use std::sync::Arc;

pub(super) fn routes() -> Routes {
    let listed = Operation::read("List who claimed and released paths")
        .about(
            "The claims and releases after `since` that collide with these paths, in order, from the project's events. \
             A page may be empty and have more after it: it ends after a number of events that were searched. `since` 0 \
             begins with the oldest event that is kept.",
        )
        .body::<ClaimHistory>()
        .answers::<ClaimChanges>(200)
        .may_conflict();
    Routes::new().post("/projects/{project}/claims/history", list, listed.command("verify RANGE"))
}

/// Events that are read for one answer: ten reads of storage, some hundred milliseconds.
const MAX_READ: usize = 20_000;
/// Events of one read of storage, and their bytes at most.
const CHUNK: usize = 2_000;
const CHUNK_BYTES: usize = 1024 * 1024;
/// Steps of adding a path to the index of those that are asked about.
const STEPS_OF_PATH: usize = 50;
/// Changes after which an answer ends, and the most of one event.
const MAX_CHANGES: usize = 10_000;

async fn list(
    State(api): State<Api>,
    Path(project): Path<String>,
    ReadWithBody { read, body }: ReadWithBody,
) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let CheckedClaimHistory { paths, since } = body.body::<ClaimHistory>()?;
    let asked = api.long_reads.compute(read.caller.engineer, {
        let view = read.view().clone();
        move |work| asked(&view, project, &paths.0, work)
    });
    let asked = asked.await?;
    let since = Revision(since.map_or(0, |since| since.0));
    let mut start = if since == Revision(0) { Start::Oldest } else { Start::After(since) };
    let mut answer =
        ClaimChanges { items: Vec::new(), next_since: since.0, has_more: true, kept_since: None };
    let mut looked_at = 0;
    while answer.has_more && looked_at < MAX_READ && answer.items.len() < MAX_CHANGES {
        let Chunk { events, through, has_more, .. } =
            history::read(&*api.cluster, project, start, CHUNK, CHUNK_BYTES).await.map_err(unreadable)?;
        if start == Start::Oldest {
            answer.kept_since = events.first().map(|oldest| oldest.at.into());
        }
        looked_at += events.len();
        let events: Arc<[Recorded]> = events.into_iter().filter(|one| is_about_files(&one.event)).collect();
        if !events.is_empty() {
            let (view, asked) = (read.view().clone(), asked.clone());
            let found = api
                .long_reads
                .compute(read.caller.engineer, move |work| changes(&view, &asked, &events, work))
                .await?;
            answer.items.extend(found);
        }
        (answer.next_since, answer.has_more) = (through.0, has_more);
        start = Start::After(through);
    }
    Ok(read.answer(answer))
}

fn is_about_files(event: &DomainEvent) -> bool {
    matches!(event, DomainEvent::FilesClaimed { .. } | DomainEvent::FilesReleased { .. })
}

/// The paths of the request, compared as the project's paths are.
fn asked(
    view: &SharedView,
    project: ProjectId,
    paths: &[Pattern],
    work: &mut WorkBudget,
) -> Result<Arc<SpelledIndex<()>>, ApiError> {
    work.charge(STEPS_OF_PATH * paths.len()).map_err(too_much)?;
    let case = view.state().project(project).map_or(Case::default(), |project| project.case);
    let mut index = SpelledIndex::new(case);
    for path in paths {
        index.insert(path, ());
    }
    Ok(Arc::new(index))
}

/// The changes in these events that are about the paths.
fn changes(
    view: &SharedView,
    asked: &SpelledIndex<()>,
    events: &[Recorded],
    work: &mut WorkBudget,
) -> Result<Vec<ClaimChange>, ApiError> {
    let mut changes = Vec::new();
    for recorded in events {
        let (held, paths) = match &recorded.event {
            DomainEvent::FilesClaimed { paths, .. } => (true, paths),
            DomainEvent::FilesReleased { paths, .. } => (false, paths),
            _ => continue,
        };
        let mut paths: Vec<&Pattern> = paths.iter().collect();
        paths.sort_unstable();
        let overlaps = asked.first_overlaps(&paths, MAX_CHANGES, work, |_, ()| true).map_err(too_much)?;
        if overlaps.is_empty() {
            continue;
        }
        if overlaps.len() == MAX_CHANGES {
            return Err(ApiError::field(
                "paths",
                "collide with too many claims; ask about fewer or narrower ones",
            ));
        }
        let Some(event) = Event::of(view.state(), recorded) else { continue };
        let (Some(session_id), Some(engineer)) = (event.session_id, event.engineer) else { continue };
        let (feature_id, fence) = match event.fact {
            Fact::FilesClaimed { feature_id, fence, .. } => (feature_id, Some(fence)),
            Fact::FilesReleased { feature_id, .. } => (feature_id, None),
            _ => continue,
        };
        changes.extend(overlaps.iter().map(|at| ClaimChange {
            path: at.held.to_string(),
            file_path: at.query.to_string(),
            held,
            session_id,
            agent: event.agent.clone(),
            engineer_id: engineer.id,
            engineer_name: engineer.name.clone(),
            feature_id,
            fence,
            revision: event.revision,
            at: event.timestamp,
        }));
    }
    Ok(changes)
}

fn too_much(_: OutOfBudget) -> ApiError {
    ApiError::field(
        "paths",
        "take too much work to compare; name files instead of wildcards, or fewer at once",
    )
}
