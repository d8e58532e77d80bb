//! Claims that sessions make and give back themselves, and those that a lead takes away.

use super::{
    conflicts::{conflicts, refuse, spelled_like, within_limit, within_limit_of_feature},
    features::{check_count, distinct},
    outcome::Outcome,
    paths::spelled,
    rights::{lead, not_found, refused, worker},
    sessions::acting,
    world::{Claim, World},
};
use nexus_domain::{
    ProjectId, Proposal,
    command::{ClaimPaths, ForceRelease, ReleasePaths},
    entity::ClaimMode,
    pattern::Pattern,
    refusal::EntityKind,
};
use std::collections::BTreeSet;

pub(super) fn claim(
    world: &mut World,
    proposal: &Proposal,
    command: &ClaimPaths,
) -> Result<Outcome, Outcome> {
    let ClaimPaths { project, feature, .. } = *command;
    let engineer = worker(world, proposal.actor, project)?;
    let session = acting(world, proposal.acting, engineer, project)?;
    let paths = distinct(&command.paths);
    check_count(paths.len())?;
    if let Some(id) = feature {
        let found = world.feature_by_id(project, id);
        let found = found.ok_or_else(|| not_found(EntityKind::Feature, id))?;
        let Some((holder, _)) = found.holder() else {
            return Err(refused("not active").is("slug", &found.slug).is("status", found.status.name()));
        };
        if holder != session {
            return Err(refused("not the holder").is("slug", &found.slug).is("by", holder));
        }
    }
    let more: Vec<&Pattern> =
        paths.iter().filter(|path| world.claim(session, feature, path).is_none()).collect();
    within_limit(world, session, &more)?;
    if let Some(feature) = feature {
        within_limit_of_feature(world, session, feature, &more)?;
    }
    let is_exclusive = command.mode == ClaimMode::Exclusive;
    refuse(conflicts(world, project, session, paths.iter().map(|path| (path, is_exclusive))))?;
    let fence = world.revision;
    for path in paths {
        let held = world.claim(session, feature, &path);
        // An exclusive claim stays what it is, and a shared one may become exclusive.
        if held.is_some_and(|held| held.is_exclusive || !is_exclusive) {
            continue;
        }
        world
            .claims
            .retain(|claim| claim.session != session || claim.feature != feature || claim.path != path);
        world.claims.push(Claim { project, session, feature, path, is_exclusive, fence });
    }
    Ok(world.sessions[&session].outcome("claimed"))
}

pub(super) fn release(
    world: &mut World,
    proposal: &Proposal,
    command: &ReleasePaths,
) -> Result<Outcome, Outcome> {
    let project = command.project;
    let engineer = worker(world, proposal.actor, project)?;
    let session = acting(world, proposal.acting, engineer, project)?;
    let case = world.case_of(project);
    let wanted = command.paths.as_ref().map(|paths| spelled_like(world, project, paths));
    let before = world.clone();
    let goes = |claim: &Claim| {
        let is_wanted =
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&spelled(claim.path.as_str(), case)));
        // The paths of a pick are released together with the feature.
        let feature = claim.feature.and_then(|id| before.feature_by_id(project, id));
        let is_picked = feature.is_some_and(|feature| feature.paths().any(|path| *path == claim.path));
        claim.session == session && is_wanted && !is_picked
    };
    world.claims.retain(|claim| !goes(claim));
    let mut released: Vec<&str> =
        before.claims.iter().filter(|claim| goes(claim)).map(|claim| claim.path.as_str()).collect();
    released.sort_unstable();
    let count = released.len();
    Ok(Outcome::of_kind("released").list("released", released).is("count", count))
}

pub(super) fn force_release(
    world: &mut World,
    proposal: &Proposal,
    command: &ForceRelease,
) -> Result<Outcome, Outcome> {
    let project = command.project;
    lead(world, proposal.actor, project)?;
    let case = world.case_of(project);
    let wanted = spelled_like(world, project, &command.paths);
    let before = world.clone();
    let goes =
        |claim: &Claim| claim.project == project && wanted.contains(&spelled(claim.path.as_str(), case));
    world.claims.retain(|claim| !goes(claim));
    let released: BTreeSet<&str> =
        before.claims.iter().filter(|claim| goes(claim)).map(|claim| claim.path.as_str()).collect();
    let count = released.len();
    Ok(Outcome::of_kind("released").list("released", released).is("count", count))
}

pub(super) fn refresh(
    world: &mut World,
    proposal: &Proposal,
    project: ProjectId,
) -> Result<Outcome, Outcome> {
    let engineer = worker(world, proposal.actor, project)?;
    let session = acting(world, proposal.acting, engineer, project)?;
    let held: BTreeSet<&str> = world
        .claims
        .iter()
        .filter(|claim| claim.session == session)
        .map(|claim| claim.path.as_str())
        .collect();
    Ok(world.sessions[&session].outcome("held").list("held", held))
}
