//! Decides about checkpoints: recorded states of the work on a feature. Their texts are documents. The state has only
//! the hash of the newest one, so that a repeated checkpoint is not stored twice.

use super::{
    Context, Decision,
    access::not_found,
    conflicts::too_much,
    quota::text_within_quota,
    sessions::{renew_lease, require_not_ending},
};
use crate::{
    command::NewCheckpoint,
    document::{Checkpoint, CheckpointKind, Document, DocumentKey, LatestCheckpoint, LogPosition, StateHash},
    entity::Session,
    event::Event,
    ids::{CheckpointId, FeatureId, ProjectId},
    pattern::Pattern,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use std::sync::Arc;

/// Steps of copying, sorting and hashing a claimed path.
const CLAIM: usize = 500;

/// Stores a checkpoint of the work that one of the engineer's own sessions does on a feature. A periodic one that
/// repeats the newest one is not stored.
pub(super) fn save(
    ctx: Context<'_>,
    project: ProjectId,
    new: &NewCheckpoint,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let engineer = ctx.worker(project)?;
    let session = ctx.own_session(engineer, project, new.session)?;
    require_not_ending(session)?;
    if ctx.state.feature(project, new.feature).is_none() {
        return Err(not_found(EntityKind::Feature, new.feature));
    }
    let held = ctx.state.claims_for(session, new.feature).count();
    work.charge(CLAIM * held).map_err(|OutOfBudget| {
        too_much("recording all that is claimed for this feature", "give some of it back")
    })?;
    let checkpoint =
        of_work(ctx.state, session, new.feature, new.id, new.kind, new.context.clone(), new.notes.clone());
    // A checkpoint of a session renews its lease.
    let mut events: Vec<Event> = renew_lease(ctx.state, session).into_iter().collect();
    let latest = ctx.state.latest_checkpoint(project, new.feature);
    let says_nothing_new = latest.is_some_and(|latest| latest.state_hash == checkpoint.state_hash);
    if new.kind == CheckpointKind::AutoPeriodic && says_nothing_new {
        return Ok(Decision::new(events, Reply::DuplicateCheckpoint));
    }
    let is_of_holder = checkpoint.is_of_holder;
    let (saved, key, document) = kept(project, LogPosition::of_command(ctx.revision), checkpoint);
    text_within_quota(ctx, project, engineer.id, &document)?;
    // A checkpoint of another session is stored, but does not become the newest one of the feature.
    events.extend(is_of_holder.then_some(saved));
    Ok(Decision::new(events, Reply::Text(key)).with_document(key, Some(document)))
}

/// A checkpoint with the paths that a session holds for a feature at this moment.
pub(super) fn of_work(
    state: &State,
    session: &Session,
    feature: FeatureId,
    id: CheckpointId,
    kind: CheckpointKind,
    context: Arc<str>,
    notes: Option<Arc<str>>,
) -> Checkpoint {
    let held = state.claims_for(session, feature);
    let mut claims: Vec<Pattern> = held.map(|(key, _)| key.path.clone()).collect();
    claims.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    let state_hash = StateHash::of(feature, &context, &claims);
    let holder = state.feature(session.project, feature).and_then(|feature| feature.holder());
    Checkpoint {
        id,
        session: session.id,
        feature,
        engineer: session.engineer,
        is_of_holder: holder.is_none_or(|holder| holder.session == session.id),
        kind,
        claims: claims.into(),
        context,
        notes,
        created_at: state.clock.wall,
        state_hash,
    }
}

/// The event of storing a checkpoint, and its document with the key.
pub(super) fn kept(
    project: ProjectId,
    position: LogPosition,
    checkpoint: Checkpoint,
) -> (Event, DocumentKey, Document) {
    let latest = LatestCheckpoint {
        project,
        feature: checkpoint.feature,
        id: checkpoint.id,
        position,
        state_hash: checkpoint.state_hash,
    };
    (Event::CheckpointSaved(latest), latest.key(), Document::Checkpoint(checkpoint))
}
