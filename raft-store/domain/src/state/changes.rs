//! Changes of single rows, with all indexes that are built from them. Events are folded by these, and states are
//! loaded.

use super::{ClaimRef, Deadline, State};
use crate::{
    cleanup::CleanupLimits,
    document::{LatestCheckpoint, LogPosition},
    entity::{
        ApiKey, Claim, ClaimKey, Engineer, Feature, JoinToken, KeyPrefix, Member, NodeRecord, Project,
        ProjectDeletion, Session, Status, Ticket, TokenDigest,
    },
    ids::{DecisionId, EngineerId, JoinTokenId, NodeId, ProjectId, SessionId},
    pattern::SpelledIndex,
    row::RowKey,
    usage::{MEMBER_BYTES, SESSION_BYTES, TextCount, Usage},
};
use std::{collections::BTreeSet, sync::Arc};

impl State {
    /// The same state with other cleanup limits: tests set small ones, to see many parts.
    #[must_use]
    pub fn with_cleanup_limits(mut self, limits: CleanupLimits) -> Self {
        self.cleanup_limits = limits;
        self
    }

    pub(crate) fn put_node(&mut self, node: Arc<NodeRecord>) {
        self.nodes.insert(node.id, node);
    }

    pub(crate) fn put_join_token(&mut self, token: Arc<JoinToken>) {
        // A retry may store the token again: the index must not keep the former deadline.
        self.remove_join_token(token.id);
        self.deadlines.insert((token.expires, Deadline::JoinToken(token.id)));
        self.join_tokens.insert(token.id, token);
    }

    pub(crate) fn remove_join_token(&mut self, id: JoinTokenId) {
        if let Some(token) = self.join_tokens.remove(&id) {
            self.deadlines.remove(&(token.expires, Deadline::JoinToken(id)));
        }
    }

    pub(crate) fn put_engineer(&mut self, engineer: Arc<Engineer>) {
        self.emails.insert(engineer.email.clone(), engineer.id);
        self.engineers.insert(engineer.id, engineer);
    }

    pub(crate) fn put_api_key(&mut self, key: Arc<ApiKey>) {
        self.keys_by_engineer.insert((key.engineer, key.id), key.prefix);
        if let Some(project) = key.project {
            self.keys_by_project.insert((project, key.prefix));
        }
        self.api_keys.insert(key.prefix, key);
    }

    pub(crate) fn remove_api_key(&mut self, prefix: KeyPrefix) {
        if let Some(key) = self.api_keys.remove(&prefix) {
            self.keys_by_engineer.remove(&(key.engineer, key.id));
            if let Some(project) = key.project {
                self.keys_by_project.remove(&(project, prefix));
            }
        }
    }

    pub(crate) fn put_engineer_deletion(&mut self, engineer: EngineerId) {
        self.engineer_deletions.insert(engineer);
    }

    pub(crate) fn put_replica(&mut self, node: NodeId, is_replica: bool) {
        if is_replica {
            self.replicas.insert(node);
        } else {
            self.replicas.remove(&node);
        }
    }

    pub(crate) fn put_project(&mut self, project: Arc<Project>) {
        self.project_slugs.insert(project.slug.clone(), project.id);
        let (id, made_by) = (project.id, project.created_by);
        let before = self.projects.insert(id, project);
        if before.is_none() {
            self.usage.replace(id, made_by, Usage::default(), Usage::of_project());
        }
    }

    pub(crate) fn remove_project(&mut self, id: ProjectId) {
        if let Some(project) = self.projects.remove(&id) {
            self.project_slugs.remove(&project.slug);
            self.usage.replace(id, project.created_by, Usage::of_project(), Usage::default());
        }
    }

    pub(crate) fn put_project_deletion(&mut self, deletion: ProjectDeletion) {
        if self.project_deletions.insert(deletion.project, deletion).is_none() {
            // A deleted project counts against the quota until its last row is removed: this slows a client down that
            // creates and deletes projects in a loop.
            self.usage.replace(deletion.project, deletion.made_by, Usage::default(), Usage::of_project());
        }
    }

    pub(crate) fn remove_project_deletion(&mut self, deletion: ProjectDeletion) {
        if self.project_deletions.remove(&deletion.project).is_some() {
            self.usage.replace(deletion.project, deletion.made_by, Usage::of_project(), Usage::default());
        }
    }

    /// Removes a row of a deleted project.
    pub(crate) fn remove_row(&mut self, key: &RowKey, touched: &mut BTreeSet<RowKey>) {
        match key {
            RowKey::Member(project, engineer) => self.remove_member(*project, *engineer),
            RowKey::Session(_, id) => self.remove_session(*id),
            RowKey::Feature(project, id) => {
                if let Some(feature) = self.feature(*project, *id).cloned() {
                    self.remove_feature(&feature, touched);
                }
            }
            RowKey::Claim(key) => {
                let engineer = self.session(key.session).map(|session| session.engineer);
                if self.remove_claim(key)
                    && let Some(engineer) = engineer
                {
                    let less = Usage::of_claim(&key.path);
                    self.usage.replace(key.project, engineer, less, Usage::default());
                }
            }
            RowKey::Decision(project, id) => {
                self.decisions.remove(&(*project, *id));
            }
            RowKey::TextCount(key) => self.put_text_count(*key, TextCount::default()),
            RowKey::ApiKey(prefix) => self.remove_api_key(*prefix),
            // These rows belong to the cluster, or go together with another row.
            RowKey::Clock
            | RowKey::Origin
            | RowKey::Settings
            | RowKey::Node(_)
            | RowKey::JoinToken(_)
            | RowKey::Engineer(_)
            | RowKey::EngineerDeletion(_)
            | RowKey::KeyedReply(_)
            | RowKey::Project(_)
            | RowKey::LatestCheckpoint(..)
            | RowKey::Ticket(_)
            | RowKey::Rules
            | RowKey::SlottedReply(_)
            | RowKey::ReplacedLists(..)
            | RowKey::HistoryStart(_)
            | RowKey::Replica(_)
            | RowKey::ProjectDeletion(_) => return,
        }
        touched.insert(key.clone());
    }

    pub(crate) fn put_member(&mut self, member: Arc<Member>) {
        self.projects_by_engineer.insert((member.engineer, member.project));
        let (project, added_by) = (member.project, member.added_by);
        if self.members.insert((project, member.engineer), member).is_none() {
            self.usage.replace(project, added_by, Usage::default(), Usage::of_memory(MEMBER_BYTES));
        }
    }

    pub(crate) fn remove_member(&mut self, project: ProjectId, engineer: EngineerId) {
        self.projects_by_engineer.remove(&(engineer, project));
        if let Some(member) = self.members.remove(&(project, engineer)) {
            self.usage.replace(project, member.added_by, Usage::of_memory(MEMBER_BYTES), Usage::default());
        }
    }

    pub(crate) fn put_feature(&mut self, feature: Arc<Feature>) {
        let before = self.features.insert((feature.project, feature.id), feature.clone());
        let key = feature.board_key();
        // Adding up the lists takes time, and most changes leave them as they are.
        if before.as_ref().is_none_or(|before| !before.has_size_of(&feature)) {
            if let Some(before) = &before {
                let was = Usage::of_feature(before);
                self.usage.replace(before.project, before.charged_to, was, Usage::default());
            }
            let becomes = Usage::of_feature(&feature);
            self.usage.replace(feature.project, feature.charged_to, Usage::default(), becomes);
        }
        // Every pick and release comes here, and most of them change none of these indexes.
        if before.as_ref().is_none_or(|before| before.slug != feature.slug) {
            self.feature_slugs.insert((feature.project, feature.slug.clone()), feature.id);
        }
        let was_at = before.as_ref().map(|before| before.board_key());
        if was_at != Some(key) {
            if let Some(was_at) = &was_at {
                self.board.remove(was_at);
            }
            self.board.insert(key);
        }
        let is_ready = |feature: &Feature| matches!(feature.status, Status::Ready { .. });
        let was_ready = before.as_ref().filter(|before| is_ready(before)).and(was_at);
        let now_ready = is_ready(&feature).then_some(key);
        if was_ready != now_ready {
            was_ready.map(|key| self.ready.remove(&key));
            now_ready.map(|key| self.ready.insert(key));
        }
        let held_by = |feature: &Feature| feature.holder().map(|holder| (holder.session, feature.id));
        let (was_held, now_held) = (before.as_deref().and_then(held_by), held_by(&feature));
        if was_held != now_held {
            was_held.map(|held| self.active_by_session.remove(&held));
            now_held.map(|held| self.active_by_session.insert(held));
        }
    }

    pub(crate) fn remove_feature(&mut self, feature: &Feature, touched: &mut BTreeSet<RowKey>) {
        touched.insert(RowKey::LatestCheckpoint(feature.project, feature.id));
        self.unlist_feature(feature);
        self.usage.replace(feature.project, feature.charged_to, Usage::of_feature(feature), Usage::default());
        self.remove_texts_of(feature, touched);
        self.feature_slugs.remove(&(feature.project, feature.slug.clone()));
        self.features.remove(&(feature.project, feature.id));
        self.latest_checkpoints.remove(&(feature.project, feature.id));
    }

    fn unlist_feature(&mut self, feature: &Feature) {
        let key = feature.board_key();
        self.board.remove(&key);
        self.ready.remove(&key);
        if let Some(holder) = feature.holder() {
            self.active_by_session.remove(&(holder.session, feature.id));
        }
    }

    pub(crate) fn put_session(&mut self, session: Arc<Session>) {
        let deadline = (session.lease.until(), Deadline::Session(session.id));
        match self.sessions.insert(session.id, session.clone()) {
            // The agent of a session never changes.
            Some(before) => {
                let former = (before.lease.until(), Deadline::Session(before.id));
                if former == deadline {
                    return;
                }
                self.deadlines.remove(&former);
            }
            None => {
                let agent = (session.project, session.engineer, session.agent.clone());
                self.sessions_by_agent.insert(agent, session.id);
                self.sessions_by_engineer.insert((session.engineer, session.id));
                let more = Usage::of_memory(SESSION_BYTES);
                self.usage.replace(session.project, session.engineer, Usage::default(), more);
            }
        }
        self.deadlines.insert(deadline);
    }

    pub(crate) fn remove_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id) {
            self.deadlines.remove(&(session.lease.until(), Deadline::Session(id)));
            self.sessions_by_agent.remove(&(session.project, session.engineer, session.agent.clone()));
            self.sessions_by_engineer.remove(&(session.engineer, id));
            let less = Usage::of_memory(SESSION_BYTES);
            self.usage.replace(session.project, session.engineer, less, Usage::default());
        }
    }

    /// Adds or replaces a claim. Returns whether it is new.
    pub(crate) fn put_claim(&mut self, key: ClaimKey, claim: Claim) -> bool {
        // The mode of a claim may change: the index must not keep the former one.
        let is_new = !self.remove_claim(&key);
        let claim_ref = ClaimRef { mode: claim.mode, session: key.session, feature: key.feature };
        let case = self.case_of(key.project);
        self.paths.entry(key.project).or_insert_with(|| SpelledIndex::new(case)).insert(&key.path, claim_ref);
        self.claims.insert(key, claim);
        is_new
    }

    /// Rebuilds the index of a project's claims after its case rule changed.
    pub(crate) fn rebuild_claim_index(&mut self, project: ProjectId) {
        let mut index = SpelledIndex::new(self.case_of(project));
        for (key, claim) in self.claims_in(project) {
            index
                .insert(&key.path, ClaimRef { mode: claim.mode, session: key.session, feature: key.feature });
        }
        if !index.is_empty() {
            self.paths.insert(project, index);
        }
    }

    /// Removes a claim. Returns whether it existed.
    pub(crate) fn remove_claim(&mut self, key: &ClaimKey) -> bool {
        let Some(claim) = self.claims.remove(key) else { return false };
        let claim_ref = ClaimRef { mode: claim.mode, session: key.session, feature: key.feature };
        self.loosen(key.project, key, claim_ref);
        true
    }

    fn loosen(&mut self, project: ProjectId, key: &ClaimKey, claim_ref: ClaimRef) {
        if let Some(index) = self.paths.get_mut(&project) {
            index.remove(&key.path, claim_ref);
            if index.is_empty() {
                self.paths.remove(&project);
            }
        }
    }

    pub(crate) fn put_latest_checkpoint(&mut self, latest: LatestCheckpoint) {
        self.latest_checkpoints.insert((latest.project, latest.feature), latest);
    }

    pub(crate) fn put_decision(&mut self, project: ProjectId, id: DecisionId, position: LogPosition) {
        self.decisions.insert((project, id), position);
    }

    pub(crate) fn put_ticket(&mut self, ticket: Arc<Ticket>) {
        // A retry may issue the ticket again: the index must not keep the former deadline.
        self.remove_ticket(ticket.digest);
        self.deadlines.insert((ticket.expires, Deadline::Ticket(ticket.digest)));
        self.tickets.insert(ticket.digest, ticket);
    }

    pub(crate) fn remove_ticket(&mut self, digest: TokenDigest) {
        if let Some(ticket) = self.tickets.remove(&digest) {
            self.deadlines.remove(&(ticket.expires, Deadline::Ticket(digest)));
        }
    }
}
