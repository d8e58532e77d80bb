//! Any history of commands, however strange: what must be true after every entry is.
#![allow(clippy::unwrap_used)]

use nexus_domain::{
    Acting, Actor, Applied, ClusterId, ClusterTime, Command, Document, EngineerId, FeatureId, Millis, NodeId,
    ProjectId, Proposal, Reply, Revision, Row, RowKey, SessionId, Stamp, State, WallTime, apply,
    apply::Erasure,
    command::{FeaturePatch, NewCheckpoint, NewDecision, NewFeature},
    decide::PartLimits,
    document::CheckpointKind,
    entity::{ApiKey, KeyPrefix, Lane, MemberRole, Mode, Origin, SessionMetadata},
    ids::{CheckpointId, DecisionId, KeyId, LearningId},
    pattern::{Case, Pattern},
    replies::{KeyedRequest, ReplyKey, Request, Slot, Turn},
    settings::SettingsPatch,
    usage::{Owner, Usage},
    words::{AgentName, Email, IdempotencyKey, Label, Name, Slug, Title},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(1));
const ENGINEERS: u128 = 3;
const SLUGS: [&str; 4] = ["a", "b", "c", "d"];
const AGENTS: [Option<&str>; 3] = [None, Some("build"), Some("review")];
const PATHS: [&str; 11] = [
    "x.rs",
    "y.rs",
    "src/",
    "src/db.rs",
    "src/api/",
    "src/*.rs",
    "**/*.md",
    "{x,z}.rs",
    "X.rs",
    "SRC/db.rs",
    "[A-Y].RS",
];

fn engineer(n: u128) -> EngineerId {
    EngineerId(Uuid::from_u128(100 + n))
}

/// What an entry asks, with names that are looked up when it is applied.
#[derive(Debug, Clone)]
enum Ask {
    Plain(Box<Command>),
    Claim(Arc<[Pattern]>, Mode, Option<&'static str>),
    Start(Option<&'static str>, Option<&'static str>),
    End(u128, Option<&'static str>),
    Beats(Vec<(u128, Option<&'static str>)>, Vec<(u128, Option<&'static str>)>),
    /// About a feature, instead of an earlier decision.
    Decide(Option<Slug>, bool),
    /// Of whose session, on what, why, with which context.
    Checkpoint((u128, Option<&'static str>), &'static str, CheckpointKind, &'static str),
}

#[derive(Debug, Clone)]
struct Entry {
    ask: Ask,
    engineer: u128,
    /// As the session of this agent, or as the engineer.
    agent: Option<Option<&'static str>>,
    /// With a key of its own, or in a slot of a node.
    key: Option<(u8, bool)>,
    /// The leader's clock since the last entry; it may be set back.
    elapsed: i64,
}

fn entries() -> impl Strategy<Value = Entry> {
    let key = (0..6_u8, any::<bool>());
    let elapsed = prop_oneof![6 => 0..20_i64, 2 => 50..150_i64, 1 => 300..2_000_i64, 1 => -500..0_i64];
    (
        asks(),
        0..ENGINEERS,
        proptest::option::of(select(AGENTS.to_vec())),
        proptest::option::weighted(0.3, key),
        elapsed,
    )
        .prop_map(|(ask, engineer, agent, key, elapsed)| Entry { ask, engineer, agent, key, elapsed })
}

fn asks() -> impl Strategy<Value = Ask> {
    let plain = |command| Ask::Plain(Box::new(command));
    let who = || (0..ENGINEERS, select(AGENTS.to_vec()));
    let project = PROJECT;
    prop_oneof![
        3 => (slugs(), paths(), paths(), needs(), lanes()).prop_map(move |(slug, touches, reads, depends_on, lane)| {
            let title = Title::parse("title").unwrap();
            let feature = NewFeature { id: FeatureId::MIN, slug, title, spec: "spec".into(), lane, priority: None, touches, reads, depends_on };
            plain(Command::CreateFeature { project, feature: Box::new(feature) })
        }),
        3 => (slugs(), proptest::option::of(paths()), proptest::option::of(paths()), proptest::option::of(needs()), proptest::option::of(lanes()))
            .prop_map(move |(slug, touches, reads, depends_on, lane)| {
                let patch = FeaturePatch { touches, reads, depends_on, lane, ..FeaturePatch::default() };
                plain(Command::UpdateFeature { project, slug, patch: Box::new(patch) })
            }),
        2 => (slugs(), any::<bool>())
            .prop_map(move |(slug, is_finished)| plain(Command::DeleteFeature { project, slug, is_finished })),
        4 => slugs().prop_map(move |slug| plain(Command::ReadyFeature { project, slug })),
        1 => slugs().prop_map(move |slug| plain(Command::DraftFeature { project, slug })),
        6 => slugs().prop_map(move |slug| plain(Command::PickFeature { project, slug })),
        2 => vec(lanes(), 0..2).prop_map(move |lanes| plain(Command::PickNext { project, lanes })),
        2 => slugs().prop_map(move |slug| plain(Command::ReleaseFeature { project, slug })),
        1 => slugs().prop_map(move |slug| plain(Command::CompleteFeature { project, slug })),
        1 => slugs().prop_map(move |slug| plain(Command::CancelFeature { project, slug })),
        5 => (paths(), modes(), proptest::option::of(select(SLUGS.to_vec()))).prop_map(|(paths, mode, slug)| Ask::Claim(paths, mode, slug)),
        2 => proptest::option::of(paths()).prop_map(move |paths| plain(Command::ReleasePaths { project, paths })),
        1 => Just(plain(Command::RefreshClaims { project })),
        1 => paths().prop_map(move |paths| plain(Command::ForceRelease { project, paths, reason: Label::parse("why").unwrap() })),
        3 => (select(AGENTS.to_vec()), proptest::option::of(select(SLUGS.to_vec()))).prop_map(|(agent, slug)| Ask::Start(agent, slug)),
        1 => who().prop_map(|(engineer, agent)| Ask::End(engineer, agent)),
        3 => (vec(who(), 0..3), vec(who(), 0..3)).prop_map(|(beats, touches)| Ask::Beats(beats, touches)),
        2 => Just(plain(Command::Tick)),
        1 => (0..ENGINEERS, select(vec![MemberRole::Lead, MemberRole::Member]))
            .prop_map(move |(n, role)| plain(Command::AddMember { project, engineer: engineer(n), role })),
        1 => (0..ENGINEERS).prop_map(move |n| plain(Command::RemoveMember { project, engineer: engineer(n) })),
        1 => select(vec![Case::Sensitive, Case::Insensitive])
            .prop_map(move |case| plain(Command::UpdateProject { project, case })),
        1 => slugs().prop_map(move |slug| plain(Command::AddLearning { project, slug, id: LearningId::MIN, content: "text".into() })),
        2 => (proptest::option::of(slugs()), any::<bool>()).prop_map(|(about, instead)| Ask::Decide(about, instead)),
        4 => (who(), select(SLUGS.to_vec()), kinds(), select(vec!["{}", "{\"step\":1}"]))
            .prop_map(|(whose, slug, kind, context)| Ask::Checkpoint(whose, slug, kind, context)),
        2 => btree_map(lanes(), vec(slugs(), 0..3), 0..3)
            .prop_map(move |lanes| plain(Command::ReorderRoadmap { project, lanes: lanes.into_iter().collect() })),
        2 => (slugs(), lanes(), proptest::option::of(0..5_u32))
            .prop_map(move |(slug, lane, priority)| plain(Command::MoveFeature { project, slug, lane, priority })),
    ]
}

fn slugs() -> impl Strategy<Value = Slug> {
    select(SLUGS.to_vec()).prop_map(|slug| Slug::parse(slug).unwrap())
}

fn needs() -> impl Strategy<Value = Arc<[Slug]>> {
    prop_oneof![3 => Just([].into()), 1 => vec(slugs(), 1..3).prop_map(Into::into)]
}

fn paths() -> impl Strategy<Value = Arc<[Pattern]>> {
    vec(select(PATHS.to_vec()), 0..3)
        .prop_map(|paths| paths.into_iter().map(|path| Pattern::parse(path).unwrap()).collect())
}

fn lanes() -> impl Strategy<Value = Lane> {
    select(Lane::ALL.to_vec())
}

fn modes() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Exclusive, Mode::Shared])
}

fn kinds() -> impl Strategy<Value = CheckpointKind> {
    use CheckpointKind::{AutoPeriodic, CrashRecovery, Manual};
    prop_oneof![4 => Just(AutoPeriodic), 1 => Just(Manual), 1 => Just(CrashRecovery)]
}

/// A cluster with three engineers in a project, short leases and few replies.
struct World {
    state: State,
    log: Vec<Proposal>,
    now: i64,
    ids: u128,
    limits: PartLimits,
}

/// Parts so small that nearly everything that is over ends in several of them.
const SMALL_PARTS: PartLimits = PartLimits { claims: 2, bytes: 12, facts: 2, rows: 2 };
/// Revisions of which the events of a deleted project go with one entry.
const REVISIONS_OF_PART: u64 = 7;

/// Applies an entry as the store does: it says how far it came with events that go.
fn apply_as_stored(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let mut applied = apply(state, revision, proposal);
    for erasure in &applied.erased {
        if let Erasure::Events { project, from, to } = *erasure {
            let until = to.min(Revision(from.0 + REVISIONS_OF_PART));
            applied.touched.extend(state.events_erased(project, until));
        }
    }
    applied
}

impl World {
    fn new(limits: PartLimits) -> Self {
        let state = State::default().with_part_limits(limits);
        let mut world = Self { state, log: Vec::new(), now: 1_000, ids: 1_000, limits };
        let origin = Origin { cluster: ClusterId::MIN, formed_at: WallTime(0), bootstrap: None };
        world.set_up(Actor::System, Command::FormCluster { origin, nodes: Vec::new() });
        let patch = SettingsPatch {
            session_timeout: Some(Millis(100)),
            session_grace: Some(Millis(200)),
            session_unattended: Some(Millis(1_000)),
            replies: Some(100),
            reply_age: Some(Millis(400)),
            ..SettingsPatch::default()
        };
        world.set_up(Actor::System, Command::UpdateSettings { patch });
        for n in 0..ENGINEERS {
            world.set_up(Actor::Anonymous, register(n));
        }
        let text = |text| Label::parse(text).unwrap();
        world.set_up(
            actor(0),
            Command::CreateProject {
                id: PROJECT,
                name: Name::parse("nexus").unwrap(),
                slug: Slug::parse("nexus").unwrap(),
                repo_url: None,
                repo_path: None,
                default_branch: text("main"),
            },
        );
        for n in 1..ENGINEERS {
            world.set_up(
                actor(0),
                Command::AddMember { project: PROJECT, engineer: engineer(n), role: MemberRole::Member },
            );
        }
        world
    }

    fn set_up(&mut self, actor: Actor, command: Command) {
        let acting = Acting::Engineer { candidate: SessionId::MAX };
        let stamp = Stamp { cluster: ClusterTime(0), wall: WallTime(0) };
        let applied = self.apply(Proposal { command, actor, acting, request: None, stamp });
        applied.answer.outcome.unwrap();
    }

    fn apply(&mut self, proposal: Proposal) -> Applied {
        self.log.push(proposal.clone());
        apply_as_stored(&mut self.state, Revision(self.log.len() as u64), &proposal)
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn session(&self, engineer: EngineerId, agent: Option<&str>) -> SessionId {
        let agent = agent.map(|name| AgentName::parse(name).unwrap());
        self.state.session_of(PROJECT, engineer, agent.as_ref()).map_or(SessionId::MAX, |session| session.id)
    }

    fn feature(&self, slug: &str) -> FeatureId {
        let known = self.state.feature_by_slug(PROJECT, &Slug::parse(slug).unwrap());
        known.map_or(FeatureId::MAX, |feature| feature.id)
    }

    fn proposal(&mut self, entry: &Entry) -> Proposal {
        let by = engineer(entry.engineer);
        let (command, actor) = match &entry.ask {
            Ask::Plain(command) => match &**command {
                Command::Tick => (Command::Tick, Actor::System),
                Command::CreateFeature { project, feature } => {
                    let feature = Box::new(NewFeature { id: FeatureId(self.id()), ..(**feature).clone() });
                    (Command::CreateFeature { project: *project, feature }, actor(entry.engineer))
                }
                other => (other.clone(), actor(entry.engineer)),
            },
            Ask::Claim(paths, mode, slug) => {
                let feature = slug.map(|slug| self.feature(slug));
                (
                    Command::ClaimPaths { project: PROJECT, paths: paths.clone(), mode: *mode, feature },
                    actor(entry.engineer),
                )
            }
            Ask::Start(agent, slug) => {
                let (id, feature) = (SessionId(self.id()), slug.map(|slug| self.feature(slug)));
                let agent = agent.map(|name| AgentName::parse(name).unwrap());
                let metadata = SessionMetadata::default();
                (
                    Command::StartSession { project: PROJECT, id, agent, feature, metadata },
                    actor(entry.engineer),
                )
            }
            Ask::End(whose, agent) => {
                let session = self.session(engineer(*whose), *agent);
                (Command::EndSession { project: PROJECT, session }, actor(entry.engineer))
            }
            Ask::Beats(beats, touches) => {
                let of = |list: &[(u128, Option<&str>)]| {
                    list.iter().map(|(n, agent)| self.session(engineer(*n), *agent)).collect()
                };
                (Command::Heartbeats { beats: of(beats), touches: of(touches) }, Actor::System)
            }
            Ask::Decide(feature, instead) => {
                let earlier = self.state.rows().find_map(|row| match row {
                    Row::Decision(_, id, _) => Some(id),
                    _ => None,
                });
                let decision = NewDecision {
                    id: DecisionId(self.id()),
                    feature: feature.clone(),
                    title: Title::parse("title").unwrap(),
                    decision: "text".into(),
                    rationale: None,
                    alternatives: None,
                    supersedes: instead.then(|| earlier.unwrap_or(DecisionId::MAX)),
                };
                let decision = Box::new(decision);
                (Command::AddDecision { project: PROJECT, decision }, actor(entry.engineer))
            }
            Ask::Checkpoint((whose, agent), slug, kind, context) => {
                let checkpoint = NewCheckpoint {
                    id: CheckpointId(self.id()),
                    session: self.session(engineer(*whose), *agent),
                    feature: self.feature(slug),
                    kind: *kind,
                    context: (*context).into(),
                    notes: None,
                };
                let checkpoint = Box::new(checkpoint);
                (Command::SaveCheckpoint { project: PROJECT, checkpoint }, actor(entry.engineer))
            }
        };
        let acting = match entry.agent {
            Some(agent) => Acting::Session(self.session(by, agent)),
            None => Acting::Engineer { candidate: SessionId(self.id()) },
        };
        // Some retries are of the same request, some are not, and some come late.
        let request = entry.key.map(|(key, is_keyed)| {
            if is_keyed {
                let key =
                    ReplyKey { engineer: Some(by), key: IdempotencyKey::parse(&key.to_string()).unwrap() };
                return Request::Keyed(KeyedRequest { key, fingerprint: self.ids as u64 % 3 });
            }
            let slot = Slot { node: NodeId(u64::from(key % 2)), number: u16::from(key / 2) };
            let sequence = self.ids as u64 / 8 * 2 + u64::from(key) % 3;
            Request::Slotted { slot, turn: Turn { sequence, start: u64::from(key % 3) } }
        });
        self.now = (self.now + entry.elapsed).max(0);
        let stamp = Stamp { cluster: ClusterTime(self.now as u64), wall: WallTime(self.now) };
        Proposal { command, actor, acting, request, stamp }
    }
}

fn actor(n: u128) -> Actor {
    Actor::Engineer { id: engineer(n), key: KeyId(Uuid::from_u128(200 + n)) }
}

fn register(n: u128) -> Command {
    let key = ApiKey {
        id: KeyId(Uuid::from_u128(200 + n)),
        engineer: engineer(n),
        prefix: KeyPrefix(n as u64),
        hash: "hash".into(),
        label: Label::parse("key").unwrap(),
        expires_at: None,
        project: None,
        readonly: false,
        created_at: WallTime(0),
    };
    Command::RegisterEngineer {
        id: engineer(n),
        name: Name::parse(&format!("engineer {n}")).unwrap(),
        email: Email::parse(&format!("engineer-{n}@example.com")).unwrap(),
        key,
        salt: None,
        bootstrap: None,
    }
}

fn rows(state: &State) -> BTreeMap<RowKey, Row> {
    state.rows().map(|row| (row.key(), row)).collect()
}

/// What a refusal may change: the clock, the answer that is remembered, the lease of a session.
fn may_change_by_a_refusal(key: &RowKey) -> bool {
    matches!(key, RowKey::Clock | RowKey::Reply(_) | RowKey::Slot(_) | RowKey::Session(..))
}

/// Applies an entry and checks all that must be true of any.
fn check(world: &mut World, entry: &Entry) -> Result<Applied, TestCaseError> {
    let before = rows(&world.state);
    let clock = world.state.clock();
    let proposal = world.proposal(entry);
    let applied = world.apply(proposal);
    let after = rows(&world.state);
    let changed: Vec<&RowKey> =
        before.keys().chain(after.keys()).filter(|key| before.get(key) != after.get(key)).collect();
    for key in &changed {
        prop_assert!(applied.touched.contains(key), "{key:?} changed and was not touched");
    }
    // Something may have expired in the same entry: then more changes, and events tell.
    if applied.answer.outcome.is_err() && applied.events.is_empty() {
        for key in &changed {
            prop_assert!(may_change_by_a_refusal(key), "a refusal changed {key:?}");
        }
        prop_assert!(applied.documents.is_empty());
    }
    // The time of leases alone: wall time is the leader's, and may be set back.
    prop_assert!(world.state.clock().cluster >= clock.cluster);
    prop_assert!(applied.events.iter().enumerate().all(|(at, event)| event.seq as usize == at));
    prop_assert_eq!(world.state.check_invariants(), Ok(()));
    check_texts(world, &applied)?;
    if let (Command::ReorderRoadmap { lanes, .. }, Ok(Reply::Done)) =
        (&world.log[world.log.len() - 1].command, &applied.answer.outcome)
        && applied.answer.revision == world.state.clock().revision
    {
        check_order(world, lanes)?;
    }
    if world.limits != SMALL_PARTS {
        let is_deleting = world.state.rows().any(|row| matches!(row, Row::Deletion(_)));
        prop_assert!(is_deleting || !is_something_due(world), "something due was left");
    }
    Ok(applied)
}

fn is_something_due(world: &World) -> bool {
    world.state.next_deadline().is_some_and(|at| at <= world.state.clock().cluster)
}

/// Whatever is over ends, part by part.
fn finish_what_is_over(world: &mut World) -> Result<(), TestCaseError> {
    let waiting = Entry { elapsed: 0, ..tick() };
    for _ in 0..1_000 {
        if !is_something_due(world) {
            return Ok(());
        }
        check(world, &waiting)?;
    }
    Err(TestCaseError::fail("what is over never ends"))
}

fn limits() -> impl Strategy<Value = PartLimits> {
    select(vec![PartLimits::default(), SMALL_PARTS])
}

/// Texts have places of their entry, in order, and the newest checkpoint is the last one written.
fn check_texts(world: &World, applied: &Applied) -> Result<(), TestCaseError> {
    let now = world.state.clock().revision;
    let mut keys = BTreeSet::new();
    for (key, document) in &applied.documents {
        prop_assert!(keys.insert(*key), "{key:?} is written twice");
        prop_assert!(key.place().is_none_or(|place| place.revision == now));
        if let Some(Document::Checkpoint(checkpoint)) = document {
            let latest = world.state.latest_checkpoint(PROJECT, checkpoint.feature);
            if checkpoint.is_of_holder {
                let latest = latest.unwrap();
                prop_assert!(latest.key() >= *key, "an older checkpoint is the newest");
                prop_assert!(latest.key() > *key || latest.state_hash == checkpoint.state_hash);
            } else {
                prop_assert!(latest.is_none_or(|latest| latest.id != checkpoint.id), "it is no holder's");
            }
        }
        if let Some(Document::Decision(decision)) = document {
            prop_assert_eq!(world.state.decision(PROJECT, decision.id), key.place());
        }
    }
    Ok(())
}

/// A lane that was reordered begins with what was named, and is numbered without gaps.
fn check_order(world: &World, lanes: &[(Lane, Vec<Slug>)]) -> Result<(), TestCaseError> {
    for (lane, named) in lanes {
        let found: Vec<_> = world.state.features_in_lane(PROJECT, *lane).collect();
        prop_assert!(found.iter().zip(1..).all(|(feature, number)| feature.priority == number));
        prop_assert!(named.iter().eq(found.iter().map(|feature| &feature.slug).take(named.len())));
    }
    Ok(())
}

/// The cluster's own entry.
fn tick() -> Entry {
    let ask = Ask::Plain(Box::new(Command::Tick));
    Entry { ask, engineer: 0, agent: None, key: None, elapsed: 1 }
}

/// Deletes an engineer, then the project, and waits until nothing is left of it.
fn delete_everything(world: &mut World) -> Result<(), TestCaseError> {
    let ask = |command| Entry { ask: Ask::Plain(Box::new(command)), ..tick() };
    let leaves =
        check(world, &Entry { engineer: 2, ..ask(Command::DeleteEngineer { engineer: engineer(2) }) })?;
    let is_gone = leaves.answer.outcome.is_ok();
    prop_assert_eq!(world.state.engineer(engineer(2)).is_none(), is_gone);
    let leads = world.state.member(PROJECT, engineer(0)).is_some();
    let deleted = check(world, &ask(Command::DeleteProject { project: PROJECT }))?;
    if deleted.answer.outcome.is_err() {
        prop_assert!(!leads || world.state.member(PROJECT, engineer(0)).unwrap().role != MemberRole::Lead);
        return Ok(());
    }
    prop_assert!(world.state.project(PROJECT).is_none(), "it is gone at once");
    let is_left = |row: &Row| format!("{row:?}").contains(&PROJECT.to_string());
    let mut erased = Vec::new();
    for _ in 0..2_000 {
        if world.state.usage(Owner::Project(PROJECT)) == Usage::default() && erased.len() > 1 {
            break;
        }
        erased.extend(check(world, &tick())?.erased);
    }
    prop_assert!(erased.contains(&Erasure::TextsOfProject(PROJECT)));
    let rows: Vec<Row> =
        world.state.rows().filter(|row| !matches!(row, Row::Reply(..) | Row::Slot(..))).collect();
    prop_assert!(!rows.iter().any(is_left), "rows of a deleted project are left: {rows:?}");
    prop_assert_eq!(world.state.usage(Owner::Cluster), Usage::default());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_left_of_a_deleted_project(history in vec(entries(), 1..60), limits in limits()) {
        let mut world = World::new(limits);
        for entry in &history {
            check(&mut world, entry)?;
        }
        delete_everything(&mut world)?;
        finish_what_is_over(&mut world)?;
        let again = State::from_rows(world.state.rows()).unwrap().with_part_limits(limits);
        prop_assert_eq!(&again, &world.state);
    }

    #[test]
    fn what_must_be_true_is_true_after_every_entry(history in vec(entries(), 1..80), limits in limits()) {
        let mut world = World::new(limits);
        let set_up = world.log.len();
        let mut results = Vec::new();
        for entry in &history {
            results.push(check(&mut world, entry)?);
        }
        // The state makes itself again from its rows, and the log makes it again from nothing.
        let again = State::from_rows(world.state.rows()).unwrap().with_part_limits(limits);
        prop_assert_eq!(&again, &world.state);
        let mut again = State::default().with_part_limits(limits);
        for (at, proposal) in world.log.iter().enumerate() {
            let applied = apply_as_stored(&mut again, Revision(at as u64 + 1), proposal);
            prop_assert!(at < set_up || applied == results[at - set_up], "entry {} differs when replayed", at + 1);
        }
        prop_assert_eq!(&again, &world.state);
        finish_what_is_over(&mut world)?;
    }
}
