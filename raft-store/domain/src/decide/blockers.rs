//! What keeps a feature or a path from being taken. Also what refusals and lists tell about it.

use crate::{
    entity::{ClaimKey, Feature, Holder, Mode},
    ids::{ProjectId, SessionId},
    pattern::Pattern,
    refusal::{Blocker, Conflict, HolderNote, MAX_LISTED, Refusal},
    state::{Grip, State},
    words::{Name, Slug},
};
use std::collections::BTreeSet;

/// What keeps a session from picking a feature: open dependencies first, then the first path that
/// somebody else holds. Without a session, every holder is somebody else.
pub fn blocker(state: &State, feature: &Feature, session: Option<SessionId>) -> Option<Blocker> {
    blocker_within(&mut Budget(usize::MAX), state, feature, session).expect("nothing compares that often")
}

/// The same, refused when it would take too long.
pub(super) fn blocker_within(
    budget: &mut Budget,
    state: &State,
    feature: &Feature,
    session: Option<SessionId>,
) -> Result<Option<Blocker>, Refusal> {
    let open = open_dependencies(state, feature);
    if !open.is_empty() {
        return Ok(Some(Blocker::Dependencies(open)));
    }
    let wanted = [(&*feature.touches, Mode::Exclusive), (&*feature.reads, Mode::Shared)];
    let first = first_conflicts(budget, state, feature.project, wanted, session, 1)?.pop();
    Ok(first.map(|first| Blocker::Claim(Box::new(first))))
}

/// Comparisons of a wanted path with a held one that one log entry may still make. A wildcard is
/// compared with all that is held beneath its folder.
pub(super) struct Budget(usize);

impl Budget {
    /// At about a microsecond each this is a second, in which nothing else is applied.
    const OF_ONE_ENTRY: usize = 1_000_000;

    pub(super) const fn of_one_entry() -> Self {
        Self(Self::OF_ONE_ENTRY)
    }
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
pub(super) fn conflicts<'a>(
    state: &State,
    project: ProjectId,
    wanted: impl IntoIterator<Item = (&'a [Pattern], Mode)>,
    session: Option<SessionId>,
) -> Result<Vec<Conflict>, Refusal> {
    first_conflicts(&mut Budget::of_one_entry(), state, project, wanted, session, MAX_LISTED)
}

fn first_conflicts<'a>(
    budget: &mut Budget,
    state: &State,
    project: ProjectId,
    wanted: impl IntoIterator<Item = (&'a [Pattern], Mode)>,
    session: Option<SessionId>,
    limit: usize,
) -> Result<Vec<Conflict>, Refusal> {
    let Some(index) = state.paths(project) else { return Ok(Vec::new()) };
    let mut found: Vec<Conflict> = Vec::new();
    let mut told: BTreeSet<(Pattern, SessionId)> = BTreeSet::new();
    for (paths, mode) in wanted {
        // Sorted ones share the way to their folder in the index.
        let mut paths: Vec<&Pattern> = paths.iter().collect();
        paths.sort_unstable();
        let overlaps = index.overlaps_within(&mut budget.0, paths, limit - found.len(), |_, held, grip| {
            Some(grip.session) != session
                && !mode.tolerates(grip.mode)
                && told.insert((held.clone(), grip.session))
        });
        let overlaps = overlaps.ok_or_else(too_many_comparisons)?;
        found.extend(overlaps.into_iter().map(|at| conflict(state, project, at.query, at.held, *at.holder)));
    }
    Ok(found)
}

fn too_many_comparisons() -> Refusal {
    Refusal::TooMany {
        what: "comparisons of wildcards with held paths (name folders or files instead)".to_owned(),
        limit: Budget::OF_ONE_ENTRY as u64,
    }
}

/// Every claim that collides with one of these paths, whoever holds it, with the path that was asked
/// about: at most `most`.
///
/// # Errors
/// [`Refusal::TooMany`] when finding them would take too long.
pub fn holding(
    state: &State,
    project: ProjectId,
    paths: &[Pattern],
    most: usize,
) -> Result<Vec<(Pattern, ClaimKey)>, Refusal> {
    let Some(index) = state.paths(project) else { return Ok(Vec::new()) };
    let mut paths: Vec<&Pattern> = paths.iter().collect();
    paths.sort_unstable();
    let mut budget = Budget::of_one_entry();
    let overlaps = index.overlaps_within(&mut budget.0, paths, most, |_, _, _| true);
    let overlaps = overlaps.ok_or_else(too_many_comparisons)?;
    let key = |held: &Pattern, grip: &Grip| ClaimKey {
        project,
        session: grip.session,
        feature: grip.feature,
        path: held.clone(),
    };
    Ok(overlaps.into_iter().map(|at| (at.query.clone(), key(at.held, at.holder))).collect())
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
