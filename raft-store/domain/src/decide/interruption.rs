//! What happens when a session is over: all it holds is free again, and the work that it leaves
//! unfinished is surfaced. Decides nothing about when that is.

use super::{checkpoints, holdings};
use crate::{
    document::{CheckpointKind, Document, DocumentKey, Place},
    entity::{Feature, Session, Status},
    event::{Event, ReleaseReason},
    ids::{CheckpointId, FeatureId},
    pattern::Pattern,
    state::State,
};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Facts, and long texts to write.
pub(crate) type Ending = (Vec<Event>, Vec<(DocumentKey, Option<Document>)>);

/// All that happens when a session is over. Its features are free again, marked as interrupted: whoever
/// ends a piece of work gives it back or finishes it before.
pub(super) fn ended(state: &State, session: &Arc<Session>, reason: &ReleaseReason, place: Place) -> Ending {
    let mut events = released_claims(state, session, reason);
    let mut documents = Vec::new();
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
    for feature in state.active_features(session.id) {
        let id = derived_id(state, feature.id.0, place);
        let (kind, notes) = (CheckpointKind::CrashRecovery, note(reason).into());
        let checkpoint = checkpoints::of_work(state, session, feature.id, id, kind, "{}".into(), Some(notes));
        let (saved, key, document) = checkpoints::kept(session.project, place, checkpoint);
        events.push(saved);
        documents.push((key, Some(document)));
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

/// The release of all that a session holds, feature by feature.
fn released_claims(state: &State, session: &Session, reason: &ReleaseReason) -> Vec<Event> {
    let mut by_feature: BTreeMap<Option<FeatureId>, Vec<Pattern>> = BTreeMap::new();
    for (key, _) in state.claims_of(session) {
        by_feature.entry(key.feature).or_default().push(key.path.clone());
    }
    by_feature
        .into_iter()
        .flat_map(|(feature, paths)| {
            holdings::released(session.project, &session.holder(), feature, &paths.into(), reason)
        })
        .collect()
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
