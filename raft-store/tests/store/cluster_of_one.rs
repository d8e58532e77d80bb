//! The store under a real Raft with one member: answers, snapshots, purges and restarts.

use crate::entries::{PROJECT, Scribe};
use futures::StreamExt;
use nexus_domain::{Actor, command};
use nexus_raft_store::{Command, Member, SnapshotFile, StateMachine, StoreHandle, TypeConfig, open_folder};
use openraft::{
    Config, OptionalSend, Raft, RaftNetworkFactory, RaftNetworkV2,
    alias::{SnapshotOf, VoteOf},
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tempfile::TempDir;

/// A network without peers.
struct NoNetwork;

fn nobody() -> Unreachable<TypeConfig> {
    Unreachable::from_string("there is one node")
}

impl RaftNetworkFactory<TypeConfig> for NoNetwork {
    type Network = Self;

    async fn new_client(&mut self, _: u64, _: &Member) -> Self {
        Self
    }
}

impl RaftNetworkV2<TypeConfig> for NoNetwork {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(nobody().into())
    }

    async fn vote(
        &mut self,
        _: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(nobody().into())
    }

    async fn full_snapshot(
        &mut self,
        _: VoteOf<TypeConfig>,
        _: SnapshotOf<TypeConfig, SnapshotFile>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(nobody().into())
    }
}

async fn start(folder: &Path) -> (Raft<TypeConfig, StateMachine>, StoreHandle) {
    let (log, machine, handle) = open_folder(folder).await.unwrap();
    let config = Config {
        cluster_name: "one".into(),
        max_in_snapshot_log_to_keep: 10,
        purge_batch_size: 1,
        ..Config::default()
    };
    let raft = Raft::new(1, Arc::new(config.validate().unwrap()), NoNetwork, log, machine).await.unwrap();
    (raft, handle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_is_answered_in_order_and_survives_snapshot_purge_and_restart() {
    let folder = TempDir::new().unwrap();
    let (raft, handle) = start(folder.path()).await;
    raft.initialize(BTreeMap::from([(1, Member::default())])).await.unwrap();
    raft.wait(None).current_leader(1, "the only node leads").await.unwrap();

    let mut scribe = Scribe::new();
    let proposals: Vec<_> = [scribe.beginning(), scribe.features(100)]
        .concat()
        .into_iter()
        .filter_map(|entry| match entry.payload {
            openraft::EntryPayload::Normal(command) => Some(command),
            _ => None,
        })
        .collect();
    let count = proposals.len();
    let mut answers = raft.client_write_many(proposals).await.unwrap();
    let mut last = None;
    let mut answered = 0;
    while let Some(answer) = answers.next().await {
        let written = answer.unwrap().unwrap();
        assert!(Some(written.log_id.index) > last, "answers come in order");
        last = Some(written.log_id.index);
        let answer = written.response.0.unwrap();
        assert_eq!(answer.revision.0, written.log_id.index);
        answer.outcome.unwrap();
        // An answered write is visible.
        assert!(handle.latest().revision() >= answer.revision);
        answered += 1;
    }
    assert_eq!(answered, count);

    raft.trigger().snapshot().await.unwrap();
    let snapshot =
        raft.wait(None).metrics(|metrics| metrics.snapshot.is_some(), "a snapshot is built").await.unwrap();
    let covered = snapshot.snapshot.unwrap();
    raft.trigger().purge_log(covered.index).await.unwrap();
    raft.wait(None).metrics(|metrics| metrics.purged.is_some(), "the log is purged").await.unwrap();
    let tick = Command(Arc::new(scribe.proposal(Actor::System, command::Tick.into())));
    raft.client_write(tick).await.unwrap();
    let before = handle.latest();
    raft.shutdown().await.unwrap();
    drop((raft, answers));
    handle.released().await;

    let (raft, handle) = start(folder.path()).await;
    raft.wait(None).current_leader(1, "it leads again").await.unwrap();
    let tick = Command(Arc::new(scribe.proposal(Actor::System, command::Tick.into())));
    raft.client_write(tick).await.unwrap();
    let after = handle.latest();
    assert!(after.revision() > before.revision());
    assert_eq!(after.state.features().count(), before.state.features().count());
    assert!(after.state.project(PROJECT).is_some());
    raft.shutdown().await.unwrap();
}
