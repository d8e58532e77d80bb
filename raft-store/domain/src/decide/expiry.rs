//! Ends leases, tokens and tickets that have expired. They end by log entries alone, in cluster time, and never by a
//! node's own clock.

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

/// Marks a session as ending, so that it can do nothing more; `None` if it is marked already.
pub(super) fn ending(session: &Session, reason: &ReleaseReason) -> Option<Event> {
    let ending = || Session { lease: LeaseState::Ending { reason: reason.clone() }, ..session.clone() };
    (!session.is_ending()).then(|| Event::SessionDisconnected(Arc::new(ending())))
}

/// Whether a session is over although its end is still to come: there were too many for one entry.
pub(super) fn is_over(state: &State, session: &Session) -> bool {
    match &session.lease {
        LeaseState::Active { .. } => false,
        LeaseState::Disconnected { until } => *until <= state.clock.cluster,
        LeaseState::Ending { .. } => true,
    }
}

fn disconnected(state: &State, session: &Session) -> Event {
    // The grace begins now and not at the deadline: a late entry must not cut it short.
    let until = state.clock.cluster.after(state.settings.session_grace);
    let mut session = session.clone();
    session.lease = LeaseState::Disconnected { until };
    Event::SessionDisconnected(Arc::new(session))
}
