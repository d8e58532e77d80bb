//! Checkpoints: recorded states of the work on a feature. Their texts are documents. The state has only the hash of the
//! newest one, so that a repeated checkpoint is not stored twice.

use crate::{
    document::{Checkpoint, CheckpointKind, Document, DocumentKey, LatestCheckpoint, LogPosition, StateHash},
    entity::Session,
    event::Event,
    ids::{CheckpointId, FeatureId, ProjectId},
    pattern::Pattern,
    state::State,
};
use std::sync::Arc;

/// A checkpoint with the paths that a session holds for a feature at this moment.
pub(crate) fn of_work(
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
pub(crate) fn kept(
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
