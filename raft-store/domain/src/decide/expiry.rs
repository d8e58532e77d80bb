//! Ends what is over. Leases end by log entry only, in cluster time: never by a node's own clock.

use super::interruption::{self, Ending};
use crate::{
    document::Place,
    entity::{Role, Session, Vitality},
    event::{Event, ReleaseReason},
    state::{Deadline, State},
    time::Revision,
};
use std::sync::Arc;

/// What the end of the first thing that is due brings; none when nothing is due.
pub(crate) fn expire_one(state: &State, revision: Revision) -> Option<Ending> {
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
                Vitality::Disconnected { .. } => interruption::ended(
                    state,
                    session,
                    &reason(state, session),
                    Place::ended_before(revision),
                ),
            })
        }
    }
}

/// Why a session ends that is disconnected: nobody heard of it, or its engineer was taken out of the project
/// and it is one of too many to end in that entry.
fn reason(state: &State, session: &Session) -> ReleaseReason {
    let is_admin = state.engineer(session.engineer).is_some_and(|engineer| engineer.role == Role::Admin);
    match state.member(session.project, session.engineer) {
        None if !is_admin => ReleaseReason::MemberRemoved,
        _ => ReleaseReason::Expired,
    }
}

/// The last moment of a session that the next entry ends, before anything else.
pub(super) fn over_now(state: &State, session: &Session) -> Event {
    let mut session = session.clone();
    session.vitality = Vitality::Disconnected { until: state.clock.cluster };
    Event::SessionDisconnected(Arc::new(session))
}

/// Whether nothing can save a session any more: one of too many to end in one entry.
pub(super) fn is_over(state: &State, session: &Session) -> bool {
    matches!(session.vitality, Vitality::Disconnected { until } if until <= state.clock.cluster)
}

fn disconnected(state: &State, session: &Session) -> Event {
    // From now on, not from the deadline: an entry that comes late must not cut the grace short.
    let until = state.clock.cluster.after(state.settings.session_grace);
    let mut session = session.clone();
    session.vitality = Vitality::Disconnected { until };
    Event::SessionDisconnected(Arc::new(session))
}
