//! Decides about picks: pick, release, complete, cancel. A pick takes the feature and all of its paths in one step, or
//! nothing.

use super::{
    Context, Decision,
    access::not_found,
    conflicts::{FEATURE, blocker, conflicts, holder_note, open_dependencies, too_much},
    features::moved,
    holdings::{self, within_limit},
    sessions::{acting_session, require_not_ending},
};
use crate::{
    entity::{ClaimMode, Engineer, Feature, Holder, Lane, Session, Status},
    event::{Event, ReleaseReason},
    ids::ProjectId,
    pattern::Pattern,
    refusal::{Blocked, EntityKind, MAX_LISTED, Refusal},
    reply::Reply,
    short_text::Slug,
    work::{OutOfBudget, WorkBudget},
};
use std::sync::Arc;

/// Ready features that one pick-next looks at, if its budget allows. If so many are blocked, something must be released
/// first.
const MAX_CANDIDATES: usize = 1_000;
/// Features that one session works on at once: its end releases each of them with a checkpoint. An agent works on one,
/// a person in a browser on a few.
const MAX_ACTIVE_OF_SESSION: usize = 1_000;

/// Picks a feature by name.
pub(super) fn pick(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    match &feature.status {
        Status::Ready { .. } => {}
        Status::Active { holder, .. } => {
            let by = Box::new(holder_note(ctx.state, holder));
            return Err(Refusal::FeatureClaimed { slug: slug.clone(), by });
        }
        _ => return Err(transition(feature, "active")),
    }
    let open = open_dependencies(ctx.state, feature, work)?;
    if !open.is_empty() {
        return Err(Refusal::DependenciesOpen { slug: slug.clone(), open });
    }
    may_take(ctx, &session, feature)?;
    let wanted = [(&*feature.touches, ClaimMode::Exclusive), (&*feature.reads, ClaimMode::Shared)];
    let conflicts = conflicts(ctx.state, project, wanted, Some(session.id), MAX_LISTED, work)?;
    if !conflicts.is_empty() {
        return Err(Refusal::FilesClaimed { conflicts });
    }
    Ok(picked(ctx, feature, session, alive))
}

/// Picks the first feature of the board that the session can pick, among those that the budget allows to look at.
pub(super) fn pick_next(
    ctx: Context<'_>,
    project: ProjectId,
    lanes: &[Lane],
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    let wanted = |lane: &Lane| lanes.is_empty() || lanes.contains(lane);
    let mut blocked = Vec::new();
    let lanes = Lane::ALL.into_iter().filter(wanted);
    let candidates = lanes.flat_map(|lane| ctx.state.ready_in_lane(project, lane));
    for feature in candidates.take(MAX_CANDIDATES) {
        let looked_at = work.charge(FEATURE).map_err(|OutOfBudget| too_many_candidates());
        match looked_at.and_then(|()| blocker(ctx.state, feature, Some(session.id), work)) {
            Ok(None) => {
                may_take(ctx, &session, feature)?;
                return Ok(picked(ctx, feature, session, alive));
            }
            Ok(Some(by)) if blocked.len() < MAX_LISTED => {
                blocked.push(Blocked { slug: feature.slug.clone(), by });
            }
            Ok(Some(_)) => {}
            Err(_) => return Err(too_many_candidates()),
        }
    }
    Err(Refusal::NothingAvailable { blocked })
}

fn too_many_candidates() -> Refusal {
    too_much(
        "looking at the ready features one after the other, with all of their paths",
        "pick one by name, or name fewer lanes",
    )
}

/// Refuses a pick if the session would hold too many features or claims.
fn may_take(ctx: Context<'_>, session: &Session, feature: &Feature) -> Result<(), Refusal> {
    if ctx.state.active_features(session.id).count() >= MAX_ACTIVE_OF_SESSION {
        let what = "features that one session works on (finish or release some)".to_owned();
        return Err(Refusal::TooMany { what, limit: MAX_ACTIVE_OF_SESSION as u64 });
    }
    within_limit(ctx, session, feature.touches.iter().chain(&*feature.reads))
}

fn picked(ctx: Context<'_>, feature: &Feature, mut session: Session, alive: Event) -> Decision {
    session.feature = Some(feature.id);
    let holder = session.holder();
    let active = Arc::new(Feature {
        status: Status::Active { holder: holder.clone(), claimed_at: ctx.wall(), fence: ctx.fence() },
        updated_at: ctx.wall(),
        ..feature.clone()
    });
    let session = Arc::new(session);
    // One event about the session, with the picked feature in it.
    let alive = match alive {
        Event::SessionStarted(_) => Event::SessionStarted(session.clone()),
        _ => Event::SessionRenewed(session.clone()),
    };
    let mut events = vec![alive, Event::FeatureClaimed(active.clone())];
    for (paths, mode) in [(&active.touches, ClaimMode::Exclusive), (&active.reads, ClaimMode::Shared)] {
        let paths = match mode {
            ClaimMode::Exclusive => paths.clone(),
            // A path in both lists gets one claim, the exclusive one.
            ClaimMode::Shared => without(paths, &active.touches),
        };
        events.extend(files_claimed(ctx, &holder, &active, &paths, mode));
    }
    Decision::new(events, Reply::Picked { feature: active, session })
}

/// The events of claiming paths for a feature; none for no paths.
pub(super) fn files_claimed(
    ctx: Context<'_>,
    holder: &Holder,
    feature: &Feature,
    paths: &Arc<[Pattern]>,
    mode: ClaimMode,
) -> Vec<Event> {
    holdings::claimed(ctx, feature.project, holder, Some(feature.id), paths, mode)
}

/// Those of `paths` that are not among `others`.
pub(super) fn without(paths: &Arc<[Pattern]>, others: &[Pattern]) -> Arc<[Pattern]> {
    if others.is_empty() || paths.is_empty() {
        return paths.clone();
    }
    let others: std::collections::BTreeSet<&Pattern> = others.iter().collect();
    paths.iter().filter(|path| !others.contains(path)).cloned().collect()
}

/// Releases a feature, unfinished.
pub(super) fn release(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    let (feature, holder, alive) = held(ctx, project, slug, "ready")?;
    let ready = Arc::new(Feature {
        status: Status::Ready { interrupted_at: None },
        updated_at: ctx.wall(),
        ..Feature::clone(feature)
    });
    let reason = ReleaseReason::Released;
    let mut events = no_longer_on(ctx, feature, holder, alive);
    events.extend(files_released(ctx, feature, holder, &reason));
    events.push(Event::FeatureReleased { feature: ready.clone(), holder: holder.clone(), reason });
    Ok(Decision::new(events, Reply::Feature(ready)))
}

/// Completes a feature.
pub(super) fn complete(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    let (feature, holder, alive) = held(ctx, project, slug, "done")?;
    let Status::Active { claimed_at, .. } = &feature.status else {
        return Err(transition(feature, "done"));
    };
    let done = Arc::new(Feature {
        status: Status::Done { holder: holder.clone(), claimed_at: *claimed_at, completed_at: ctx.wall() },
        updated_at: ctx.wall(),
        ..Feature::clone(feature)
    });
    let mut events = no_longer_on(ctx, feature, holder, alive);
    events.extend(files_released(ctx, feature, holder, &ReleaseReason::Completed));
    events.push(Event::FeatureCompleted(done.clone()));
    Ok(Decision::new(events, Reply::Feature(done)))
}

/// Cancels a feature, whoever holds it.
pub(super) fn cancel(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    if feature.status.is_over() {
        return Err(transition(feature, "cancelled"));
    }
    let mut decision = moved(ctx, feature, Status::Cancelled);
    if let Some(holder) = feature.holder() {
        let mut released = no_longer_on(ctx, feature, holder, None);
        released.extend(files_released(ctx, feature, holder, &ReleaseReason::Cancelled));
        decision.events.splice(..0, released);
    }
    Ok(decision)
}

/// The events about a session that stops working on a feature. If it holds other features, it works on the one that it
/// picked last. `alive` is the event that renews its lease in the same entry, if there is one.
fn no_longer_on(ctx: Context<'_>, feature: &Feature, holder: &Holder, alive: Option<Event>) -> Vec<Event> {
    let (came_back, known) = match alive {
        Some(Event::SessionStarted(session)) => (true, Some(session)),
        Some(Event::SessionRenewed(session)) => (false, Some(session)),
        Some(other) => return vec![other],
        None => (false, ctx.state.session(holder.session).cloned()),
    };
    let Some(mut session) = known else { return Vec::new() };
    let is_new = Some(&session) != ctx.state.session(holder.session);
    let works_on_it = session.feature == Some(feature.id);
    if works_on_it {
        let others = ctx.state.active_features(session.id).filter(|other| other.id != feature.id);
        Arc::make_mut(&mut session).feature =
            others.max_by_key(|other| (other.fence(), other.id)).map(|other| other.id);
    }
    match (came_back, is_new || works_on_it) {
        (true, _) => vec![Event::SessionStarted(session)],
        (false, true) => vec![Event::SessionRenewed(session)],
        (false, false) => Vec::new(),
    }
}

/// A feature that the actor holds: with the named session, or, if none is named, with any session of the engineer.
fn held<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    slug: &Slug,
    to: &str,
) -> Result<(&'a Arc<Feature>, &'a Holder, Option<Event>), Refusal> {
    let engineer: &Engineer = ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    let named = ctx.named_session(engineer, project)?;
    let holder = feature.holder().ok_or_else(|| transition(feature, to))?;
    let holds = match named {
        Some(session) => holder.session == session.id,
        None => holder.engineer == engineer.id,
    };
    if !holds {
        let by = Box::new(holder_note(ctx.state, holder));
        return Err(Refusal::NotHolder { slug: slug.clone(), by });
    }
    // A session that is ending holds the feature until its claims are released, which takes a moment.
    ctx.state.session(holder.session).map_or(Ok(()), |session| require_not_ending(session))?;
    let alive = match named {
        Some(_) => Some(acting_session(ctx, engineer, project)?.1),
        None => None,
    };
    Ok((feature, holder, alive))
}

/// The events of releasing the paths that are held for a feature.
pub(super) fn files_released(
    ctx: Context<'_>,
    feature: &Feature,
    holder: &Holder,
    reason: &ReleaseReason,
) -> Vec<Event> {
    let Some(session) = ctx.state.session(holder.session) else { return Vec::new() };
    let paths: Arc<[Pattern]> =
        ctx.state.claims_for(session, feature.id).map(|(key, _)| key.path.clone()).collect();
    holdings::released(feature.project, holder, Some(feature.id), &paths, reason)
}

pub(super) fn find<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    slug: &Slug,
) -> Result<&'a Arc<Feature>, Refusal> {
    ctx.state.feature_by_slug(project, slug).ok_or_else(|| not_found(EntityKind::Feature, slug))
}

pub(super) fn transition(feature: &Feature, to: &str) -> Refusal {
    Refusal::InvalidTransition {
        slug: feature.slug.clone(),
        from: feature.status.name().to_owned(),
        to: to.to_owned(),
    }
}
