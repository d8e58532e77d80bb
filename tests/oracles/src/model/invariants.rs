//! The invariants that must hold after every entry, checked by brute force.

use super::{
    conflicts::colliding,
    world::{Claim, Status, World},
};
use std::collections::BTreeSet;

/// The broken invariants, each with what shows it.
pub(super) fn broken(before: &World, world: &World) -> Vec<(&'static str, String)> {
    let mut broken = Vec::new();
    if world.claims != before.claims || world.projects != before.projects {
        broken.extend(claims(before, world));
    }
    for session in world.sessions.values().filter(|session| session.until <= world.now) {
        let (id, until, now) = (session.id, session.until, world.now);
        broken.push(("what is over ends", format!("session {id} lives until {until} and it is {now}")));
    }
    for feature in &world.features {
        if let Status::Active { session, fence, .. } = feature.status {
            if !world.sessions.contains_key(&session) {
                let message = format!("feature {} is held by session {session}, which is over", feature.slug);
                broken.push(("a held feature has a living session", message));
            }
            let former = before.feature_by_id(feature.project, feature.id).map(|former| &former.status);
            let is_new = former.is_none_or(|former| *former != feature.status);
            if is_new && fence != world.revision {
                let message = format!("feature {} was picked with fence {fence}", feature.slug);
                broken.push(("a fence is the index of its entry", message));
            }
        }
    }
    broken
}

/// Checks the claims that are new, or with all of them after the comparison of paths has changed.
fn claims(before: &World, world: &World) -> Vec<(&'static str, String)> {
    let mut broken = Vec::new();
    let known: BTreeSet<&Claim> = before.claims.iter().collect();
    let newest = before.claims.iter().map(|claim| claim.fence).max().unwrap_or(0);
    for claim in &world.claims {
        let (path, session, fence) = (claim.path.as_str(), claim.session, claim.fence);
        if !world.sessions.contains_key(&session) {
            let message = format!("{path} (fence {fence}) is held by session {session}, which is over");
            broken.push(("each claim has a living session", message));
        }
        let is_new = !known.contains(claim);
        if is_new && fence <= newest {
            let message = format!("{path} got fence {fence}, after {newest}");
            broken.push(("fences only grow", message));
        }
        if !is_new && world.projects == before.projects {
            continue;
        }
        if let Some(other) = colliding(world, claim) {
            let Claim { path: held, session: by, fence: since, .. } = other;
            let held = held.as_str();
            let message = format!(
                "{path} by session {session} (fence {fence}) and {held} by session {by} (fence {since})"
            );
            broken.push(("no two sessions hold colliding paths", message));
        }
    }
    broken
}
