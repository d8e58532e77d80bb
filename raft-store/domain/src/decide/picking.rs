//! Decides who works on what: pick, release, done, cancel. A pick takes the feature and every
//! path of it in one step, or nothing.

use super::{
    Context, Decision,
    access::not_found,
    blockers::{Budget, blocker_within, conflicts, holder_note, open_dependencies},
    features::{MAX_PATTERNS, moved},
    holdings::{self, within_limit},
    sessions::acting_session,
};
use crate::{
    entity::{Engineer, Feature, Holder, Lane, Mode, Session, Status},
    event::{Event, ReleaseReason},
    ids::ProjectId,
    pattern::Pattern,
    refusal::{Blocked, MAX_LISTED, Refusal, Thing},
    reply::Reply,
    words::Slug,
};
use std::sync::Arc;

/// Ready features that one pick-next looks at: bounds the time of one log entry.
const MAX_CANDIDATES: usize = 1_000;
/// Paths of all of them together, for the same reason: those of ten of the largest features.
const MAX_CANDIDATE_PATTERNS: usize = 10 * MAX_PATTERNS;

/// Picks a feature by name.
pub(super) fn pick(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
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
    let open = open_dependencies(ctx.state, feature);
    if !open.is_empty() {
        return Err(Refusal::DependenciesOpen { slug: slug.clone(), open });
    }
    within_limit(ctx, &session, feature.touches.iter().chain(&*feature.reads))?;
    let wanted = [(&*feature.touches, Mode::Exclusive), (&*feature.reads, Mode::Shared)];
    let conflicts = conflicts(ctx.state, project, wanted, Some(session.id))?;
    if !conflicts.is_empty() {
        return Err(Refusal::FilesClaimed { conflicts });
    }
    Ok(picked(ctx, feature, session, alive))
}

/// Picks the best feature that is free for this session.
pub(super) fn pick_next(ctx: Context<'_>, project: ProjectId, lanes: &[Lane]) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    let wanted = |lane: Lane| lanes.is_empty() || lanes.contains(&lane);
    let mut blocked = Vec::new();
    let (mut looked_at, mut budget) = (0, Budget::of_one_entry());
    let candidates = ctx.state.ready_features(project).filter(|feature| wanted(feature.lane));
    for feature in candidates.take(MAX_CANDIDATES) {
        let paths = feature.touches.len() + feature.reads.len();
        looked_at += paths;
        if looked_at > MAX_CANDIDATE_PATTERNS {
            break;
        }
        match blocker_within(&mut budget, ctx.state, feature, Some(session.id))? {
            None => {
                within_limit(ctx, &session, feature.touches.iter().chain(&*feature.reads))?;
                return Ok(picked(ctx, feature, session, alive));
            }
            Some(by) if blocked.len() < MAX_LISTED => {
                blocked.push(Blocked { slug: feature.slug.clone(), by });
            }
            Some(_) => {}
        }
    }
    Err(Refusal::NothingAvailable { blocked })
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
    // One fact about the session, which has its feature already.
    let alive = match alive {
        Event::SessionStarted(_) => Event::SessionStarted(session.clone()),
        _ => Event::SessionRenewed(session.clone()),
    };
    let mut events = vec![alive, Event::FeatureClaimed(active.clone())];
    for (paths, mode) in [(&active.touches, Mode::Exclusive), (&active.reads, Mode::Shared)] {
        let paths = match mode {
            Mode::Exclusive => paths.clone(),
            // What is touched and read is touched: one claim, the stronger one.
            Mode::Shared => without(paths, &active.touches),
        };
        events.extend(files_claimed(ctx, &holder, &active, &paths, mode));
    }
    Decision::new(events, Reply::Picked { feature: active, session })
}

/// The facts of taking paths for a feature; none for no paths.
pub(super) fn files_claimed(
    ctx: Context<'_>,
    holder: &Holder,
    feature: &Feature,
    paths: &Arc<[Pattern]>,
    mode: Mode,
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

/// Gives a feature back, unfinished.
pub(super) fn release(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    let (feature, holder, alive) = held(ctx, project, slug, "ready")?;
    let ready = Arc::new(Feature {
        status: Status::Ready { interrupted_at: None },
        updated_at: ctx.wall(),
        ..Feature::clone(feature)
    });
    let reason = ReleaseReason::Released;
    let mut events: Vec<Event> = alive.into_iter().collect();
    events.extend(files_released(ctx, feature, holder, &reason));
    events.push(Event::FeatureReleased { feature: ready.clone(), holder: holder.clone(), reason });
    Ok(Decision::new(events, Reply::Feature(ready)))
}

/// Finishes a feature.
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
    let mut events: Vec<Event> = alive.into_iter().collect();
    events.extend(files_released(ctx, feature, holder, &ReleaseReason::Completed));
    events.push(Event::FeatureCompleted(done.clone()));
    Ok(Decision::new(events, Reply::Feature(done)))
}

/// Gives a feature up, whoever holds it.
pub(super) fn cancel(ctx: Context<'_>, project: ProjectId, slug: &Slug) -> Result<Decision, Refusal> {
    ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    if feature.status.is_over() {
        return Err(transition(feature, "cancelled"));
    }
    let mut decision = moved(ctx, feature, Status::Cancelled);
    if let Some(holder) = feature.holder() {
        let released = files_released(ctx, feature, holder, &ReleaseReason::Cancelled);
        decision.events.splice(..0, released);
    }
    Ok(decision)
}

/// A feature that the asker holds: as the named session alone, or as the engineer of any.
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
    let alive = match named {
        Some(_) => Some(acting_session(ctx, engineer, project)?.1),
        None => None,
    };
    Ok((feature, holder, alive))
}

/// The release of the paths that are held for a feature.
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
    ctx.state.feature_by_slug(project, slug).ok_or_else(|| not_found(Thing::Feature, slug))
}

pub(super) fn transition(feature: &Feature, to: &str) -> Refusal {
    Refusal::InvalidTransition {
        slug: feature.slug.clone(),
        from: feature.status.name().to_owned(),
        to: to.to_owned(),
    }
}
