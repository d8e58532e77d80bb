//! The state as rows, and from rows. Indexes have no rows; they are built from the others.

use super::State;
use crate::{
    row::{Row, RowKey},
    usage::Usage,
};

/// The rows do not form a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// A claim whose session has no row.
    #[error("claim on {0} without its session")]
    OrphanClaim(String),
}

impl State {
    /// The row with this key; `None` if it does not exist, or not any more.
    pub fn row(&self, key: &RowKey) -> Option<Row> {
        Some(match key {
            RowKey::Clock => Row::Clock(self.clock),
            RowKey::Origin => Row::Origin(self.origin.clone()?),
            RowKey::Settings => Row::Settings(self.settings.clone()),
            RowKey::Node(id) => Row::Node(self.nodes.get(id)?.clone()),
            RowKey::JoinToken(id) => Row::JoinToken(self.join_tokens.get(id)?.clone()),
            RowKey::Engineer(id) => Row::Engineer(self.engineers.get(id)?.clone()),
            RowKey::ApiKey(prefix) => Row::ApiKey(self.api_keys.get(prefix)?.clone()),
            RowKey::KeyedReply(key) => Row::KeyedReply(key.clone(), self.keyed_replies.get(key)?.clone()),
            RowKey::Project(id) => Row::Project(self.projects.get(id)?.clone()),
            RowKey::Member(project, engineer) => {
                Row::Member(self.members.get(&(*project, *engineer))?.clone())
            }
            RowKey::Feature(project, feature) => {
                Row::Feature(self.features.get(&(*project, *feature))?.clone())
            }
            RowKey::Session(_, session) => Row::Session(self.sessions.get(session)?.clone()),
            RowKey::Claim(key) => Row::Claim(key.clone(), *self.claims.get(key)?),
            RowKey::LatestCheckpoint(project, feature) => {
                Row::LatestCheckpoint(*self.latest_checkpoints.get(&(*project, *feature))?)
            }
            RowKey::Decision(project, id) => {
                Row::Decision(*project, *id, *self.decisions.get(&(*project, *id))?)
            }
            RowKey::Ticket(digest) => Row::Ticket(self.tickets.get(digest)?.clone()),
            RowKey::Rules => Row::Rules(self.rules),
            RowKey::SlottedReply(slot) => Row::SlottedReply(*slot, self.slotted_replies.get(slot)?.clone()),
            RowKey::TextCount(key) => Row::TextCount(*key, *self.text_counts.get(key)?),
            RowKey::ProjectDeletion(project) => Row::ProjectDeletion(*self.project_deletions.get(project)?),
            RowKey::ReplacedLists(project, feature, at) => {
                let kept = self.replaced_lists.get(&(*project, *feature, *at))?;
                Row::ReplacedLists(*project, *feature, *at, *kept)
            }
            RowKey::EngineerDeletion(engineer) => {
                Row::EngineerDeletion(*self.engineer_deletions.get(engineer)?)
            }
            RowKey::HistoryStart(from) => Row::HistoryStart(self.history_starts.get(from)?.clone()),
            RowKey::Replica(node) => Row::Replica(*self.replicas.get(node)?),
        })
    }

    /// All rows, in no promised order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let fixed = [RowKey::Clock, RowKey::Origin, RowKey::Settings, RowKey::Rules];
        fixed
            .into_iter()
            .filter_map(|key| self.row(&key))
            .chain(self.nodes.values().cloned().map(Row::Node))
            .chain(self.join_tokens.values().cloned().map(Row::JoinToken))
            .chain(self.engineers.values().cloned().map(Row::Engineer))
            .chain(self.api_keys.values().cloned().map(Row::ApiKey))
            .chain(
                self.keyed_replies.iter().map(|(key, cached)| Row::KeyedReply(key.clone(), cached.clone())),
            )
            .chain(self.slotted_replies.iter().map(|(slot, cached)| Row::SlottedReply(*slot, cached.clone())))
            .chain(self.projects.values().cloned().map(Row::Project))
            .chain(self.members.values().cloned().map(Row::Member))
            .chain(self.features.values().cloned().map(Row::Feature))
            .chain(self.sessions.values().cloned().map(Row::Session))
            .chain(self.claims.iter().map(|(key, claim)| Row::Claim(key.clone(), *claim)))
            .chain(self.latest_checkpoints.values().copied().map(Row::LatestCheckpoint))
            .chain(
                self.decisions
                    .iter()
                    .map(|((project, id), position)| Row::Decision(*project, *id, *position)),
            )
            .chain(self.tickets.values().cloned().map(Row::Ticket))
            .chain(self.text_counts.iter().map(|(key, count)| Row::TextCount(*key, *count)))
            .chain(self.project_deletions.values().copied().map(Row::ProjectDeletion))
            .chain(self.engineer_deletions.iter().copied().map(Row::EngineerDeletion))
            .chain(self.history_starts.values().cloned().map(Row::HistoryStart))
            .chain(self.replicas.iter().copied().map(Row::Replica))
            .chain(
                self.replaced_lists
                    .iter()
                    .map(|((project, feature, at), kept)| Row::ReplacedLists(*project, *feature, *at, *kept)),
            )
    }

    /// Makes the state, with all its indexes, from its rows in any order.
    ///
    /// # Errors
    /// When a row refers to one that is missing.
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Result<Self, RowsError> {
        let (mut state, mut claims) = (Self::default(), Vec::new());
        for row in rows {
            match row {
                Row::Clock(clock) => state.clock = clock,
                Row::Origin(origin) => state.origin = Some(origin),
                Row::Settings(settings) => state.settings = settings,
                Row::Node(node) => state.put_node(node),
                Row::JoinToken(token) => state.put_join_token(token),
                Row::Engineer(engineer) => state.put_engineer(engineer),
                Row::ApiKey(key) => state.put_api_key(key),
                Row::KeyedReply(key, cached) => state.put_keyed_reply(key, cached),
                Row::Project(project) => state.put_project(project),
                Row::Member(member) => state.put_member(member),
                Row::Feature(feature) => state.put_feature(feature),
                Row::Session(session) => state.put_session(session),
                // How they are compared is the project's.
                Row::Claim(key, claim) => claims.push((key, claim)),
                Row::LatestCheckpoint(latest) => state.put_latest_checkpoint(latest),
                Row::Decision(project, id, position) => state.put_decision(project, id, position),
                Row::Ticket(ticket) => state.put_ticket(ticket),
                Row::Rules(rules) => state.rules = rules,
                Row::SlottedReply(slot, cached) => state.put_slotted_reply(slot, cached),
                Row::TextCount(key, count) => state.put_text_count(key, count),
                Row::ProjectDeletion(deletion) => state.put_project_deletion(deletion),
                Row::EngineerDeletion(engineer) => state.put_engineer_deletion(engineer),
                Row::HistoryStart(start) => state.put_history_start(start),
                Row::Replica(node) => state.put_replica(node, true),
                Row::ReplacedLists(project, feature, at, kept) => {
                    state.put_replaced_lists(project, feature, at, kept);
                }
            }
        }
        for (key, claim) in claims {
            state.put_claim(key, claim);
        }
        let orphan = state.claims.keys().find(|key| !state.sessions.contains_key(&key.session));
        if let Some(key) = orphan {
            return Err(RowsError::OrphanClaim(key.path.to_string()));
        }
        state.count_claims();
        Ok(state)
    }
}

impl State {
    /// Counts the claims of all sessions: a claim's row does not say whose session it is.
    fn count_claims(&mut self) {
        let sessions = self.sessions.clone();
        for session in sessions.values() {
            let held: Usage = self.claims_of(session).map(|(key, _)| Usage::of_claim(&key.path)).sum();
            self.usage.replace(session.project, session.engineer, Usage::default(), held);
        }
    }
}
