//! `/projects/{id}/events`: the events of a project, by long poll.

use crate::{
    api::Api,
    events::history::{self, Chunk, ReadError, Start},
    failure::ApiError,
    openapi::{Operation, Parameter, Routes},
    read::Read,
};
use axum::{
    extract::{Path, State},
    http::HeaderValue,
    response::Response,
};
use nexus_api_types::{
    Code,
    event::{Event, Events},
    header as names,
};
use nexus_domain::{ProjectId, Revision, decide::access};
use serde_json::json;
use std::{collections::HashMap, str::FromStr, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Longest wait of a poll: proxies close a connection that is silent for a minute.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);
/// Default of `limit`, in events.
const DEFAULT_LIMIT: usize = 100;
/// Largest `limit`, in events. The rest of the last revision may exceed it.
const MAX_LIMIT: usize = 1_000;

/// The largest number that every client's JSON represents exactly.
const MAX_REVISION: u64 = (1 << 53) - 1;

const ROUTE: &str = "/projects/{project}/events";

pub(super) fn routes() -> Routes {
    let polled = Operation::read("Wait for events")
        .about("The events after `since`, in order. A page never splits a revision.")
        .query(Parameter::number(
            "since",
            "The last revision that the client has seen; 0 begins with the oldest that is kept.",
            0,
            MAX_REVISION,
        ))
        .query(Parameter::number(
            "waitMs",
            "The longest wait for an event, in milliseconds; at most 30 s.",
            0,
            30_000,
        ))
        .query(Parameter::number("limit", "Events of a page; 100 when absent.", 1, MAX_LIMIT as u64))
        .answers::<Events>(200);
    Routes::new().get(ROUTE, poll, polled.command("events"))
}

/// Whether requests of this route may wait for long.
pub(crate) fn is_long_poll(route: &str) -> bool {
    route.strip_prefix("/api") == Some(ROUTE)
}

/// The query of a request for events.
struct EventsQuery {
    since: Revision,
    wait: Duration,
    limit: usize,
}

impl EventsQuery {
    fn parse(query: &HashMap<String, String>) -> Result<Self, ApiError> {
        let since = number(query, "since")?.unwrap_or(0);
        let wait = number(query, "waitMs")?.map_or(Duration::ZERO, Duration::from_millis).min(MAX_WAIT);
        let limit = number(query, "limit")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::field(
                "limit",
                format_args!("must be a whole number from 1 to {MAX_LIMIT}"),
            ));
        }
        Ok(Self { since: Revision(since), wait, limit })
    }
}

fn number<T: FromStr>(query: &HashMap<String, String>, field: &str) -> Result<Option<T>, ApiError> {
    let Some(text) = query.get(field) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| ApiError::field(field, "must be a whole number"))
}

async fn poll(State(api): State<Api>, Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let project = read.project_id(&project)?;
    read.project(project)?;
    let query = EventsQuery::parse(&read.query)?;
    let latest = read.view().revision();
    if query.since > latest {
        let problem = format_args!("revision {} is in the future, the cluster is at {latest}", query.since);
        return Err(ApiError::field("since", problem));
    }
    let chunk = wait_for(&api, project, &query).await?;

    // The rights of the caller may have changed during the wait.
    let view = api.cluster.local();
    let state = view.state();
    let (engineer, key) = read.caller.identity(&*api.cluster, state)?;
    access::reader(state, engineer, key, project)?;
    let items = chunk.events.iter().filter_map(|recorded| Event::of(state, recorded)).collect();
    let answer = Events { items, next_since: chunk.through.0, has_more: chunk.has_more };
    let mut response = read.answer(answer);
    response.headers_mut().insert(names::REVISION, HeaderValue::from(view.revision().max(chunk.through).0));
    Ok(response)
}

/// Waits for events after a revision. Returns an empty chunk when there are none in time.
async fn wait_for(api: &Api, project: ProjectId, query: &EventsQuery) -> Result<Chunk, ApiError> {
    let deadline = Instant::now() + query.wait;
    let mut start = if query.since == Revision(0) { Start::Oldest } else { Start::After(query.since) };
    let mut subscriber = None;
    let mut draining = api.drain.signal();
    let mut _waiting = None;
    loop {
        let chunk = history::read(&*api.cluster, project, start, query.limit, usize::MAX);
        let chunk = chunk.await.map_err(unreadable)?;
        let is_over = Instant::now() >= deadline || draining.has_begun();
        if !chunk.events.is_empty() || chunk.has_more || is_over {
            return Ok(Chunk { through: chunk.through.max(query.since), ..chunk });
        }
        start = Start::After(chunk.through.max(query.since));
        let Some(subscriber) = &mut subscriber else {
            // History is read once more after subscribing, so that no event is missed in between.
            subscriber = Some(api.hub.subscribe(project));
            _waiting = Some(api.metrics.poll_waits());
            continue;
        };
        tokio::select! {
            // In either case, the history is read again.
            _ = timeout_at(deadline, subscriber.changed()) => {}
            () = draining.begun() => {}
        }
    }
}

/// The error when events cannot be read.
pub(super) fn unreadable(error: ReadError) -> ApiError {
    match error {
        ReadError::Compacted { oldest } => ApiError {
            details: Some(json!({ "since": [error.to_string()], "compacted": { "oldest": oldest.0 } })),
            ..ApiError::new(
                Code::ValidationError,
                format!("since: {error}; fetch the project anew, then go on from there, or start at 0"),
            )
        },
        ReadError::Reset { from } => ApiError {
            details: Some(json!({
                "since": [error.to_string()],
                "compacted": { "oldest": from.0, "reset": true },
            })),
            ..ApiError::new(
                Code::ValidationError,
                format!(
                    "since: {error}; fetch the project anew, then go on from there, or start at {}",
                    from.0 - 1
                ),
            )
        },
        ReadError::Storage(failure) => ApiError::internal(&failure),
    }
}
