//! The same request to server after server, until one could do it. A server that is slow to answer is overtaken: the
//! next one is asked while the answer of the first may still come. Every command has one deadline for all it asks;
//! every write has one identity, however often it is sent, and is applied once.

use super::{
    attempt::{self, Attempt, Failed},
    deadline::Deadline,
    headers::Headers,
    known_servers::{KnownServers, SILENT_FOR},
    race::{Failures, Race},
    request::Request,
    trust::Trust,
};
use crate::{
    answer::Answer,
    error::{Error, Unreachable, UnreachableServer},
    output::Progress,
    server::Server,
};
use futures::{
    StreamExt,
    future::{FutureExt, ready},
};
use nexus_api_types::cluster::ClusterStatus;
use rustls::pki_types::CertificateDer;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The wait before all servers are asked again when none of them said how long: an election takes
/// about as long. It doubles from round to round.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest such wait: nobody should sit idle for long after the cluster is back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The time after which the next server is asked too: many times what an answer usually takes, and little to whoever
/// waits. It doubles from server to server, so that a cluster that is slow as a whole is not asked everything thrice.
const OVERTAKE_AFTER: Duration = Duration::from_millis(100);

/// A cluster as a command sees it.
pub(crate) struct Client {
    pub(super) servers: Vec<Connected>,
    /// The number of servers that are configured. They come before the members that the cluster named.
    configured: usize,
    known: KnownServers,
    token: Option<String>,
    /// The authorities whose certificates servers may have.
    trust: Trust,
    /// The session that acts.
    session: Cell<Option<Uuid>>,
    deadline: Deadline,
    /// The servers in the order in which they are asked: the one that answered last first, those that kept silent last.
    order: RefCell<Vec<usize>>,
    /// When that order was made from the places of the servers.
    ordered_at: Cell<Instant>,
    /// The region of this machine, if that is known.
    region: Option<String>,
    /// The log index of the last write: later reads of this command see it on every server.
    written: Cell<Option<u64>>,
    /// Whether a person watches, for whom a message is printed when it takes long.
    is_watched: bool,
}

pub(super) struct Connected {
    pub(super) server: Server,
    /// Made for the first request: most servers of a list are never asked.
    made: RefCell<Option<Connection>>,
}

/// A connection, with the authorities that it accepts certificates of.
struct Connection {
    authorities: Option<Vec<CertificateDer<'static>>>,
    client: reqwest::Client,
}

impl Connected {
    fn to(server: &Server) -> Self {
        Self { server: server.clone(), made: RefCell::new(None) }
    }

    /// The connection for a request. The file of authorities is read each time: it changes while a process runs for
    /// days, and what cannot be read while it is replaced is as it was.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn connection(&self, trust: &Trust) -> Result<reqwest::Client, Failed> {
        let mut made = self.made.borrow_mut();
        let authorities = if self.server.is_encrypted() { trust.read() } else { Ok(None) };
        let is_made = made.as_ref().is_some_and(|made| authorities.as_ref() == Ok(&made.authorities));
        if !is_made {
            let new = authorities.and_then(|authorities| {
                let client = attempt::connection(&self.server, authorities.as_deref());
                let client = client.map_err(|error| {
                    format!(
                        "TLS cannot be set up ({}): --ca FILE names the cluster's ca.crt",
                        last_cause(&error)
                    )
                })?;
                Ok(Connection { authorities, client })
            });
            match new {
                Ok(new) => *made = Some(new),
                Err(problem) if made.is_none() => return Err(Failed::absent(problem)),
                Err(_) => {}
            }
        }
        let made = made.as_ref().expect("a connection is made, or was before");
        Ok(made.client.clone())
    }
}

fn last_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Client {
    /// A client of these servers, at least one, with this API key. All that is ever asked of it ends by the deadline.
    pub(crate) fn new(servers: &[Server], token: Option<String>, deadline: Deadline) -> Self {
        Self {
            servers: servers.iter().map(Connected::to).collect(),
            configured: servers.len(),
            known: KnownServers::default(),
            token,
            trust: Trust::default(),
            session: Cell::new(None),
            deadline,
            order: RefCell::new((0..servers.len()).collect()),
            ordered_at: Cell::new(Instant::now()),
            region: None,
            written: Cell::new(None),
            is_watched: false,
        }
    }

    /// Accepts certificates of these authorities.
    pub(crate) fn trusting(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// The authorities whose certificates are accepted.
    pub(super) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Uses what earlier commands found out: servers that kept silent are asked last, and with `and_members`, the
    /// members of the cluster are asked after the servers that are configured.
    pub(crate) fn knowing(mut self, known: KnownServers, and_members: bool) -> Self {
        if and_members {
            self.servers.extend(known.members(&self.configured()).iter().map(Connected::to));
        }
        self.known = known;
        self.in_order()
    }

    /// Asks servers of this region before all others.
    pub(crate) fn near(mut self, region: Option<String>) -> Self {
        self.region = region;
        self.in_order()
    }

    fn in_order(self) -> Self {
        self.restore_order();
        self
    }

    /// Asks servers in the order that earlier commands and the region of this machine suggest.
    fn restore_order(&self) {
        let servers = self.servers.iter().map(|connected| &connected.server);
        *self.order.borrow_mut() = self.known.order(&self.configured(), servers, self.region.as_deref());
        self.ordered_at.set(Instant::now());
    }

    fn configured(&self) -> Vec<Server> {
        self.servers[..self.configured].iter().map(|connected| connected.server.clone()).collect()
    }

    /// The server that answered last; before any answer, the one that is asked first.
    pub(crate) fn server(&self) -> &Server {
        &self.servers[self.order.borrow()[0]].server
    }

    /// The servers in the order in which they are asked, by their places.
    pub(super) fn order(&self) -> Vec<usize> {
        self.order.borrow().clone()
    }

    /// The number of servers that a request may be sent to.
    pub(crate) const fn server_count(&self) -> usize {
        self.servers.len()
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

    /// The deadline of all that is asked.
    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Gives further requests the whole timeout again, for commands that keep running.
    pub(crate) fn restart_timeout(&self) {
        self.deadline.restart();
    }

    /// Remembers the addresses of the members, for later commands.
    pub(crate) fn learn_members(&self, status: &ClusterStatus) {
        let members = status.nodes.iter().map(|node| {
            let region = node.place.as_ref().and_then(|place| place.region.as_deref());
            (node.client_addr.as_str(), region)
        });
        self.known.learn(&self.configured(), members);
    }

    /// Asks for the members when that was long ago. Commands work without them, so that failures count for nothing.
    pub(crate) async fn refresh_members(&self) {
        if !self.known.is_due(&self.configured()) {
            return;
        }
        let answer = self.send(Request::get("/cluster/status")).await;
        if let Ok(status) = answer.and_then(|answer| answer.parse::<ClusterStatus>()) {
            self.learn_members(&status);
        }
    }

    /// Asks until a server answers or the time is over.
    ///
    /// # Errors
    /// The cluster's refusal, or why each of the servers could not do it.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Error> {
        let headers = self.headers(&request)?;
        let deadline = self.deadline.end();
        // A process that runs for days goes back to a near server after it had to ask a far one.
        if self.region.is_some() && self.ordered_at.get().elapsed() >= SILENT_FOR {
            self.restore_order();
        }
        let progress = Progress::new(self.is_watched && !request.is_long_poll);
        progress.during(self.ask(&request, &headers, deadline), |gone| self.waiting(gone)).await
    }

    /// The progress message while servers take long to answer.
    fn waiting(&self, gone: Duration) -> String {
        let whom = match &self.servers[..] {
            [only] => only.server.to_string(),
            servers => format!("{} servers", servers.len()),
        };
        format!("Waiting for {whom}: {} s of {} s", gone.as_secs(), self.deadline.total().as_secs())
    }

    async fn ask(&self, request: &Request, headers: &Headers, deadline: Instant) -> Result<Answer, Error> {
        let mut race = Race::new(self.servers.len());
        let mut wait = FIRST_WAIT;
        loop {
            let round = match self.ask_all(request, headers, deadline, &mut race).await {
                Round::Later(said) => {
                    let pause = said.unwrap_or(wait) + jitter(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                    self.pause(request, Instant::now() + pause, deadline, &mut race).await
                }
                round => Some(round),
            };
            match round {
                Some(Round::Done(answer)) => return Ok(answer),
                Some(Round::Refused(error)) => return Err(error),
                Some(Round::Nobody) => return Err(self.unreachable(race.failures)),
                Some(Round::Later(_)) | None => {}
            }
        }
    }

    /// Waits before the servers are asked again, or until one that was asked before answers. A pause that ends after
    /// the deadline is none: what is still under way may come, and nobody is asked again.
    async fn pause<'a>(
        &'a self,
        request: &Request,
        until: Instant,
        deadline: Instant,
        race: &mut Race<'a>,
    ) -> Option<Round> {
        let mut is_last = until >= deadline;
        let end = tokio::time::sleep_until(until);
        tokio::pin!(end);
        loop {
            tokio::select! {
                biased;
                Some((at, attempt)) = race.under_way.next() => match self.conclude(request, race, at, attempt, deadline) {
                    Ok(Round::Later(said)) => {
                        let until = Instant::now() + said.unwrap_or_default();
                        is_last = until >= deadline;
                        end.as_mut().reset(until);
                    }
                    Ok(round) => return Some(round),
                    Err(_) => {}
                },
                () = &mut end, if !is_last => return None,
                else => return Some(Round::Nobody),
            }
        }
    }

    /// Asks every server once that is not being asked already. The next one is asked when the one before has failed, or
    /// has not answered for a while.
    async fn ask_all<'a>(
        &'a self,
        request: &'a Request,
        headers: &Headers,
        deadline: Instant,
        race: &mut Race<'a>,
    ) -> Round {
        let mut next: VecDeque<usize> = self.order().into();
        next.retain(|at| race.asked_at[*at].is_none());
        let mut said = None;
        let mut overtake_after = OVERTAKE_AFTER;
        let mut ask_next_at = Instant::now();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if ask_next_at <= Instant::now() {
                let Some(at) = next.pop_front() else { break };
                if left.is_zero() {
                    race.failures.note_unasked(at);
                    continue;
                }
                // A server that must not be overtaken leaves time for the ones after it; those that were not there a
                // moment ago need none.
                let sharing = 1 + next.iter().filter(|at| !race.failures.absent[**at]).count();
                let share = left / u32::try_from(sharing).unwrap_or(u32::MAX);
                let (limit, patience) = if request.may_be_overtaken() {
                    (left, overtake_after.min(left))
                } else {
                    (share, share)
                };
                self.start(request, headers, at, limit, race);
                overtake_after *= 2;
                ask_next_at = Instant::now() + patience;
                continue;
            }
            tokio::select! {
                biased;
                Some((at, attempt)) = race.under_way.next() => {
                    match self.conclude(request, race, at, attempt, deadline) {
                        Ok(round) => return round,
                        Err(retry_after) => said = shorter(said, retry_after),
                    }
                    // Nobody is waited for who is not asked.
                    ask_next_at = Instant::now();
                }
                () = tokio::time::sleep_until(ask_next_at) => {}
            }
        }
        if race.failures.was_there || !race.under_way.is_empty() { Round::Later(said) } else { Round::Nobody }
    }

    /// Begins to ask one server.
    fn start<'a>(
        &'a self,
        request: &'a Request,
        headers: &Headers,
        at: usize,
        limit: Duration,
        race: &mut Race<'a>,
    ) {
        let Connected { server, .. } = &self.servers[at];
        race.asked_at[at] = Some(Instant::now());
        let sent = match self.servers[at].connection(&self.trust) {
            Ok(connection) => {
                let builder = headers.build(&connection, server, request);
                let sent = attempt::send(server, request, builder, &self.trust, limit);
                sent.map(move |attempt| (at, attempt)).boxed_local()
            }
            Err(failed) => ready((at, Attempt::Failed(failed))).boxed_local(),
        };
        race.under_way.push(sent);
    }

    /// Interprets the end of one attempt: either the round is over, or another server has to be asked; then the error
    /// is the time after which this one can be asked again.
    fn conclude(
        &self,
        request: &Request,
        race: &mut Race<'_>,
        at: usize,
        attempt: Attempt,
        deadline: Instant,
    ) -> Result<Round, Option<Duration>> {
        if !matches!(attempt, Attempt::Failed(_)) {
            self.answered(at, race);
        }
        race.asked_at[at] = None;
        match attempt {
            Attempt::Answered { data, revision } => {
                if request.is_write() {
                    self.written.set(self.written.get().max(revision));
                }
                Ok(Round::Done(Answer::at(data, revision)))
            }
            Attempt::Refused(refused) => Ok(Round::Refused(Error::Refused(refused))),
            // Asking another server instead would only get round the limit.
            Attempt::Limited { retry_after, refused } => Ok(match retry_after {
                Some(pause) if Instant::now() + pause < deadline => Round::Later(Some(pause)),
                _ => Round::Refused(Error::Refused(refused)),
            }),
            Attempt::Failed(failed) => {
                race.was_silent[at] |= failed.was_silent;
                let retry_after = failed.retry_after;
                race.failures.note(at, failed);
                Err(retry_after)
            }
        }
    }

    /// The server that answered is asked first from now on, and the ones that it has overtaken last.
    fn answered(&self, at: usize, race: &Race<'_>) {
        let is_silent = |other: usize| {
            let was_overtaken =
                race.asked_at[other].is_some_and(|asked| race.asked_at[at].is_some_and(|at| asked < at));
            other != at && (was_overtaken || race.was_silent[other])
        };
        let silent: Vec<usize> = (0..self.servers.len()).filter(|other| is_silent(*other)).collect();
        self.order.borrow_mut().sort_by_key(|other| (*other != at, silent.contains(other)));
        let silent: Vec<&Server> = silent.iter().map(|other| &self.servers[*other].server).collect();
        self.known.note(&silent, &self.servers[at].server);
    }

    /// Whether there is an API key to send.
    pub(crate) const fn has_key(&self) -> bool {
        self.token.is_some()
    }

    /// The headers of a request of this command.
    ///
    /// # Errors
    /// When it needs an API key, and there is none that can be sent.
    pub(super) fn headers(&self, request: &Request) -> Result<Headers, Error> {
        Headers::of(request, self.token.as_deref(), self.session.get(), self.written.get())
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
            has_remedy: failures.has_remedy,
        }))
    }
}

/// The result of one round through all servers.
enum Round {
    /// A server answered.
    Done(Answer),
    /// The cluster refused.
    Refused(Error),
    /// No server was there at all, so waiting would be in vain.
    Nobody,
    /// Somebody was there, in this round or before, but could not do it now.
    Later(Option<Duration>),
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
