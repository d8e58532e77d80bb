//! Ends what is over. Leases end by log entry only, in cluster time: never by a node's own clock.

use super::{
    cleanup::CleanupBudget,
    session_end::{self, Effects},
};
use crate::{
    document::LogPosition,
    entity::{LeaseState, Session},
    event::{Event, ReleaseReason},
    state::{Deadline, State},
    time::Revision,
};
use std::sync::Arc;

/// What the end of the first thing that is due brings, or a part of it; none when nothing is due, or this part is full.
pub(crate) fn expire_one(state: &State, revision: Revision, budget: &mut CleanupBudget) -> Option<Effects> {
    if budget.is_exhausted() {
        return None;
    }
    let single = |event, budget: &mut CleanupBudget| {
        budget.count_events(1);
        Some((vec![event], Vec::new()))
    };
    match state.due(state.clock.cluster)? {
        Deadline::JoinToken(id) => {
            let token = state.join_tokens.get(&id).expect("every deadline belongs to something that is kept");
            single(Event::JoinTokenExpired(token.clone()), budget)
        }
        Deadline::Ticket(digest) => {
            let ticket = state.ticket(digest).expect("every deadline belongs to something that is kept");
            single(Event::TicketExpired(ticket.clone()), budget)
        }
        Deadline::Session(id) => {
            let session = state.session(id).expect("every deadline belongs to something that is kept");
            let reason = match &session.lease {
                LeaseState::Active { .. } => return single(disconnected(state, session), budget),
                LeaseState::Disconnected { .. } => &ReleaseReason::Expired,
                LeaseState::Ending { reason } => reason,
            };
            Some(session_end::ended(state, session, reason, LogPosition::ended_before(revision), budget))
        }
    }
}

/// A session that acts no more from now on; none when that is so already.
pub(super) fn ending(session: &Session, reason: &ReleaseReason) -> Option<Event> {
    let ending = || Session { lease: LeaseState::Ending { reason: reason.clone() }, ..session.clone() };
    (!session.is_ending()).then(|| Event::SessionDisconnected(Arc::new(ending())))
}

/// Whether nothing can save a session any more: one of too many to end in one entry.
pub(super) fn is_over(state: &State, session: &Session) -> bool {
    match &session.lease {
        LeaseState::Active { .. } => false,
        LeaseState::Disconnected { until } => *until <= state.clock.cluster,
        LeaseState::Ending { .. } => true,
    }
}

fn disconnected(state: &State, session: &Session) -> Event {
    // From now on, not from the deadline: an entry that comes late must not cut the grace short.
    let until = state.clock.cluster.after(state.settings.session_grace);
    let mut session = session.clone();
    session.lease = LeaseState::Disconnected { until };
    Event::SessionDisconnected(Arc::new(session))
}
