//! Sessions and their leases: who acts, what renews a lease, and what ends a session.

use super::{
    outcome::Outcome,
    rights::{identified, not_found, refused, sees, worker},
    usage::{TEXT_BYTES, owners, take_stock, within},
    world::{Amount, Cleaned, Session, Status, Text, Work, World},
};
use nexus_domain::{
    Acting, Actor, EngineerId, FeatureId, ProjectId, Proposal, SessionId,
    command::{EndSession, Heartbeats, StartSession},
    entity::{HeartbeatMode, Role},
    refusal::EntityKind,
    short_text::AgentName,
    usage::Owner,
};
use std::collections::BTreeSet;

/// Sessions of one engineer in one project.
const MAX_SESSIONS: usize = 1_000;

/// Renews a lease from now on.
pub(super) fn renew(world: &mut World, id: SessionId, is_heartbeat: bool) {
    let (now, settings) = (world.now, &world.settings);
    let session = world.sessions.get_mut(&id).expect("the session was found before");
    if is_heartbeat {
        session.mode = HeartbeatMode::Attended;
    }
    let lease = match session.mode {
        HeartbeatMode::Attended => settings.session_timeout.0,
        HeartbeatMode::Unattended => settings.session_unattended.0,
    };
    session.is_active = true;
    session.until = now + lease;
    session.renewed = (now, lease, settings.session_grace.0);
}

/// The session with this id, which must be the engineer's and of this project.
fn own(world: &World, engineer: EngineerId, project: ProjectId, id: SessionId) -> Result<SessionId, Outcome> {
    let session = world.sessions.get(&id).ok_or_else(|| not_found(EntityKind::Session, id))?;
    if session.engineer != engineer {
        return Err(refused("foreign session").is("session", id));
    }
    if session.project != project {
        return Err(not_found(EntityKind::Session, id));
    }
    Ok(id)
}

/// The session that the request names, if it names one.
pub(super) fn named(
    world: &World,
    acting: Acting,
    engineer: EngineerId,
    project: ProjectId,
) -> Result<Option<SessionId>, Outcome> {
    match acting {
        Acting::Session(id) => own(world, engineer, project, id).map(Some),
        Acting::Engineer { .. } => Ok(None),
    }
}

/// The session that acts, with a renewed lease. A default session is made on demand.
pub(super) fn acting(
    world: &mut World,
    acting: Acting,
    engineer: EngineerId,
    project: ProjectId,
) -> Result<SessionId, Outcome> {
    let candidate = match acting {
        Acting::Session(id) => {
            own(world, engineer, project, id)?;
            renew(world, id, false);
            return Ok(id);
        }
        Acting::Engineer { candidate } => candidate,
    };
    if let Some(id) = world.session_of(project, engineer, None).map(|session| session.id) {
        renew(world, id, false);
        return Ok(id);
    }
    begin(world, project, engineer, candidate, None)
}

fn begin(
    world: &mut World,
    project: ProjectId,
    engineer: EngineerId,
    id: SessionId,
    agent: Option<String>,
) -> Result<SessionId, Outcome> {
    let is_theirs = |session: &&Session| session.project == project && session.engineer == engineer;
    if world.sessions.values().filter(is_theirs).count() >= MAX_SESSIONS {
        return Err(refused("too many").is("limit", MAX_SESSIONS));
    }
    within(world, [Owner::Engineer(engineer), Owner::Cluster], Amount::SESSION)?;
    let session = Session {
        id,
        project,
        engineer,
        agent,
        feature: None,
        mode: HeartbeatMode::Unattended,
        is_active: true,
        until: 0,
        renewed: (0, 0, 0),
    };
    world.sessions.insert(id, session);
    renew(world, id, false);
    Ok(id)
}

/// Renews the lease of the session that a proposal acts as, whatever its outcome, if its actor may write there.
pub(super) fn renew_acting(world: &mut World, proposal: &Proposal, project: Option<ProjectId>) {
    let Actor::Engineer { id: engineer, .. } = proposal.actor else { return };
    let session = match proposal.acting {
        Acting::Session(id) => world.sessions.get(&id),
        Acting::Engineer { .. } => project.and_then(|project| world.session_of(project, engineer, None)),
    };
    let Some((id, project)) =
        session.filter(|session| session.engineer == engineer).map(|session| (session.id, session.project))
    else {
        return;
    };
    let may = identified(world, proposal.actor).is_ok_and(|(engineer, role, key)| {
        sees(world, (engineer, role), key.project, project).is_ok()
            && role != Role::Readonly
            && !key.is_readonly
    });
    if may {
        renew(world, id, false);
    }
}

/// Ends the leases and graces that are over, the earliest first. Returns those that ended too early.
pub(super) fn expire(world: &mut World) -> Vec<String> {
    let mut early = Vec::new();
    loop {
        let due = world.sessions.values().filter(|session| session.until <= world.now);
        let Some(session) = due.min_by_key(|session| (session.until, session.id)).cloned() else {
            return early;
        };
        let (now, (renewed, lease, grace)) = (world.now, session.renewed);
        if session.is_active {
            if now < renewed + lease {
                early.push(format!(
                    "session {} disconnected at {now}, renewed at {renewed} for {lease}",
                    session.id
                ));
            }
            world.cleaned.events += 1;
            let until = now + world.settings.session_grace.0;
            let session = world.sessions.get_mut(&session.id).expect("it was found just now");
            session.is_active = false;
            session.until = until;
            session.renewed.2 = until - now;
        } else {
            if now < renewed + lease + grace {
                early.push(format!(
                    "session {} ended at {now}, renewed at {renewed} for {lease} and a grace of {grace}",
                    session.id
                ));
            }
            take_stock(world);
            end(world, session.id, EXPIRED);
        }
    }
}

/// Ends a session: its paths are free, its features are ready and marked as interrupted, with a checkpoint each.
pub(super) fn end(world: &mut World, id: SessionId, note: &str) {
    let session = world.sessions[&id].clone();
    let (project, engineer) = (session.project, session.engineer);
    let features: Vec<FeatureId> = world.picked_by(id).map(|feature| feature.id).collect();
    let mut kept = Amount::default();
    let mut sorted = features.clone();
    sorted.sort_unstable();
    for feature in sorted {
        let work: Work = ("{}".to_owned(), claimed_for(world, id, feature));
        for claims in [&work.1[..], &[]] {
            let size = 2 + note.len() + claims.iter().map(|path| path.len() + 8).sum::<usize>();
            let bytes = TEXT_BYTES + size as u64;
            if within(world, owners(project, engineer), kept.and(Amount::of_text(bytes))).is_ok() {
                kept = kept.and(Amount::of_text(bytes));
                let text = Text { project, feature: Some(feature), engineer, bytes, replaced_at: None };
                world.texts.push(text);
                world.checkpoints.insert((project, feature), work.clone());
                break;
            }
        }
    }
    for feature in world.features.iter_mut().filter(|feature| features.contains(&feature.id)) {
        let list_bytes = feature.list_bytes();
        world.cleaned.add(Cleaned {
            claims: (feature.touches.len() + feature.reads.len()) / 4,
            bytes: 2 * list_bytes,
            events: 2,
        });
        feature.status = Status::Ready { is_interrupted: true };
    }
    let claims: Vec<_> = world.claims.iter().filter(|claim| claim.session == id).collect();
    let bytes = claims.iter().map(|claim| claim.path.as_str().len()).sum();
    let groups: BTreeSet<_> = claims.iter().map(|claim| claim.feature).collect();
    let cleaned = Cleaned { claims: claims.len(), bytes, events: groups.len() + claims.len() / 1_000 + 1 };
    world.cleaned.add(cleaned);
    world.claims.retain(|claim| claim.session != id);
    world.sessions.remove(&id);
}

/// Ends the sessions of a former history: their agents may know entries that are lost.
pub(super) fn end_former(world: &mut World) {
    if !std::mem::take(&mut world.has_former_sessions) {
        return;
    }
    for id in world.sessions.keys().copied().collect::<Vec<_>>() {
        take_stock(world);
        end(world, id, HISTORY_RESET);
    }
}

/// The note in the checkpoint of a session whose grace was over.
const EXPIRED: &str =
    "The session was lost: nothing was heard of it until its lease and its grace were over.";
/// The note in the checkpoint of a session whose engineer lost the right to work there.
pub(super) const MEMBER_REMOVED: &str = "The session ended: its engineer left the project.";
/// The note in the checkpoint of a session of a former history.
const HISTORY_RESET: &str =
    "The session ended: the cluster was restored from an earlier state, and what came after it is lost.";
/// The note in the checkpoint of a session that was ended.
const ENDED: &str = "The session ended before the work did.";

/// The paths that a session holds for a feature, in order.
pub(super) fn claimed_for(world: &World, session: SessionId, feature: FeatureId) -> Vec<String> {
    let of = world.claims.iter().filter(|claim| claim.session == session && claim.feature == Some(feature));
    let mut paths: Vec<String> = of.map(|claim| claim.path.as_str().to_owned()).collect();
    paths.sort_unstable();
    paths
}

impl Cleaned {
    fn add(&mut self, more: Self) {
        self.claims += more.claims;
        self.bytes += more.bytes;
        self.events += more.events;
    }
}

pub(super) fn start_session(
    world: &mut World,
    proposal: &Proposal,
    command: &StartSession,
) -> Result<Outcome, Outcome> {
    let StartSession { project, id, agent, feature, .. } = command;
    let engineer = worker(world, proposal.actor, *project)?;
    if let Some(feature) = feature
        && world.feature_by_id(*project, *feature).is_none()
    {
        return Err(not_found(EntityKind::Feature, feature));
    }
    let agent = agent.as_ref().map(AgentName::as_str);
    let id = match world.session_of(*project, engineer, agent).map(|session| session.id) {
        Some(id) => {
            renew(world, id, false);
            id
        }
        None => begin(world, *project, engineer, *id, agent.map(str::to_owned))?,
    };
    let session = world.sessions.get_mut(&id).expect("it was renewed or begun");
    session.feature = feature.or(session.feature);
    Ok(session.outcome("session"))
}

pub(super) fn end_session(
    world: &mut World,
    proposal: &Proposal,
    command: &EndSession,
) -> Result<Outcome, Outcome> {
    let EndSession { project, session } = *command;
    let engineer = worker(world, proposal.actor, project)?;
    own(world, engineer, project, session)?;
    let outcome = world.sessions[&session].outcome("session");
    end(world, session, ENDED);
    Ok(outcome)
}

pub(super) fn heartbeats(world: &mut World, command: &Heartbeats) -> Outcome {
    let mut unknown = Vec::new();
    let mut seen = BTreeSet::new();
    for id in command.heartbeats.iter().filter(|id| seen.insert(**id)) {
        if world.sessions.contains_key(id) {
            renew(world, *id, true);
        } else {
            unknown.push(*id);
        }
    }
    for id in command.keep_alives.iter().filter(|id| seen.insert(**id)) {
        if world.sessions.contains_key(id) {
            renew(world, *id, false);
        }
    }
    Outcome::of_kind("heartbeats").set("unknown", unknown)
}
