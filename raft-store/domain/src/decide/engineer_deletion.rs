//! Ends the sessions of a deleted engineer and their places in projects: a bounded part with each entry. Decides
//! nothing about who may delete one.

use super::{
    cleanup::CleanupBudget,
    session_end::{self, Effects},
};
use crate::{
    document::LogPosition,
    event::{Event, ReleaseReason},
    ids::EngineerId,
    state::State,
    time::Revision,
};

/// What the next entry ends of the first deleted engineer; none when there is none, or this part is full.
pub(crate) fn advance(state: &State, revision: Revision, budget: &mut CleanupBudget) -> Option<Effects> {
    let engineer = *state.engineer_deletions.get_min()?;
    if budget.is_exhausted() {
        return None;
    }
    let ((mut events, documents), is_all) =
        left(state, engineer, LogPosition::ended_before(revision), budget);
    events.extend(is_all.then_some(Event::EngineerDeletionEnded(engineer)));
    Some((events, documents))
}

/// The end of as many sessions and places as there is place for in this part, and whether that is all of them.
pub(super) fn left(
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
