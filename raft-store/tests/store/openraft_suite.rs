//! openraft's own suite for stores, on both storages.

use nexus_raft_store::{
    LogStore, StateMachine, TypeConfig,
    storage::{Rocks, SimulatedDisk},
};
use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use std::sync::Arc;
use tempfile::TempDir;

struct OnRocks;
struct OnSimulatedDisk;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnRocks {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = TempDir::new().unwrap();
        let storage = Rocks::open(folder.path()).unwrap();
        let (log, machine, _) = nexus_raft_store::open(Arc::new(storage)).await.unwrap();
        Ok((folder, log, machine))
    }
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine> for OnSimulatedDisk {
    async fn build(&self) -> Result<((), LogStore, StateMachine), StorageError<TypeConfig>> {
        let (log, machine, _) = nexus_raft_store::open(Arc::new(SimulatedDisk::new())).await.unwrap();
        Ok(((), log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_on_rocksdb() {
    Suite::test_all(OnRocks).await.unwrap();
}

#[tokio::test]
async fn the_suite_passes_on_the_simulated_disk() {
    Suite::test_all(OnSimulatedDisk).await.unwrap();
}
