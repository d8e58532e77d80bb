//! The same request to server after server, until one could do it. Every command has one deadline
//! for all it asks; every write has one identity, however often it is sent.

use super::{
    attempt::{self, Attempt, Failed},
    request::{ApiKey, Request},
};
use crate::{
    answer::Answer,
    error::{Error, Unreachable, UnreachableServer},
    output::Progress,
    server::Server,
};
use nexus_api_types::header as names;
use reqwest::{RequestBuilder, header::HeaderValue};
use std::{
    cell::{Cell, OnceCell},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The wait before all servers are asked again when none of them said how long: an election takes
/// about as long. It doubles from round to round.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest such wait: nobody should sit idle for long after the cluster is back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A cluster as a command sees it.
pub(crate) struct Client {
    pub(super) servers: Vec<Connected>,
    token: Option<String>,
    /// The session that acts.
    session: Cell<Option<Uuid>>,
    timeout: Duration,
    /// Set by the first request: what a person types before it takes no time of it.
    deadline: Cell<Option<Instant>>,
    /// The server that answered last: asked first.
    last_good: Cell<usize>,
    /// The log index of the last write: later reads of this command see it on every server.
    written: Cell<Option<u64>>,
    /// Whether a person watches, for whom a message is printed when it takes long.
    is_watched: bool,
}

pub(super) struct Connected {
    pub(super) server: Server,
    /// Made for the first request: most servers of a list are never asked.
    connection: OnceCell<reqwest::Client>,
}

impl Connected {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn connection(&self) -> Result<&reqwest::Client, Error> {
        if let Some(made) = self.connection.get() {
            return Ok(made);
        }
        let made = attempt::connection(&self.server)
            .map_err(|error| Error::local(format!("cannot set up connections: {error:?}")))?;
        Ok(self.connection.get_or_init(|| made))
    }
}

impl Client {
    /// A client of these servers, at least one, with this API key. `timeout` is for all that is ever asked of it.
    pub(crate) fn new(servers: &[Server], token: Option<String>, timeout: Duration) -> Self {
        let connect = |server: &Server| Connected { server: server.clone(), connection: OnceCell::new() };
        Self {
            servers: servers.iter().map(connect).collect(),
            token,
            session: Cell::new(None),
            timeout,
            deadline: Cell::new(None),
            last_good: Cell::new(0),
            written: Cell::new(None),
            is_watched: false,
        }
    }

    /// The server that answered last; before any answer, the one that is asked first.
    pub(crate) fn server(&self) -> &Server {
        &self.servers[self.last_good.get()].server
    }

    /// The session that acts.
    pub(crate) const fn session(&self) -> Option<Uuid> {
        self.session.get()
    }

    /// Sends all further requests as this session.
    pub(crate) fn act_as(&self, session: Option<Uuid>) {
        self.session.set(session);
    }

    /// Prints a message for the watching person when servers take long.
    pub(crate) const fn watched(mut self, is_watched: bool) -> Self {
        self.is_watched = is_watched;
        self
    }

    /// Gives further requests the whole timeout again, for commands that keep running.
    pub(crate) fn restart_timeout(&self) {
        self.deadline.set(None);
    }

    /// Asks until a server answers or the time is over.
    ///
    /// # Errors
    /// The cluster's refusal, or why each of the servers could not do it.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Error> {
        let headers = self.headers(&request)?;
        let deadline = self.deadline.get().unwrap_or_else(|| Instant::now() + self.timeout);
        self.deadline.set(Some(deadline));
        let progress = Progress::new(self.is_watched && !request.is_long_poll);
        progress.during(self.ask(&request, &headers, deadline), |gone| self.waiting(gone)).await
    }

    /// That they take long.
    fn waiting(&self, gone: Duration) -> String {
        let whom = match &self.servers[..] {
            [only] => only.server.to_string(),
            servers => format!("{} servers", servers.len()),
        };
        format!("Waiting for {whom}: {} s of {} s", gone.as_secs(), self.timeout.as_secs())
    }

    async fn ask(&self, request: &Request, headers: &Headers, deadline: Instant) -> Result<Answer, Error> {
        let mut failures = Failures::new(self.servers.len());
        let mut wait = FIRST_WAIT;
        loop {
            match self.ask_all(request, headers, deadline, &mut failures).await {
                Round::Done(answer) => return Ok(answer),
                Round::Refused(error) => return Err(error),
                Round::Nobody => return Err(self.unreachable(failures)),
                Round::Later(said) => {
                    let pause = said.unwrap_or(wait) + jitter(wait);
                    if Instant::now() + pause >= deadline {
                        return Err(self.unreachable(failures));
                    }
                    tokio::time::sleep(pause).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Asks every server once, the last good one first.
    async fn ask_all(
        &self,
        request: &Request,
        headers: &Headers,
        deadline: Instant,
        failures: &mut Failures,
    ) -> Round {
        let first = self.last_good.get();
        let mut said = None;
        for turn in 0..self.servers.len() {
            let at = (first + turn) % self.servers.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                failures.note_skipped(at);
                continue;
            }
            // A server that keeps silent must leave time for the ones after it; those that were not
            // there a moment ago need none.
            let after = (turn + 1..self.servers.len()).map(|turn| (first + turn) % self.servers.len());
            let sharing = 1 + after.filter(|at| !failures.absent[*at]).count();
            let limit = left / u32::try_from(sharing).unwrap_or(u32::MAX);
            let server = &self.servers[at].server;
            let connection = match self.servers[at].connection() {
                Ok(connection) => connection,
                Err(error) => return Round::Refused(error),
            };
            let builder = self.build(connection, server, request, headers);
            match attempt::send(server, request, builder, limit).await {
                Attempt::Answered { data, revision } => {
                    self.last_good.set(at);
                    if request.is_write() {
                        self.written.set(self.written.get().max(revision));
                    }
                    return Round::Done(Answer::at(data, revision));
                }
                Attempt::Refused(refused) => {
                    self.last_good.set(at);
                    return Round::Refused(Error::Refused(refused));
                }
                Attempt::Limited { retry_after, refused } => {
                    // Asking another server instead would only get round the limit.
                    self.last_good.set(at);
                    return match retry_after {
                        Some(pause) if Instant::now() + pause < deadline => Round::Later(Some(pause)),
                        _ => Round::Refused(Error::Refused(refused)),
                    };
                }
                Attempt::Failed(failed) => {
                    said = shorter(said, failed.retry_after);
                    failures.note(at, failed);
                }
            }
        }
        if failures.was_there { Round::Later(said) } else { Round::Nobody }
    }

    /// Whether there is an API key to send.
    pub(crate) const fn has_key(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn headers(&self, request: &Request) -> Result<Headers, Error> {
        let key = match &request.key {
            ApiKey::Own => Some(self.token.as_deref().ok_or(Error::NotLoggedIn)?),
            ApiKey::Given(key) => Some(key.as_str()),
            ApiKey::None => None,
        };
        let authorization = key
            .map(|key| {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| {
                    Error::misused("the API key holds characters that no key has")
                        .hint("copy it again: nexus_eng_ and 64 characters of 0-9 and a-f")
                })?;
                value.set_sensitive(true);
                Ok::<_, Error>(value)
            })
            .transpose()?;
        Ok(Headers {
            authorization,
            session: self.session.get().filter(|_| !matches!(request.key, ApiKey::None)),
            idempotency: request.is_write().then(|| request.identity.unwrap_or_else(Uuid::now_v7)),
            min_revision: self.written.get().filter(|_| !request.is_write()),
        })
    }

    pub(super) fn build(
        &self,
        connection: &reqwest::Client,
        server: &Server,
        request: &Request,
        headers: &Headers,
    ) -> RequestBuilder {
        let mut builder = connection.request(request.method.clone(), server.url(&request.path));
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        if let Some(value) = &headers.authorization {
            builder = builder.header(reqwest::header::AUTHORIZATION, value.clone());
        }
        let rest = [
            (names::SESSION, headers.session.map(|id| id.to_string())),
            (names::IDEMPOTENCY_KEY, headers.idempotency.map(|key| key.to_string())),
            (names::MIN_REVISION, headers.min_revision.map(|revision| revision.to_string())),
        ];
        for (name, value) in rest {
            if let Some(value) = value {
                builder = builder.header(name, value);
            }
        }
        builder
    }

    pub(super) fn unreachable(&self, failures: Failures) -> Error {
        let servers = self.servers.iter().zip(failures.reasons);
        Error::Unreachable(Box::new(Unreachable {
            servers: servers
                .map(|(asked, reason)| UnreachableServer {
                    server: asked.server.clone(),
                    reason: reason.unwrap_or_default(),
                })
                .collect(),
            may_be_applied: failures.may_be_applied,
            was_there: failures.was_there,
        }))
    }
}

/// The headers of a request: the same ones on every try.
pub(super) struct Headers {
    authorization: Option<HeaderValue>,
    session: Option<Uuid>,
    idempotency: Option<Uuid>,
    min_revision: Option<u64>,
}

/// How one round through all servers ended.
enum Round {
    /// With an answer.
    Done(Answer),
    /// With a refusal.
    Refused(Error),
    /// Nobody was there at all: waiting would be in vain.
    Nobody,
    /// Somebody was there, in this round or before, but could not do it now.
    Later(Option<Duration>),
}

/// What went wrong so far, by server.
pub(super) struct Failures {
    reasons: Vec<Option<String>>,
    /// Whether nobody was there when it was asked last.
    absent: Vec<bool>,
    may_be_applied: bool,
    was_there: bool,
}

impl Failures {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            reasons: vec![None; servers],
            absent: vec![false; servers],
            may_be_applied: false,
            was_there: false,
        }
    }

    pub(super) fn note(&mut self, at: usize, failed: Failed) {
        // A timeout in the rest of the time says less than an earlier error.
        if !failed.was_silent || self.reasons[at].is_none() {
            self.reasons[at] = Some(failed.reason);
        }
        self.absent[at] = !failed.is_there;
        self.may_be_applied |= failed.may_be_applied;
        self.was_there |= failed.is_there;
    }

    fn note_skipped(&mut self, at: usize) {
        self.reasons[at].get_or_insert_with(|| "not asked: no time was left".to_owned());
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Up to a quarter of the wait: agents that failed at one moment must not come back at one moment.
fn jitter(wait: Duration) -> Duration {
    // The low bits of a fresh id are random.
    let random = (Uuid::now_v7().as_u128() & 0xffff) as u32;
    wait * random / 0xffff / 4
}
