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
    pattern::{Case, Overlap, Pattern, SpelledIndex},
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
/// Bytes of the changes in one answer, about. One revision alone must not have more.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a change beside its two paths: ids, names and times, about.
const BYTES_OF_CHANGE: usize = 400;
/// Changes of one event at most.
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
    let (mut looked_at, mut bytes) = (0, 0);
    while answer.has_more && looked_at < MAX_READ {
        let Chunk { events, through, has_more, .. } =
            history::read(&*api.cluster, project, start, CHUNK, CHUNK_BYTES).await.map_err(unreadable)?;
        if start == Start::Oldest {
            answer.kept_since = events.first().map(|oldest| oldest.at.into());
        }
        looked_at += events.len();
        let events: Arc<[Recorded]> = events.into_iter().filter(|one| is_about_files(&one.event)).collect();
        let mut found = Found::default();
        if !events.is_empty() {
            let (view, asked, room) = (read.view().clone(), asked.clone(), MAX_BYTES - bytes);
            found = api
                .long_reads
                .compute(read.caller.engineer, move |work| changes(&view, &asked, &events, room, work))
                .await?;
        }
        bytes += found.bytes;
        answer.items.extend(found.changes);
        if let Some(last) = found.cut_after {
            answer.next_since = last.map_or(answer.next_since, |revision| revision.0);
            break;
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

/// Changes that were found in some events.
#[derive(Default)]
struct Found {
    changes: Vec<ClaimChange>,
    /// The bytes of the changes in an answer, about.
    bytes: usize,
    /// The revision after which the room ended; the inner `None` if that was before the first one with changes.
    cut_after: Option<Option<Revision>>,
}

/// The changes in these events that are about the paths, as many whole revisions as there is room for.
fn changes(
    view: &SharedView,
    asked: &SpelledIndex<()>,
    events: &[Recorded],
    room: usize,
    work: &mut WorkBudget,
) -> Result<Found, ApiError> {
    let mut found = Found::default();
    let mut last = None;
    for revision in events.chunk_by(|one, next| one.revision == next.revision) {
        let before = found.changes.len();
        let mut bytes = 0;
        for recorded in revision {
            for change in changes_of(view, asked, recorded, work)? {
                bytes += BYTES_OF_CHANGE + change.path.len() + change.file_path.len();
                found.changes.push(change);
            }
            if bytes > MAX_BYTES {
                return Err(too_many());
            }
        }
        if found.bytes + bytes > room {
            found.changes.truncate(before);
            found.cut_after = Some(last);
            return Ok(found);
        }
        found.bytes += bytes;
        last = revision.first().map(|recorded| recorded.revision);
    }
    Ok(found)
}

/// The changes of one event that are about the paths.
fn changes_of(
    view: &SharedView,
    asked: &SpelledIndex<()>,
    recorded: &Recorded,
    work: &mut WorkBudget,
) -> Result<Vec<ClaimChange>, ApiError> {
    let (held, paths) = match &recorded.event {
        DomainEvent::FilesClaimed { paths, .. } => (true, paths),
        DomainEvent::FilesReleased { paths, .. } => (false, paths),
        _ => return Ok(Vec::new()),
    };
    let mut paths: Vec<&Pattern> = paths.iter().collect();
    paths.sort_unstable();
    let overlaps = asked.first_overlaps(&paths, MAX_CHANGES, work, |_, ()| true).map_err(too_much)?;
    if overlaps.len() == MAX_CHANGES {
        return Err(too_many());
    }
    let event = if overlaps.is_empty() { None } else { Event::of(view.state(), recorded) };
    let Some(Event {
        fact,
        session_id: Some(session_id),
        agent,
        engineer: Some(engineer),
        revision,
        timestamp,
        ..
    }) = event
    else {
        return Ok(Vec::new());
    };
    let (feature_id, fence) = match fact {
        Fact::FilesClaimed { feature_id, fence, .. } => (feature_id, Some(fence)),
        Fact::FilesReleased { feature_id, .. } => (feature_id, None),
        _ => return Ok(Vec::new()),
    };
    let change = |at: &Overlap<'_, '_, ()>| ClaimChange {
        path: at.held.to_string(),
        file_path: at.query.to_string(),
        held,
        session_id,
        agent: agent.clone(),
        engineer_id: engineer.id,
        engineer_name: engineer.name.clone(),
        feature_id,
        fence,
        revision,
        at: timestamp,
    };
    Ok(overlaps.iter().map(change).collect())
}

fn too_many() -> ApiError {
    ApiError::field("paths", "collide with too many claims; ask about fewer or narrower ones")
}

fn too_much(_: OutOfBudget) -> ApiError {
    ApiError::field(
        "paths",
        "take too much work to compare; name files instead of wildcards, or fewer at once",
    )
}
