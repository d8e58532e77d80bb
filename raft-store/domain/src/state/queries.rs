//! Queries over the state. None of them changes it.

use super::{ClaimRef, Deadline, State};
use crate::{
    document::{LatestCheckpoint, LogPosition},
    entity::{
        ApiKey, BoardKey, Claim, ClaimKey, ClaimMode, ClaimUsage, ClusterOrigin, Engineer, Feature, Holder,
        JoinToken, KeyPrefix, Lane, Member, NodeRecord, Project, Session, Ticket, TokenDigest,
    },
    ids::{DecisionId, EngineerId, FeatureId, InstanceId, KeyId, NodeId, ProjectId, SessionId},
    pattern::{Case, Pattern, SpelledIndex},
    reply_cache::{KeyedReply, ReplyKey, ReplySlot, Request, SlottedReply},
    row::{Clock, TextKey},
    rules::RulesVersion,
    settings::Settings,
    short_text::{AgentName, Email, Slug},
    time::{ClusterTime, WallTime},
    usage::{Owner, Usage},
    work::WorkBudget,
};
use std::{cmp::Reverse, collections::BTreeSet, ops::Bound, sync::Arc};

/// Queries about the cluster itself.
impl State {
    /// The revision and the times of the last applied entry.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The version of the rules that the cluster applies.
    pub const fn rules(&self) -> RulesVersion {
        self.rules
    }

    /// The cluster's id and how it began; `None` before its first entry.
    pub fn origin(&self) -> Option<&ClusterOrigin> {
        self.origin.as_deref()
    }

    /// The cluster's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The record of a node id that was handed out.
    pub fn node(&self, id: NodeId) -> Option<&Arc<NodeRecord>> {
        self.nodes.get(&id)
    }

    /// Whether a node is a replica, which is not promoted by itself.
    pub fn is_replica(&self, id: NodeId) -> bool {
        self.replicas.contains(&id)
    }

    /// The records of all node ids that were ever handed out, lowest id first.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<NodeRecord>> {
        self.nodes.values()
    }

    /// The record of the node whose data folder has this instance id.
    pub fn node_of(&self, instance: InstanceId) -> Option<&Arc<NodeRecord>> {
        self.nodes.values().find(|node| node.instance == instance)
    }

    /// The join token with this digest.
    pub fn join_token(&self, digest: TokenDigest) -> Option<&Arc<JoinToken>> {
        self.join_tokens.values().find(|token| token.digest == digest)
    }

    /// The unused ticket with this digest.
    pub fn ticket(&self, digest: TokenDigest) -> Option<&Arc<Ticket>> {
        self.tickets.get(&digest)
    }

    /// The cluster time at which the next lease, token or ticket expires; now, if a deletion goes on, or the end of
    /// what a former history left.
    pub fn next_deadline(&self) -> Option<ClusterTime> {
        // Every entry deletes or ends a further part.
        let is_ending = self.history_start().is_some_and(|start| start.is_ending);
        if is_ending || !self.project_deletions.is_empty() || !self.engineer_deletions.is_empty() {
            return Some(self.clock.cluster);
        }
        self.deadlines.get_min().map(|(at, _)| *at)
    }

    /// The first thing that has expired by now.
    pub(crate) fn due(&self, now: ClusterTime) -> Option<Deadline> {
        self.deadlines.get_min().filter(|(at, _)| *at <= now).map(|(_, what)| *what)
    }

    /// Estimates at which wall time a cluster time is reached. For people; the cluster may stand still meanwhile.
    pub const fn in_wall_time(&self, at: ClusterTime) -> WallTime {
        self.clock.wall.after(at.since(self.clock.cluster))
    }

    /// The cached reply to a request with an idempotency key.
    pub fn keyed_reply(&self, key: &ReplyKey) -> Option<&Arc<KeyedReply>> {
        self.keyed_replies.get(key)
    }

    /// The cached reply in a slot.
    pub fn slotted_reply(&self, slot: ReplySlot) -> Option<&Arc<SlottedReply>> {
        self.slotted_replies.get(&slot)
    }

    /// The highest sequence number in a node's slots; 0 if it has none.
    pub fn last_sequence(&self, node: NodeId) -> u64 {
        let of_node = ReplySlot { node, number: 0 }..=ReplySlot { node, number: u16::MAX };
        self.slotted_replies.range(of_node).map(|(_, cached)| cached.id.sequence).max().unwrap_or(0)
    }

    /// Whether exactly this request was applied already.
    pub fn has_answered(&self, request: &Request) -> bool {
        match request {
            Request::Keyed(request) => self.keyed_reply(&request.key).is_some(),
            Request::Slotted { slot, id } => self.slotted_reply(*slot).is_some_and(|cached| cached.id == *id),
        }
    }
}

/// Engineers and projects.
impl State {
    /// The engineer with this id.
    pub fn engineer(&self, id: EngineerId) -> Option<&Arc<Engineer>> {
        self.engineers.get(&id)
    }

    /// All engineers, oldest first.
    pub fn engineers(&self) -> impl Iterator<Item = &Arc<Engineer>> {
        self.engineers.values()
    }

    /// The engineer with this e-mail address.
    pub fn engineer_by_email(&self, email: &Email) -> Option<&Arc<Engineer>> {
        self.engineers.get(self.emails.get(email)?)
    }

    /// The API key with this lookup prefix.
    pub fn api_key(&self, prefix: KeyPrefix) -> Option<&Arc<ApiKey>> {
        self.api_keys.get(&prefix)
    }

    /// An engineer's API key.
    pub fn key_of(&self, engineer: EngineerId, key: KeyId) -> Option<&Arc<ApiKey>> {
        self.api_keys.get(self.keys_by_engineer.get(&(engineer, key))?)
    }

    /// An engineer's API keys, oldest first.
    pub fn keys_of(&self, engineer: EngineerId) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.keys_by_engineer
            .range((engineer, KeyId::MIN)..=(engineer, KeyId::MAX))
            .filter_map(|(_, prefix)| self.api_keys.get(prefix))
    }

    /// The API keys that are restricted to one project.
    pub(crate) fn keys_for(&self, project: ProjectId) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.keys_by_project
            .range((project, KeyPrefix(0))..=(project, KeyPrefix(u64::MAX)))
            .filter_map(|(_, prefix)| self.api_keys.get(prefix))
    }

    /// The project with this id.
    pub fn project(&self, id: ProjectId) -> Option<&Arc<Project>> {
        self.projects.get(&id)
    }

    /// The project with this slug.
    pub fn project_by_slug(&self, slug: &Slug) -> Option<&Arc<Project>> {
        self.projects.get(self.project_slugs.get(slug)?)
    }

    /// All projects, oldest first.
    pub fn projects(&self) -> impl Iterator<Item = &Arc<Project>> {
        self.projects.values()
    }

    /// The projects of an engineer, oldest first.
    pub fn projects_of(&self, engineer: EngineerId) -> impl Iterator<Item = &Arc<Project>> {
        self.projects_by_engineer
            .range((engineer, ProjectId::MIN)..=(engineer, ProjectId::MAX))
            .filter_map(|(_, project)| self.projects.get(project))
    }

    /// An engineer's membership in a project.
    pub fn member(&self, project: ProjectId, engineer: EngineerId) -> Option<&Arc<Member>> {
        self.members.get(&(project, engineer))
    }

    /// The members of a project.
    pub fn members(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Member>> {
        self.members.range((project, EngineerId::MIN)..=(project, EngineerId::MAX)).map(|(_, member)| member)
    }
}

/// Queries about features.
impl State {
    /// The feature with this id.
    pub fn feature(&self, project: ProjectId, id: FeatureId) -> Option<&Arc<Feature>> {
        self.features.get(&(project, id))
    }

    /// The feature with this slug.
    pub fn feature_by_slug(&self, project: ProjectId, slug: &Slug) -> Option<&Arc<Feature>> {
        let id = self.feature_slugs.get(&(project, slug.clone()))?;
        self.feature(project, *id)
    }

    /// A project's features in the order of the board (lane, priority, newest first), from behind `after` on.
    pub fn features_after(
        &self,
        project: ProjectId,
        after: Option<BoardKey>,
    ) -> impl Iterator<Item = &Arc<Feature>> {
        self.on_board(&self.board, project, after)
    }

    /// A project's ready features in the order of the board.
    pub fn ready_features(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Feature>> {
        self.on_board(&self.ready, project, None)
    }

    /// A lane's ready features in the order of the board.
    pub fn ready_in_lane(&self, project: ProjectId, lane: Lane) -> impl Iterator<Item = &Arc<Feature>> {
        let keys = self.ready.range(first_key(project, lane)..=last_key(project, lane));
        keys.filter_map(move |key| self.feature(project, key.newest.0.1))
    }

    /// Whether a project has at least `count` features.
    pub(crate) fn has_features(&self, project: ProjectId, count: usize) -> bool {
        let keys = first_key(project, Lane::Now)..=last_key(project, Lane::Icebox);
        // Counting takes time, so the total is compared first.
        self.features.len() >= count && self.board.range(keys).take(count).count() >= count
    }

    fn on_board<'a>(
        &'a self,
        board: &'a imbl::OrdSet<BoardKey>,
        project: ProjectId,
        after: Option<BoardKey>,
    ) -> impl Iterator<Item = &'a Arc<Feature>> {
        let start = match after {
            Some(key) => Bound::Excluded(key),
            None => Bound::Included(first_key(project, Lane::Now)),
        };
        let end = Bound::Included(last_key(project, Lane::Icebox));
        board.range((start, end)).filter_map(move |key| self.feature(project, key.newest.0.1))
    }

    /// A lane's features in the order of the board.
    pub fn features_in_lane(&self, project: ProjectId, lane: Lane) -> impl Iterator<Item = &Arc<Feature>> {
        let keys = self.board.range(first_key(project, lane)..=last_key(project, lane));
        keys.filter_map(move |key| self.feature(project, key.newest.0.1))
    }

    /// The feature at the end of a lane.
    pub fn last_in_lane(&self, project: ProjectId, lane: Lane) -> Option<&Arc<Feature>> {
        let keys = self.board.range(first_key(project, lane)..=last_key(project, lane));
        self.feature(project, keys.into_iter().next_back()?.newest.0.1)
    }

    /// The features that a session has picked.
    pub fn active_features(&self, session: SessionId) -> impl Iterator<Item = &Arc<Feature>> {
        let project = self.sessions.get(&session).map(|session| session.project);
        self.active_by_session
            .range((session, FeatureId::MIN)..=(session, FeatureId::MAX))
            .filter_map(move |(_, feature)| self.feature(project?, *feature))
    }

    /// All features of all projects.
    pub fn features(&self) -> impl Iterator<Item = &Arc<Feature>> {
        self.features.values()
    }
}

/// Storage per owner.
impl State {
    /// The storage that counts against the quota of an owner.
    pub fn usage(&self, owner: Owner) -> Usage {
        self.usage.of(owner)
    }

    /// The storage of every owner that has any, the cluster first.
    pub fn usages(&self) -> impl Iterator<Item = (Owner, Usage)> + '_ {
        self.usage.all()
    }

    /// The keys of the text counts of a feature, or of a project as a whole: one for each author.
    pub(crate) fn text_counts_of(&self, project: ProjectId, feature: Option<FeatureId>) -> Vec<TextKey> {
        let key = |engineer| TextKey { project, feature, engineer };
        let range = key(EngineerId::MIN)..=key(EngineerId::MAX);
        self.text_counts.range(range).map(|(key, _)| *key).collect()
    }
}

/// Queries about texts.
impl State {
    /// The newest checkpoint of a feature.
    pub fn latest_checkpoint(&self, project: ProjectId, feature: FeatureId) -> Option<&LatestCheckpoint> {
        self.latest_checkpoints.get(&(project, feature))
    }

    /// The position of a decision; `None` if the project has no such decision.
    pub fn decision(&self, project: ProjectId, id: DecisionId) -> Option<LogPosition> {
        self.decisions.get(&(project, id)).copied()
    }

    /// Whether a project has at least `count` decisions.
    pub(crate) fn has_decisions(&self, project: ProjectId, count: usize) -> bool {
        // Counting takes time, so the total is compared first.
        self.decisions.len() >= count
            && self
                .decisions
                .range((project, DecisionId::MIN)..=(project, DecisionId::MAX))
                .take(count)
                .count()
                >= count
    }
}

/// Sessions and claims.
impl State {
    /// The session with this id, unless it is over.
    pub fn session(&self, id: SessionId) -> Option<&Arc<Session>> {
        self.sessions.get(&id)
    }

    /// All sessions that are not over.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.values()
    }

    /// The sessions of an engineer that are not over, in all projects.
    pub(crate) fn sessions_by(&self, engineer: EngineerId) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions_by_engineer
            .range((engineer, SessionId::MIN)..=(engineer, SessionId::MAX))
            .filter_map(|(_, id)| self.sessions.get(id))
    }

    /// The sessions of a project that are not over.
    pub fn sessions_in(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions_by_agent
            .range((project, EngineerId::MIN, None)..)
            .take_while(move |((of, ..), _)| *of == project)
            .filter_map(|(_, id)| self.sessions.get(id))
    }

    /// The sessions of an engineer in a project that are not over.
    pub fn sessions_of(
        &self,
        project: ProjectId,
        engineer: EngineerId,
    ) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions_by_agent
            .range((project, engineer, None)..)
            .take_while(move |((of, by, _), _)| (*of, *by) == (project, engineer))
            .filter_map(|(_, id)| self.sessions.get(id))
    }

    /// The session of an engineer's agent, or the engineer's default session if `agent` is `None`.
    pub fn session_of(
        &self,
        project: ProjectId,
        engineer: EngineerId,
        agent: Option<&AgentName>,
    ) -> Option<&Arc<Session>> {
        self.sessions.get(self.sessions_by_agent.get(&(project, engineer, agent.cloned()))?)
    }

    /// Estimates at which wall time a session's claims are released if it sends nothing more.
    pub fn claims_expire_at(&self, session: &Session) -> WallTime {
        let until = session.lease.until();
        let end = if session.is_active() { until.after(self.settings.session_grace) } else { until };
        self.in_wall_time(end)
    }

    /// A project's claims, by session and feature.
    pub fn claims_in(&self, project: ProjectId) -> impl Iterator<Item = (&ClaimKey, &Claim)> {
        self.sessions_in(project).flat_map(|session| self.claims_of(session))
    }

    /// A session's claims, by feature.
    pub fn claims_of(&self, session: &Session) -> impl Iterator<Item = (&ClaimKey, &Claim)> {
        let (project, session) = (session.project, session.id);
        let first = ClaimKey { project, session, feature: None, path: Pattern::scan_start("") };
        self.claims
            .range(first..)
            .take_while(move |(key, _)| key.project == project && key.session == session)
    }

    /// A session's claims for one feature.
    pub fn claims_for(
        &self,
        session: &Session,
        feature: FeatureId,
    ) -> impl Iterator<Item = (&ClaimKey, &Claim)> {
        let (project, session, feature) = (session.project, session.id, Some(feature));
        let first = ClaimKey { project, session, feature, path: Pattern::scan_start("") };
        self.claims.range(first..).take_while(move |(key, _)| {
            key.project == project && key.session == session && key.feature == feature
        })
    }

    /// The paths that a session holds, each once, although it may be held for several features.
    pub(crate) fn paths_of(&self, session: &Session) -> Arc<[Pattern]> {
        let held: BTreeSet<&Pattern> = self.claims_of(session).map(|(key, _)| &key.path).collect();
        held.into_iter().cloned().collect()
    }

    /// The claim with this key.
    pub fn claim(&self, key: &ClaimKey) -> Option<&Claim> {
        self.claims.get(key)
    }

    /// The number of claims in the cluster.
    pub fn claim_count(&self) -> usize {
        self.claims.len()
    }

    /// The number of claims in a project.
    pub fn claim_count_in(&self, project: ProjectId) -> usize {
        self.claimed_in(project).claims
    }

    /// The number and the bytes of the claims in a project.
    pub(crate) fn claimed_in(&self, project: ProjectId) -> ClaimUsage {
        self.paths.get(&project).map_or_else(ClaimUsage::default, |index| ClaimUsage {
            claims: index.len(),
            bytes: index.bytes(),
        })
    }

    /// How a project compares names that differ in case alone, also while it is being deleted.
    pub(crate) fn case_of(&self, project: ProjectId) -> Case {
        let of_deleted = || self.project_deletions.get(&project).map(|deletion| deletion.case);
        self.projects.get(&project).map(|project| project.case).or_else(of_deleted).unwrap_or_default()
    }

    /// The index of a project's claimed paths; `None` if nothing is claimed.
    pub fn paths(&self, project: ProjectId) -> Option<&SpelledIndex<ClaimRef>> {
        self.paths.get(&project)
    }

    /// A claim of another session with which a claim on `wanted` would collide.
    pub fn obstacle(
        &self,
        project: ProjectId,
        wanted: &Pattern,
        mode: ClaimMode,
        session: Option<SessionId>,
    ) -> Option<(&Pattern, &ClaimRef)> {
        let is_in_the_way = |_: &Pattern, claim_ref: &ClaimRef| {
            Some(claim_ref.session) != session && !mode.tolerates(claim_ref.mode)
        };
        let (index, work) = (self.paths.get(&project)?, &mut WorkBudget::unlimited());
        let found = index.first_overlaps(&[wanted], 1, work, is_in_the_way);
        found.expect("an unlimited budget does not end").pop().map(|at| (at.held, at.holder))
    }

    /// The name of the engineer who holds something; the id if that engineer was deleted.
    pub fn holder_name(&self, holder: &Holder) -> String {
        match self.engineers.get(&holder.engineer) {
            Some(engineer) => engineer.name.to_string(),
            None => holder.engineer.to_string(),
        }
    }
}

const fn first_key(project: ProjectId, lane: Lane) -> BoardKey {
    BoardKey { project, lane, priority: 0, newest: Reverse((WallTime(i64::MAX), FeatureId::MAX)) }
}

const fn last_key(project: ProjectId, lane: Lane) -> BoardKey {
    BoardKey { project, lane, priority: u32::MAX, newest: Reverse((WallTime(i64::MIN), FeatureId::MIN)) }
}
