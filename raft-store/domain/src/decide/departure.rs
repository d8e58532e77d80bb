//! Ends the sessions of a deleted engineer and their places in projects: a bounded part with each entry. Decides
//! nothing about who may delete one.

use super::{
    fills_an_entry, given_back,
    interruption::{self, Ending},
};
use crate::{
    document::Place,
    entity::Load,
    event::{Event, ReleaseReason},
    ids::EngineerId,
    state::State,
    time::Revision,
};

/// What the next entry ends of the first deleted engineer; none when there is none.
pub(crate) fn advance(state: &State, revision: Revision) -> Option<Ending> {
    let engineer = *state.departures.get_min()?;
    let ((mut events, documents), is_all) = part(state, engineer, Place::ended_before(revision));
    events.extend(is_all.then_some(Event::DepartureEnded(engineer)));
    Some((events, documents))
}

/// The end of as many sessions and places as one entry may end, and whether that is all of them.
pub(super) fn part(state: &State, engineer: EngineerId, place: Place) -> (Ending, bool) {
    let (mut events, mut documents, mut load) = (Vec::new(), Vec::new(), Load::default());
    for session in state.sessions_by(engineer) {
        if fills_an_entry(load, events.len()) {
            return ((events, documents), false);
        }
        let (facts, texts) = interruption::ended(state, session, &ReleaseReason::MemberRemoved, place);
        load.add(given_back(&facts));
        events.extend(facts);
        documents.extend(texts);
    }
    for project in state.projects_of(engineer) {
        if fills_an_entry(load, events.len()) {
            return ((events, documents), false);
        }
        let member = state.member(project.id, engineer);
        events.extend(member.map(|member| Event::MemberRemoved(member.clone())));
    }
    ((events, documents), true)
}
