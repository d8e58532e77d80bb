//! Random histories with many collisions, expiries and retries.

use nexus_domain::{
    Acting, Actor, ClusterId, ClusterTime, Command, EngineerId, FeatureId, Millis, NodeId, ProjectId,
    Proposal, SessionId, Stamp, State, WallTime,
    command::{self, FeaturePatch, NewApiKey, NewCheckpoint, NewDecision, NewFeature},
    document::CheckpointKind,
    entity::{ClaimMode, ClusterOrigin, KeyPrefix, Lane, MemberRole, Role, SessionMetadata, TokenDigest},
    ids::{CheckpointId, DecisionId, KeyId, LearningId},
    pattern::{Case, Pattern},
    reply_cache::{KeyedRequest, ReplyKey, ReplySlot, Request, SequenceId},
    settings::{QuotasPatch, SettingsPatch},
    short_text::{AgentName, Email, IdempotencyKey, Label, Name, Slug, Title},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use std::sync::Arc;
use uuid::Uuid;

const PROJECTS: [ProjectId; 2] = [ProjectId(Uuid::from_u128(1)), ProjectId(Uuid::from_u128(2))];
const ENGINEERS: u128 = 5;
const SLUGS: [&str; 6] = ["a", "b", "c", "d", "e", "pick-next"];
const AGENTS: [Option<&str>; 3] = [None, Some("build"), Some("review")];
const PATHS: [&str; 14] = [
    "x.rs",
    "y.rs",
    "src/",
    "src",
    "src/db.rs",
    "src/api/",
    "src/*.rs",
    "**/*.md",
    "{x,z}.rs",
    "X.rs",
    "SRC/db.rs",
    "[x-y].rs",
    "docs/a.md",
    "docs/",
];
const BOOTSTRAP: TokenDigest = TokenDigest([7; 32]);

/// A random history: what the next entry is.
pub(super) struct History {
    pub(super) seed: u64,
    random: SmallRng,
    begun: usize,
    now: i64,
    ids: u128,
    sent: Vec<Proposal>,
}

fn engineer(n: u128) -> EngineerId {
    EngineerId(Uuid::from_u128(100 + n))
}

/// The key of an engineer: 0 is for everything, 1 for reading, 2 for the first project.
fn key(engineer: u128, kind: u128) -> NewApiKey {
    NewApiKey {
        id: KeyId(Uuid::from_u128(200 + 10 * engineer + kind)),
        prefix: KeyPrefix((10 * engineer + kind) as u64),
        hash: "hash".into(),
        label: Label::parse("key").unwrap(),
        expires_at: None,
        project: (kind == 2).then_some(PROJECTS[0]),
        readonly: kind == 1,
    }
}

fn actor(engineer_number: u128, kind: u128) -> Actor {
    Actor::Engineer { id: engineer(engineer_number), key: key(engineer_number, kind).id }
}

impl History {
    pub(super) fn new(seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        Self { seed, random, begun: 0, now: 1_000, ids: 10_000, sent: Vec::new() }
    }

    /// The number of the first entries, which are the same in every history.
    pub(super) fn set_up(&self) -> u64 {
        beginnings().len() as u64
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn slug(&mut self) -> Slug {
        let at = if self.is(2) { SLUGS.len() - 1 } else { self.below(SLUGS.len() - 1) };
        Slug::parse(SLUGS[at]).unwrap()
    }

    fn paths(&mut self) -> Arc<[Pattern]> {
        (0..self.below(4)).map(|_| Pattern::parse(self.one(&PATHS)).unwrap()).collect()
    }

    fn needs(&mut self) -> Arc<[Slug]> {
        if self.is(75) { [].into() } else { (0..1 + self.below(2)).map(|_| self.slug()).collect() }
    }

    fn text(&mut self) -> Arc<str> {
        "text".repeat(self.below(3)).into()
    }

    fn project(&mut self) -> ProjectId {
        PROJECTS[usize::from(self.is(20))]
    }

    fn session(&mut self, state: &State, project: ProjectId, engineer: EngineerId) -> SessionId {
        let agent = self.one(&AGENTS).map(|name| AgentName::parse(name).unwrap());
        let found = state.session_of(project, engineer, agent.as_ref()).map(|session| session.id);
        found.unwrap_or_else(|| if self.is(50) { SessionId::MAX } else { self.any_session(state) })
    }

    fn any_session(&mut self, state: &State) -> SessionId {
        let all: Vec<SessionId> = state.sessions().map(|session| session.id).collect();
        if all.is_empty() { SessionId::MAX } else { self.one(&all) }
    }

    fn feature(&mut self, state: &State, project: ProjectId) -> FeatureId {
        let slug = self.slug();
        state.feature_by_slug(project, &slug).map_or(FeatureId::MAX, |feature| feature.id)
    }

    /// The next entry: some are sent again, as they were, or with another body, or late.
    pub(super) fn next(&mut self, state: &State) -> Proposal {
        let mut beginnings = beginnings();
        if self.begun < beginnings.len() {
            let (actor, command) = beginnings.swap_remove(self.begun);
            self.begun += 1;
            return self.proposal(actor, Acting::Engineer { candidate: SessionId::MAX }, command, None);
        }
        let elapsed = match self.below(20) {
            0 => 2_500,
            1 => 350,
            2..5 => self.below(150) as i64,
            5 => -(self.below(400) as i64),
            _ => self.below(20) as i64,
        };
        self.now = (self.now + elapsed).max(0);
        if self.is(12) && !self.sent.is_empty() {
            let recent = self.sent.len().saturating_sub(30);
            let at = recent + self.below(self.sent.len() - recent);
            let mut again = self.sent[at].clone();
            again.stamp = self.stamp();
            // Ids are minted where a request is received, so that another engineer's request has others.
            if self.is(10) && !matches!(again.command, Command::StartSession(_)) {
                again.actor = actor(self.below(ENGINEERS as usize) as u128, 0);
                again.acting = Acting::Engineer { candidate: SessionId(self.id()) };
            }
            if let Some(Request::Keyed(request)) = &mut again.request {
                request.fingerprint += u64::from(self.below(100) < 10);
            }
            return again;
        }
        let by = self.below(ENGINEERS as usize) as u128;
        let kind = match self.below(12) {
            0 => 1,
            1 | 2 => 2,
            _ => 0,
        };
        let project = self.project();
        let command = self.command(state, project, by);
        let actor = match command {
            Command::Tick(_) | Command::Heartbeats(_) => Actor::System,
            _ => actor(by, kind),
        };
        let acting = if self.is(60) {
            Acting::Session(self.session(state, project, engineer(by)))
        } else {
            Acting::Engineer { candidate: SessionId(self.id()) }
        };
        let request = self.request(by);
        let proposal = self.proposal(actor, acting, command, request);
        self.sent.push(proposal.clone());
        proposal
    }

    fn stamp(&self) -> Stamp {
        Stamp { cluster: ClusterTime(self.now as u64), wall: WallTime(self.now) }
    }

    fn proposal(&self, actor: Actor, acting: Acting, command: Command, request: Option<Request>) -> Proposal {
        Proposal { command, actor, acting, request, stamp: self.stamp() }
    }

    fn request(&mut self, by: u128) -> Option<Request> {
        match self.below(10) {
            0..3 => None,
            3..7 => {
                let key = IdempotencyKey::parse(&self.below(400).to_string()).unwrap();
                let key = ReplyKey { engineer: Some(engineer(by)), key };
                let fingerprint = self.below(3) as u64 * 10;
                Some(Request::Keyed(KeyedRequest { key, fingerprint }))
            }
            _ => {
                let slot = ReplySlot { node: NodeId(self.below(2) as u64), number: self.below(3) as u16 };
                // Some are older than what was sent before.
                let sequence = (self.ids as u64).saturating_sub(self.below(20) as u64);
                Some(Request::Slotted { slot, id: SequenceId { sequence, start: self.below(2) as u64 } })
            }
        }
    }

    fn command(&mut self, state: &State, project: ProjectId, by: u128) -> Command {
        let slug = self.slug();
        match self.below(100) {
            0..9 => self.new_feature(project, slug),
            9..17 => command::ReadyFeature { project, slug }.into(),
            17 => command::DraftFeature { project, slug }.into(),
            18..32 => command::PickFeature { project, slug }.into(),
            32..37 => {
                let lanes = (0..self.below(3)).map(|_| self.one(&Lane::ALL)).collect();
                command::PickNext { project, lanes }.into()
            }
            37..41 => command::ReleaseFeature { project, slug }.into(),
            41..44 => command::CompleteFeature { project, slug }.into(),
            44 => command::CancelFeature { project, slug }.into(),
            45..47 => command::DeleteFeature { project, slug, is_finished: self.is(60) }.into(),
            47..54 => self.patch(project, slug),
            54..66 => {
                let feature = if self.is(40) { Some(self.feature(state, project)) } else { None };
                let mode = self.one(&[ClaimMode::Exclusive, ClaimMode::Shared]);
                command::ClaimPaths { project, paths: self.paths(), mode, feature }.into()
            }
            66..71 => {
                let paths = if self.is(70) { Some(self.paths()) } else { None };
                command::ReleasePaths { project, paths }.into()
            }
            71 => command::RefreshClaims { project }.into(),
            72 => {
                let reason = Label::parse("why").unwrap();
                command::ForceRelease { project, paths: self.paths(), reason }.into()
            }
            73..80 => {
                let agent = self.one(&AGENTS).map(|name| AgentName::parse(name).unwrap());
                let feature = if self.is(20) { Some(self.feature(state, project)) } else { None };
                let (id, metadata) = (SessionId(self.id()), SessionMetadata::default());
                command::StartSession { project, id, agent, feature, metadata }.into()
            }
            80 => {
                let session = self.session(state, project, engineer(by));
                command::EndSession { project, session }.into()
            }
            81..86 => {
                let mut some = || (0..self.below(3)).map(|_| self.any_session(state)).collect();
                command::Heartbeats { heartbeats: some(), keep_alives: some() }.into()
            }
            86..89 => command::Tick.into(),
            89..92 => self.text_command(state, project, slug, by),
            92 | 93 => self.roadmap(project, slug),
            _ => self.people(project),
        }
    }

    fn new_feature(&mut self, project: ProjectId, slug: Slug) -> Command {
        let feature = NewFeature {
            id: FeatureId(self.id()),
            slug,
            title: Title::parse("title").unwrap(),
            spec: self.text(),
            lane: self.one(&Lane::ALL),
            priority: if self.is(40) { Some(self.below(4) as u32) } else { None },
            touches: self.paths(),
            reads: self.paths(),
            depends_on: self.needs(),
        };
        command::CreateFeature { project, feature: Box::new(feature) }.into()
    }

    fn patch(&mut self, project: ProjectId, slug: Slug) -> Command {
        let patch = FeaturePatch {
            title: if self.is(20) { Some(Title::parse("another title").unwrap()) } else { None },
            spec: if self.is(20) { Some(self.text()) } else { None },
            lane: if self.is(20) { Some(self.one(&Lane::ALL)) } else { None },
            priority: if self.is(20) { Some(self.below(5) as u32) } else { None },
            touches: if self.is(50) { Some(self.paths()) } else { None },
            reads: if self.is(30) { Some(self.paths()) } else { None },
            depends_on: if self.is(20) { Some(self.needs()) } else { None },
        };
        command::UpdateFeature { project, slug, patch: Box::new(patch) }.into()
    }

    fn text_command(&mut self, state: &State, project: ProjectId, slug: Slug, by: u128) -> Command {
        match self.below(3) {
            0 => {
                let (id, content) = (LearningId(self.id()), self.text());
                command::AddLearning { project, slug, id, content }.into()
            }
            1 => {
                let decision = NewDecision {
                    id: DecisionId(self.id()),
                    feature: if self.is(50) { Some(slug) } else { None },
                    title: Title::parse("title").unwrap(),
                    decision: self.text(),
                    rationale: if self.is(50) { Some(self.text()) } else { None },
                    alternatives: None,
                    supersedes: if self.is(20) { Some(DecisionId::MAX) } else { None },
                };
                command::AddDecision { project, decision: Box::new(decision) }.into()
            }
            _ => {
                let checkpoint = NewCheckpoint {
                    id: CheckpointId(self.id()),
                    session: self.session(state, project, engineer(by)),
                    feature: self.feature(state, project),
                    kind: self.one(&[CheckpointKind::AutoPeriodic, CheckpointKind::Manual]),
                    context: self.one(&["{}", "{\"step\":1}"]).into(),
                    notes: if self.is(50) { Some(self.text()) } else { None },
                };
                command::SaveCheckpoint { project, checkpoint: Box::new(checkpoint) }.into()
            }
        }
    }

    fn roadmap(&mut self, project: ProjectId, slug: Slug) -> Command {
        if self.is(50) {
            let priority = if self.is(50) { Some(self.below(4) as u32) } else { None };
            return command::MoveFeature { project, slug, lane: self.one(&Lane::ALL), priority }.into();
        }
        let lanes =
            [Lane::Now, Lane::Next].map(|lane| (lane, (0..self.below(3)).map(|_| self.slug()).collect()));
        command::ReorderRoadmap { project, lanes: lanes.into() }.into()
    }

    fn people(&mut self, project: ProjectId) -> Command {
        let who = self.below(ENGINEERS as usize) as u128;
        match self.below(10) {
            0 | 1 => {
                let role = self.one(&[MemberRole::Lead, MemberRole::Member]);
                command::AddMember { project, engineer: engineer(who), role }.into()
            }
            2 => command::RemoveMember { project, engineer: engineer(who) }.into(),
            3 | 4 => {
                let role = self.one(&[Role::Admin, Role::Engineer, Role::Engineer, Role::Readonly]);
                command::ChangeRole { engineer: engineer(who), role }.into()
            }
            5 | 6 => {
                let mut key = key(who, 1 + self.below(2) as u128);
                key.expires_at = if self.is(50) { Some(WallTime(self.now + 500)) } else { None };
                command::AddKey { key }.into()
            }
            7 => command::RevokeKey { key: key(who, 1 + self.below(2) as u128).id }.into(),
            8 => {
                let case = self.one(&[Case::Sensitive, Case::Insensitive]);
                command::UpdateProject { project, case }.into()
            }
            _ => {
                let session_timeout = Some(Millis(if self.is(50) { 100 } else { 200 }));
                let reply_age = Some(Millis(if self.is(50) { 400 } else { 1_000 }));
                let patch = SettingsPatch { session_timeout, reply_age, ..SettingsPatch::default() };
                command::UpdateSettings { patch }.into()
            }
        }
    }

    /// An entry that needs much room: features and claims with long paths, picks, and their end.
    pub(super) fn large(&mut self, round: usize) -> Proposal {
        let project = PROJECTS[0];
        let long = |n: usize| Pattern::parse(&format!("{n}/{}", "long".repeat(245))).unwrap();
        let slug = Slug::parse(&format!("large-{}", self.below(25))).unwrap();
        self.now += self.below(60) as i64;
        let paths: Arc<[Pattern]> = (0..1 + self.below(40)).map(|n| long(round * 100 + n)).collect();
        let command: Command = match self.below(8) {
            0 | 1 => {
                let Command::CreateFeature(mut new) = self.new_feature(project, slug) else { unreachable!() };
                new.feature.touches = paths;
                new.feature.depends_on = [].into();
                new.into()
            }
            2 => command::ReadyFeature { project, slug }.into(),
            3 => command::PickNext { project, lanes: Vec::new() }.into(),
            4 => command::ReleaseFeature { project, slug }.into(),
            5 => {
                let patch = FeaturePatch { touches: Some(paths), ..FeaturePatch::default() };
                command::UpdateFeature { project, slug, patch: Box::new(patch) }.into()
            }
            6 if self.is(20) => command::ReleasePaths { project, paths: None }.into(),
            _ => command::ClaimPaths { project, paths, mode: ClaimMode::Exclusive, feature: None }.into(),
        };
        let by = self.below(3) as u128;
        let candidate = SessionId(self.id());
        self.proposal(actor(by, 0), Acting::Engineer { candidate }, command, None)
    }

    pub(super) fn deletion_of_project(&self) -> Proposal {
        let command = command::DeleteProject { project: PROJECTS[0] }.into();
        self.proposal(actor(0, 0), Acting::Engineer { candidate: SessionId::MAX }, command, None)
    }
}

/// Five engineers, the first of them an admin, in two projects, with short leases and small quotas.
fn beginnings() -> Vec<(Actor, Command)> {
    let origin =
        ClusterOrigin { cluster: ClusterId::MIN, formed_at: WallTime(0), bootstrap: Some(BOOTSTRAP) };
    let small = Some(1 << 20);
    let quotas = QuotasPatch { project_memory: small, engineer_memory: small, ..QuotasPatch::default() };
    let patch = SettingsPatch {
        session_timeout: Some(Millis(100)),
        session_grace: Some(Millis(200)),
        session_unattended: Some(Millis(1_000)),
        replies: Some(100),
        reply_age: Some(Millis(400)),
        quotas,
        ..SettingsPatch::default()
    };
    let mut entries: Vec<(Actor, Command)> = vec![
        (Actor::System, command::FormCluster { origin, nodes: Vec::new() }.into()),
        (Actor::System, command::UpdateSettings { patch }.into()),
    ];
    for n in 0..ENGINEERS {
        let command = command::RegisterEngineer {
            id: engineer(n),
            name: Name::parse(&format!("engineer {n}")).unwrap(),
            email: Email::parse(&format!("engineer-{n}@example.com")).unwrap(),
            key: key(n, 0),
            salt: None,
            bootstrap: (n == 0).then_some(BOOTSTRAP),
        };
        entries.push((Actor::Anonymous, command.into()));
    }
    for (at, id) in PROJECTS.into_iter().enumerate() {
        let command = command::CreateProject {
            id,
            name: Name::parse("project").unwrap(),
            slug: Slug::parse(&format!("project-{at}")).unwrap(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        };
        entries.push((actor(1, 0), command.into()));
        for n in 2..ENGINEERS {
            let (project, engineer, role) = (id, engineer(n), MemberRole::Member);
            entries.push((actor(1, 0), command::AddMember { project, engineer, role }.into()));
        }
    }
    for n in 0..ENGINEERS {
        entries.push((actor(n, 0), command::AddKey { key: key(n, 1) }.into()));
        let sees_it = n != 0;
        if sees_it {
            entries.push((actor(n, 0), command::AddKey { key: key(n, 2) }.into()));
        }
    }
    entries
}
