//! A node without Raft and without a disk: the rules, a list of events, and a clock that tests move.

use crate::{
    api::Api,
    auth::{Caller, NewKey},
    cluster::{
        Backup, Cluster, Committed, Consistency, History, Measurements, NodeStatus, Operation,
        OperationError, OperationOutcome, ReadView, SharedView, StorageFailure, Unavailable, View,
        WriteRequest,
    },
    config::ApiConfig,
    events::RenderedEvent,
    mint::SystemMint,
};
use futures::future::{BoxFuture, FutureExt};
use nexus_api_types::change_plan::ChangePlan;
use nexus_domain::{
    Acting, Actor, Answer, ClusterId, ClusterTime, Command, Document, DocumentKey, EngineerId, FeatureId,
    ProjectId, Proposal, Recorded, Revision, SessionId, Stamp, State, WallTime,
    command::{self, NewApiKey, NewDecision, NewFeature},
    entity::{ClaimMode, Feature, KeyPrefix, Lane},
    ids::{DecisionId, InstanceId, KeyId},
    pattern::Pattern,
    short_text::{Email, Label, Name, Slug, Title},
};
use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) const ANA: u128 = 0xa;
pub(crate) const BEN: u128 = 0xb;

/// A node that is driven by tests, which also control its history.
pub(crate) struct Stage {
    inner: Mutex<Inner>,
    texts: Arc<Mutex<Texts>>,
    applied: watch::Sender<Revision>,
    pub(crate) draining: watch::Sender<bool>,
    /// Proposals wait here before they are applied, and pages of one project's history before they are read.
    pub(crate) proposals: Gate,
    pub(crate) pages: Gate,
    /// The number of documents that were read by key.
    documents: Arc<AtomicUsize>,
}

/// Holds callers back while it is closed.
#[derive(Default)]
pub(crate) struct Gate {
    closed: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    /// The number of callers so far.
    pub(crate) fn arrived(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Waits until this many callers came.
    pub(crate) async fn reached(&self, count: usize) {
        self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        self.closed.subscribe().wait_for(|closed| !closed).await.unwrap();
    }
}

#[derive(Default)]
struct Inner {
    state: State,
    events: Vec<Recorded>,
    oldest: Revision,
    /// The number of pages that were read. A shared page is read once.
    reads: usize,
}

#[derive(Default)]
struct Texts {
    documents: BTreeMap<DocumentKey, Document>,
    /// The name of the reading thread, for each read of documents by key.
    readers: Vec<String>,
    /// The number of documents, for each read of a list.
    read_at_once: Vec<usize>,
}

struct Snapshot {
    state: State,
    texts: Arc<Mutex<Texts>>,
    asked: Arc<AtomicUsize>,
}

impl View for Snapshot {
    fn state(&self) -> &State {
        &self.state
    }

    fn revision(&self) -> Revision {
        self.state.clock().revision
    }

    fn state_hash(&self) -> u64 {
        0
    }

    fn documents(
        &self,
        keys: Vec<DocumentKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<Document>>, StorageFailure>> {
        self.asked.fetch_add(keys.len(), Ordering::Relaxed);
        async move {
            let mut texts = self.texts.lock().unwrap();
            texts.readers.push(std::thread::current().name().unwrap_or_default().to_owned());
            Ok(keys.iter().map(|key| texts.documents.get(key).cloned()).collect())
        }
        .boxed()
    }

    fn newest(
        &self,
        range: RangeInclusive<DocumentKey>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(DocumentKey, Document)>, StorageFailure>> {
        async move {
            let mut texts = self.texts.lock().unwrap();
            let newest = texts.documents.range(range).rev().take(limit);
            let newest: Vec<_> = newest.map(|(key, document)| (*key, document.clone())).collect();
            texts.read_at_once.push(newest.len());
            Ok(newest)
        }
        .boxed()
    }
}

impl Stage {
    /// Makes a stage with Ana and Ben, and a project that is led by Ana.
    pub(crate) fn set() -> Arc<Self> {
        let stage = Arc::new(Self {
            inner: Mutex::default(),
            texts: Arc::default(),
            applied: watch::Sender::new(Revision(0)),
            draining: watch::Sender::new(false),
            proposals: Gate::default(),
            pages: Gate::default(),
            documents: Arc::default(),
        });
        for (id, name) in [(ANA, "ana"), (BEN, "ben")] {
            let key = NewApiKey {
                id: KeyId(Uuid::from_u128(id)),
                prefix: KeyPrefix(u64::try_from(id).unwrap()),
                hash: "hash".into(),
                label: Label::parse("first").unwrap(),
                expires_at: None,
                project: None,
                readonly: false,
            };
            let command = command::RegisterEngineer {
                id: EngineerId(Uuid::from_u128(id)),
                name: Name::parse(name).unwrap(),
                email: Email::parse(&format!("{name}@example.com")).unwrap(),
                key,
                salt: None,
                bootstrap: None,
            }
            .into();
            stage.apply(Actor::Anonymous, command);
        }
        stage.project(1);
        stage
    }

    /// Makes a project that is led by Ana.
    pub(crate) fn project(&self, number: u128) -> ProjectId {
        let id = project(number);
        let command = command::CreateProject {
            id,
            name: Name::parse("Project").unwrap(),
            slug: Slug::parse(&format!("project-{number}")).unwrap(),
            repo_url: None,
            repo_path: None,
            default_branch: Label::parse("main").unwrap(),
        }
        .into();
        self.apply(engineer(ANA), command);
        id
    }

    /// Gives an engineer one more key, made from this number.
    pub(crate) fn key(&self, of: u128, number: u8) -> String {
        let made = NewKey::of_secret([number; 32]);
        let id = KeyId(Uuid::now_v7());
        let key = made.record(id, Label::parse("another").unwrap(), [7; 16]).unwrap();
        self.apply(engineer(of), command::AddKey { key }.into());
        made.text.into_text()
    }

    /// Makes a feature of Ana's that can be picked.
    pub(crate) fn ready_feature(&self, number: u128, slug: &str, touches: &[String]) {
        let (project, slug) = (project(number), Slug::parse(slug).unwrap());
        let feature = NewFeature {
            id: FeatureId(Uuid::now_v7()),
            slug: slug.clone(),
            title: Title::parse("Title").unwrap(),
            spec: "spec".into(),
            lane: Lane::Next,
            priority: None,
            touches: touches.iter().map(|path| Pattern::parse(path).unwrap()).collect(),
            reads: [].into(),
            depends_on: [].into(),
        };
        self.apply(engineer(ANA), command::CreateFeature { project, feature: Box::new(feature) }.into());
        self.apply(engineer(ANA), command::ReadyFeature { project, slug }.into());
    }

    /// The number of documents that were read by key so far.
    pub(crate) fn documents(&self) -> usize {
        self.documents.load(Ordering::Relaxed)
    }

    /// Starts a session of an agent: one event.
    pub(crate) fn happen(&self, number: u128) -> Revision {
        let agent =
            nexus_domain::short_text::AgentName::parse(&format!("a{}", Uuid::now_v7().simple())).unwrap();
        let command = command::StartSession {
            project: project(number),
            id: SessionId(Uuid::now_v7()),
            agent: Some(agent),
            feature: None,
            metadata: nexus_domain::entity::SessionMetadata::default(),
        }
        .into();
        self.apply(engineer(ANA), command)
    }

    /// Writes a feature of the first project.
    pub(crate) fn feature(&self, number: u128, spec: &str) -> Arc<Feature> {
        let id = FeatureId(Uuid::from_u128(number));
        let feature = NewFeature {
            id,
            slug: Slug::parse(&format!("feature-{number}")).unwrap(),
            title: Title::parse("Feature").unwrap(),
            spec: spec.into(),
            lane: Lane::default(),
            priority: None,
            touches: [].into(),
            reads: [].into(),
            depends_on: [].into(),
        };
        let command = command::CreateFeature { project: project(1), feature: Box::new(feature) }.into();
        self.apply(engineer(ANA), command);
        self.inner.lock().unwrap().state.feature(project(1), id).unwrap().clone()
    }

    /// Records a decision about a feature of the first project.
    pub(crate) fn write_decision(&self, number: u128, feature: &Feature, text: &str) {
        let decision = NewDecision {
            id: DecisionId(Uuid::from_u128(number)),
            feature: Some(feature.slug.clone()),
            title: Title::parse("Decision").unwrap(),
            decision: text.into(),
            rationale: None,
            alternatives: None,
            supersedes: None,
        };
        self.apply(
            engineer(ANA),
            command::AddDecision { project: project(1), decision: Box::new(decision) }.into(),
        );
    }

    /// Claims long paths in the first project: one event of some 90 KB.
    pub(crate) fn claim(&self, number: u64) -> Revision {
        let path = |path: u64| format!("{number}/{path}/{}", "x".repeat(900));
        let paths: Vec<Pattern> = (0..100).map(|at| Pattern::parse(&path(at)).unwrap()).collect();
        let (project, mode) = (project(1), ClaimMode::Exclusive);
        self.apply(
            engineer(ANA),
            command::ClaimPaths { project, paths: paths.into(), mode, feature: None }.into(),
        )
    }

    /// The name of the reading thread, for each read of documents by key.
    pub(crate) fn readers(&self) -> Vec<String> {
        self.texts.lock().unwrap().readers.clone()
    }

    /// The number of documents, for each read of a list.
    pub(crate) fn read_at_once(&self) -> Vec<usize> {
        self.texts.lock().unwrap().read_at_once.clone()
    }

    /// Applies a command as an entry of the log.
    pub(crate) fn apply(&self, actor: Actor, command: Command) -> Revision {
        self.answer(actor, Acting::Engineer { candidate: SessionId(Uuid::now_v7()) }, command).revision
    }

    pub(crate) fn answer(&self, actor: Actor, acting: Acting, command: Command) -> Answer {
        let answer = self.decide(actor, acting, command);
        assert!(answer.outcome.is_ok(), "{:?}", answer.outcome);
        answer
    }

    fn decide(&self, actor: Actor, acting: Acting, command: Command) -> Answer {
        let mut inner = self.inner.lock().unwrap();
        let revision = Revision(inner.state.clock().revision.0 + 1);
        let at = inner.state.clock().cluster.0;
        let stamp =
            Stamp { cluster: ClusterTime(at + 1), wall: WallTime(1_000 + i64::try_from(at).unwrap()) };
        let proposal = Proposal { command, actor, acting, request: None, stamp };
        let applied = nexus_domain::apply(&mut inner.state, revision, &proposal);
        inner.events.extend(applied.events);
        let written = applied.documents.into_iter().filter_map(|(key, text)| Some((key, text?)));
        self.texts.lock().unwrap().documents.extend(written);
        drop(inner);
        self.applied.send_replace(revision);
        applied.answer
    }

    fn page(
        &self,
        from: Revision,
        limit: usize,
        bytes: usize,
        wanted: impl Fn(&Recorded) -> bool,
    ) -> History {
        let mut inner = self.inner.lock().unwrap();
        inner.reads += 1;
        let (oldest, end) = (inner.oldest, Revision(inner.state.clock().revision.0 + 1));
        let later = inner.events.iter().filter(|event| event.revision >= from && wanted(event));
        let mut events: Vec<Recorded> = later.cloned().collect();
        let (mut next, mut has_more) = (end.max(from), false);
        let mut left = bytes;
        let fits = events.iter().take_while(|event| {
            let has_room = left > 0;
            let text = RenderedEvent::of(&inner.state, event).map(|event| event.text).unwrap_or_default();
            left = left.saturating_sub(text.len());
            has_room
        });
        let limit = limit.min(fits.count());
        if let Some(last) = events.get(limit.max(1) - 1).map(|event| event.revision) {
            let kept = events.partition_point(|event| event.revision <= last);
            if let Some(first) = events.get(kept) {
                (next, has_more) = (first.revision, true);
            }
            events.truncate(kept);
        }
        History { events, next, has_more, oldest }
    }

    /// The state of the node.
    pub(crate) fn state(&self) -> State {
        self.inner.lock().unwrap().state.clone()
    }

    /// Goes back to a state, without texts and events.
    pub(crate) fn restore(&self, state: State) {
        self.applied.send_replace(state.clock().revision);
        *self.inner.lock().unwrap() = Inner { oldest: state.clock().revision, state, ..Inner::default() };
        *self.texts.lock().unwrap() = Texts::default();
    }

    /// Forgets events before a revision.
    pub(crate) fn forget(&self, before: Revision) {
        let mut inner = self.inner.lock().unwrap();
        inner.events.retain(|event| event.revision >= before);
        inner.oldest = before;
    }

    pub(crate) fn reads(&self) -> usize {
        self.inner.lock().unwrap().reads
    }

    pub(crate) fn api(self: &Arc<Self>) -> Api {
        Api::new(self.clone(), Arc::new(SystemMint), ApiConfig::default())
    }
}

/// Valid patterns that are among the most expensive ones to compare.
pub(crate) fn expensive_patterns(end: &str) -> Vec<Pattern> {
    let expensive = |count| Pattern::parse(&("*a".repeat(count) + end)).ok();
    let longest = (1..30).filter_map(expensive).next_back().unwrap();
    (0..100).filter_map(|n| Pattern::parse(&format!("{}{longest}", "?".repeat(n % 10))).ok()).collect()
}

pub(crate) fn project(number: u128) -> ProjectId {
    ProjectId(Uuid::from_u128(number))
}

pub(crate) fn engineer(id: u128) -> Actor {
    Actor::Engineer { id: EngineerId(Uuid::from_u128(id)), key: KeyId(Uuid::from_u128(id)) }
}

pub(crate) fn caller(id: u128) -> Caller {
    Caller {
        engineer: EngineerId(Uuid::from_u128(id)),
        key: KeyId(Uuid::from_u128(id)),
        session: None,
        by_ticket: false,
    }
}

impl Cluster for Stage {
    fn propose(&self, write: WriteRequest) -> BoxFuture<'_, Result<Committed, Unavailable>> {
        async move {
            self.proposals.pass().await;
            let answer = self.decide(write.actor, write.acting, write.command);
            Ok(Committed { answer, view: self.local() })
        }
        .boxed()
    }

    fn read(&self, _: Consistency, _: Option<Revision>) -> BoxFuture<'_, Result<ReadView, Unavailable>> {
        async move { Ok(ReadView { view: self.local(), staleness: None }) }.boxed()
    }

    fn local(&self) -> SharedView {
        let state = self.inner.lock().unwrap().state.clone();
        Arc::new(Snapshot { state, texts: self.texts.clone(), asked: self.documents.clone() })
    }

    fn wall(&self) -> WallTime {
        self.inner.lock().unwrap().state.clock().wall
    }

    fn heartbeat(&self, session: SessionId) -> BoxFuture<'_, Result<bool, Unavailable>> {
        async move { Ok(self.local().state().session(session).is_some()) }.boxed()
    }

    fn keep_alive(&self, _: SessionId) {}

    fn events(&self, from: Revision, limit: usize) -> BoxFuture<'_, Result<History, StorageFailure>> {
        let page = self.page(from, limit, usize::MAX, |_| true);
        async move { Ok(page) }.boxed()
    }

    fn events_of(
        &self,
        project: ProjectId,
        from: Revision,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<History, StorageFailure>> {
        async move {
            self.pages.pass().await;
            Ok(self.page(from, limit, bytes, |event| event.event.project() == Some(project)))
        }
        .boxed()
    }

    fn applied_after(&self, revision: Revision) -> BoxFuture<'_, Option<Revision>> {
        let mut applied = self.applied.subscribe();
        async move { applied.wait_for(|applied| *applied > revision).await.ok().map(|applied| *applied) }
            .boxed()
    }

    fn status(&self) -> NodeStatus {
        unreachable!("no test asks for it")
    }

    fn measurements(&self) -> Measurements {
        unreachable!("no test asks for it")
    }

    fn leader_status(&self) -> BoxFuture<'_, Result<NodeStatus, Unavailable>> {
        unreachable!("no test asks for it")
    }

    fn operate(&self, _: Operation) -> BoxFuture<'_, Result<OperationOutcome, OperationError>> {
        unreachable!("no test asks for it")
    }

    fn plan(&self, _: Operation) -> BoxFuture<'_, Result<ChangePlan, OperationError>> {
        unreachable!("no test asks for it")
    }

    fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    fn seal_secret(&self, _: &str, _: ClusterId, _: InstanceId) -> String {
        unreachable!("no test asks for it")
    }

    fn backup(&self, _: Revision) -> BoxFuture<'_, Result<Backup, Unavailable>> {
        unreachable!("no test asks for it")
    }
}
