//! Finds what blocks a feature from being picked or a path from being claimed, and describes it for refusals and lists.

use super::dependencies::open_dependencies;
use crate::{
    entity::{ClaimKey, ClaimMode, Feature, Holder},
    ids::{ProjectId, SessionId},
    pattern::{Overlap, Pattern},
    refusal::{Blocker, Conflict, HolderNote, Refusal},
    short_text::Name,
    state::{ClaimRef, State},
    work::{OutOfBudget, WorkBudget},
};
use std::collections::BTreeSet;

/// Steps of one more wanted path, which is sorted and compared with its neighbours.
const WANTED: usize = 60;
/// Steps of returning one more claim.
const FOUND: usize = 200;

/// The first thing that blocks a session from picking a feature: open dependencies, or else a claim of another session.
/// If `session` is `None`, every claim blocks.
///
/// # Errors
/// [`Refusal::TooMuchWork`] if finding it takes more than the budget.
pub fn blocker(
    state: &State,
    feature: &Feature,
    session: Option<SessionId>,
    work: &mut WorkBudget,
) -> Result<Option<Blocker>, Refusal> {
    let open = open_dependencies(state, feature, work)?;
    if !open.is_empty() {
        return Ok(Some(Blocker::Dependencies(open)));
    }
    let wanted = [(&*feature.touches, ClaimMode::Exclusive), (&*feature.reads, ClaimMode::Shared)];
    let first = conflicts(state, feature.project, wanted, session, 1, work)?.pop();
    Ok(first.map(|first| Blocker::Claim(Box::new(first))))
}

/// The claims of other sessions that collide with these paths, which are wanted in these modes: at most `limit`, each
/// claimed path of a session once.
pub(crate) fn conflicts<'a>(
    state: &State,
    project: ProjectId,
    wanted: impl IntoIterator<Item = (&'a [Pattern], ClaimMode)>,
    session: Option<SessionId>,
    limit: usize,
    work: &mut WorkBudget,
) -> Result<Vec<Conflict>, Refusal> {
    let Some(index) = state.paths(project) else {
        // Nothing collides. But claiming a path normalizes its spelling, which is charged here.
        let case = state.case_of(project);
        let steps = wanted.into_iter().flat_map(|(paths, _)| paths).map(|path| path.steps_of_spelling(case));
        work.charge(steps.sum()).map_err(too_many_comparisons)?;
        return Ok(Vec::new());
    };
    let mut found: Vec<Conflict> = Vec::new();
    let mut seen: BTreeSet<(Pattern, SessionId)> = BTreeSet::new();
    for (paths, mode) in wanted {
        let paths = sorted(paths, work)?;
        let overlaps = index.first_overlaps(&paths, limit - found.len(), work, |held, claim_ref| {
            Some(claim_ref.session) != session
                && !mode.tolerates(claim_ref.mode)
                && seen.insert((held.clone(), claim_ref.session))
        });
        let overlaps = overlaps.map_err(too_many_comparisons)?;
        found.extend(overlaps.into_iter().map(|at| conflict(state, project, &at)));
    }
    Ok(found)
}

/// Sorts the paths, so that neighbours share the lookup of their folder in the index.
fn sorted<'a>(paths: &'a [Pattern], work: &mut WorkBudget) -> Result<Vec<&'a Pattern>, Refusal> {
    work.charge(WANTED * paths.len()).map_err(too_many_comparisons)?;
    let mut paths: Vec<&Pattern> = paths.iter().collect();
    paths.sort_unstable();
    Ok(paths)
}

fn too_many_comparisons(_: OutOfBudget) -> Refusal {
    Refusal::too_much_work(
        "comparing these patterns with all that is held in their folders",
        "name folders or files instead of wildcards, or fewer at once",
    )
}

/// The claims of all sessions that collide with one of these paths, each with that path: at most `most`.
///
/// # Errors
/// [`Refusal::TooMuchWork`] if finding them takes more than the budget.
pub fn overlapping_claims(
    state: &State,
    project: ProjectId,
    paths: &[Pattern],
    most: usize,
    work: &mut WorkBudget,
) -> Result<Vec<OverlappingClaim>, Refusal> {
    let Some(index) = state.paths(project) else { return Ok(Vec::new()) };
    let paths = sorted(paths, work)?;
    let overlaps = index.first_overlaps(&paths, most, work, |_, _| true).map_err(too_many_comparisons)?;
    work.charge(FOUND * overlaps.len()).map_err(too_many_comparisons)?;
    let claim = |at: Overlap<'_, '_, ClaimRef>| {
        let ClaimRef { session, feature, .. } = *at.holder;
        let key = ClaimKey { project, session, feature, path: at.held.clone() };
        OverlappingClaim { asked: at.query.clone(), claim: key, is_assumed: at.is_assumed }
    };
    Ok(overlaps.into_iter().map(claim).collect())
}

/// A claim that collides with a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverlappingClaim {
    /// The path in the request.
    pub asked: Pattern,
    /// The claim that collides with it.
    pub claim: ClaimKey,
    /// Whether the collision is assumed, since deciding it takes too many steps.
    pub is_assumed: bool,
}

/// The description of a colliding claim in a refusal or a list.
pub(crate) fn conflict(state: &State, project: ProjectId, at: &Overlap<'_, '_, ClaimRef>) -> Conflict {
    let (held, claim_ref) = (at.held, *at.holder);
    let session = state.session(claim_ref.session).expect("every claim belongs to a session that is kept");
    let key =
        ClaimKey { project, session: claim_ref.session, feature: claim_ref.feature, path: held.clone() };
    let claim = state.claims.get(&key).expect("the index holds what is claimed");
    let feature = claim_ref.feature.and_then(|id| state.feature(project, id));
    Conflict {
        path: held.clone(),
        wanted: at.query.clone(),
        is_assumed: at.is_assumed,
        by: holder_note(state, &session.holder()),
        feature: feature.map(|feature| (feature.id, feature.slug.clone())),
        claimed_at: claim.claimed_at,
        expires_at: state.claims_expire_at(session),
    }
}

/// A holder with the name of its engineer, and what people recognise its session by.
pub(crate) fn holder_note(state: &State, holder: &Holder) -> HolderNote {
    // A deleted engineer, whose sessions the next entries end, has no name any more.
    let engineer_name = match state.engineer(holder.engineer) {
        Some(engineer) => engineer.name.clone(),
        None => Name::parse(&holder.engineer.to_string()).expect("an id is a short line"),
    };
    let session = state.session(holder.session).map(|session| Box::new(session.note()));
    HolderNote { holder: holder.clone(), engineer_name, session }
}
