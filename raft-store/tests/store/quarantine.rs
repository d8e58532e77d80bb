//! A node that has lost something acknowledged does not start.

use crate::{
    entries::Scribe,
    node::{Node, lose},
};
use nexus_raft_store::{
    StoreError,
    storage::{Column, Crash, Rocks, SimulatedDisk, Storage},
};
use std::{fs, path::Path};
use tempfile::TempDir;

async fn node_with_entries(disk: &SimulatedDisk, count: usize) -> Node {
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    for _ in 0..count {
        node.append(vec![scribe.blank()]).await.unwrap();
    }
    node
}

async fn refusal(disk: SimulatedDisk) -> StoreError {
    match Node::try_start(disk).await {
        Ok(_) => panic!("the node started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_log_that_came_back_shorter_than_acknowledged_is_quarantined() {
    let disk = SimulatedDisk::new();
    // The mark is made durable every 256 flushes.
    let node = node_with_entries(&disk, 300).await;
    drop(node);
    for forgotten in [60, 300] {
        let error = refusal(disk.crash(Crash::Forgets(forgotten))).await;
        assert!(matches!(error, StoreError::Quarantined(_)), "{error}");
        assert!(error.to_string().contains("new node id"), "{error}");
    }
}

#[tokio::test]
async fn a_tail_that_was_torn_before_it_was_acknowledged_is_no_damage() {
    let disk = SimulatedDisk::new();
    let mut node = node_with_entries(&disk, 300).await;
    let mut scribe = Scribe::new().at(1, 300);
    let _waiting = node.begin_append(vec![scribe.blank()]).await.unwrap();
    let mut node = Node::start(disk.crash(Crash::Torn(0))).await;
    assert_eq!(node.last().await, Some(299));
}

#[tokio::test]
async fn a_snapshot_of_an_older_term_over_a_shorter_log_is_no_damage() {
    for crash in [Crash::Process, Crash::Power] {
        let disk = SimulatedDisk::new();
        let mut node = node_with_entries(&disk, 3).await;
        // Only this node has the entries of a leader of term 5.
        let mut scribe = Scribe::new().at(5, 3);
        node.append(vec![scribe.blank(), scribe.blank()]).await.unwrap();
        // Then the leader of term 6 sends a snapshot whose last entry is of term 4.
        let mut other = Node::start(SimulatedDisk::new()).await;
        other.run(Scribe::new().beginning()).await;
        let mut scribe = Scribe::new().at(4, 4);
        other.run((0..10).map(|_| scribe.blank()).collect()).await;
        let mut snapshot = other.build_snapshot().await;
        snapshot.snapshot = other.send_snapshot(&snapshot.snapshot, &node, |_| {}).await.unwrap();
        node.install(snapshot).await.unwrap();
        node.purge(4, 13).await;

        let mut node = Node::start(disk.crash(crash)).await;
        assert_eq!((node.last().await, node.applied()), (Some(13), Some(13)));
        let mut scribe = Scribe::new().at(6, 14);
        node.append(vec![scribe.blank()]).await.unwrap();
        assert_eq!(node.last().await, Some(14));
    }
}

#[tokio::test]
async fn a_forgotten_vote_is_quarantined() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    node.vote(3).await.unwrap();
    // The entries are removed from the log alone, so that only the mark has them.
    lose(&disk, Column::Meta, b"log/vote");
    drop(node);
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Quarantined(_)), "{error}");
}

#[tokio::test]
async fn a_store_without_its_mark_is_quarantined() {
    let disk = SimulatedDisk::new();
    drop(node_with_entries(&disk, 3).await);
    disk.folder().remove("durable.mark").unwrap();
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Quarantined(_)), "{error}");
}

#[tokio::test]
async fn one_damaged_slot_of_the_mark_is_survived_and_two_are_not() {
    let disk = SimulatedDisk::new();
    drop(node_with_entries(&disk, 3).await);
    assert!(disk.rot_file("durable.mark", 9));
    let disk = disk.crash(Crash::Process);
    drop(Node::start(disk.clone()).await);
    assert!(disk.rot_file("durable.mark", 9));
    assert!(disk.rot_file("durable.mark", 4096 + 9));
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Quarantined(_)), "{error}");
}

#[tokio::test]
async fn a_new_folder_whose_mark_was_torn_starts() {
    let disk = SimulatedDisk::new();
    disk.folder().create("durable.mark").unwrap();
    drop(Node::start(disk.crash(Crash::Process)).await);
}

#[tokio::test]
async fn a_damaged_entry_in_the_middle_is_named() {
    let disk = SimulatedDisk::new();
    drop(node_with_entries(&disk, 10).await);
    assert!(disk.rot(Column::Log, &5_u64.to_be_bytes()));
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Corrupt { column: Column::Log, .. }), "{error}");
    assert!(error.to_string().contains("log at 0000000000000005"), "{error}");
}

#[tokio::test]
async fn a_missing_entry_in_the_middle_is_named() {
    let disk = SimulatedDisk::new();
    drop(node_with_entries(&disk, 10).await);
    lose(&disk, Column::Log, &5_u64.to_be_bytes());
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Inconsistent(_)), "{error}");
    assert!(error.to_string().contains("log entry 5 is missing"), "{error}");
}

#[tokio::test]
async fn a_lost_row_is_noticed_at_start() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.features(3)].concat()).await;
    let [rows, ..] = node.columns();
    drop(node);
    let disk = disk.crash(Crash::Process);
    lose(&disk, Column::Rows, &rows[rows.len() / 2].0);
    let error = refusal(disk).await;
    assert!(matches!(error, StoreError::Inconsistent(_)), "{error}");
}

#[tokio::test]
async fn a_damaged_row_is_noticed_at_start() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    node.run(Scribe::new().beginning()).await;
    let [rows, ..] = node.columns();
    drop(node);
    assert!(disk.rot(Column::Rows, &rows[0].0));
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Corrupt { column: Column::Rows, .. }), "{error}");
}

#[tokio::test]
async fn a_log_that_begins_after_the_state_ends_is_quarantined() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let entries = [scribe.beginning(), scribe.features(3)].concat();
    node.append(entries.clone()).await.unwrap();
    node.apply(entries[..4].to_vec()).await.unwrap();
    node.purge(1, 7).await;
    drop(node);
    let error = refusal(disk.crash(Crash::Process)).await;
    assert!(matches!(error, StoreError::Quarantined(_)), "{error}");
}

/// The real storage: RocksDB drops everything from the first damaged record of its write-ahead log on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_write_ahead_log_of_rocksdb_is_quarantined() {
    for damage in [Damage::CutOff, Damage::FlipBit] {
        let folder = TempDir::new().unwrap();
        let mut node = Node::start(Rocks::open(folder.path()).unwrap()).await;
        let mut scribe = Scribe::new();
        for _ in 0..20 {
            node.append(vec![scribe.blank()]).await.unwrap();
        }
        node.stop().await;
        damage.inflict(&folder.path().join("db"));
        let error = match Rocks::open(folder.path()) {
            Ok(storage) => Node::try_start(storage).await.err(),
            Err(error) => Some(error),
        };
        assert!(matches!(error, Some(StoreError::Quarantined(_))), "{damage:?}: {error:?}");
    }
}

#[derive(Debug)]
enum Damage {
    CutOff,
    FlipBit,
}

impl Damage {
    /// Damages the newest write-ahead log in its middle.
    fn inflict(&self, db: &Path) {
        let mut logs: Vec<_> = fs::read_dir(db).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        let log = logs.last().unwrap();
        let mut bytes = fs::read(log).unwrap();
        let middle = bytes.len() / 2;
        match self {
            Self::CutOff => bytes.truncate(middle),
            Self::FlipBit => bytes[middle] ^= 4,
        }
        fs::write(log, bytes).unwrap();
    }
}
