//! A store and what it has promised: what must be there after a crash at any step, and what may be.

use super::recording::{Crashes, Honesty, RecordingDisk};
use crate::{
    entries::Scribe,
    node::{Node, vote},
};
use bytes::Bytes;
use nexus_raft_store::{
    Entry, LogId, SnapshotFile, TypeConfig, Vote,
    storage::{Crash, SimulatedDisk, Storage as _},
};
use openraft::{
    alias::SnapshotOf,
    storage::{RaftLogStorage as _, RaftStateMachine as _},
};
use std::{collections::BTreeMap, fmt::Debug};

/// The term and the vote with which a store goes on after a crash. No story has as high a one.
const TERM_AFTER_CRASH: u64 = 90;

/// The values that something had one after the other, each with the steps of the disk around its acknowledgement.
struct Promises<T>(Vec<Promise<T>>);

struct Promise<T> {
    value: T,
    /// The steps of the disk before the value was written.
    begun: usize,
    /// The steps after which it was acknowledged; `usize::MAX` if it never was.
    acknowledged: usize,
}

impl<T: Clone + PartialEq + Debug> Promises<T> {
    fn new(first: T) -> Self {
        Self(vec![Promise { value: first, begun: 0, acknowledged: 0 }])
    }

    fn latest(&self) -> &T {
        &self.0.last().expect("there is a first one").value
    }

    fn begin(&mut self, value: T, begun: usize) {
        self.0.push(Promise { value, begun, acknowledged: usize::MAX });
    }

    /// Everything that was begun is acknowledged.
    fn acknowledge(&mut self, steps: usize) {
        for promise in self.0.iter_mut().rev().take_while(|promise| promise.acknowledged == usize::MAX) {
            promise.acknowledged = steps;
        }
    }

    /// Checks what was found after a crash: nothing older than the last acknowledged value, and nothing unknown.
    fn check(&self, steps: usize, found: &T, what: &str) {
        let is_certain = |promise: &Promise<T>| promise.acknowledged <= steps;
        let last = self.0.iter().rposition(is_certain).expect("the first one is");
        let mut allowed = self.0[last..].iter().filter(|promise| promise.begun <= steps);
        assert!(
            allowed.any(|promise| promise.value == *found),
            "{what} is {found:?}, and {:?} was acknowledged",
            self.0[last].value
        );
    }
}

/// The ids of a log's entries, and the last one that was purged.
type Log = (Option<LogId>, Vec<LogId>);

/// A store on a recording disk.
pub(super) struct Story {
    pub(super) node: Node,
    pub(super) scribe: Scribe,
    disk: RecordingDisk,
    logs: Promises<Log>,
    votes: Promises<Option<Vote>>,
    snapshots: Promises<Option<LogId>>,
    /// The last entry that the state had at least.
    applied: Promises<Option<LogId>>,
    committed: Vec<Option<LogId>>,
    /// The hash of the state after each entry that was applied.
    hashes: BTreeMap<Option<LogId>, u64>,
    /// The bytes of each snapshot.
    snapshot_bytes: BTreeMap<Option<LogId>, Bytes>,
}

impl Story {
    pub(super) async fn begin(honesty: Honesty) -> Self {
        let disk = RecordingDisk::new(honesty);
        let node = Node::start(disk.clone()).await;
        let hashes = BTreeMap::from([(None, node.handle.latest().hash())]);
        Self {
            node,
            scribe: Scribe::new(),
            disk,
            logs: Promises::new((None, Vec::new())),
            votes: Promises::new(None),
            snapshots: Promises::new(None),
            applied: Promises::new(None),
            committed: vec![None],
            hashes,
            snapshot_bytes: BTreeMap::new(),
        }
    }

    /// The steps of the disk until now.
    pub(super) fn steps(&self) -> usize {
        self.disk.steps()
    }

    pub(super) async fn vote(&mut self, term: u64) {
        self.votes.begin(Some(vote(term)), self.steps());
        self.node.vote(term).await.unwrap();
        self.acknowledge_writes();
    }

    /// Appends entries, and does not wait until they are durable.
    pub(super) async fn begin_append(&mut self, entries: Vec<Entry>) -> impl Future<Output = ()> + use<> {
        let (purged, mut ids) = self.logs.latest().clone();
        ids.extend(entries.iter().map(|entry| entry.log_id));
        self.logs.begin((purged, ids), self.steps());
        let durable = self.node.begin_append(entries).await.unwrap();
        async move { durable.await.unwrap() }
    }

    pub(super) async fn append(&mut self, entries: Vec<Entry>) {
        self.begin_append(entries).await.await;
        self.acknowledge_writes();
    }

    /// An acknowledged write makes all earlier ones durable, too.
    fn acknowledge_writes(&mut self) {
        let steps = self.steps();
        self.logs.acknowledge(steps);
        self.votes.acknowledge(steps);
    }

    pub(super) async fn truncate_after(&mut self, term: u64, index: u64) {
        let (purged, mut ids) = self.logs.latest().clone();
        ids.retain(|id| id.index <= index);
        self.logs.begin((purged, ids), self.steps());
        self.node.truncate_after(term, index).await;
    }

    pub(super) async fn purge(&mut self, upto: LogId) {
        let (_, mut ids) = self.logs.latest().clone();
        ids.retain(|id| id.index > upto.index);
        self.logs.begin((Some(upto), ids), self.steps());
        self.node.purge(upto.leader_id.term, upto.index).await;
    }

    pub(super) async fn save_committed(&mut self, committed: LogId) {
        self.committed.push(Some(committed));
        self.node.log.save_committed(Some(committed)).await.unwrap();
    }

    pub(super) async fn apply(&mut self, entries: &[Entry]) {
        // One at a time, so that the state after each of them is known.
        for entry in entries {
            self.node.apply(vec![entry.clone()]).await.unwrap();
            self.hashes.insert(Some(entry.log_id), self.node.handle.latest().hash());
        }
    }

    pub(super) async fn build_snapshot(&mut self) -> LogId {
        let last = self.node.handle.latest().applied();
        self.snapshots.begin(last, self.steps());
        let built = self.node.build_snapshot().await;
        self.snapshots.acknowledge(self.steps());
        self.snapshot_bytes.insert(last, built.snapshot.read_chunk(0).await.unwrap());
        last.expect("something was applied")
    }

    /// Receives a snapshot of another node in small chunks, and installs it.
    pub(super) async fn install(
        &mut self,
        mut snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
        hash: u64,
    ) -> LogId {
        const CHUNK: usize = 300;
        let last = snapshot.meta.last_log_id;
        let bytes = snapshot.snapshot.read_chunk(0).await.unwrap();
        self.hashes.insert(last, hash);
        self.snapshot_bytes.insert(last, bytes.clone());
        self.snapshots.begin(last, self.steps());
        let mut receiver = self.node.handle.begin_receiving(bytes.len() as u64).await.unwrap();
        for at in (0..bytes.len()).step_by(CHUNK) {
            let chunk = bytes.slice(at..bytes.len().min(at + CHUNK));
            receiver.write_chunk(chunk).await.unwrap();
        }
        snapshot.snapshot = receiver.finish().await.unwrap();
        self.applied.begin(last, self.steps());
        self.node.install(snapshot).await.unwrap();
        let steps = self.steps();
        self.snapshots.acknowledge(steps);
        self.applied.acknowledge(steps);
        last.expect("the other node has applied something")
    }

    /// Crashes after `from` steps and at every byte after that, and checks each disk that is left behind.
    pub(super) async fn crash_everywhere(self, from: usize) -> Crashes {
        let check = async |steps: usize, disk: SimulatedDisk, crash: String| {
            let crash = format!("after {steps} steps, {crash}");
            let checked = std::panic::AssertUnwindSafe(self.check(steps, disk));
            if let Err(panic) = futures::FutureExt::catch_unwind(checked).await {
                eprintln!("the crash came {crash}");
                std::panic::resume_unwind(panic);
            }
        };
        self.disk.each_crash(from, check).await
    }

    async fn check(&self, steps: usize, disk: SimulatedDisk) {
        let mut node = Node::start(disk.clone()).await;
        let entries = node.entries().await;
        let state = node.log.get_log_state().await.unwrap();
        let ids = entries.iter().map(|entry| entry.log_id).collect();
        self.logs.check(steps, &(state.last_purged_log_id, ids), "the log");
        self.votes.check(steps, &node.read_vote().await, "the vote");
        let committed = node.log.read_committed().await.unwrap();
        assert!(self.committed.contains(&committed) && committed <= state.last_log_id);

        let applied = node.handle.latest().applied();
        let certain = self.applied.0.iter().rfind(|promise| promise.acknowledged <= steps);
        assert!(applied >= certain.and_then(|promise| promise.value), "an installed snapshot is gone");
        assert!(applied >= state.last_purged_log_id, "the log begins after the state");
        assert_eq!(self.hashes.get(&applied), Some(&node.handle.latest().hash()), "the state at {applied:?}");
        node.machine.verify().unwrap();

        let snapshot = node.machine.get_current_snapshot().await.unwrap();
        let covered = snapshot.as_ref().and_then(|snapshot| snapshot.meta.last_log_id);
        self.snapshots.check(steps, &covered, "the snapshot");
        if let Some(snapshot) = snapshot {
            assert!(snapshot.snapshot.read_chunk(0).await.unwrap() == self.snapshot_bytes[&covered]);
        }
        let mut names = disk.folder().names().unwrap();
        names.retain(|name| name != "durable.mark");
        assert_eq!(names.len(), usize::from(covered.is_some()), "something half-made stays: {names:?}");
        self.go_on(node, disk, entries).await;
    }

    /// Applies the rest of the log, and writes entries and a vote as with any other store.
    async fn go_on(&self, mut node: Node, disk: SimulatedDisk, entries: Vec<Entry>) {
        let applied = node.applied();
        let missing = entries.into_iter().filter(|entry| Some(entry.log_id.index) > applied);
        node.apply(missing.collect()).await.unwrap();
        let latest = node.handle.latest();
        if let Some(hash) = self.hashes.get(&latest.applied()) {
            assert_eq!(latest.hash(), *hash, "the state after the rest of the log");
        }
        let next = node.last().await.map_or(0, |last| last + 1);
        node.vote(TERM_AFTER_CRASH).await.unwrap();
        node.append(vec![Scribe::new().at(TERM_AFTER_CRASH, next).blank()]).await.unwrap();
        let mut node = Node::start(disk.crash(Crash::Power)).await;
        assert_eq!(node.last().await, Some(next));
        assert_eq!(node.read_vote().await, Some(vote(TERM_AFTER_CRASH)));
    }
}
