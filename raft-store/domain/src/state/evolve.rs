//! How events change the state. Cannot fail: whatever could be wrong was refused before.

use super::{Deadline, Grip, State};
use crate::{
    document::{LatestCheckpoint, Place},
    entity::{
        ApiKey, Claim, ClaimKey, Engineer, Feature, JoinToken, Member, NodeRecord, Project, Session, Status,
        Ticket, TokenDigest,
    },
    event::Event,
    ids::{DecisionId, JoinTokenId, ProjectId, SessionId},
    replies::{Remembered, ReplyKey, SLOT_AGE, Served, Slot},
    state::RowKey,
};
use std::{collections::BTreeSet, sync::Arc};

impl State {
    /// Folds one event in and notes which rows it changed.
    pub(crate) fn evolve(&mut self, event: &Event, touched: &mut BTreeSet<RowKey>) {
        match event {
            Event::ClusterFormed { origin, nodes } => {
                self.origin = Some(origin.clone());
                touched.insert(RowKey::Origin);
                touched.insert(RowKey::Settings);
                for node in nodes {
                    touched.insert(RowKey::Node(node.id));
                    self.put_node(node.clone());
                }
            }
            Event::BootstrapTokenUsed => {
                if let Some(origin) = &mut self.origin {
                    Arc::make_mut(origin).bootstrap = None;
                    touched.insert(RowKey::Origin);
                }
            }
            Event::NodeAdmitted(node) => {
                touched.insert(RowKey::Node(node.id));
                self.put_node(node.clone());
            }
            Event::JoinTokenCreated(token) => {
                touched.insert(RowKey::JoinToken(token.id));
                self.put_join_token(token.clone());
            }
            Event::JoinTokenExpired(token) => {
                touched.insert(RowKey::JoinToken(token.id));
                self.remove_join_token(token.id);
            }
            Event::SettingsChanged(settings) => {
                self.settings = settings.clone();
                touched.insert(RowKey::Settings);
            }
            Event::EngineerRegistered(engineer) | Event::RoleChanged(engineer) => {
                touched.insert(RowKey::Engineer(engineer.id));
                self.put_engineer(engineer.clone());
            }
            Event::KeyAdded(key) => {
                touched.insert(RowKey::ApiKey(key.prefix));
                self.put_api_key(key.clone());
            }
            Event::KeyRevoked(key) => {
                touched.insert(RowKey::ApiKey(key.prefix));
                self.api_keys.remove(&key.prefix);
                self.keys_by_engineer.remove(&(key.engineer, key.id));
            }
            Event::ProjectCreated(project) => {
                touched.insert(RowKey::Project(project.id));
                self.put_project(project.clone());
            }
            Event::MemberAdded(member) => {
                touched.insert(RowKey::Member(member.project, member.engineer));
                self.put_member(member.clone());
            }
            Event::MemberRemoved(member) => {
                touched.insert(RowKey::Member(member.project, member.engineer));
                self.members.remove(&(member.project, member.engineer));
                self.projects_by_engineer.remove(&(member.engineer, member.project));
            }
            Event::FeatureCreated(feature)
            | Event::FeatureUpdated { feature, .. }
            | Event::FeatureClaimed(feature)
            | Event::FeatureReleased { feature, .. }
            | Event::FeatureCompleted(feature) => {
                touched.insert(RowKey::Feature(feature.project, feature.id));
                self.put_feature(feature.clone());
            }
            Event::FeatureDeleted(feature) => {
                touched.insert(RowKey::Feature(feature.project, feature.id));
                touched.insert(RowKey::LatestCheckpoint(feature.project, feature.id));
                self.remove_feature(feature);
            }
            Event::FilesClaimed { project, holder, feature, paths, mode, fence, claimed_at } => {
                let claim = Claim { mode: *mode, fence: *fence, claimed_at: *claimed_at };
                for path in paths.iter() {
                    let key = ClaimKey {
                        project: *project,
                        session: holder.session,
                        feature: *feature,
                        path: path.clone(),
                    };
                    touched.insert(RowKey::Claim(key.clone()));
                    self.put_claim(key, claim);
                }
            }
            Event::FilesReleased { project, holder, feature, paths, .. } => {
                for path in paths.iter() {
                    let key = ClaimKey {
                        project: *project,
                        session: holder.session,
                        feature: *feature,
                        path: path.clone(),
                    };
                    self.remove_claim(&key);
                    touched.insert(RowKey::Claim(key));
                }
            }
            Event::SessionStarted(session)
            | Event::SessionRenewed(session)
            | Event::SessionDisconnected(session) => {
                touched.insert(RowKey::Session(session.project, session.id));
                self.put_session(session.clone());
            }
            Event::SessionEnded(session) => {
                touched.insert(RowKey::Session(session.project, session.id));
                self.remove_session(session.id);
            }
            // A text that no rule looks at.
            Event::LearningAdded { .. } => {}
            Event::DecisionAdded(decision) => {
                touched.insert(RowKey::Decision(decision.project, decision.id));
                self.put_decision(decision.project, decision.id, decision.place);
            }
            Event::CheckpointSaved(latest) => {
                touched.insert(RowKey::LatestCheckpoint(latest.project, latest.feature));
                self.put_latest_checkpoint(*latest);
            }
            Event::RulesRaised(to) => {
                self.rules = *to;
                touched.insert(RowKey::Rules);
            }
            Event::TicketIssued(ticket) => {
                touched.insert(RowKey::Ticket(ticket.digest));
                self.put_ticket(ticket.clone());
            }
            Event::TicketRedeemed(ticket) | Event::TicketExpired(ticket) => {
                touched.insert(RowKey::Ticket(ticket.digest));
                self.remove_ticket(ticket.digest);
            }
        }
    }

    pub(super) fn put_node(&mut self, node: Arc<NodeRecord>) {
        self.nodes.insert(node.id, node);
    }

    pub(super) fn put_join_token(&mut self, token: Arc<JoinToken>) {
        // Made again by a retry: the index must not keep the former deadline.
        self.remove_join_token(token.id);
        self.deadlines.insert((token.expires, Deadline::JoinToken(token.id)));
        self.join_tokens.insert(token.id, token);
    }

    fn remove_join_token(&mut self, id: JoinTokenId) {
        if let Some(token) = self.join_tokens.remove(&id) {
            self.deadlines.remove(&(token.expires, Deadline::JoinToken(id)));
        }
    }

    pub(super) fn put_engineer(&mut self, engineer: Arc<Engineer>) {
        self.emails.insert(engineer.email.clone(), engineer.id);
        self.engineers.insert(engineer.id, engineer);
    }

    pub(super) fn put_api_key(&mut self, key: Arc<ApiKey>) {
        self.keys_by_engineer.insert((key.engineer, key.id), key.prefix);
        self.api_keys.insert(key.prefix, key);
    }

    pub(super) fn put_project(&mut self, project: Arc<Project>) {
        self.project_slugs.insert(project.slug.clone(), project.id);
        self.projects.insert(project.id, project);
    }

    pub(super) fn put_member(&mut self, member: Arc<Member>) {
        self.projects_by_engineer.insert((member.engineer, member.project));
        self.members.insert((member.project, member.engineer), member);
    }

    pub(super) fn put_feature(&mut self, feature: Arc<Feature>) {
        let before = self.features.insert((feature.project, feature.id), feature.clone());
        let place = feature.board_key();
        // Most changes leave most of this as it is, and this is done for every pick and release.
        if before.as_ref().is_none_or(|before| before.slug != feature.slug) {
            self.feature_slugs.insert((feature.project, feature.slug.clone()), feature.id);
        }
        let was_at = before.as_ref().map(|before| before.board_key());
        if was_at != Some(place) {
            if let Some(was_at) = &was_at {
                self.board.remove(was_at);
            }
            self.board.insert(place);
        }
        let is_ready = |feature: &Feature| matches!(feature.status, Status::Ready { .. });
        let was_ready = before.as_ref().filter(|before| is_ready(before)).and(was_at);
        let now_ready = is_ready(&feature).then_some(place);
        if was_ready != now_ready {
            was_ready.map(|place| self.ready.remove(&place));
            now_ready.map(|place| self.ready.insert(place));
        }
        let held_by = |feature: &Feature| feature.holder().map(|holder| (holder.session, feature.id));
        let (was_held, now_held) = (before.as_deref().and_then(held_by), held_by(&feature));
        if was_held != now_held {
            was_held.map(|held| self.active_by_session.remove(&held));
            now_held.map(|held| self.active_by_session.insert(held));
        }
    }

    fn remove_feature(&mut self, feature: &Feature) {
        self.unlist_feature(feature);
        self.feature_slugs.remove(&(feature.project, feature.slug.clone()));
        self.features.remove(&(feature.project, feature.id));
        self.latest_checkpoints.remove(&(feature.project, feature.id));
    }

    fn unlist_feature(&mut self, feature: &Feature) {
        let place = feature.board_key();
        self.board.remove(&place);
        self.ready.remove(&place);
        if let Some(holder) = feature.holder() {
            self.active_by_session.remove(&(holder.session, feature.id));
        }
    }

    pub(super) fn put_session(&mut self, session: Arc<Session>) {
        let deadline = (session.vitality.until(), Deadline::Session(session.id));
        match self.sessions.insert(session.id, session.clone()) {
            // An agent's session stays the agent's.
            Some(before) => {
                let former = (before.vitality.until(), Deadline::Session(before.id));
                if former == deadline {
                    return;
                }
                self.deadlines.remove(&former);
            }
            None => {
                let agent = (session.project, session.engineer, session.agent.clone());
                self.sessions_by_agent.insert(agent, session.id);
            }
        }
        self.deadlines.insert(deadline);
    }

    fn remove_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id) {
            self.deadlines.remove(&(session.vitality.until(), Deadline::Session(id)));
            self.sessions_by_agent.remove(&(session.project, session.engineer, session.agent.clone()));
        }
    }

    pub(super) fn put_claim(&mut self, key: ClaimKey, claim: Claim) {
        // Taken again in another mode: the index must not keep the former grip.
        if self.claims.contains_key(&key) {
            self.remove_claim(&key);
        }
        let grip = Grip { mode: claim.mode, session: key.session, feature: key.feature };
        self.paths.entry(key.project).or_default().insert(&key.path, grip);
        self.path_bytes += key.path.as_str().len();
        self.claims.insert(key, claim);
    }

    fn remove_claim(&mut self, key: &ClaimKey) {
        let Some(claim) = self.claims.remove(key) else { return };
        self.path_bytes -= key.path.as_str().len();
        let grip = Grip { mode: claim.mode, session: key.session, feature: key.feature };
        self.loosen(key.project, key, grip);
    }

    fn loosen(&mut self, project: ProjectId, key: &ClaimKey, grip: Grip) {
        if let Some(index) = self.paths.get_mut(&project) {
            index.remove(&key.path, &grip);
            if index.is_empty() {
                self.paths.remove(&project);
            }
        }
    }

    pub(super) fn put_latest_checkpoint(&mut self, latest: LatestCheckpoint) {
        self.latest_checkpoints.insert((latest.project, latest.feature), latest);
    }

    pub(super) fn put_decision(&mut self, project: ProjectId, id: DecisionId, place: Place) {
        self.decisions.insert((project, id), place);
    }

    pub(super) fn put_ticket(&mut self, ticket: Arc<Ticket>) {
        // Issued again by a retry: the index must not keep the former deadline.
        self.remove_ticket(ticket.digest);
        self.deadlines.insert((ticket.expires, Deadline::Ticket(ticket.digest)));
        self.tickets.insert(ticket.digest, ticket);
    }

    fn remove_ticket(&mut self, digest: TokenDigest) {
        if let Some(ticket) = self.tickets.remove(&digest) {
            self.deadlines.remove(&(ticket.expires, Deadline::Ticket(digest)));
        }
    }

    /// Remembers an answer. Kept apart from events: it is about the request, not about the work.
    pub(crate) fn put_reply(&mut self, key: ReplyKey, kept: Arc<Remembered>) {
        if self.replies.contains_key(&key) {
            self.forget_reply(&key);
        }
        self.reply_ages.order.insert((kept.answer.revision, key.clone()));
        self.reply_ages.bytes += kept.weight();
        self.replies.insert(key, kept);
    }

    /// Forgets an answer.
    pub(crate) fn forget_reply(&mut self, key: &ReplyKey) {
        if let Some(kept) = self.replies.remove(key) {
            self.reply_ages.order.remove(&(kept.answer.revision, key.clone()));
            self.reply_ages.bytes -= kept.weight();
        }
    }

    /// Remembers an answer in place of the one before it.
    pub(crate) fn put_served(&mut self, slot: Slot, served: Arc<Served>) {
        self.slots.insert(slot, served);
    }

    /// Forgets what no node asks for any more.
    pub(crate) fn forget_old_slots(&mut self, touched: &mut BTreeSet<RowKey>) {
        let now = self.clock.cluster;
        let is_old = |served: &Served| now.since(served.since) >= SLOT_AGE;
        let old: Vec<Slot> =
            self.slots.iter().filter(|(_, served)| is_old(served)).map(|(slot, _)| *slot).collect();
        for slot in old {
            self.slots.remove(&slot);
            touched.insert(RowKey::Slot(slot));
        }
    }
}
