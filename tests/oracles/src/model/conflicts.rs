//! Collisions with the claims of other sessions, and limits on claims.

use super::{
    outcome::{Outcome, held},
    paths::{collide, spelled},
    rights::refused,
    usage::{owners, within},
    world::{Amount, Claim, Feature, World},
};
use nexus_domain::{FeatureId, ProjectId, SessionId, pattern::Pattern};
use std::collections::BTreeSet;

/// Claims of one session, and the bytes of their paths.
const MOST_OF_SESSION: (usize, usize) = (100_000, 16 << 20);
/// Claims for one feature, and the bytes of their paths.
const MOST_OF_FEATURE: (usize, usize) = (10_000, 2 << 20);

/// The claims of other sessions that collide with these paths, which are wanted exclusively or not.
pub(super) fn conflicts<'a>(
    world: &World,
    project: ProjectId,
    session: SessionId,
    wanted: impl IntoIterator<Item = (&'a Pattern, bool)>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let case = world.case_of(project);
    for (path, is_exclusive) in wanted {
        let others = world.claims.iter().filter(|claim| claim.project == project && claim.session != session);
        for claim in others.filter(|claim| is_exclusive || claim.is_exclusive) {
            if collide(path.as_str(), claim.path.as_str(), case) {
                found.insert(held(claim.path.as_str(), claim.session));
            }
        }
    }
    found
}

/// The paths that a pick of this feature wants.
pub(super) fn wanted(feature: &Feature) -> impl Iterator<Item = (&Pattern, bool)> {
    feature.touches.iter().map(|path| (path, true)).chain(feature.reads.iter().map(|path| (path, false)))
}

/// Refuses what collides with these claims.
pub(super) fn refuse(conflicts: BTreeSet<String>) -> Result<(), Outcome> {
    if conflicts.is_empty() { Ok(()) } else { Err(refused("files claimed").set("conflicts", conflicts)) }
}

/// Refuses further claims of a session that would be too many, or that a quota forbids.
pub(super) fn within_limit(world: &World, session: SessionId, more: &[&Pattern]) -> Result<(), Outcome> {
    let owner = &world.sessions[&session];
    within(world, owners(owner.project, owner.engineer), Amount::of_claims(more.iter().copied()))?;
    fits(world, |claim| claim.session == session, more, MOST_OF_SESSION)
}

/// Refuses further claims for a feature that would be too many.
pub(super) fn within_limit_of_feature(
    world: &World,
    session: SessionId,
    feature: FeatureId,
    more: &[&Pattern],
) -> Result<(), Outcome> {
    fits(world, |claim| claim.session == session && claim.feature == Some(feature), more, MOST_OF_FEATURE)
}

fn fits(
    world: &World,
    counts: impl Fn(&Claim) -> bool,
    more: &[&Pattern],
    (most, most_bytes): (usize, usize),
) -> Result<(), Outcome> {
    let held = world.claims.iter().filter(|claim| counts(claim)).map(|claim| &claim.path);
    let (claims, bytes) = held
        .chain(more.iter().copied())
        .fold((0, 0), |(claims, bytes), path| (claims + 1, bytes + path.as_str().len()));
    if claims > most {
        return Err(refused("too many").is("limit", most));
    }
    if bytes > most_bytes {
        return Err(refused("too many").is("limit", most_bytes));
    }
    Ok(())
}

/// The paths whose spelling is one of these.
pub(super) fn spelled_like(world: &World, project: ProjectId, paths: &[Pattern]) -> BTreeSet<String> {
    let case = world.case_of(project);
    paths.iter().map(|path| spelled(path.as_str(), case)).collect()
}

/// A claim of another session that collides with this one.
pub(super) fn colliding<'a>(world: &'a World, one: &Claim) -> Option<&'a Claim> {
    let others = world.claims.iter();
    others
        .filter(|other| one.project == other.project && one.session != other.session)
        .filter(|other| one.is_exclusive || other.is_exclusive)
        .find(|other| collide(one.path.as_str(), other.path.as_str(), world.case_of(one.project)))
}
