//! Decides about sessions: their start, their heartbeats and keep-alives, and their end.

use super::{
    Context, Decision, access::not_found, cleanup::CleanupBudget, expiry::is_over, quota::within_quotas_of,
    session_end,
};
use crate::{
    command::Acting,
    document::LogPosition,
    entity::{Engineer, HeartbeatMode, LeaseState, Session, SessionMetadata},
    event::{Event, ReleaseReason},
    ids::{FeatureId, ProjectId, SessionId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    short_text::AgentName,
    state::State,
    usage::{Owner, SESSION_BYTES, Usage},
};
use std::{collections::BTreeSet, sync::Arc};

/// Sessions of one engineer in one project. More than this are leaked by a broken client.
const MAX_SESSIONS_OF_ENGINEER: usize = 1_000;

/// Renews the lease of a session that a request acts as. `None` if nothing changes, or if the session is ending.
pub(crate) fn renew_lease(state: &State, session: &Session) -> Option<Event> {
    if session.is_ending() {
        return None;
    }
    let after = renewed(state, session, false);
    (after != *session).then(|| renewal(session, after))
}

/// The same session with a new lease. A heartbeat puts it on the short lease for good.
fn renewed(state: &State, session: &Session, is_heartbeat: bool) -> Session {
    let mut session = session.clone();
    if is_heartbeat {
        session.heartbeat_mode = HeartbeatMode::Attended;
    }
    let lease = match session.heartbeat_mode {
        HeartbeatMode::Attended => state.settings.session_timeout,
        HeartbeatMode::Unattended => state.settings.session_unattended,
    };
    session.lease = LeaseState::Active { until: state.clock.cluster.after(lease) };
    session.last_heartbeat = state.clock.wall;
    session
}

/// The event of a renewed lease: the session came back from its grace, or just continues.
fn renewal(before: &Session, after: Session) -> Event {
    let came_back = !before.is_active();
    let after = Arc::new(after);
    if came_back { Event::SessionStarted(after) } else { Event::SessionRenewed(after) }
}

fn new_session(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: &Engineer,
    id: SessionId,
    agent: Option<&AgentName>,
) -> Result<Session, Refusal> {
    let held = ctx.state.sessions_of(project, engineer.id);
    if held.take(MAX_SESSIONS_OF_ENGINEER).count() == MAX_SESSIONS_OF_ENGINEER {
        return Err(Refusal::TooMany {
            what: "sessions of one engineer in one project".to_owned(),
            limit: MAX_SESSIONS_OF_ENGINEER as u64,
        });
    }
    // The project's quota does not count here: where one member filled it, the others must still be able to release.
    let owners = [Owner::Engineer(engineer.id), Owner::Cluster];
    within_quotas_of(ctx.state, owners, Usage::of_memory(SESSION_BYTES))?;
    let until = ctx.state.clock.cluster.after(ctx.state.settings.session_unattended);
    Ok(Session {
        id,
        project,
        engineer: engineer.id,
        agent: agent.cloned(),
        feature: None,
        metadata: SessionMetadata::default(),
        heartbeat_mode: HeartbeatMode::Unattended,
        lease: LeaseState::Active { until },
        last_heartbeat: ctx.wall(),
        created_at: ctx.wall(),
    })
}

/// Refuses to act as a session that is ending. Once it is over, the next request gets a new session.
pub(super) fn require_not_ending(session: &Session) -> Result<(), Refusal> {
    if session.is_ending() {
        return Err(Refusal::Cluster("this session is still ending: try again in a second".to_owned()));
    }
    Ok(())
}

/// The session that the command acts as, with its lease renewed, and the event that says so. A default session is
/// created on demand.
pub(super) fn acting_session(
    ctx: Context<'_>,
    engineer: &Engineer,
    project: ProjectId,
) -> Result<(Session, Event), Refusal> {
    let existing = match ctx.acting {
        Acting::Session(id) => Some(ctx.own_session(engineer, project, id)?),
        Acting::Engineer { .. } => ctx.state.session_of(project, engineer.id, None),
    };
    if let Some(session) = existing {
        require_not_ending(session)?;
        let alive = renewed(ctx.state, session, false);
        return Ok((alive.clone(), renewal(session, alive)));
    }
    let Acting::Engineer { candidate } = ctx.acting else {
        return Err(not_found(EntityKind::Session, project));
    };
    let session = new_session(ctx, project, engineer, candidate, None)?;
    Ok((session.clone(), Event::SessionStarted(Arc::new(session))))
}

/// Starts a session, or renews the living session of the same agent.
pub(super) fn start(
    ctx: Context<'_>,
    project: ProjectId,
    id: SessionId,
    agent: Option<&AgentName>,
    feature: Option<FeatureId>,
    metadata: &SessionMetadata,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    if let Some(feature) = feature
        && ctx.state.feature(project, feature).is_none()
    {
        return Err(not_found(EntityKind::Feature, feature));
    }
    let before = ctx.state.session_of(project, engineer.id, agent);
    before.map_or(Ok(()), |session| require_not_ending(session))?;
    let mut session = match before {
        Some(session) => renewed(ctx.state, session, false),
        None => new_session(ctx, project, engineer, id, agent)?,
    };
    session.feature = feature.or(session.feature);
    if *metadata != SessionMetadata::default() {
        session.metadata = metadata.clone();
    }
    let event = match before {
        Some(before) => renewal(before, session.clone()),
        None => Event::SessionStarted(Arc::new(session.clone())),
    };
    Ok(Decision::new(vec![event], Reply::Session(Arc::new(session))))
}

/// Renews every session that sent a heartbeat or acted. The reply names the sessions of heartbeats that are over.
pub(super) fn heartbeats(ctx: Context<'_>, heartbeats: &[SessionId], keep_alives: &[SessionId]) -> Decision {
    let mut events = Vec::with_capacity(heartbeats.len() + keep_alives.len());
    let mut unknown = Vec::new();
    // Each session is renewed once: its return is announced once.
    let mut seen = BTreeSet::new();
    for id in heartbeats.iter().filter(|id| seen.insert(**id)) {
        match ctx.state.session(*id).filter(|session| !is_over(ctx.state, session)) {
            Some(session) => events.push(renewal(session, renewed(ctx.state, session, true))),
            None => unknown.push(*id),
        }
    }
    let kept_alive =
        keep_alives.iter().filter(|id| seen.insert(**id)).filter_map(|id| ctx.state.session(*id));
    for session in kept_alive.filter(|session| !is_over(ctx.state, session)) {
        events.extend(renew_lease(ctx.state, session));
    }
    Decision::new(events, Reply::Heartbeats { unknown })
}

/// Ends one of the engineer's own sessions.
pub(super) fn end(ctx: Context<'_>, project: ProjectId, id: SessionId) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let session = ctx.own_session(engineer, project, id)?;
    let position = LogPosition::of_command(ctx.revision);
    let mut budget = CleanupBudget::new(ctx.state.cleanup_limits);
    let (events, documents) =
        session_end::ended(ctx.state, session, &ReleaseReason::SessionEnded, position, &mut budget);
    Ok(Decision::new(events, Reply::Session(session.clone())).with_documents(documents))
}
