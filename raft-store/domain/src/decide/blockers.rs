//! What keeps a feature or a path from being taken. Also what refusals and lists tell about it.

use crate::{
    entity::{ClaimKey, Feature, Holder, Mode},
    ids::{ProjectId, SessionId},
    pattern::Pattern,
    refusal::{Blocker, Conflict, HolderNote, MAX_LISTED},
    state::{Grip, State},
    words::{Name, Slug},
};
use std::collections::BTreeSet;

/// What keeps a session from picking a feature: open dependencies first, then the first path that
/// somebody else holds. Without a session, every holder is somebody else.
pub fn blocker(state: &State, feature: &Feature, session: Option<SessionId>) -> Option<Blocker> {
    let open = open_dependencies(state, feature);
    if !open.is_empty() {
        return Some(Blocker::Dependencies(open));
    }
    let wanted = [(&*feature.touches, Mode::Exclusive), (&*feature.reads, Mode::Shared)];
    let first = first_conflicts(state, feature.project, wanted, session, 1).pop()?;
    Some(Blocker::Claim(Box::new(first)))
}

/// The dependencies of a feature that are not over.
pub(super) fn open_dependencies(state: &State, feature: &Feature) -> Vec<Slug> {
    feature
        .depends_on
        .iter()
        .filter(|slug| {
            // A dependency that was deleted as a draft is wanted no more: it blocks nothing.
            state.feature_by_slug(feature.project, slug).is_some_and(|needed| !needed.status.is_over())
        })
        .cloned()
        .collect()
}

/// The claims of others that are in the way of these paths, each with the mode that it is wanted
/// in: at most [`MAX_LISTED`], each claimed path of a session once.
pub fn conflicts<'a>(
    state: &State,
    project: ProjectId,
    wanted: impl IntoIterator<Item = (&'a [Pattern], Mode)>,
    session: Option<SessionId>,
) -> Vec<Conflict> {
    first_conflicts(state, project, wanted, session, MAX_LISTED)
}

fn first_conflicts<'a>(
    state: &State,
    project: ProjectId,
    wanted: impl IntoIterator<Item = (&'a [Pattern], Mode)>,
    session: Option<SessionId>,
    limit: usize,
) -> Vec<Conflict> {
    let Some(index) = state.paths(project) else { return Vec::new() };
    let mut found: Vec<Conflict> = Vec::new();
    let mut told: BTreeSet<(Pattern, SessionId)> = BTreeSet::new();
    for (paths, mode) in wanted {
        // Sorted ones share the way to their folder in the index.
        let mut paths: Vec<&Pattern> = paths.iter().collect();
        paths.sort_unstable();
        let overlaps = index.first_overlaps(paths, limit - found.len(), |_, held, grip| {
            Some(grip.session) != session
                && !mode.tolerates(grip.mode)
                && told.insert((held.clone(), grip.session))
        });
        found.extend(overlaps.into_iter().map(|at| conflict(state, project, at.query, at.held, *at.holder)));
    }
    found
}

fn conflict(state: &State, project: ProjectId, wanted: &Pattern, held: &Pattern, grip: Grip) -> Conflict {
    let session = state.session(grip.session).expect("every claim belongs to a session that is kept");
    let key = ClaimKey { project, session: grip.session, feature: grip.feature, path: held.clone() };
    let claim = state.claims.get(&key).expect("the index holds what is claimed");
    let feature = grip.feature.and_then(|id| state.feature(project, id));
    Conflict {
        path: held.clone(),
        wanted: wanted.clone(),
        by: holder_note(state, &session.holder()),
        feature: feature.map(|feature| (feature.id, feature.slug.clone())),
        claimed_at: claim.claimed_at,
        expires_at: state.claims_expire_at(session),
    }
}

pub(super) fn holder_note(state: &State, holder: &Holder) -> HolderNote {
    let engineer = state.engineer(holder.engineer).expect("engineers are never removed");
    HolderNote { holder: holder.clone(), engineer_name: Name::clone(&engineer.name) }
}
