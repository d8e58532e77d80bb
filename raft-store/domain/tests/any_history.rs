//! Random histories of commands: the invariants hold after every entry.
#![allow(clippy::unwrap_used)]

mod history;

use history::{Ask, ENGINEERS, Entry, PROJECT, engineer, entries};
use nexus_domain::{
    Acting, Actor, Applied, ClusterId, ClusterTime, Command, Document, EngineerId, Erasure, FeatureId,
    InstanceId, Millis, NodeId, Proposal, Reply, Revision, Row, RowKey, RulesVersion, SessionId, Stamp,
    State, WallTime, apply,
    cleanup::CleanupLimits,
    command::{self, NewApiKey, NewCheckpoint, NewDecision, NewFeature},
    entity::{ClusterOrigin, KeyPrefix, Lane, MemberRole, NodeRecord, ResetKind, SessionMetadata},
    ids::{CheckpointId, DecisionId, KeyId},
    reply_cache::{KeyedRequest, ReplyKey, ReplySlot, Request, SequenceId},
    settings::SettingsPatch,
    short_text::{AgentName, Email, IdempotencyKey, Label, Name, Slug, Title},
    usage::{Owner, Usage},
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A cluster with three engineers in a project, short leases and few replies.
struct World {
    state: State,
    log: Vec<Proposal>,
    now: i64,
    ids: u128,
    limits: CleanupLimits,
}

/// Limits so small that nearly every cleanup takes several entries.
const SMALL_LIMITS: CleanupLimits = CleanupLimits { claims: 2, bytes: 12, events: 2, rows: 2 };
/// The revisions whose events of a deleted project one entry erases.
const REVISIONS_OF_PART: u64 = 7;

/// Applies an entry as the store does, and reports the erased events.
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
    fn new(limits: CleanupLimits) -> Self {
        let state = State::default().with_cleanup_limits(limits);
        let mut world = Self { state, log: Vec::new(), now: 1_000, ids: 1_000, limits };
        let origin = ClusterOrigin { cluster: ClusterId::MIN, formed_at: WallTime(0), bootstrap: None };
        world.set_up(Actor::System, command::FormCluster { origin, nodes: Vec::new() }.into());
        let patch = SettingsPatch {
            session_timeout: Some(Millis(100)),
            session_grace: Some(Millis(200)),
            session_unattended: Some(Millis(1_000)),
            replies: Some(100),
            reply_age: Some(Millis(400)),
            ..SettingsPatch::default()
        };
        world.set_up(Actor::System, command::UpdateSettings { patch }.into());
        for n in 0..ENGINEERS {
            world.set_up(Actor::Anonymous, register(n));
        }
        let text = |text| Label::parse(text).unwrap();
        world.set_up(
            actor(0),
            command::CreateProject {
                id: PROJECT,
                name: Name::parse("nexus").unwrap(),
                slug: Slug::parse("nexus").unwrap(),
                repo_url: None,
                repo_path: None,
                default_branch: text("main"),
            }
            .into(),
        );
        for n in 1..ENGINEERS {
            world.set_up(
                actor(0),
                command::AddMember { project: PROJECT, engineer: engineer(n), role: MemberRole::Member }
                    .into(),
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
                Command::Tick(_) => (command::Tick.into(), Actor::System),
                Command::CreateFeature(command::CreateFeature { project, feature }) => {
                    let feature = Box::new(NewFeature { id: FeatureId(self.id()), ..(**feature).clone() });
                    (command::CreateFeature { project: *project, feature }.into(), actor(entry.engineer))
                }
                other => (other.clone(), actor(entry.engineer)),
            },
            Ask::Claim(paths, mode, slug) => {
                let feature = slug.map(|slug| self.feature(slug));
                (
                    command::ClaimPaths { project: PROJECT, paths: paths.clone(), mode: *mode, feature }
                        .into(),
                    actor(entry.engineer),
                )
            }
            Ask::Start(agent, slug) => {
                let (id, feature) = (SessionId(self.id()), slug.map(|slug| self.feature(slug)));
                let agent = agent.map(|name| AgentName::parse(name).unwrap());
                let metadata = SessionMetadata::default();
                (
                    command::StartSession { project: PROJECT, id, agent, feature, metadata }.into(),
                    actor(entry.engineer),
                )
            }
            Ask::End(whose, agent) => {
                let session = self.session(engineer(*whose), *agent);
                (command::EndSession { project: PROJECT, session }.into(), actor(entry.engineer))
            }
            Ask::Heartbeats(heartbeats, keep_alives) => {
                let of = |list: &[(u128, Option<&str>)]| {
                    list.iter().map(|(n, agent)| self.session(engineer(*n), *agent)).collect()
                };
                (
                    command::Heartbeats { heartbeats: of(heartbeats), keep_alives: of(keep_alives) }.into(),
                    Actor::System,
                )
            }
            Ask::Reset => {
                let node = NodeRecord {
                    id: NodeId(self.ids as u64),
                    instance: InstanceId(self.id()),
                    peer_addr: Label::parse("127.0.0.1:7501").unwrap(),
                    client_addr: Label::parse("127.0.0.1:7401").unwrap(),
                    replaces: None,
                    admitted_at: WallTime(self.now),
                };
                let (cluster, through) = (ClusterId(self.id()), self.state.clock().revision);
                let kind = ResetKind::Restored;
                (
                    command::BeginHistory { cluster, through, kind, node, rules: RulesVersion::KNOWN }.into(),
                    Actor::System,
                )
            }
            Ask::Replica(is_replica) => {
                let node = self.state.nodes().last().map_or(NodeId(1), |node| node.id);
                (command::SetReplica { node, is_replica: *is_replica }.into(), Actor::System)
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
                (command::AddDecision { project: PROJECT, decision }.into(), actor(entry.engineer))
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
                (command::SaveCheckpoint { project: PROJECT, checkpoint }.into(), actor(entry.engineer))
            }
        };
        let acting = match entry.agent {
            Some(agent) => Acting::Session(self.session(by, agent)),
            None => Acting::Engineer { candidate: SessionId(self.id()) },
        };
        // Some retries are of the same request, some of another one, and some are late.
        let request = entry.key.map(|(key, is_keyed)| {
            if is_keyed {
                let key =
                    ReplyKey { engineer: Some(by), key: IdempotencyKey::parse(&key.to_string()).unwrap() };
                return Request::Keyed(KeyedRequest { key, fingerprint: self.ids as u64 % 3 });
            }
            let slot = ReplySlot { node: NodeId(u64::from(key % 2)), number: u16::from(key / 2) };
            let sequence = self.ids as u64 / 8 * 2 + u64::from(key) % 3;
            Request::Slotted { slot, id: SequenceId { sequence, start: u64::from(key % 3) } }
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
    let key = NewApiKey {
        id: KeyId(Uuid::from_u128(200 + n)),
        prefix: KeyPrefix(n as u64),
        hash: "hash".into(),
        label: Label::parse("key").unwrap(),
        expires_at: None,
        project: None,
        readonly: false,
    };
    command::RegisterEngineer {
        id: engineer(n),
        name: Name::parse(&format!("engineer {n}")).unwrap(),
        email: Email::parse(&format!("engineer-{n}@example.com")).unwrap(),
        key,
        salt: None,
        bootstrap: None,
    }
    .into()
}

fn rows(state: &State) -> BTreeMap<RowKey, Row> {
    state.rows().map(|row| (row.key(), row)).collect()
}

/// The rows that a refusal may change: the clock, the reply cache, the lease of a session, and whether something is
/// left of a former history.
fn may_change_by_a_refusal(key: &RowKey) -> bool {
    matches!(
        key,
        RowKey::Clock
            | RowKey::KeyedReply(_)
            | RowKey::SlottedReply(_)
            | RowKey::Session(..)
            | RowKey::HistoryStart(_)
    )
}

/// Applies an entry, and checks what must be true of each.
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
    // If something expired in the same entry, more rows change, and there are events.
    if applied.answer.outcome.is_err() && applied.events.is_empty() {
        for key in &changed {
            prop_assert!(may_change_by_a_refusal(key), "a refusal changed {key:?}");
        }
        prop_assert!(applied.documents.is_empty());
    }
    // This holds for cluster time alone: wall time is the leader's, and may be set back.
    prop_assert!(world.state.clock().cluster >= clock.cluster);
    prop_assert!(applied.events.iter().enumerate().all(|(at, event)| event.seq as usize == at));
    prop_assert_eq!(world.state.check_invariants(), Ok(()));
    check_texts(world, &applied)?;
    if let (Command::ReorderRoadmap(command::ReorderRoadmap { lanes, .. }), Ok(Reply::Done)) =
        (&world.log[world.log.len() - 1].command, &applied.answer.outcome)
        && applied.answer.revision == world.state.clock().revision
    {
        check_order(world, lanes)?;
    }
    if world.limits != SMALL_LIMITS {
        let goes_on = |row| match row {
            Row::ProjectDeletion(_) => true,
            Row::HistoryStart(start) => start.is_ending,
            _ => false,
        };
        let is_deleting = world.state.rows().any(goes_on);
        prop_assert!(is_deleting || !is_something_due(world), "something due was left");
    }
    Ok(applied)
}

fn is_something_due(world: &World) -> bool {
    world.state.next_deadline().is_some_and(|at| at <= world.state.clock().cluster)
}

/// Everything that is over is cleaned up in the end, part by part.
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

fn limits() -> impl Strategy<Value = CleanupLimits> {
    select(vec![CleanupLimits::default(), SMALL_LIMITS])
}

/// Texts have positions of their entry, in order, and the newest checkpoint is the last one written.
fn check_texts(world: &World, applied: &Applied) -> Result<(), TestCaseError> {
    let now = world.state.clock().revision;
    let mut keys = BTreeSet::new();
    for (key, document) in &applied.documents {
        prop_assert!(keys.insert(*key), "{key:?} is written twice");
        prop_assert!(key.position().is_none_or(|position| position.revision == now));
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
            prop_assert_eq!(world.state.decision(PROJECT, decision.id), key.position());
        }
    }
    Ok(())
}

/// A reordered lane begins with the named features, and its priorities have no gaps.
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
    let ask = Ask::Plain(Box::new(command::Tick.into()));
    Entry { ask, engineer: 0, agent: None, key: None, elapsed: 1 }
}

/// Deletes an engineer, then the project, and waits until nothing is left of it.
fn delete_everything(world: &mut World) -> Result<(), TestCaseError> {
    let ask = |command| Entry { ask: Ask::Plain(Box::new(command)), ..tick() };
    let leaves = check(
        world,
        &Entry { engineer: 2, ..ask(command::DeleteEngineer { engineer: engineer(2) }.into()) },
    )?;
    let is_gone = leaves.answer.outcome.is_ok();
    prop_assert_eq!(world.state.engineer(engineer(2)).is_none(), is_gone);
    let leads = world.state.member(PROJECT, engineer(0)).is_some();
    let deleted = check(world, &ask(command::DeleteProject { project: PROJECT }.into()))?;
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
    let rows: Vec<Row> = world
        .state
        .rows()
        .filter(|row| !matches!(row, Row::KeyedReply(..) | Row::SlottedReply(..)))
        .collect();
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
        let again = State::from_rows(world.state.rows()).unwrap().with_cleanup_limits(limits);
        prop_assert_eq!(&again, &world.state);
    }

    #[test]
    fn the_invariants_hold_after_every_entry(history in vec(entries(), 1..80), limits in limits()) {
        let mut world = World::new(limits);
        let set_up = world.log.len();
        let mut results = Vec::new();
        for entry in &history {
            results.push(check(&mut world, entry)?);
        }
        // The state can be rebuilt from its rows, and from the log.
        let again = State::from_rows(world.state.rows()).unwrap().with_cleanup_limits(limits);
        prop_assert_eq!(&again, &world.state);
        let mut again = State::default().with_cleanup_limits(limits);
        for (at, proposal) in world.log.iter().enumerate() {
            let applied = apply_as_stored(&mut again, Revision(at as u64 + 1), proposal);
            prop_assert!(at < set_up || applied == results[at - set_up], "entry {} differs when replayed", at + 1);
        }
        prop_assert_eq!(&again, &world.state);
        finish_what_is_over(&mut world)?;
    }
}
