//! openraft's own suite for stores, on both storages.

use nexus_raft_store::{
    LogStore, StateMachine, StoreHandle, TypeConfig,
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

/// The guard of a store that the suite tests. Its drop drops the store first.
struct OpenFolder {
    handle: Option<StoreHandle>,
    _folder: TempDir,
}

impl Drop for OpenFolder {
    fn drop(&mut self) {
        // The process must not end while RocksDB is closing in another thread.
        if let Some(handle) = self.handle.take() {
            futures::executor::block_on(handle.released());
        }
    }
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, OpenFolder> for OnRocks {
    async fn build(&self) -> Result<(OpenFolder, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = TempDir::new().unwrap();
        let storage = Rocks::open(folder.path()).unwrap();
        let (log, machine, handle) = nexus_raft_store::open(Arc::new(storage)).await.unwrap();
        Ok((OpenFolder { handle: Some(handle), _folder: folder }, log, machine))
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
