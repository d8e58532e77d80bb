//! A store without Raft: the test makes Raft's calls.

use crate::entries::log_id;
use futures::stream;
use nexus_domain::{Applied, Proposal, Revision, State};
use nexus_raft_store::{
    Entry, LeaderId, LogStore, SnapshotFile, StateMachine, StoreError, StoreHandle, TypeConfig, Vote,
    storage::{Batch, Column, KeyRange, Order, Reader, Storage},
};
use openraft::{
    RaftLogReader, RaftSnapshotBuilder,
    alias::SnapshotOf,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    type_config::TypeConfigExt,
    vote::RaftVote,
};
use std::{io, sync::Arc};

/// All pairs of a column.
pub(crate) type Pairs = Vec<(Box<[u8]>, Box<[u8]>)>;

pub(crate) struct Node {
    pub(crate) log: LogStore,
    pub(crate) machine: StateMachine,
    pub(crate) handle: StoreHandle,
    pub(crate) storage: Arc<dyn Storage>,
    closing: Closing,
}

/// Waits until all handles are dropped and the storage is closed: the process must not end while RocksDB is closing in
/// another thread. A simulated disk does not need this.
struct Closing(Option<StoreHandle>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            futures::executor::block_on(handle.released());
        }
    }
}

impl Node {
    pub(crate) async fn start(storage: impl Storage) -> Self {
        Self::try_start(storage).await.unwrap()
    }

    pub(crate) async fn try_start(storage: impl Storage) -> Result<Self, StoreError> {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let (log, machine, handle) = nexus_raft_store::open(storage.clone()).await?;
        let closing = Closing(storage.may_block().then(|| handle.clone()));
        Ok(Self { log, machine, handle, storage, closing })
    }

    /// The same node with other rules.
    pub(crate) fn judged_by(mut self, rules: fn(&mut State, Revision, &Proposal) -> Applied) -> Self {
        self.machine = self.machine.with_rules(rules);
        self
    }

    /// Appends without waiting. The receiver resolves once the entries are durable.
    pub(crate) async fn begin_append(
        &mut self,
        entries: Vec<Entry>,
    ) -> Result<impl Future<Output = Result<(), io::Error>> + use<>, io::Error> {
        let (done, answer) = TypeConfig::oneshot();
        self.log.append(entries, IOFlushed::signal(done)).await?;
        Ok(async move { answer.await.unwrap() })
    }

    /// Appends and waits until the entries are durable.
    pub(crate) async fn append(&mut self, entries: Vec<Entry>) -> Result<(), io::Error> {
        self.begin_append(entries).await?.await
    }

    /// Applies as a follower does, without clients.
    pub(crate) async fn apply(&mut self, entries: Vec<Entry>) -> Result<(), io::Error> {
        self.machine.apply(stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))).await
    }

    /// Appends and applies.
    pub(crate) async fn run(&mut self, entries: Vec<Entry>) {
        self.append(entries.clone()).await.unwrap();
        self.apply(entries).await.unwrap();
    }

    pub(crate) async fn vote(&mut self, term: u64) -> Result<(), io::Error> {
        self.log.save_vote(&vote(term)).await
    }

    pub(crate) async fn read_vote(&mut self) -> Option<Vote> {
        self.log.get_log_reader().await.read_vote().await.unwrap()
    }

    pub(crate) async fn truncate_after(&mut self, term: u64, index: u64) {
        self.log.truncate_after(Some(log_id(term, index))).await.unwrap();
    }

    pub(crate) async fn purge(&mut self, term: u64, index: u64) {
        self.log.purge(log_id(term, index)).await.unwrap();
    }

    /// The index of the last entry.
    pub(crate) async fn last(&mut self) -> Option<u64> {
        self.log.get_log_state().await.unwrap().last_log_id.map(|log_id| log_id.index)
    }

    /// All entries of the log.
    pub(crate) async fn entries(&mut self) -> Vec<Entry> {
        self.log.get_log_reader().await.try_get_log_entries(..).await.unwrap()
    }

    pub(crate) fn applied(&self) -> Option<u64> {
        self.handle.latest().applied().map(|log_id| log_id.index)
    }

    pub(crate) async fn build_snapshot(&mut self) -> SnapshotOf<TypeConfig, SnapshotFile> {
        let mut builder = self.machine.try_create_snapshot_builder(true).await.unwrap();
        builder.build_snapshot().await.unwrap()
    }

    /// Sends a snapshot to another node chunk by chunk, and the bytes on the way through `wire`.
    pub(crate) async fn send_snapshot(
        &self,
        snapshot: &SnapshotFile,
        to: &Self,
        mut wire: impl FnMut(&mut Vec<u8>),
    ) -> Result<SnapshotFile, StoreError> {
        let mut receiver = to.handle.begin_receiving(snapshot.length()).await?;
        loop {
            let chunk = snapshot.read_chunk(receiver.received()).await?;
            if chunk.is_empty() {
                return receiver.finish().await;
            }
            let mut chunk = chunk.to_vec();
            wire(&mut chunk);
            receiver.write_chunk(chunk.into()).await?;
        }
    }

    pub(crate) async fn install(
        &mut self,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
    ) -> Result<(), io::Error> {
        self.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await
    }

    /// Everything that the state machine has stored.
    pub(crate) fn columns(&self) -> [Pairs; 3] {
        [Column::Rows, Column::Documents, Column::Events].map(|column| pairs(self.storage.as_ref(), column))
    }

    /// Stops like a process that shuts down, so that its folder can be opened again.
    pub(crate) async fn stop(self) {
        let Self { log, machine, handle, storage, mut closing } = self;
        drop((log, machine, storage, closing.0.take()));
        handle.released().await;
    }
}

pub(crate) fn vote(term: u64) -> Vote {
    Vote::from_leader_id(LeaderId { term, node_id: 1 }, false)
}

pub(crate) fn pairs(reader: &(impl Reader + ?Sized), column: Column) -> Pairs {
    let scan = reader.scan(column, &KeyRange::all(), Order::Ascending);
    scan.collect::<Result<_, _>>().unwrap()
}

/// Removes a key without the store's knowledge.
pub(crate) fn lose(storage: &impl Storage, column: Column, key: &[u8]) {
    let mut batch = Batch::new();
    batch.delete(column, key);
    storage.write(batch).unwrap();
}
