//! Writes the log of a small project: engineers, features with specs, picks with claims.

use nexus_domain::{
    Acting, Actor, Command as Ask, EngineerId, FeatureId, Millis, NodeId, ProjectId, Proposal, SessionId,
    Stamp,
    command::{self, NewApiKey, NewCheckpoint, NewDecision, NewFeature},
    document::CheckpointKind,
    entity::{ClaimMode, KeyPrefix, Lane, TokenDigest},
    ids::{CheckpointId, DecisionId, KeyId, LearningId},
    pattern::Pattern,
    reply_cache::{KeyedRequest, ReplyKey, ReplySlot, Request, SequenceId},
    settings::SettingsPatch,
    short_text::{Email, IdempotencyKey, Label, Name, Slug, Title},
    time::{ClusterTime, WallTime},
};
use nexus_raft_store::{Command, Entry, LeaderId, LogId, Member};
use openraft::{EntryPayload, Membership};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// The project of all entries.
pub(crate) const PROJECT: ProjectId = ProjectId(Uuid::from_u128(0x77));

const ENGINEER: EngineerId = EngineerId(Uuid::from_u128(0xe0));
const KEY: KeyId = KeyId(Uuid::from_u128(0xe1));

/// Appends entries to a log that is only a list.
pub(crate) struct Scribe {
    term: u64,
    next: u64,
    features: u128,
}

/// The id of a log entry that the first node wrote.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

/// The id of the feature with this number in the log.
pub(crate) fn feature_id(number: u128) -> FeatureId {
    FeatureId(Uuid::from_u128(0xf000 + number))
}

impl Scribe {
    pub(crate) fn new() -> Self {
        Self { term: 1, next: 0, features: 0 }
    }

    /// Continues at an index, as a leader of a later term.
    pub(crate) fn at(mut self, term: u64, index: u64) -> Self {
        (self.term, self.next) = (term, index);
        self
    }

    fn entry(&mut self, payload: openraft::alias::PayloadOf<nexus_raft_store::TypeConfig>) -> Entry {
        let log_id = log_id(self.term, self.next);
        self.next += 1;
        Entry { log_id, payload }
    }

    pub(crate) fn blank(&mut self) -> Entry {
        self.entry(EntryPayload::Blank)
    }

    pub(crate) fn membership(&mut self, nodes: u64) -> Entry {
        let members: BTreeMap<_, _> = (1..=nodes)
            .map(|id| (id, Member { peer_addr: format!("127.0.0.1:750{id}"), ..Member::default() }))
            .collect();
        let voters = members.keys().copied().collect();
        self.entry(EntryPayload::Membership(Membership::new(vec![voters], members).unwrap()))
    }

    pub(crate) fn ask(&mut self, actor: Actor, command: Ask) -> Entry {
        let proposal = self.proposal(actor, command);
        self.entry(EntryPayload::Normal(Command(Arc::new(proposal))))
    }

    /// The proposal for the next entry.
    pub(crate) fn proposal(&self, actor: Actor, command: Ask) -> Proposal {
        Proposal {
            command,
            actor,
            acting: Acting::Engineer { candidate: SessionId(Uuid::from_u128(0x5e)) },
            request: None,
            stamp: Stamp { cluster: ClusterTime(self.next * 10), wall: WallTime(1_000 + self.next as i64) },
        }
    }

    pub(crate) fn engineer_asks(&mut self, command: Ask) -> Entry {
        self.ask(Actor::Engineer { id: ENGINEER, key: KEY }, command)
    }

    /// The beginning of every log: members, a leader, an engineer and a project.
    pub(crate) fn beginning(&mut self) -> Vec<Entry> {
        let create = command::CreateProject {
            id: PROJECT,
            name: Name::parse("Nexus").unwrap(),
            slug: Slug::parse("nexus").unwrap(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        }
        .into();
        vec![
            self.membership(3),
            self.blank(),
            self.ask(Actor::Anonymous, register()),
            self.engineer_asks(create),
        ]
    }

    /// The lives of features: created with a spec, picked with its paths, released. Every third is only created and
    /// deleted.
    pub(crate) fn feature(&mut self) -> Vec<Entry> {
        self.features += 1;
        let number = self.features;
        let slug = Slug::parse(&format!("feature-{number}")).unwrap();
        let project = PROJECT;
        let feature = NewFeature {
            id: feature_id(number),
            slug: slug.clone(),
            title: Title::parse("A feature").unwrap(),
            spec: format!("The text of feature {number}. ").repeat(20).into(),
            lane: Lane::Next,
            priority: None,
            touches: [Pattern::parse(&format!("src/{number}/")).unwrap()].into(),
            reads: [].into(),
            depends_on: [].into(),
        };
        let create =
            self.engineer_asks(command::CreateFeature { project, feature: Box::new(feature) }.into());
        if number.is_multiple_of(3) {
            return vec![
                create,
                self.engineer_asks(command::DeleteFeature { project, slug, is_finished: false }.into()),
            ];
        }
        vec![
            create,
            self.engineer_asks(command::ReadyFeature { project, slug: slug.clone() }.into()),
            self.engineer_asks(command::PickFeature { project, slug: slug.clone() }.into()),
            self.engineer_asks(command::ReleaseFeature { project, slug }.into()),
        ]
    }

    /// A feature with texts: a checkpoint twice, learnings and decisions with falling ids, and an order on the roadmap.
    pub(crate) fn texts(&mut self) -> Vec<Entry> {
        let project = PROJECT;
        let number = self.features + 1;
        let mut entries = self.feature();
        let slug = Slug::parse(&format!("feature-{number}")).unwrap();
        let checkpoint = NewCheckpoint {
            id: CheckpointId(Uuid::from_u128(0xc0)),
            session: SessionId(Uuid::from_u128(0x5e)),
            feature: feature_id(number),
            kind: CheckpointKind::AutoPeriodic,
            context: "{\"step\":1}".into(),
            notes: None,
        };
        for _ in 0..2 {
            let checkpoint = Box::new(checkpoint.clone());
            entries.push(self.engineer_asks(command::SaveCheckpoint { project, checkpoint }.into()));
        }
        for left in (1..=3_u128).rev() {
            let (id, content) = (LearningId(Uuid::from_u128(left)), format!("{left} are left").into());
            entries.push(
                self.engineer_asks(command::AddLearning { project, slug: slug.clone(), id, content }.into()),
            );
            let decision = Box::new(NewDecision {
                id: DecisionId(Uuid::from_u128(left)),
                feature: (left == 2).then(|| slug.clone()),
                title: Title::parse("A decision").unwrap(),
                decision: format!("{left} are left").into(),
                rationale: None,
                alternatives: None,
                supersedes: (left < 3).then(|| DecisionId(Uuid::from_u128(left + 1))),
            });
            entries.push(self.engineer_asks(command::AddDecision { project, decision }.into()));
        }
        let lanes = vec![(Lane::Now, vec![slug.clone()]), (Lane::Next, Vec::new())];
        entries.push(self.engineer_asks(command::ReorderRoadmap { project, lanes }.into()));
        entries.push(
            self.engineer_asks(
                command::MoveFeature { project, slug, lane: Lane::Later, priority: None }.into(),
            ),
        );
        entries
    }

    /// Claims paths for the engineer's default session.
    pub(crate) fn claim(&mut self, paths: Vec<Pattern>) -> Entry {
        let (paths, mode) = (paths.into(), ClaimMode::Exclusive);
        self.engineer_asks(command::ClaimPaths { project: PROJECT, paths, mode, feature: None }.into())
    }

    /// Some entries of all other kinds: cached replies, claims, heartbeats, tickets, settings, and the expiry of all of
    /// them.
    pub(crate) fn odds_and_ends(&mut self) -> Vec<Entry> {
        let project = PROJECT;
        let session = SessionId(Uuid::from_u128(0x5e));
        let ready = self.feature().into_iter().take(3);
        let mut entries: Vec<Entry> = ready.collect();
        entries.push(self.claim(vec![Pattern::parse("docs/*.md").unwrap()]));
        let key = ReplyKey { engineer: Some(ENGINEER), key: IdempotencyKey::parse("chosen").unwrap() };
        let slot = ReplySlot { node: NodeId(1), number: 0 };
        for request in [
            Request::Keyed(KeyedRequest { key, fingerprint: 7 }),
            Request::Slotted { slot, id: SequenceId { sequence: 1, start: 1 } },
            Request::Slotted { slot, id: SequenceId { sequence: 2, start: 1 } },
        ] {
            let actor = Actor::Engineer { id: ENGINEER, key: KEY };
            let mut proposal = self.proposal(actor, command::RefreshClaims { project }.into());
            proposal.request = Some(request);
            entries.push(self.entry(EntryPayload::Normal(Command(Arc::new(proposal)))));
        }
        entries.push(self.ask(
            Actor::System,
            command::Heartbeats { heartbeats: vec![session], keep_alives: Vec::new() }.into(),
        ));
        entries.push(self.engineer_asks(command::IssueTicket { digest: TokenDigest([1; 32]) }.into()));
        entries.push(self.keep_young_events());
        entries.extend([self.much_later(), self.much_later()]);
        entries
    }

    /// A tick after every earlier lease has expired.
    pub(crate) fn much_later(&mut self) -> Entry {
        let mut proposal = self.proposal(Actor::System, command::Tick.into());
        proposal.stamp.cluster = ClusterTime(self.next * 86_400_000);
        self.entry(EntryPayload::Normal(Command(Arc::new(proposal))))
    }

    pub(crate) fn features(&mut self, count: usize) -> Vec<Entry> {
        (0..count).flat_map(|_| self.feature()).collect()
    }

    /// Sets the lowest limit of event revisions.
    pub(crate) fn keep_few_events(&mut self) -> Entry {
        let patch = SettingsPatch {
            event_revisions: Some(1_000),
            session_timeout: Some(Millis(1_000)),
            ..SettingsPatch::default()
        };
        self.ask(Actor::System, command::UpdateSettings { patch }.into())
    }

    /// Sets the lowest limit of event bytes, 1 MiB.
    pub(crate) fn keep_small_events(&mut self) -> Entry {
        let patch = SettingsPatch { event_bytes: Some(1 << 20), ..SettingsPatch::default() };
        self.ask(Actor::System, command::UpdateSettings { patch }.into())
    }

    /// Sets a limit of event age that some 500 entries reach.
    pub(crate) fn keep_young_events(&mut self) -> Entry {
        let patch = SettingsPatch { event_age: Some(Millis(5_000)), ..SettingsPatch::default() };
        self.ask(Actor::System, command::UpdateSettings { patch }.into())
    }
}

fn register() -> Ask {
    command::RegisterEngineer {
        id: ENGINEER,
        name: Name::parse("Ana").unwrap(),
        email: Email::parse("ana@example.com").unwrap(),
        key: NewApiKey {
            id: KEY,
            prefix: KeyPrefix(7),
            hash: "hash".into(),
            label: Label::parse("first").unwrap(),
            expires_at: None,
            project: None,
            readonly: false,
        },
        salt: None,
        bootstrap: None,
    }
    .into()
}
