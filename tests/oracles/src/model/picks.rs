//! Picks: a feature and all of its paths are taken in one step, and released in one.

use super::{
    conflicts::{conflicts, refuse, wanted, within_limit},
    outcome::{Outcome, blocked_name},
    rights::{not_found, refused, worker},
    sessions::{acting, named, renew},
    world::{Claim, Feature, Session, Status, World},
};
use nexus_domain::{ProjectId, Proposal, SessionId, command::PickNext, entity::Lane, refusal::EntityKind};
use std::cmp::Reverse;

/// Features that one session works on at once.
const MAX_ACTIVE: usize = 1_000;
/// Ready features that one pick-next looks at.
const MAX_CANDIDATES: usize = 1_000;
/// Blocked features in one refusal.
const MAX_BLOCKED: usize = 100;

/// A feature that must exist.
pub(super) fn find<'a>(world: &'a World, project: ProjectId, slug: &str) -> Result<&'a Feature, Outcome> {
    world.feature(project, slug).ok_or_else(|| not_found(EntityKind::Feature, slug))
}

/// The refusal of a change of status.
pub(super) fn transition(feature: &Feature, to: &str) -> Outcome {
    refused("invalid transition").is("slug", &feature.slug).is("from", feature.status.name()).is("to", to)
}

/// The dependencies of a feature that are neither done nor cancelled.
fn open_dependencies(world: &World, feature: &Feature) -> Vec<String> {
    let is_open =
        |slug: &&String| world.feature(feature.project, slug).is_some_and(|needed| !needed.status.is_over());
    feature.depends_on.iter().filter(is_open).cloned().collect()
}

pub(super) fn pick(
    world: &mut World,
    proposal: &Proposal,
    project: ProjectId,
    slug: &str,
) -> Result<Outcome, Outcome> {
    let engineer = worker(world, proposal.actor, project)?;
    find(world, project, slug)?;
    let session = acting(world, proposal.acting, engineer, project)?;
    let feature = find(world, project, slug)?;
    match feature.status {
        Status::Ready { .. } => {}
        Status::Active { session, .. } => {
            return Err(refused("feature claimed").is("slug", slug).is("by", session));
        }
        Status::Draft | Status::Done { .. } | Status::Cancelled => return Err(transition(feature, "active")),
    }
    let open = open_dependencies(world, feature);
    if !open.is_empty() {
        return Err(refused("dependencies open").is("slug", slug).set("open", open));
    }
    may_take(world, session, feature)?;
    refuse(conflicts(world, project, session, wanted(feature)))?;
    Ok(take(world, session, project, slug))
}

pub(super) fn pick_next(
    world: &mut World,
    proposal: &Proposal,
    command: &PickNext,
) -> Result<Outcome, Outcome> {
    let project = command.project;
    let engineer = worker(world, proposal.actor, project)?;
    let session = acting(world, proposal.acting, engineer, project)?;
    let is_wanted = |lane: Lane| command.lanes.is_empty() || command.lanes.contains(&lane);
    let is_ready = |feature: &&Feature| {
        feature.project == project
            && matches!(feature.status, Status::Ready { .. })
            && is_wanted(feature.lane)
    };
    let mut ready: Vec<&Feature> = world.features.iter().filter(is_ready).collect();
    ready.sort_by_key(|feature| on_board(feature));
    let mut nothing = refused("nothing available");
    for (at, feature) in ready.into_iter().take(MAX_CANDIDATES).enumerate() {
        let (open, held) =
            (open_dependencies(world, feature), conflicts(world, project, session, wanted(feature)));
        if open.is_empty() && held.is_empty() {
            may_take(world, session, feature)?;
            let slug = feature.slug.clone();
            return Ok(take(world, session, project, &slug));
        }
        if at < MAX_BLOCKED {
            let name = blocked_name(at, &feature.slug);
            nothing = if open.is_empty() { nothing.one_of(&name, held) } else { nothing.set(&name, open) };
        }
    }
    Err(nothing)
}

/// The place of a feature on the board: lane, priority, newest first.
pub(super) fn on_board(feature: &Feature) -> (Lane, u32, Reverse<(i64, nexus_domain::FeatureId)>) {
    (feature.lane, feature.priority, Reverse((feature.created_at, feature.id)))
}

fn may_take(world: &World, session: SessionId, feature: &Feature) -> Result<(), Outcome> {
    if world.picked_by(session).count() >= MAX_ACTIVE {
        return Err(refused("too many").is("limit", MAX_ACTIVE));
    }
    within_limit(world, session, &feature.paths().collect::<Vec<_>>())
}

fn take(world: &mut World, session: SessionId, project: ProjectId, slug: &str) -> Outcome {
    let fence = world.revision;
    let owner = world.sessions.get_mut(&session).expect("it acts");
    let engineer = owner.engineer;
    let feature =
        world.features.iter_mut().find(|feature| feature.project == project && feature.slug == slug);
    let feature = feature.expect("the feature was found before");
    owner.feature = Some(feature.id);
    feature.status = Status::Active { session, engineer, fence };
    let shared = feature.reads.iter().filter(|path| !feature.touches.contains(path));
    let paths = feature.touches.iter().map(|path| (path, true)).chain(shared.map(|path| (path, false)));
    for (path, is_exclusive) in paths {
        world.claims.push(Claim {
            project,
            session,
            feature: Some(feature.id),
            path: path.clone(),
            is_exclusive,
            fence,
        });
    }
    feature.outcome("picked").and(owner.outcome("picked"))
}

/// Releases or completes a feature that the actor holds.
pub(super) fn give_back(
    world: &mut World,
    proposal: &Proposal,
    project: ProjectId,
    slug: &str,
    is_done: bool,
) -> Result<Outcome, Outcome> {
    let engineer = worker(world, proposal.actor, project)?;
    find(world, project, slug)?;
    let named = named(world, proposal.acting, engineer, project)?;
    let feature = find(world, project, slug)?;
    let Some((holder, of)) = feature.holder() else {
        return Err(transition(feature, if is_done { "done" } else { "ready" }));
    };
    if named.map_or(of != engineer, |session| session != holder) {
        return Err(refused("not the holder").is("slug", slug).is("by", holder));
    }
    if let Some(session) = named {
        renew(world, session, false);
    }
    let status =
        if is_done { Status::Done { session: holder } } else { Status::Ready { is_interrupted: false } };
    Ok(end_pick(world, project, slug, status))
}

pub(super) fn cancel(
    world: &mut World,
    proposal: &Proposal,
    project: ProjectId,
    slug: &str,
) -> Result<Outcome, Outcome> {
    worker(world, proposal.actor, project)?;
    let feature = find(world, project, slug)?;
    if feature.status.is_over() {
        return Err(transition(feature, "cancelled"));
    }
    Ok(end_pick(world, project, slug, Status::Cancelled))
}

/// Gives a feature a status other than active. Its holder, if there is one, gives its paths back and goes on with the
/// feature that it picked last.
fn end_pick(world: &mut World, project: ProjectId, slug: &str, status: Status) -> Outcome {
    let feature = world.feature_mut(project, slug);
    let (id, holder) = (feature.id, feature.holder());
    feature.status = status;
    let outcome = feature.outcome("feature");
    if let Some((holder, _)) = holder {
        world.claims.retain(|claim| claim.session != holder || claim.feature != Some(id));
        let fence = |feature: &Feature| match feature.status {
            Status::Active { fence, .. } => fence,
            _ => 0,
        };
        let last = world.picked_by(holder).max_by_key(|other| (fence(other), other.id)).map(|other| other.id);
        let works_on_it = |session: &&mut Session| session.feature == Some(id);
        if let Some(session) = world.sessions.get_mut(&holder).filter(works_on_it) {
            session.feature = last;
        }
    }
    outcome
}
