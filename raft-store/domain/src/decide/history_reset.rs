//! Ends what a former history has left when a cluster begins a new one: its sessions, tickets and join tokens, a
//! bounded part with each entry. Their holders may know entries that are lost.

use super::{decision::Effects, session_end};
use crate::{
    cleanup::CleanupBudget, document::LogPosition, entity::ReleaseReason, event::Event, state::State,
    time::Revision,
};

/// Ends a further part; `None` if nothing is left, or if the budget is exhausted.
pub(crate) fn advance(state: &State, revision: Revision, budget: &mut CleanupBudget) -> Option<Effects> {
    let start = state.history_start().filter(|start| start.is_ending)?;
    if budget.is_exhausted() {
        return None;
    }
    let (mut events, mut documents) = Effects::default();
    let position = LogPosition::before_command(revision);
    for session in state.sessions() {
        if budget.is_exhausted() {
            return Some((events, documents));
        }
        let (ended, texts) =
            session_end::ended(state, session, &ReleaseReason::HistoryReset, position, budget);
        events.extend(ended);
        documents.extend(texts);
    }
    let tickets = state.tickets.values().cloned().map(Event::TicketExpired);
    let tokens = state.join_tokens.values().cloned().map(Event::JoinTokenExpired);
    for event in tickets.chain(tokens) {
        if budget.is_exhausted() {
            return Some((events, documents));
        }
        budget.count_events(1);
        events.push(event);
    }
    budget.count_events(1);
    events.push(Event::FormerHistoryEnded(start.from));
    Some((events, documents))
}
