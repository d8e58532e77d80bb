//! Ends what is over. Leases end by log entry only, in cluster time: never by a node's own clock.

use super::{checkpoints, sessions};
use crate::{
    document::{CheckpointKind, Document, DocumentKey, Place},
    entity::{Session, Vitality},
    event::{Event, ReleaseReason},
    ids::CheckpointId,
    state::{Deadline, State},
    time::Revision,
};
use std::sync::Arc;
use uuid::Uuid;

/// Facts, and long texts to write.
type Expiry = (Vec<Event>, Vec<(DocumentKey, Option<Document>)>);

/// What the end of the first thing that is due brings; none when nothing is due.
pub(crate) fn expire_one(state: &State, revision: Revision) -> Option<Expiry> {
    match state.due(state.clock.cluster)? {
        Deadline::JoinToken(id) => {
            let token = state.join_tokens.get(&id).expect("every deadline belongs to something that is kept");
            Some((vec![Event::JoinTokenExpired(token.clone())], Vec::new()))
        }
        Deadline::Ticket(digest) => {
            let ticket = state.ticket(digest).expect("every deadline belongs to something that is kept");
            Some((vec![Event::TicketExpired(ticket.clone())], Vec::new()))
        }
        Deadline::Session(id) => {
            let session = state.session(id).expect("every deadline belongs to something that is kept");
            Some(match session.vitality {
                Vitality::Active { .. } => (vec![disconnected(state, session)], Vec::new()),
                Vitality::Disconnected { .. } => {
                    let mut events = sessions::ended(state, session, &ReleaseReason::Expired);
                    let mut documents = Vec::new();
                    for (saved, key, document) in crash_recovery(state, session, revision) {
                        events.push(saved);
                        documents.push((key, Some(document)));
                    }
                    (events, documents)
                }
            })
        }
    }
}

fn disconnected(state: &State, session: &Session) -> Event {
    // From now on, not from the deadline: an entry that comes late must not cut the grace short.
    let until = state.clock.cluster.after(state.settings.session_grace);
    let mut session = session.clone();
    session.vitality = Vitality::Disconnected { until };
    Event::SessionDisconnected(Arc::new(session))
}

/// A checkpoint for each feature that the lost session worked on.
fn crash_recovery(
    state: &State,
    session: &Session,
    revision: Revision,
) -> impl Iterator<Item = (Event, DocumentKey, Document)> {
    let note = "The session was lost: nothing was heard of it until its lease and its grace were over.";
    state.active_features(session.id).map(move |feature| {
        let id = derived_id(state, feature.id.0, revision);
        let (kind, place) = (CheckpointKind::CrashRecovery, Place::ended_before(revision));
        let checkpoint =
            checkpoints::of_work(state, session, feature.id, id, kind, "{}".into(), Some(note.into()));
        checkpoints::kept(session.project, place, checkpoint)
    })
}

/// An id for what no client asked for. A version 7 id of the entry's wall time whose random part
/// is the revision and bits of the feature's own id: unique, and the same on every node.
fn derived_id(state: &State, feature: Uuid, revision: Revision) -> CheckpointId {
    let millis = u64::try_from(state.clock.wall.0).unwrap_or(0);
    let mut random = [0_u8; 10];
    random[..2].copy_from_slice(&feature.as_bytes()[14..]);
    random[2..].copy_from_slice(&revision.0.to_be_bytes());
    CheckpointId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}
