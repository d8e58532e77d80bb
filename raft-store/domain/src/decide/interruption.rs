//! What happens when a session is over: all it holds is free again, and the work that it leaves
//! unfinished is surfaced. Decides nothing about when that is.

use super::{checkpoints, expiry, fills_an_entry, holdings, quota::within_quotas_of};
use crate::{
    document::{Checkpoint, CheckpointKind, Document, DocumentKey, Place},
    entity::{Feature, Load, Session, Status},
    event::{Event, ReleaseReason},
    ids::{CheckpointId, FeatureId},
    pattern::Pattern,
    state::State,
    usage::{Owner, Usage},
};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Facts, and long texts to write.
pub(crate) type Ending = (Vec<Event>, Vec<(DocumentKey, Option<Document>)>);

/// All that happens when a session is over. Its features are free again, marked as interrupted: whoever
/// ends a piece of work gives it back or finishes it before. One that holds more than an entry gives back gives back a
/// part, and acts no more; the next entry goes on with it.
pub(super) fn ended(state: &State, session: &Arc<Session>, reason: &ReleaseReason, place: Place) -> Ending {
    let (mut events, is_all) = released_claims(state, session, reason);
    let mut documents = Vec::new();
    if !is_all {
        events.extend(expiry::ending(session, reason));
        return (events, documents);
    }
    for feature in state.active_features(session.id) {
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
    events.push(Event::SessionEnded(session.clone()));
    let owners = [Owner::Project(session.project), Owner::Engineer(session.engineer), Owner::Cluster];
    let mut kept = Usage::default();
    for feature in state.active_features(session.id) {
        let id = derived_id(state, feature.id.0, place);
        let (kind, notes) = (CheckpointKind::CrashRecovery, note(reason).into());
        let mut whole = checkpoints::of_work(state, session, feature.id, id, kind, "{}".into(), Some(notes));
        if session.is_ending() {
            // Some of its paths, or all, were given back by earlier entries.
            whole.claims = feature.touches.iter().chain(&*feature.reads).cloned().collect();
        }
        let short = Checkpoint { claims: [].into(), ..whole.clone() };
        // As much of it as there is room for: a session ends also where its project is full.
        for checkpoint in [whole, short] {
            let (saved, key, document) = checkpoints::kept(session.project, place, checkpoint);
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

/// Why the work was left, for who takes it up.
const fn note(reason: &ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Expired => {
            "The session was lost: nothing was heard of it until its lease and its grace were over."
        }
        ReleaseReason::MemberRemoved => "The session ended: its engineer left the project.",
        _ => "The session ended before the work did.",
    }
}

/// The release of what a session holds, feature by feature, as far as one entry tells it, and whether that is all.
fn released_claims(state: &State, session: &Session, reason: &ReleaseReason) -> (Vec<Event>, bool) {
    let mut by_feature: BTreeMap<Option<FeatureId>, Vec<Pattern>> = BTreeMap::new();
    let (mut load, mut is_all) = (Load::default(), true);
    for (key, _) in state.claims_of(session) {
        if fills_an_entry(load, 0) {
            is_all = false;
            break;
        }
        load.add(Load::of([&key.path]));
        by_feature.entry(key.feature).or_default().push(key.path.clone());
    }
    let released = by_feature.into_iter().flat_map(|(feature, paths)| {
        holdings::released(session.project, &session.holder(), feature, &paths.into(), reason)
    });
    (released.collect(), is_all)
}

/// An id for what no client asked for. A version 7 id of the entry's wall time whose random part
/// is the revision and bits of the feature's own id: unique, and the same on every node.
fn derived_id(state: &State, feature: Uuid, place: Place) -> CheckpointId {
    let millis = u64::try_from(state.clock.wall.0).unwrap_or(0);
    let mut random = [0_u8; 10];
    random[..2].copy_from_slice(&feature.as_bytes()[14..]);
    random[2..].copy_from_slice(&place.revision.0.to_be_bytes());
    CheckpointId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
