//! Decides about paths that are taken and given back while working, outside of a pick.

use super::{
    Context, Decision,
    access::not_found,
    blockers::{conflicts, holder_note},
    features::MAX_PATTERNS,
    picking::transition,
    sessions::acting_session,
};
use crate::{
    entity::{ClaimKey, Mode, Status},
    event::{Event, ReleaseReason},
    ids::{FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    refusal::{Refusal, Thing},
    reply::Reply,
    words::Label,
};
use std::{collections::BTreeMap, sync::Arc};

/// Claims that one session may hold: bounds memory and the time of its end.
const MAX_CLAIMS_OF_SESSION: usize = 100_000;

/// Takes paths, all or none.
pub(super) fn claim(
    ctx: Context<'_>,
    project: ProjectId,
    paths: &Arc<[Pattern]>,
    mode: Mode,
    feature: Option<FeatureId>,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    if paths.len() > MAX_PATTERNS {
        return Err(Refusal::TooMany { what: "paths".to_owned(), limit: MAX_PATTERNS as u64 });
    }
    if let Some(id) = feature {
        let feature = ctx.state.feature(project, id).ok_or_else(|| not_found(Thing::Feature, id))?;
        let Status::Active { holder, .. } = &feature.status else {
            return Err(transition(feature, "claimed for"));
        };
        if holder.session != session.id {
            let by = Box::new(holder_note(ctx.state, holder));
            return Err(Refusal::NotHolder { slug: feature.slug.clone(), by });
        }
    }
    let held = ctx.state.claims_of(&session).take(MAX_CLAIMS_OF_SESSION).count();
    if held + paths.len() > MAX_CLAIMS_OF_SESSION {
        return Err(Refusal::TooMany {
            what: "claims of one session".to_owned(),
            limit: MAX_CLAIMS_OF_SESSION as u64,
        });
    }
    let wanted = paths.iter().map(|path| (path, mode));
    let conflicts = conflicts(ctx.state, project, wanted, Some(session.id));
    if !conflicts.is_empty() {
        return Err(Refusal::FilesClaimed { conflicts });
    }
    // What is held already keeps its fence; a shared claim may become exclusive.
    let new: Arc<[Pattern]> = paths
        .iter()
        .filter(|path| {
            let key = ClaimKey { project, session: session.id, feature, path: Pattern::clone(path) };
            ctx.state.claims.get(&key).is_none_or(|held| held.mode == Mode::Shared && mode == Mode::Exclusive)
        })
        .cloned()
        .collect();
    let mut events = vec![alive];
    if !new.is_empty() {
        events.push(Event::FilesClaimed {
            project,
            holder: session.holder(),
            feature,
            paths: new,
            mode,
            fence: ctx.fence(),
            claimed_at: ctx.wall(),
        });
    }
    Ok(Decision::new(events, Reply::Claimed { paths: paths.clone(), session: Arc::new(session) }))
}

/// Gives back paths that were taken outside of a pick.
pub(super) fn release(
    ctx: Context<'_>,
    project: ProjectId,
    paths: Option<&Arc<[Pattern]>>,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    let released: Arc<[Pattern]> = ctx
        .state
        .claims_of(&session)
        .filter(|(key, _)| key.feature.is_none() && paths.is_none_or(|paths| paths.contains(&key.path)))
        .map(|(key, _)| key.path.clone())
        .collect();
    let mut events = vec![alive];
    if !released.is_empty() {
        events.push(Event::FilesReleased {
            project,
            holder: session.holder(),
            feature: None,
            paths: released.clone(),
            reason: ReleaseReason::Released,
        });
    }
    Ok(Decision::new(events, Reply::Paths(released)))
}

/// Renews the lease and says what is held.
pub(super) fn refresh(ctx: Context<'_>, project: ProjectId) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let (session, alive) = acting_session(ctx, engineer, project)?;
    let held: Arc<[Pattern]> = ctx.state.claims_of(&session).map(|(key, _)| key.path.clone()).collect();
    Ok(Decision::new(vec![alive], Reply::Paths(held)))
}

/// Takes every claim away that is exactly one of these paths, whoever holds it.
pub(super) fn force_release(
    ctx: Context<'_>,
    project: ProjectId,
    paths: &Arc<[Pattern]>,
    reason: &Label,
) -> Result<Decision, Refusal> {
    let engineer = ctx.lead(project)?;
    let mut taken: BTreeMap<(SessionId, Option<FeatureId>), Vec<Pattern>> = BTreeMap::new();
    for (key, _) in ctx.state.claims_in(project) {
        if paths.contains(&key.path) {
            taken.entry((key.session, key.feature)).or_default().push(key.path.clone());
        }
    }
    let reason = ReleaseReason::Forced { by: engineer.id, reason: reason.clone() };
    let mut events = Vec::new();
    let mut all = Vec::new();
    for ((session, feature), paths) in taken {
        let session = ctx.state.session(session).expect("every claim belongs to a session that is kept");
        all.extend(paths.iter().cloned());
        events.push(Event::FilesReleased {
            project,
            holder: session.holder(),
            feature,
            paths: paths.into(),
            reason: reason.clone(),
        });
    }
    Ok(Decision::new(events, Reply::Paths(all.into())))
}
