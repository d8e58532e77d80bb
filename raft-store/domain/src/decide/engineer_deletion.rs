//! Ends the sessions and memberships of deleted engineers: a bounded part with each entry.

use super::{decision::Effects, session_end};
use crate::{
    cleanup::CleanupBudget, document::LogPosition, entity::ReleaseReason, event::Event, ids::EngineerId,
    state::State, time::Revision,
};

/// Continues the deletion of the first deleted engineer; `None` if there is none, or if the budget is exhausted.
pub(crate) fn advance(state: &State, revision: Revision, budget: &mut CleanupBudget) -> Option<Effects> {
    let engineer = *state.engineer_deletions.get_min()?;
    if budget.is_exhausted() {
        return None;
    }
    let ((mut events, documents), is_all) =
        end_sessions_and_memberships(state, engineer, LogPosition::before_command(revision), budget);
    events.extend(is_all.then_some(Event::EngineerDeletionEnded(engineer)));
    Some((events, documents))
}

/// Ends as many sessions and memberships of an engineer as the budget allows. Returns also whether those were all.
pub(crate) fn end_sessions_and_memberships(
    state: &State,
    engineer: EngineerId,
    position: LogPosition,
    budget: &mut CleanupBudget,
) -> (Effects, bool) {
    let (mut events, mut documents) = Effects::default();
    for session in state.sessions_by(engineer) {
        if budget.is_exhausted() {
            return ((events, documents), false);
        }
        let (ended, texts) =
            session_end::ended(state, session, &ReleaseReason::MemberRemoved, position, budget);
        events.extend(ended);
        documents.extend(texts);
    }
    for project in state.projects_of(engineer) {
        if budget.is_exhausted() {
            return ((events, documents), false);
        }
        budget.count_events(1);
        let member = state.member(project.id, engineer);
        events.extend(member.map(|member| Event::MemberRemoved(member.clone())));
    }
    ((events, documents), true)
}
