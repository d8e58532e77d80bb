//! Decides about sessions: their start, their signs of life and their end.

use super::{
    Context, Decision, access::not_found, expiry::is_over, interruption, part::Part, quota::within_quotas_of,
};
use crate::{
    command::Acting,
    document::Place,
    entity::{Attendance, Engineer, Session, SessionMetadata, Vitality},
    event::{Event, ReleaseReason},
    ids::{FeatureId, ProjectId, SessionId},
    refusal::{Refusal, Thing},
    reply::Reply,
    state::State,
    usage::{Owner, SESSION_BYTES, Usage},
    words::AgentName,
};
use std::{collections::BTreeSet, sync::Arc};

/// Sessions of one engineer in one project: more than this are leaked by a broken client.
const MAX_SESSIONS_OF_ENGINEER: usize = 1_000;

/// A request that acts as this session shows that it is alive; none when that is known already.
pub(crate) fn sign_of_life(state: &State, session: &Session) -> Option<Event> {
    if session.is_ending() {
        return None;
    }
    let after = renewed(state, session, false);
    (after != *session).then(|| renewal(session, after))
}

/// The same session with a fresh lease.
fn renewed(state: &State, session: &Session, is_heartbeat: bool) -> Session {
    let mut session = session.clone();
    if is_heartbeat {
        session.attendance = Attendance::Attended;
    }
    let lease = match session.attendance {
        Attendance::Attended => state.settings.session_timeout,
        Attendance::Unattended => state.settings.session_unattended,
    };
    session.vitality = Vitality::Active { until: state.clock.cluster.after(lease) };
    session.last_heartbeat = state.clock.wall;
    session
}

/// The event that says that a session is alive: it came back, or just went on.
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
    // Not the project's: where one member filled it, the others still begin and give back.
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
        attendance: Attendance::Unattended,
        vitality: Vitality::Active { until },
        last_heartbeat: ctx.wall(),
        created_at: ctx.wall(),
    })
}

/// Refuses to act as a session that is over and has not given everything back yet: a new one takes its place then.
pub(super) fn acts(session: &Session) -> Result<(), Refusal> {
    if session.is_ending() {
        return Err(Refusal::Cluster("this session is still ending: try again in a second".to_owned()));
    }
    Ok(())
}

/// The session to act as, made on demand when it is the default one. It is alive by this request,
/// which the first event says.
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
        acts(session)?;
        let alive = renewed(ctx.state, session, false);
        return Ok((alive.clone(), renewal(session, alive)));
    }
    let Acting::Engineer { candidate } = ctx.acting else {
        return Err(not_found(Thing::Session, project));
    };
    let session = new_session(ctx, project, engineer, candidate, None)?;
    Ok((session.clone(), Event::SessionStarted(Arc::new(session))))
}

/// Starts a session, or finds the one of this agent that lives.
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
        return Err(not_found(Thing::Feature, feature));
    }
    let before = ctx.state.session_of(project, engineer.id, agent);
    before.map_or(Ok(()), |session| acts(session))?;
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
    // Each once: a session that comes back is announced once.
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
        events.extend(sign_of_life(ctx.state, session));
    }
    Decision::new(events, Reply::Heartbeats { unknown })
}

/// Ends a session of one's own.
pub(super) fn end(ctx: Context<'_>, project: ProjectId, id: SessionId) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let session = ctx.own_session(engineer, project, id)?;
    let place = Place::asked_for(ctx.revision);
    let mut part = Part::new(ctx.state.part_limits);
    let (events, documents) =
        interruption::ended(ctx.state, session, &ReleaseReason::SessionEnded, place, &mut part);
    Ok(Decision::new(events, Reply::Session(session.clone())).with_documents(documents))
}
