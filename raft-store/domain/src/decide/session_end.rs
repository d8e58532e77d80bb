//! Ends sessions: releases everything that a session holds, and stores a checkpoint of the work that it leaves
//! unfinished. Nothing here decides when a session ends.

use super::{
    checkpoints, context::Context, decision::Effects, holdings, quota::within_quotas_of, sessions::ending,
};
use crate::{
    cleanup::CleanupBudget,
    document::{Checkpoint, CheckpointKind, LogPosition, StateHash},
    entity::{ClaimUsage, Feature, ReleaseReason, Session, Status},
    event::Event,
    ids::{CheckpointId, FeatureId},
    pattern::Pattern,
    state::State,
    usage::{Owner, Usage},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// Paths of a feature that take as long to write again, with a checkpoint, as the release of one claim.
const PATHS_OF_CLAIM: usize = 4;
/// Sessions that one entry ends or marks as ending: at least those of one engineer in one project.
const MAX_ENDING: usize = 2_000;

/// Ends a session, as far as the budget allows. Its features are ready again and marked as interrupted, since a client
/// that ends its work releases or completes the feature first. The next entries release the rest; until then the
/// session is ending, and can do nothing more.
pub(crate) fn ended(
    state: &State,
    session: &Arc<Session>,
    reason: &ReleaseReason,
    position: LogPosition,
    budget: &mut CleanupBudget,
) -> Effects {
    let (mut events, mut is_all) = released_claims(state, session, reason, budget);
    let mut features = Vec::new();
    if is_all {
        for feature in state.active_features(session.id) {
            if budget.is_exhausted() {
                is_all = false;
                break;
            }
            budget.charge(rewrite_cost(feature));
            budget.count_events(2);
            features.push(feature);
        }
    }
    for feature in &features {
        events.push(Event::FeatureReleased {
            feature: Arc::new(Feature {
                status: Status::Ready { interrupted_at: Some(state.clock.wall) },
                updated_at: state.clock.wall,
                ..Feature::clone(feature)
            }),
            holder: session.holder(),
            reason: reason.clone(),
        });
    }
    events.extend(if is_all { Some(Event::SessionEnded(session.clone())) } else { ending(session, reason) });
    budget.count_events(1);
    let owners = [Owner::Project(session.project), Owner::Engineer(session.engineer), Owner::Cluster];
    let (mut kept, mut documents) = (Usage::default(), Vec::new());
    for feature in features {
        let whole = left_behind(state, session, feature, reason, position);
        let short = Checkpoint { claims: [].into(), ..whole.clone() };
        // The whole checkpoint, or one without claims, or none: a session must end even if a quota is used up.
        for checkpoint in [whole, short] {
            let (saved, key, document) = checkpoints::kept(session.project, position, checkpoint);
            let mut with_it = kept;
            with_it.add(Usage::of_text(&document).unwrap_or_default());
            if within_quotas_of(state, owners, with_it).is_ok() {
                kept = with_it;
                events.push(saved);
                documents.push((key, Some(document)));
                break;
            }
        }
    }
    (events, documents)
}

/// Ends the sessions of an engineer who leaves. If they are too many for one entry, the next ones end the rest.
/// Sessions beyond [`MAX_ENDING`] have lost all rights, and end when their leases expire.
pub(crate) fn sessions_ended<'a>(
    ctx: Context<'_>,
    sessions: impl Iterator<Item = &'a Arc<Session>>,
) -> Effects {
    let (mut events, mut documents) = Effects::default();
    let mut budget = CleanupBudget::new(ctx.state.cleanup_limits);
    for session in sessions.take(MAX_ENDING) {
        let reason = ReleaseReason::MemberRemoved;
        if budget.is_exhausted() {
            events.extend(ending(session, &reason));
            continue;
        }
        let position = LogPosition::of_command(ctx.revision);
        let (ended, texts) = ended(ctx.state, session, &reason, position, &mut budget);
        events.extend(ended);
        documents.extend(texts);
    }
    (events, documents)
}

/// The cost of writing a feature again, with a checkpoint that names its paths.
fn rewrite_cost(feature: &Feature) -> ClaimUsage {
    let paths = feature.touches.len() + feature.reads.len();
    ClaimUsage { claims: paths / PATHS_OF_CLAIM, bytes: 2 * feature.list_bytes() }
}

/// The checkpoint of unfinished work.
fn left_behind(
    state: &State,
    session: &Session,
    feature: &Feature,
    reason: &ReleaseReason,
    position: LogPosition,
) -> Checkpoint {
    let id = derived_id(state, feature.id, position);
    let (kind, notes) = (CheckpointKind::CrashRecovery, note(reason).into());
    let mut checkpoint = checkpoints::of_work(state, session, feature.id, id, kind, "{}".into(), Some(notes));
    if session.is_ending() {
        // Earlier entries have released its claims: the feature's paths stand for them.
        checkpoint.claims = feature.touches.iter().chain(&*feature.reads).cloned().collect();
        checkpoint.state_hash = StateHash::of(feature.id, &checkpoint.context, &checkpoint.claims);
    }
    checkpoint
}

/// Says why the work was left unfinished, for the next session.
const fn note(reason: &ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Expired => {
            "The session was lost: nothing was heard of it until its lease and its grace were over."
        }
        ReleaseReason::MemberRemoved => "The session ended: its engineer left the project.",
        ReleaseReason::HistoryReset => {
            "The session ended: the cluster was restored from an earlier state, and what came after it is lost."
        }
        ReleaseReason::Released
        | ReleaseReason::Completed
        | ReleaseReason::Cancelled
        | ReleaseReason::Updated
        | ReleaseReason::SessionEnded
        | ReleaseReason::Forced { .. } => "The session ended before the work did.",
    }
}

/// The release of what a session holds, feature by feature, as far as the budget allows, and whether that is all.
fn released_claims(
    state: &State,
    session: &Session,
    reason: &ReleaseReason,
    budget: &mut CleanupBudget,
) -> (Vec<Event>, bool) {
    let mut by_feature: BTreeMap<Option<FeatureId>, Vec<Pattern>> = BTreeMap::new();
    let mut is_all = true;
    for (key, _) in state.claims_of(session) {
        if budget.is_exhausted() {
            is_all = false;
            break;
        }
        budget.charge(ClaimUsage::of([&key.path]));
        by_feature.entry(key.feature).or_default().push(key.path.clone());
    }
    let released = by_feature.into_iter().flat_map(|(feature, paths)| {
        holdings::released(session.project, &session.holder(), feature, &paths.into(), reason)
    });
    let released: Vec<Event> = released.collect();
    budget.count_events(released.len());
    (released, is_all)
}

/// An id for a checkpoint that no client requested: a UUID of version 7 with the entry's wall time, whose random part
/// is a digest of the entry and the feature. So it is unique, and the same on every node.
fn derived_id(state: &State, feature: FeatureId, position: LogPosition) -> CheckpointId {
    let millis = u64::try_from(state.clock.wall.0).unwrap_or(0);
    let digest = Sha256::new()
        .chain_update(position.revision.0.to_be_bytes())
        .chain_update(feature.0.as_bytes())
        .finalize();
    let mut random = [0_u8; 10];
    random.copy_from_slice(&digest[..10]);
    CheckpointId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
