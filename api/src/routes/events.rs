//! `/projects/{id}/events`: what a WebSocket tells, by long poll.

use super::project_id;
use crate::{
    api::Api,
    events::history::{self, Chunk, ReadError, Start},
    failure::ApiError,
    openapi::{Operation, Parameter, Routes},
    read::Read,
    render,
};
use axum::{
    extract::{Path, State},
    http::HeaderValue,
    response::Response,
};
use nexus_api_types::{Code, event::Events, header as names};
use nexus_domain::{ProjectId, Revision, decide::access};
use serde_json::json;
use std::{collections::HashMap, str::FromStr, time::Duration};
use tokio::time::{Instant, timeout_at};

/// A poll waits this long at most; proxies give up on what is silent for a minute.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);
/// Events of a page when nothing is said.
const DEFAULT_LIMIT: usize = 100;
/// Events of a page at most, but for the rest of a revision.
const MAX_LIMIT: usize = 1_000;

/// Beyond it, a number no longer survives every client's JSON.
const MAX_REVISION: u64 = (1 << 53) - 1;

const ROUTE: &str = "/projects/{project}/events";

pub(super) fn routes() -> Routes {
    let polled = Operation::read("Wait for events")
        .about("Whatever is later than `since`, in order; a page never splits a revision.")
        .query(Parameter::number("since", "The last revision seen; 0 for the oldest kept.", 0, MAX_REVISION))
        .query(Parameter::number("waitMs", "Wait this long when there is none yet, at most 30 s.", 0, 30_000))
        .query(Parameter::number("limit", "Events of a page; 100 when absent.", 1, MAX_LIMIT as u64))
        .answers::<Events>(200);
    Routes::new().get(ROUTE, poll, polled)
}

/// Whether requests of this route may wait for long.
pub(crate) fn is_long_poll(route: &str) -> bool {
    route.strip_prefix("/api") == Some(ROUTE)
}

/// What is asked for.
struct Asked {
    since: Revision,
    wait: Duration,
    limit: usize,
}

impl Asked {
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
    let project = project_id(&project)?;
    read.project(project)?;
    let asked = Asked::parse(&read.query)?;
    let latest = read.view().revision();
    if asked.since > latest {
        let problem = format_args!("revision {} is in the future, the cluster is at {latest}", asked.since);
        return Err(ApiError::field("since", problem));
    }
    let chunk = wait_for(&api, project, &asked).await?;

    // What was right when the question came may be over now.
    let view = api.cluster.local();
    let state = view.state();
    let (engineer, key) = read.caller.identity(&*api.cluster, state)?;
    access::reader(state, engineer, key, project)?;
    let items = chunk.events.iter().filter_map(|recorded| render::event(state, recorded)).collect();
    let answer = Events { items, next_since: chunk.through.0, has_more: chunk.has_more };
    let mut response = read.answer(answer);
    response.headers_mut().insert(names::REVISION, HeaderValue::from(view.revision().max(chunk.through).0));
    Ok(response)
}

/// The events after a revision, as soon as there are any; none when none came in time.
async fn wait_for(api: &Api, project: ProjectId, asked: &Asked) -> Result<Chunk, ApiError> {
    let deadline = Instant::now() + asked.wait;
    let mut start = if asked.since == Revision(0) { Start::Oldest } else { Start::After(asked.since) };
    let mut follower = None;
    let mut draining = api.draining();
    let mut _waiting = None;
    loop {
        let chunk = history::read(&*api.cluster, project, start, asked.limit, usize::MAX);
        let chunk = chunk.await.map_err(failed)?;
        let is_over = Instant::now() >= deadline || draining.has_begun();
        if !chunk.events.is_empty() || chunk.has_more || is_over {
            return Ok(Chunk { through: chunk.through.max(asked.since), ..chunk });
        }
        start = Start::After(chunk.through.max(asked.since));
        let Some(follower) = &mut follower else {
            // One more look after this, so that nothing falls between the two.
            follower = Some(api.hub.follow(project));
            _waiting = Some(api.metrics.poll_waits());
            continue;
        };
        tokio::select! {
            // Late or not, the next look says what there is.
            _ = timeout_at(deadline, follower.changed()) => {}
            () = draining.begun() => {}
        }
    }
}

fn failed(error: ReadError) -> ApiError {
    match error {
        ReadError::Compacted { oldest } => ApiError {
            details: Some(json!({ "since": [error.to_string()], "compacted": { "oldest": oldest.0 } })),
            ..ApiError::new(
                Code::ValidationError,
                format!("since: {error}; fetch the project anew, then go on from there, or start at 0"),
            )
        },
        ReadError::Storage(failure) => ApiError::internal(&failure),
    }
}
