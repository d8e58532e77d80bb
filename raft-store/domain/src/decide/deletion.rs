//! Takes away what belonged to a deleted project: a bounded part with each entry. Decides nothing about who may
//! delete one.

use crate::{
    apply::{Erasure, PRUNE_SLACK},
    entity::{ClaimKey, Deletion},
    event::Event,
    ids::{DecisionId, EngineerId, FeatureId, ProjectId},
    state::{RowKey, State, TextKey},
    time::Revision,
};
use std::sync::Arc;

/// Rows that one entry takes away: some 10 ms.
const ROWS_OF_ENTRY: usize = 2_000;
/// Revisions in which one entry looks for events of the project: it reads the keys of all that happened in them.
const REVISIONS_OF_ENTRY: u64 = 1_000;

/// A deletion that begins with this entry.
pub(super) fn begun(state: &State, project: ProjectId, revision: Revision) -> Deletion {
    let oldest = revision.0.saturating_sub(state.settings.event_revisions.saturating_add(PRUNE_SLACK));
    Deletion { project, rows_gone: None, events_from: Revision(oldest) }
}

/// What the next entry takes away of the first deleted project; none when there is none.
pub(crate) fn advance(state: &State, revision: Revision) -> Option<(Event, Vec<Erasure>)> {
    let (_, deletion) = state.deletions.get_min()?;
    let project = deletion.project;
    let rows = next_rows(state, project);
    if !rows.is_empty() {
        return Some((Event::DeletionAdvanced { deletion: *deletion, rows: rows.into() }, Vec::new()));
    }
    let no_rows: Arc<[RowKey]> = Arc::new([]);
    let Some(rows_gone) = deletion.rows_gone else {
        // The last that could write a text or an event of it was before this entry.
        let deletion = Deletion { rows_gone: Some(revision), ..*deletion };
        let erased = vec![Erasure::TextsOfProject(project)];
        return Some((Event::DeletionAdvanced { deletion, rows: no_rows }, erased));
    };
    let (from, end) = (deletion.events_from, Revision(rows_gone.0 + 1));
    let to = Revision(from.0.saturating_add(REVISIONS_OF_ENTRY)).min(end);
    let erased = vec![Erasure::Events { project, from, to }];
    let event = if to == end {
        Event::DeletionFinished(project)
    } else {
        Event::DeletionAdvanced { deletion: Deletion { events_from: to, ..*deletion }, rows: no_rows }
    };
    Some((event, erased))
}

/// Rows that may go now. Each kind goes after what refers to it: claims, features, sessions, then the rest.
fn next_rows(state: &State, project: ProjectId) -> Vec<RowKey> {
    let claims = state.claims_in(project).map(|(key, _)| RowKey::Claim(ClaimKey::clone(key)));
    let features = state
        .features
        .range((project, FeatureId::MIN)..=(project, FeatureId::MAX))
        .map(|((project, id), _)| RowKey::Feature(*project, *id));
    let sessions = state.sessions_in(project).map(|session| RowKey::Session(project, session.id));
    let members = state.members(project).map(|member| RowKey::Member(project, member.engineer));
    let decisions = state
        .decisions
        .range((project, DecisionId::MIN)..=(project, DecisionId::MAX))
        .map(|((project, id), _)| RowKey::Decision(*project, *id));
    let first_text = TextKey { project, feature: None, engineer: EngineerId::MIN };
    let texts = state
        .text_counts
        .range(first_text..)
        .map(|(key, _)| RowKey::TextCount(*key))
        .take_while(|row| matches!(row, RowKey::TextCount(key) if key.project == project));
    claims
        .chain(features)
        .chain(sessions)
        .chain(members)
        .chain(decisions)
        .chain(texts)
        .take(ROWS_OF_ENTRY)
        .collect()
}
