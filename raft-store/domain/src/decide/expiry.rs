//! Ends leases, tokens and tickets that have expired. They end by log entries alone, in cluster time, and never by a
//! node's own clock.

use super::{decision::Effects, session_end};
use crate::{
    cleanup::CleanupBudget,
    document::LogPosition,
    entity::{LeaseState, ReleaseReason, Session},
    event::Event,
    state::{Deadline, State},
    time::Revision,
};
use std::sync::Arc;

/// Ends the first thing that has expired, or a part of it; `None` if nothing has, or if the budget is exhausted.
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
            Some(session_end::ended(state, session, reason, LogPosition::before_command(revision), budget))
        }
    }
}

fn disconnected(state: &State, session: &Session) -> Event {
    // The grace begins now and not at the deadline: a late entry must not cut it short.
    let until = state.clock.cluster.after(state.settings.session_grace);
    let mut session = session.clone();
    session.lease = LeaseState::Disconnected { until };
    Event::SessionDisconnected(Arc::new(session))
}
