//! The beginning and the end of a pick: the feature and all of its paths are taken in one step, and released in one.

use super::{
    conflicts::holder_note,
    context::Context,
    decision::Decision,
    features::{find, transition},
    holdings::{self, within_limit},
    sessions::{acting_session, require_not_ending},
};
use crate::{
    entity::{ClaimMode, Engineer, Feature, Holder, ReleaseReason, Session, Status},
    event::Event,
    ids::ProjectId,
    pattern::Pattern,
    refusal::Refusal,
    reply::Reply,
    short_text::Slug,
};
use std::{collections::BTreeSet, sync::Arc};

/// Features that one session works on at once: its end releases each of them with a checkpoint. An agent works on one,
/// a person in a browser on a few.
const MAX_ACTIVE_OF_SESSION: usize = 1_000;

/// Refuses a pick if the session would hold too many features or claims.
pub(crate) fn may_take(ctx: Context<'_>, session: &Session, feature: &Feature) -> Result<(), Refusal> {
    if ctx.state.active_features(session.id).count() >= MAX_ACTIVE_OF_SESSION {
        let what = "features that one session works on (finish or release some)".to_owned();
        return Err(Refusal::TooMany { what, limit: MAX_ACTIVE_OF_SESSION as u64 });
    }
    within_limit(ctx, session, feature.touches.iter().chain(&*feature.reads))
}

/// The events of a pick. `alive` is the event that renews the lease of the session in the same entry.
pub(crate) fn picked(ctx: Context<'_>, feature: &Feature, mut session: Session, alive: Event) -> Decision {
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
pub(crate) fn files_claimed(
    ctx: Context<'_>,
    holder: &Holder,
    feature: &Feature,
    paths: &Arc<[Pattern]>,
    mode: ClaimMode,
) -> Vec<Event> {
    holdings::claimed(ctx, feature.project, holder, Some(feature.id), paths, mode)
}

/// The `paths` that are not among `others`.
pub(crate) fn without(paths: &Arc<[Pattern]>, others: &[Pattern]) -> Arc<[Pattern]> {
    if others.is_empty() || paths.is_empty() {
        return paths.clone();
    }
    let others: BTreeSet<&Pattern> = others.iter().collect();
    paths.iter().filter(|path| !others.contains(path)).cloned().collect()
}

/// The events of the end of a pick, before the one about the feature itself: its holder stops working on it, and the
/// paths that are held for it are released. `alive` is the event that renews the holder's lease in the same entry, if
/// there is one.
pub(crate) fn pick_ended(
    ctx: Context<'_>,
    feature: &Feature,
    holder: &Holder,
    alive: Option<Event>,
    reason: &ReleaseReason,
) -> Vec<Event> {
    let mut events = no_longer_on(ctx, feature, holder, alive);
    events.extend(files_released(ctx, feature, holder, reason));
    events
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
pub(crate) fn held_feature<'a>(
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
fn files_released(
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
