//! Sessions and their leases. Nothing here ends a session.

use super::{access::not_found, context::Context, quota::within_quotas_of};
use crate::{
    actor::Acting,
    entity::{Engineer, HeartbeatMode, LeaseState, ReleaseReason, Session, SessionMetadata},
    event::Event,
    ids::{ProjectId, SessionId},
    refusal::{EntityKind, Refusal},
    short_text::AgentName,
    state::State,
    usage::{Owner, SESSION_BYTES, Usage},
};
use std::sync::Arc;

/// Sessions of one engineer in one project. More than this are leaked by a broken client.
const MAX_SESSIONS_OF_ENGINEER: usize = 1_000;

/// The session that the command acts as, with its lease renewed, and the event that says so. A default session is
/// created on demand.
pub(crate) fn acting_session(
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

/// Refuses to act as a session that is ending. Once it is over, the next request gets a new session.
pub(crate) fn require_not_ending(session: &Session) -> Result<(), Refusal> {
    if session.is_ending() {
        return Err(Refusal::Cluster("this session is still ending: try again in a second".to_owned()));
    }
    Ok(())
}

/// Renews the lease of a session that a request acts as. `None` if nothing changes, or if the session is ending.
pub(crate) fn renew_lease(state: &State, session: &Session) -> Option<Event> {
    if session.is_ending() {
        return None;
    }
    let after = renewed(state, session, false);
    (after != *session).then(|| renewal(session, after))
}

/// The same session with a new lease. A heartbeat puts it on the short lease for good.
pub(crate) fn renewed(state: &State, session: &Session, is_heartbeat: bool) -> Session {
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
pub(crate) fn renewal(before: &Session, after: Session) -> Event {
    let came_back = !before.is_active();
    let after = Arc::new(after);
    if came_back { Event::SessionStarted(after) } else { Event::SessionRenewed(after) }
}

/// A session that starts now, with the long lease.
pub(crate) fn new_session(
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

/// Whether a session is over although its end is still to come: there were too many for one entry.
pub(crate) fn is_over(state: &State, session: &Session) -> bool {
    match &session.lease {
        LeaseState::Active { .. } => false,
        LeaseState::Disconnected { until } => *until <= state.clock.cluster,
        LeaseState::Ending { .. } => true,
    }
}

/// Marks a session as ending, so that it can do nothing more; `None` if it is marked already.
pub(crate) fn ending(session: &Session, reason: &ReleaseReason) -> Option<Event> {
    let ending = || Session { lease: LeaseState::Ending { reason: reason.clone() }, ..session.clone() };
    (!session.is_ending()).then(|| Event::SessionDisconnected(Arc::new(ending())))
}
