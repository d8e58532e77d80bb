//! New API keys that admins and leads give to others.

use super::{
    outcome::Outcome,
    people::{check_new_key, put_key},
    rights::{lead, not_found, owner, refused, writer},
    world::{Key, World},
};
use nexus_domain::{EngineerId, Proposal, WallTime, command::ResetKey, entity::Role, refusal::EntityKind};

/// Longest life in milliseconds of a key that a lead gives.
const LONGEST_BY_LEAD: i64 = 30 * 86_400_000;

/// The engineer who gives a key, if they may give this one.
pub(super) fn giver(world: &World, proposal: &Proposal, command: &ResetKey) -> Result<EngineerId, Outcome> {
    let refuse = |why: &str| Err(refused("key reset").is("why", why));
    writer(world, proposal.actor)?;
    let giver = owner(world, proposal.actor)?;
    if giver == command.engineer {
        return refuse("OwnKey");
    }
    let known = world.engineers.get(&command.engineer);
    if world.engineers[&giver].role == Role::Admin {
        if known.is_none() {
            return Err(not_found(EntityKind::Engineer, command.engineer));
        }
        if let Some(project) = command.key.project.filter(|project| !world.projects.contains_key(project)) {
            return Err(not_found(EntityKind::Project, project));
        }
        return Ok(giver);
    }
    let Some(project) = command.key.project else { return refuse("LeadWithoutProject") };
    lead(world, proposal.actor, project)?;
    let is_member = world.members.contains_key(&(project, command.engineer));
    let Some(known) = known.filter(|_| is_member) else {
        return Err(not_found(EntityKind::Member, command.engineer));
    };
    if known.role == Role::Admin {
        return refuse("AdminsKey");
    }
    if command.keeps_others {
        return refuse("LeadKeepsOthers");
    }
    Ok(giver)
}

pub(super) fn reset(world: &mut World, proposal: &Proposal, command: &ResetKey) -> Result<Outcome, Outcome> {
    let giver = giver(world, proposal, command)?;
    let wrong = || refused("setting out of range").is("setting", "expiresAt");
    let mut key = command.key.clone();
    let mut expires_at = key.expires_at.map(|at| at.0);
    if expires_at.is_some_and(|at| at <= world.wall) {
        return Err(wrong());
    }
    if world.engineers[&giver].role != Role::Admin {
        let latest = world.wall + LONGEST_BY_LEAD;
        if expires_at.is_some_and(|at| at > latest) {
            return Err(wrong());
        }
        expires_at.get_or_insert(latest);
    }
    let scope = key.project;
    let ends = |other: &Key| !command.keeps_others && (scope.is_none() || other.project == scope);
    check_new_key(world, command.engineer, &key, |other| !ends(other))?;
    world.keys.retain(|(of, _), other| *of != command.engineer || !ends(other));
    key.expires_at = expires_at.map(WallTime);
    put_key(world, command.engineer, &key);
    Ok(Outcome::of_kind("key added").is("key", key.id).is("owner", command.engineer))
}
