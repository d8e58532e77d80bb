//! Decides about paths that are claimed and released outside of a pick.

use super::{
    Context, Decision,
    access::not_found,
    conflicts::{conflicts, holder_note, too_much},
    features::{check_patterns, distinct},
    holdings::{self, within_limit, within_limit_of_feature},
    sessions::acting_session,
};
use crate::{
    entity::{ClaimKey, ClaimMode, Status},
    event::ReleaseReason,
    ids::{FeatureId, ProjectId, SessionId},
    pattern::{Pattern, SpelledIndex},
    refusal::{EntityKind, MAX_LISTED, Refusal},
    reply::Reply,
    short_text::Label,
    work::{OutOfBudget, WorkBudget},
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

/// Steps of looking at one more claim, or looking up one more path among claims.
const CLAIM: usize = 100;

/// Steps of releasing a claim: its row and its index entries are removed, and an event names it. Claiming a path costs
/// as much, but a request names at most [`MAX_PATTERNS`](super::MAX_PATTERNS).
const RELEASED: usize = 2_000;
/// Steps of each byte of its path, in the event and in the row's key.
const RELEASED_BYTE: usize = 1;

/// Claims paths, all or none.
pub(super) fn claim(
    ctx: Context<'_>,
    project: ProjectId,
    paths: &Arc<[Pattern]>,
    mode: ClaimMode,
    feature: Option<FeatureId>,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    let paths = distinct(paths);
    check_patterns("paths", &paths, &[])?;
    if let Some(id) = feature {
        let feature = ctx.state.feature(project, id).ok_or_else(|| not_found(EntityKind::Feature, id))?;
        let Status::Active { holder, .. } = &feature.status else {
            let status = feature.status.to_string();
            return Err(Refusal::NotActive { slug: feature.slug.clone(), status });
        };
        if holder.session != session.id {
            let by = Box::new(holder_note(ctx.state, holder));
            return Err(Refusal::NotHolder { slug: feature.slug.clone(), by });
        }
    }
    let held = |path: &Pattern| {
        let key = ClaimKey { project, session: session.id, feature, path: path.clone() };
        ctx.state.claims.get(&key)
    };
    // Paths that are held already do not count again.
    let more = || paths.iter().filter(|path| held(path).is_none());
    within_limit(ctx, &session, more())?;
    if let Some(feature) = feature {
        within_limit_of_feature(ctx, &session, feature, more())?;
    }
    let conflicts = conflicts(ctx.state, project, [(&*paths, mode)], Some(session.id), MAX_LISTED, work)?;
    if !conflicts.is_empty() {
        return Err(Refusal::FilesClaimed { conflicts });
    }
    // A claim that exists keeps its fence, unless it changes from shared to exclusive.
    let new: Arc<[Pattern]> = paths
        .iter()
        .filter(|path| {
            held(path).is_none_or(|held| held.mode == ClaimMode::Shared && mode == ClaimMode::Exclusive)
        })
        .cloned()
        .collect();
    let mut events = vec![alive];
    events.extend(holdings::claimed(ctx, project, &session.holder(), feature, &new, mode));
    Ok(Decision::new(events, Reply::Claimed(Arc::new(session))))
}

/// Releases paths that were claimed outside of a pick, also those that were claimed for a feature.
pub(super) fn release(
    ctx: Context<'_>,
    project: ProjectId,
    paths: Option<&Arc<[Pattern]>>,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    // A project without claims has no index.
    let nothing = SpelledIndex::new(ctx.state.case_of(project));
    let index = ctx.state.paths(project).unwrap_or(&nothing);
    let mut wanted = BTreeSet::new();
    for path in paths.into_iter().flat_map(|paths| paths.iter()) {
        wanted.insert(index.compared(path, work).map_err(too_many_claims)?);
    }
    // The paths of a pick are released together with the feature, or by an update of its paths.
    let mut picked_with: BTreeMap<Option<FeatureId>, BTreeSet<&Pattern>> = BTreeMap::new();
    let mut released: BTreeMap<Option<FeatureId>, Vec<Pattern>> = BTreeMap::new();
    for (key, _) in ctx.state.claims_of(&session) {
        work.charge(CLAIM).map_err(too_many_claims)?;
        if paths.is_some() && !wanted.contains(&*index.compared(&key.path, work).map_err(too_many_claims)?) {
            continue;
        }
        let own = match picked_with.entry(key.feature) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let feature = key.feature.and_then(|id| ctx.state.feature(key.project, id));
                let own = feature.map(|feature| feature.touches.iter().chain(&*feature.reads));
                let own: BTreeSet<&Pattern> = own.into_iter().flatten().collect();
                work.charge(CLAIM * own.len()).map_err(too_many_claims)?;
                unknown.insert(own)
            }
        };
        if !own.contains(&key.path) {
            charge_release(&key.path, work).map_err(too_many_claims)?;
            released.entry(key.feature).or_default().push(key.path.clone());
        }
    }
    let (mut events, holder) = (vec![alive], session.holder());
    for (feature, paths) in &released {
        let paths = paths.as_slice().into();
        events.extend(holdings::released(project, &holder, *feature, &paths, &ReleaseReason::Released));
    }
    Ok(Decision::new(events, Reply::released(released.into_values().flatten())))
}

fn charge_release(path: &Pattern, work: &mut WorkBudget) -> Result<(), OutOfBudget> {
    work.charge(RELEASED + RELEASED_BYTE * path.as_str().len())
}

fn too_many_claims(_: OutOfBudget) -> Refusal {
    too_much("looking at all of these claims", "name fewer paths at once, or end the session")
}

/// Renews the lease, and returns the paths that the session holds.
pub(super) fn refresh(ctx: Context<'_>, project: ProjectId) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    let paths = ctx.state.paths_of(&session);
    Ok(Decision::new(vec![alive], Reply::Held { session: Arc::new(session), paths }))
}

/// Releases every claim on exactly one of these paths, whichever session holds it.
pub(super) fn force_release(
    ctx: Context<'_>,
    project: ProjectId,
    paths: &Arc<[Pattern]>,
    reason: &Label,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let engineer = ctx.lead(project)?;
    let paths: BTreeSet<&Pattern> = paths.iter().collect();
    let mut taken: BTreeMap<(SessionId, Option<FeatureId>), Vec<Pattern>> = BTreeMap::new();
    let too_many = |OutOfBudget| too_much("taking all of these claims away", "name fewer paths at once");
    let index = ctx.state.paths(project);
    for path in paths {
        work.charge(CLAIM).map_err(too_many)?;
        let Some(index) = index else { break };
        for (held, claim_ref) in index.holders_of(path, work).map_err(too_many)? {
            charge_release(&held, work).map_err(too_many)?;
            taken.entry((claim_ref.session, claim_ref.feature)).or_default().push(held);
        }
    }
    let reason = ReleaseReason::Forced { by: engineer.id, reason: reason.clone() };
    let mut events = Vec::new();
    let mut all = BTreeSet::new();
    for ((session, feature), paths) in taken {
        let session = ctx.state.session(session).expect("every claim belongs to a session that is kept");
        all.extend(paths.iter().cloned());
        events.extend(holdings::released(project, &session.holder(), feature, &paths.into(), &reason));
    }
    Ok(Decision::new(events, Reply::released(all)))
}
