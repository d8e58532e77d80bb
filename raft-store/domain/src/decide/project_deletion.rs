//! Removes what belonged to deleted projects: a bounded part with each entry.

use crate::{
    entity::{ClaimKey, Project, ProjectDeletion},
    erasure::Erasure,
    event::Event,
    ids::{DecisionId, EngineerId, FeatureId, ProjectId},
    row::{RowKey, TextKey},
    state::State,
    time::Revision,
};
use std::{collections::BTreeSet, sync::Arc};

/// Paths of a feature that take as long to remove as a row.
const PATHS_OF_ROW: usize = 20;

/// The deletion that begins with this entry.
pub(crate) fn begun(state: &State, project: &Project, revision: Revision) -> ProjectDeletion {
    ProjectDeletion {
        project: project.id,
        made_by: project.created_by,
        rows_gone: None,
        events_from: state.oldest_events(revision).max(project.made_at),
        case: project.case,
    }
}

/// Continues the deletion of the first deleted project: with rows, with texts or with events. `None` if there is none.
pub(crate) fn advance(state: &State, revision: Revision) -> Option<(Option<Event>, Option<Erasure>)> {
    let (_, deletion) = state.project_deletions.get_min()?;
    let project = deletion.project;
    let rows = next_rows(state, project);
    if !rows.is_empty() {
        let event = Event::ProjectDeletionAdvanced { deletion: *deletion, rows: rows.into() };
        return Some((Some(event), None));
    }
    let Some(rows_gone) = deletion.rows_gone else {
        // No entry after this one can write a text or an event of the project.
        let deletion = ProjectDeletion { rows_gone: Some(revision), ..*deletion };
        let event = Event::ProjectDeletionAdvanced { deletion, rows: Arc::new([]) };
        return Some((Some(event), Some(Erasure::TextsOfProject(project))));
    };
    // The store reports how far it came: see `State::events_erased`.
    let (from, to) = (deletion.events_from, Revision(rows_gone.0 + 1));
    Some((None, Some(Erasure::Events { project, from, to })))
}

impl State {
    /// Records that the store has erased the events of a deleted project up to `until`, which is not among them. The
    /// store calls it for each [`Erasure::Events`], with the same revision on every node. Returns the row that changes.
    pub fn events_erased(&mut self, project: ProjectId, until: Revision) -> Option<RowKey> {
        let event = events_erased(self, project, until)?;
        self.evolve(&event, &mut BTreeSet::new());
        Some(RowKey::ProjectDeletion(project))
    }
}

/// Records that the events of a deleted project are erased up to a revision. With the last of them, the deletion is
/// finished.
fn events_erased(state: &State, project: ProjectId, until: Revision) -> Option<Event> {
    let deletion = *state.project_deletions.get(&project)?;
    let is_all = deletion.rows_gone.is_some_and(|rows_gone| until > rows_gone);
    Some(if is_all {
        Event::ProjectDeletionFinished(deletion)
    } else {
        let deletion = ProjectDeletion { events_from: until, ..deletion };
        Event::ProjectDeletionAdvanced { deletion, rows: Arc::new([]) }
    })
}

/// The next rows to remove. Each kind is removed after the rows that refer to it: claims, features, sessions, then the
/// rest.
fn next_rows(state: &State, project: ProjectId) -> Vec<RowKey> {
    let one = |key: RowKey| (key, 1);
    let claims = state.claims_in(project).map(|(key, _)| one(RowKey::Claim(ClaimKey::clone(key))));
    let features = state.features.range((project, FeatureId::MIN)..=(project, FeatureId::MAX)).map(
        |((_, id), feature)| {
            let paths = feature.touches.len() + feature.reads.len() + feature.depends_on.len();
            let lists = state.replaced_lists_of(project, *id).count();
            (RowKey::Feature(project, *id), 1 + paths / PATHS_OF_ROW + lists)
        },
    );
    let sessions = state.sessions_in(project).map(|session| one(RowKey::Session(project, session.id)));
    let members = state.members(project).map(|member| one(RowKey::Member(project, member.engineer)));
    let keys = state.keys_for(project).map(|key| one(RowKey::ApiKey(key.prefix)));
    let decisions = state
        .decisions
        .range((project, DecisionId::MIN)..=(project, DecisionId::MAX))
        .map(|((project, id), _)| one(RowKey::Decision(*project, *id)));
    let first_text = TextKey { project, feature: None, engineer: EngineerId::MIN };
    let texts = state
        .text_counts
        .range(first_text..)
        .map(|(key, _)| *key)
        .take_while(|key| key.project == project)
        .map(|key| one(RowKey::TextCount(key)));
    let mut work = 0;
    claims
        .chain(features)
        .chain(sessions)
        .chain(members)
        .chain(keys)
        .chain(decisions)
        .chain(texts)
        .take_while(|(_, cost)| {
            // At least one row, whatever it costs.
            let has_room = work < state.cleanup_limits.rows;
            work += cost;
            has_room
        })
        .map(|(key, _)| key)
        .collect()
}
