//! What keeps a feature or a path from being taken. Also what refusals and lists tell about it.

use crate::{
    entity::{ClaimKey, Feature, Holder, Mode},
    ids::{ProjectId, SessionId},
    pattern::Pattern,
    refusal::{Blocker, Conflict, HolderNote, MAX_LISTED},
    state::{Grip, State},
    words::{Name, Slug},
};

/// What keeps a session from picking a feature: open dependencies first, then the first path that
/// somebody else holds. Without a session, every holder is somebody else.
pub fn blocker(state: &State, feature: &Feature, session: Option<SessionId>) -> Option<Blocker> {
    let open = open_dependencies(state, feature);
    if !open.is_empty() {
        return Some(Blocker::Dependencies(open));
    }
    let wanted = wanted(&feature.touches, &feature.reads);
    let (path, mode) = wanted
        .into_iter()
        .find(|(path, mode)| state.obstacles(feature.project, path, *mode, session).next().is_some())?;
    let (held, grip) = state.obstacles(feature.project, path, mode, session).next()?;
    Some(Blocker::Claim(Box::new(conflict(state, feature.project, path, held, *grip))))
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

/// Paths with the modes that they are wanted in.
pub(super) fn wanted<'a>(touches: &'a [Pattern], reads: &'a [Pattern]) -> Vec<(&'a Pattern, Mode)> {
    let exclusive = touches.iter().map(|path| (path, Mode::Exclusive));
    let shared = reads.iter().map(|path| (path, Mode::Shared));
    exclusive.chain(shared).collect()
}

/// The claims of others that are in the way of these paths, at most [`MAX_LISTED`].
pub fn conflicts<'a>(
    state: &State,
    project: ProjectId,
    paths: impl IntoIterator<Item = (&'a Pattern, Mode)>,
    session: Option<SessionId>,
) -> Vec<Conflict> {
    let mut found: Vec<Conflict> = Vec::new();
    for (path, mode) in paths {
        for (held, grip) in state.obstacles(project, path, mode, session) {
            let told =
                found.iter().any(|known| known.path == *held && known.by.holder.session == grip.session);
            if told {
                continue;
            }
            found.push(conflict(state, project, path, held, *grip));
            if found.len() == MAX_LISTED {
                return found;
            }
        }
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
