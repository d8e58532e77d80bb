//! How the state is read. Never changes it.

use super::{Clock, Deadline, Grip, State, TextKey};
use crate::{
    document::{LatestCheckpoint, Place},
    entity::{
        ApiKey, BoardKey, Claim, ClaimKey, Engineer, Feature, Holder, JoinToken, KeyPrefix, Lane, Load,
        Member, Mode, NodeRecord, Origin, Project, Session, Ticket, TokenDigest,
    },
    ids::{DecisionId, EngineerId, FeatureId, InstanceId, KeyId, NodeId, ProjectId, SessionId},
    pattern::{Case, Pattern, SpelledIndex},
    replies::{Remembered, ReplyKey, Request, Served, Slot},
    rules::RulesVersion,
    settings::Settings,
    time::{ClusterTime, WallTime},
    usage::{Owner, Usage},
    words::{AgentName, Slug},
    work::WorkBudget,
};
use std::{cmp::Reverse, collections::BTreeSet, ops::Bound, sync::Arc};

/// The cluster.
impl State {
    /// Where the state stands.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The rules that the cluster goes by.
    pub const fn rules(&self) -> RulesVersion {
        self.rules
    }

    /// How the cluster began; none before its first entry.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// The cluster's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A node id that was given out.
    pub fn node(&self, id: NodeId) -> Option<&Arc<NodeRecord>> {
        self.nodes.get(&id)
    }

    /// Every node id that was ever given out, lowest first.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<NodeRecord>> {
        self.nodes.values()
    }

    /// The node id that a data folder was given.
    pub fn node_of(&self, instance: InstanceId) -> Option<&Arc<NodeRecord>> {
        self.nodes.values().find(|node| node.instance == instance)
    }

    /// The invitation with this digest.
    pub fn join_token(&self, digest: TokenDigest) -> Option<&Arc<JoinToken>> {
        self.join_tokens.values().find(|token| token.digest == digest)
    }

    /// The unused ticket with this digest.
    pub fn ticket(&self, digest: TokenDigest) -> Option<&Arc<Ticket>> {
        self.tickets.get(&digest)
    }

    /// The next moment at which something ends by itself.
    pub fn next_deadline(&self) -> Option<ClusterTime> {
        // A deletion goes on with every entry.
        if !self.deletions.is_empty() || !self.departures.is_empty() {
            return Some(self.clock.cluster);
        }
        self.deadlines.get_min().map(|(at, _)| *at)
    }

    pub(crate) fn due(&self, now: ClusterTime) -> Option<Deadline> {
        self.deadlines.get_min().filter(|(at, _)| *at <= now).map(|(_, what)| *what)
    }

    /// A moment of cluster time as an estimate in wall time, for people.
    pub const fn in_wall_time(&self, at: ClusterTime) -> WallTime {
        self.clock.wall.after(at.since(self.clock.cluster))
    }

    /// The remembered answer to a request under a key.
    pub fn reply(&self, key: &ReplyKey) -> Option<&Arc<Remembered>> {
        self.replies.get(key)
    }

    /// The answer in a slot.
    pub fn served(&self, slot: Slot) -> Option<&Arc<Served>> {
        self.slots.get(&slot)
    }

    /// The highest sequence in the slots of a node; 0 when it has none.
    pub fn last_sequence(&self, node: NodeId) -> u64 {
        let of_node = Slot { node, number: 0 }..=Slot { node, number: u16::MAX };
        self.slots.range(of_node).map(|(_, served)| served.id.sequence).max().unwrap_or(0)
    }

    /// Whether this very request was carried out already.
    pub fn has_answered(&self, request: &Request) -> bool {
        match request {
            Request::Keyed(request) => self.reply(&request.key).is_some(),
            Request::Slotted { slot, id } => self.served(*slot).is_some_and(|served| served.id == *id),
        }
    }
}

/// Engineers and projects.
impl State {
    /// An engineer.
    pub fn engineer(&self, id: EngineerId) -> Option<&Arc<Engineer>> {
        self.engineers.get(&id)
    }

    /// The key with this lookup prefix.
    pub fn api_key(&self, prefix: KeyPrefix) -> Option<&Arc<ApiKey>> {
        self.api_keys.get(&prefix)
    }

    /// An engineer's key.
    pub fn key_of(&self, engineer: EngineerId, key: KeyId) -> Option<&Arc<ApiKey>> {
        self.api_keys.get(self.keys_by_engineer.get(&(engineer, key))?)
    }

    /// An engineer's keys, oldest first.
    pub fn keys_of(&self, engineer: EngineerId) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.keys_by_engineer
            .range((engineer, KeyId::MIN)..=(engineer, KeyId::MAX))
            .filter_map(|(_, prefix)| self.api_keys.get(prefix))
    }

    /// The keys that are for one project alone.
    pub(crate) fn keys_for(&self, project: ProjectId) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.keys_by_project
            .range((project, KeyPrefix(0))..=(project, KeyPrefix(u64::MAX)))
            .filter_map(|(_, prefix)| self.api_keys.get(prefix))
    }

    /// A project.
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

    /// An engineer as a member of a project.
    pub fn member(&self, project: ProjectId, engineer: EngineerId) -> Option<&Arc<Member>> {
        self.members.get(&(project, engineer))
    }

    /// The members of a project.
    pub fn members(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Member>> {
        self.members.range((project, EngineerId::MIN)..=(project, EngineerId::MAX)).map(|(_, member)| member)
    }
}

/// Features.
impl State {
    /// A feature.
    pub fn feature(&self, project: ProjectId, id: FeatureId) -> Option<&Arc<Feature>> {
        self.features.get(&(project, id))
    }

    /// The feature with this slug.
    pub fn feature_by_slug(&self, project: ProjectId, slug: &Slug) -> Option<&Arc<Feature>> {
        let id = self.feature_slugs.get(&(project, slug.clone()))?;
        self.feature(project, *id)
    }

    /// A project's features as listed: lane, priority, newest first; from after a place on.
    pub fn features_after(
        &self,
        project: ProjectId,
        after: Option<BoardKey>,
    ) -> impl Iterator<Item = &Arc<Feature>> {
        self.on_board(&self.board, project, after)
    }

    /// A project's ready features as listed.
    pub fn ready_features(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Feature>> {
        self.on_board(&self.ready, project, None)
    }

    /// Those of them in one lane.
    pub fn ready_in_lane(&self, project: ProjectId, lane: Lane) -> impl Iterator<Item = &Arc<Feature>> {
        let places = self.ready.range(first_place(project, lane)..=last_place(project, lane));
        places.filter_map(move |place| self.feature(project, place.newest.0.1))
    }

    /// Whether a project has so many features.
    pub(crate) fn has_features(&self, project: ProjectId, count: usize) -> bool {
        let places = first_place(project, Lane::Now)..=last_place(project, Lane::Icebox);
        // Counting takes time: not before there are so many at all.
        self.features.len() >= count && self.board.range(places).take(count).count() >= count
    }

    fn on_board<'a>(
        &'a self,
        board: &'a imbl::OrdSet<BoardKey>,
        project: ProjectId,
        after: Option<BoardKey>,
    ) -> impl Iterator<Item = &'a Arc<Feature>> {
        let start = match after {
            Some(place) => Bound::Excluded(place),
            None => Bound::Included(first_place(project, Lane::Now)),
        };
        let end = Bound::Included(last_place(project, Lane::Icebox));
        board.range((start, end)).filter_map(move |place| self.feature(project, place.newest.0.1))
    }

    /// The features of a lane as listed.
    pub fn features_in_lane(&self, project: ProjectId, lane: Lane) -> impl Iterator<Item = &Arc<Feature>> {
        let places = self.board.range(first_place(project, lane)..=last_place(project, lane));
        places.filter_map(move |place| self.feature(project, place.newest.0.1))
    }

    /// The last feature of a lane.
    pub fn last_in_lane(&self, project: ProjectId, lane: Lane) -> Option<&Arc<Feature>> {
        let places = self.board.range(first_place(project, lane)..=last_place(project, lane));
        self.feature(project, places.into_iter().next_back()?.newest.0.1)
    }

    /// The features that a session works on.
    pub fn active_features(&self, session: SessionId) -> impl Iterator<Item = &Arc<Feature>> {
        let project = self.sessions.get(&session).map(|session| session.project);
        self.active_by_session
            .range((session, FeatureId::MIN)..=(session, FeatureId::MAX))
            .filter_map(move |(_, feature)| self.feature(project?, *feature))
    }

    /// How many features, sessions and claims there are, whatever their project.
    pub fn features(&self) -> impl Iterator<Item = &Arc<Feature>> {
        self.features.values()
    }
}

/// What is stored for whom.
impl State {
    /// How much is stored for somebody.
    pub fn usage(&self, owner: Owner) -> Usage {
        self.usage.of(owner)
    }

    /// Everybody for whom something is stored, the cluster first.
    pub fn usages(&self) -> impl Iterator<Item = (Owner, Usage)> + '_ {
        self.usage.all()
    }

    /// Whose texts about a feature, or about a project as a whole, are counted.
    pub(crate) fn text_counts_of(&self, project: ProjectId, feature: Option<FeatureId>) -> Vec<TextKey> {
        let key = |engineer| TextKey { project, feature, engineer };
        let range = key(EngineerId::MIN)..=key(EngineerId::MAX);
        self.text_counts.range(range).map(|(key, _)| *key).collect()
    }
}

/// What texts there are.
impl State {
    /// The newest checkpoint of a feature.
    pub fn latest_checkpoint(&self, project: ProjectId, feature: FeatureId) -> Option<&LatestCheckpoint> {
        self.latest_checkpoints.get(&(project, feature))
    }

    /// Where a decision is; none when there is no such decision in the project.
    pub fn decision(&self, project: ProjectId, id: DecisionId) -> Option<Place> {
        self.decisions.get(&(project, id)).copied()
    }

    /// Whether a project has so many decisions already.
    pub(crate) fn has_decisions(&self, project: ProjectId, count: usize) -> bool {
        // Counting takes time: not before there are so many at all.
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
    /// A session that is not over.
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

    /// The session of an engineer's agent, or the engineer's default one.
    pub fn session_of(
        &self,
        project: ProjectId,
        engineer: EngineerId,
        agent: Option<&AgentName>,
    ) -> Option<&Arc<Session>> {
        self.sessions.get(self.sessions_by_agent.get(&(project, engineer, agent.cloned()))?)
    }

    /// When a session's claims are released if nothing more is heard of it: wall time, an estimate.
    pub fn claims_expire_at(&self, session: &Session) -> WallTime {
        let until = session.vitality.until();
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

    /// One claim.
    pub fn claim(&self, key: &ClaimKey) -> Option<&Claim> {
        self.claims.get(key)
    }

    /// How many claims there are in the cluster.
    pub fn claim_count(&self) -> usize {
        self.claims.len()
    }

    /// How many claims there are in a project.
    pub fn claim_count_in(&self, project: ProjectId) -> usize {
        self.claimed_in(project).claims
    }

    /// How much is claimed in a project.
    pub(crate) fn claimed_in(&self, project: ProjectId) -> Load {
        self.paths
            .get(&project)
            .map_or_else(Load::default, |index| Load { claims: index.len(), bytes: index.bytes() })
    }

    /// Whether names that differ in case alone are one file; also in a project that is being deleted.
    pub(crate) fn case_of(&self, project: ProjectId) -> Case {
        let of_deleted = || self.deletions.get(&project).map(|deletion| deletion.case);
        self.projects.get(&project).map(|project| project.case).or_else(of_deleted).unwrap_or_default()
    }

    /// The index of a project's claimed paths.
    pub fn paths(&self, project: ProjectId) -> Option<&SpelledIndex<Grip>> {
        self.paths.get(&project)
    }

    /// A claim of another session that keeps one from taking a path in a mode.
    pub fn obstacle(
        &self,
        project: ProjectId,
        wanted: &Pattern,
        mode: Mode,
        session: Option<SessionId>,
    ) -> Option<(&Pattern, &Grip)> {
        let is_in_the_way =
            |_: &Pattern, grip: &Grip| Some(grip.session) != session && !mode.tolerates(grip.mode);
        let (index, work) = (self.paths.get(&project)?, &mut WorkBudget::unlimited());
        let found = index.first_overlaps(&[wanted], 1, work, is_in_the_way);
        found.expect("an unlimited budget does not end").pop().map(|at| (at.held, at.holder))
    }

    /// A holder's engineer's name, or the id of one who is gone.
    pub fn holder_name(&self, holder: &Holder) -> String {
        match self.engineers.get(&holder.engineer) {
            Some(engineer) => engineer.name.to_string(),
            None => holder.engineer.to_string(),
        }
    }
}

const fn first_place(project: ProjectId, lane: Lane) -> BoardKey {
    BoardKey { project, lane, priority: 0, newest: Reverse((WallTime(i64::MAX), FeatureId::MAX)) }
}

const fn last_place(project: ProjectId, lane: Lane) -> BoardKey {
    BoardKey { project, lane, priority: u32::MAX, newest: Reverse((WallTime(i64::MIN), FeatureId::MIN)) }
}
