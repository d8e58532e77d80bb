//! Carries out the messages of one client, and gives the events to send next. Keeps which project the client
//! follows, as which session, and up to which revision its events were sent. Never writes to the socket itself.

use super::outbox::{Delivery, End};
use crate::{
    api::Api,
    auth::Caller,
    cluster::{Consistency, SharedView, Unavailable},
    events::{
        Next, RenderedEvent, Subscriber,
        history::{self, ReadError, Start},
    },
    failure::ApiError,
    references,
    write::Incoming,
};
use nexus_api_types::{
    Code,
    socket::{CloseCode, ErrorCode, Notice, Request},
};
use nexus_domain::{
    EngineerId, ProjectId, Refusal, Reply, Revision, SessionId, State, command,
    decide::access,
    entity::{ApiKey, Engineer, HeartbeatMode, SessionMetadata},
    refusal::EntityKind,
};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Most events that are read from the history at once for one socket.
const CHUNK: usize = 512;
/// Bytes of events after which a delivery ends, at the end of a revision: thousands of sockets may be slow.
const CHUNK_BYTES: usize = 256 << 10;

const KEY_INVALID: End = End::Close(CloseCode::KeyInvalid, "the API key was revoked or expired");
const NOT_MEMBER: End = End::Close(CloseCode::NotMember, "you are no longer a member of this project");
const NO_QUORUM: End = End::Close(CloseCode::GoingAway, "this node reaches no quorum: try another one");
const UNREADABLE: End =
    End::Close(CloseCode::GoingAway, "this node cannot read its history: try another one");

/// The state of the protocol with one client.
pub(crate) struct Conversation {
    api: Api,
    caller: Caller,
    subscription: Option<Subscription>,
}

/// The project that the client follows.
struct Subscription {
    project: ProjectId,
    /// The session that heartbeats renew; `None` for a read-only key, and once the session has ended.
    session: Option<SessionId>,
    /// All events up to this revision were sent.
    cursor: Revision,
    subscriber: Subscriber,
    /// The read from the history that is under way, if any. It goes on while messages of the client arrive.
    reading: JoinSet<Result<Step, End>>,
}

/// The next thing to send to the client.
pub(crate) enum Step {
    /// Events, in order. After them, everything up to this revision was sent.
    Events(Delivery, Revision),
    /// The next events are no longer in the history.
    Compacted(Notice),
}

impl Conversation {
    pub(crate) fn new(api: Api, caller: Caller) -> Self {
        Self { api, caller, subscription: None }
    }

    /// Carries out a message and returns the notices to send.
    pub(crate) async fn answer(&mut self, request: Request) -> Result<Vec<Notice>, End> {
        match request {
            Request::Join { project_id, since } => self.join(&project_id, since.map(Revision)).await,
            Request::Heartbeat => self.heartbeat().await,
            Request::Leave => Ok(vec![match self.subscription.take() {
                Some(subscription) => Notice::Left { project_id: subscription.project.0 },
                None => not_in_project("no project is followed: join one first"),
            }]),
        }
    }

    async fn join(&mut self, project: &str, since: Option<Revision>) -> Result<Vec<Notice>, End> {
        let (subscription, joined) = match self.subscribe(project, since).await {
            Ok(subscribed) => subscribed,
            // A refused join changes nothing: the client goes on with the project that it follows.
            Err(JoinError::Refused(notice)) => return Ok(vec![notice]),
            Err(JoinError::Ended(end)) => return Err(end),
        };
        let mut notices = Vec::new();
        let project = subscription.project;
        // To join another project is to leave this one. To join the same one again starts over at its `since`.
        if let Some(former) =
            self.subscription.replace(subscription).filter(|former| former.project != project)
        {
            notices.push(Notice::Left { project_id: former.project.0 });
        }
        notices.push(joined);
        Ok(notices)
    }

    /// Subscribes to a project, if the client may read it. Does not change the subscription that the client has.
    async fn subscribe(
        &self,
        project: &str,
        since: Option<Revision>,
    ) -> Result<(Subscription, Notice), JoinError> {
        let api = &self.api;
        let seen = api.cluster.read(Consistency::Linearizable, None).await?;
        let state = seen.view.state();
        let (engineer, key) = self.identity(state).ok_or(KEY_INVALID)?;
        let Some(project) = references::project(state, project) else {
            let message = references::no_project(project).message;
            return Err(JoinError::Refused(Notice::Error { code: ErrorCode::InvalidMessage, message }));
        };
        access::reader(state, engineer, key, project)?;
        let latest = seen.view.revision();
        if let Some(since) = since.filter(|since| *since > latest) {
            return Err(JoinError::Refused(Notice::Error {
                code: ErrorCode::InvalidMessage,
                message: format!("since: revision {since} is in the future, the cluster is at {latest}"),
            }));
        }
        if let Some(Err(ReadError::Reset { from })) = since.map(|since| history::check_cursor(state, since)) {
            return Err(JoinError::Refused(reset(project, from)));
        }
        // Before a session is made: a client that must fetch the whole state first joins again afterwards.
        if let Some(since) = since {
            let next = Revision(since.0 + 1);
            let oldest = api.cluster.events(next, 1).await.map_err(|_| UNREADABLE)?.oldest;
            if oldest > next {
                return Err(JoinError::Refused(compacted(project, oldest)));
            }
        }
        // Before the session begins, so that no event between the two is missed.
        let subscriber = api.hub.subscribe(project);
        let (session, revision) = self.session(&seen.view, engineer, key, project).await?;
        let cursor = since.unwrap_or(revision);
        let joined =
            Notice::Joined { session_id: session.map(|id| id.0), project_id: project.0, revision: cursor.0 };
        Ok((Subscription { project, session, cursor, subscriber, reading: JoinSet::new() }, joined))
    }

    /// The session that the socket acts as, and a revision at which the session exists.
    async fn session(
        &self,
        view: &SharedView,
        engineer: &Engineer,
        key: &ApiKey,
        project: ProjectId,
    ) -> Result<(Option<SessionId>, Revision), JoinError> {
        let (state, revision) = (view.state(), view.revision());
        if access::may_write(engineer, key).is_err() {
            return Ok((None, revision));
        }
        if let Some(id) = self.caller.session {
            let no_session = || Refusal::NotFound { kind: EntityKind::Session, name: id.to_string() };
            let session = state.session(id).ok_or_else(no_session)?;
            if session.engineer != engineer.id {
                return Err(Refusal::ForeignSession(id).into());
            }
            if session.project != project {
                return Err(no_session().into());
            }
            self.api.cluster.keep_alive(id);
            return Ok((Some(id), revision));
        }
        if let Some(session) = state.session_of(project, engineer.id, None).filter(|found| found.is_active())
        {
            self.api.cluster.keep_alive(session.id);
            return Ok((Some(session.id), revision));
        }
        let command = command::StartSession {
            project,
            id: SessionId(self.api.mint.id()),
            agent: None,
            feature: None,
            metadata: SessionMetadata::default(),
        }
        .into();
        let incoming = Incoming::of_the_node();
        let done = incoming.propose_as(&self.api, self.caller.actor(), None, command).await?;
        match done.reply {
            Reply::Session(session) => Ok((Some(session.id), done.revision.max(revision))),
            _ => Err(UNREADABLE.into()),
        }
    }

    async fn heartbeat(&mut self) -> Result<Vec<Notice>, End> {
        let Some(subscription) = &mut self.subscription else {
            return Ok(vec![not_in_project("no project is followed: join one first")]);
        };
        let Some(session) = subscription.session else {
            return Ok(vec![not_in_project("no session acts in this project: join again")]);
        };
        let view = self.api.cluster.local();
        let (engineer, key) =
            self.caller.identity(&*self.api.cluster, view.state()).map_err(|_| KEY_INVALID)?;
        if let Err(refusal) = access::may_write(engineer, key) {
            // The right to write was taken away after the join: a read-only key keeps no claims alive.
            return Ok(vec![Notice::Error { code: ErrorCode::Forbidden, message: refusal.to_string() }]);
        }
        if self.caller.is_person()
            && let Some(found) = view.state().session(session).filter(|found| found.is_active())
            && found.heartbeat_mode == HeartbeatMode::Unattended
        {
            self.api.cluster.keep_alive(session);
            return Ok(Vec::new());
        }
        match self.api.cluster.heartbeat(session).await {
            Ok(true) => Ok(Vec::new()),
            Ok(false) => {
                subscription.session = None;
                Ok(vec![not_in_project("the session is over: join again to begin another one")])
            }
            // Without a quorum no lease ends either: the next heartbeat is in time.
            Err(unavailable) => {
                tracing::debug!(%unavailable, "a heartbeat was lost");
                Ok(Vec::new())
            }
        }
    }

    /// Waits for what to send next. Safe to drop while it waits: a read that was begun is not begun again.
    pub(crate) async fn next(&mut self) -> Result<Step, End> {
        let Some(subscription) = &mut self.subscription else { return std::future::pending().await };
        loop {
            if let Some(read) = subscription.reading.join_next().await {
                return read.unwrap_or(Err(UNREADABLE));
            }
            match subscription.subscriber.after(subscription.cursor) {
                Next::Events(batches, through) if batches.is_empty() => {
                    subscription.cursor = through;
                    subscription.subscriber.changed().await;
                }
                Next::Events(batches, through) => {
                    let delivered = subscription.cursor;
                    let events = batches.iter().flat_map(|batch| &batch.events);
                    let (events, through) = first(events.filter(|event| event.revision > delivered), through);
                    return Ok(Step::Events(
                        Delivery::shared(&self.api, self.caller.engineer, events),
                        through,
                    ));
                }
                Next::Behind => {
                    subscription.reading.spawn(read_on(
                        self.api.clone(),
                        self.caller.engineer,
                        subscription.project,
                        subscription.cursor,
                    ));
                }
            }
        }
    }

    /// All events up to a revision were sent.
    pub(crate) fn delivered(&mut self, through: Revision) {
        if let Some(subscription) = &mut self.subscription {
            subscription.cursor = through.max(subscription.cursor);
        }
    }

    /// Ends the subscription.
    pub(crate) fn unsubscribe(&mut self) {
        self.subscription = None;
    }

    /// Checks that the client may still read the project that it follows. Called right before each delivery.
    pub(crate) fn authorise(&self) -> Result<(), End> {
        let view = self.api.cluster.local();
        let (engineer, key) = self.identity(view.state()).ok_or(KEY_INVALID)?;
        match &self.subscription {
            Some(subscription) => access::reader(view.state(), engineer, key, subscription.project)
                .map(|_| ())
                .map_err(|_| NOT_MEMBER),
            None => Ok(()),
        }
    }

    fn identity<'a>(&self, state: &'a State) -> Option<(&'a Arc<Engineer>, &'a Arc<ApiKey>)> {
        self.caller.identity(&*self.api.cluster, state).ok()
    }
}

/// Reads the next events of a project from the history.
async fn read_on(api: Api, engineer: EngineerId, project: ProjectId, after: Revision) -> Result<Step, End> {
    match history::read(&*api.cluster, project, Start::After(after), CHUNK, CHUNK_BYTES).await {
        Ok(chunk) => {
            let view = api.cluster.local();
            let rendered = |recorded| RenderedEvent::of(view.state(), recorded);
            let events = Delivery::own(&api, engineer, chunk.events.iter().filter_map(rendered).collect());
            Ok(Step::Events(events, chunk.through))
        }
        Err(ReadError::Compacted { oldest }) => Ok(Step::Compacted(compacted(project, oldest))),
        Err(ReadError::Reset { from }) => Ok(Step::Compacted(reset(project, from))),
        Err(ReadError::Storage(error)) => {
            tracing::error!(%error, "the history cannot be read");
            Err(UNREADABLE)
        }
    }
}

/// The first events up to [`CHUNK_BYTES`], cut at the end of a revision, and the revision up to which they are
/// complete.
fn first<'a>(
    events: impl Iterator<Item = &'a RenderedEvent>,
    through: Revision,
) -> (Vec<RenderedEvent>, Revision) {
    let (mut taken, mut bytes): (Vec<RenderedEvent>, usize) = (Vec::new(), 0);
    for event in events {
        if let Some(last) = taken.last()
            && bytes >= CHUNK_BYTES
            && last.revision < event.revision
        {
            let through = last.revision;
            return (taken, through);
        }
        bytes += event.text.len();
        taken.push(event.clone());
    }
    (taken, through)
}

/// Why a join failed.
enum JoinError {
    /// The client gets a notice, and the socket goes on.
    Refused(Notice),
    /// The socket ends.
    Ended(End),
}

impl From<End> for JoinError {
    fn from(end: End) -> Self {
        Self::Ended(end)
    }
}

impl From<Unavailable> for JoinError {
    fn from(_: Unavailable) -> Self {
        Self::Ended(NO_QUORUM)
    }
}

impl From<Refusal> for JoinError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::KeyRevoked => Self::Ended(KEY_INVALID),
            other => Self::Refused(Notice::Error { code: ErrorCode::Forbidden, message: other.to_string() }),
        }
    }
}

impl From<ApiError> for JoinError {
    fn from(error: ApiError) -> Self {
        match error.code {
            Code::InvalidApiKey => Self::Ended(KEY_INVALID),
            Code::ServiceUnavailable | Code::InternalError => Self::Ended(NO_QUORUM),
            _ => Self::Refused(Notice::Error { code: ErrorCode::Forbidden, message: error.message }),
        }
    }
}

fn not_in_project(message: &str) -> Notice {
    Notice::Error { code: ErrorCode::NotInProject, message: message.to_owned() }
}

fn compacted(project: ProjectId, oldest: Revision) -> Notice {
    Notice::Compacted { project_id: project.0, oldest: oldest.0, reset: false }
}

fn reset(project: ProjectId, from: Revision) -> Notice {
    Notice::Compacted { project_id: project.0, oldest: from.0, reset: true }
}
