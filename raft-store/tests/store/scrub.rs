//! A scrub finds what rots on the device and what flips in memory, names it exactly, and finds nothing in what is
//! whole.

use crate::{
    entries::Scribe,
    node::{Node, pairs},
};
use nexus_domain::{Actor, Applied, Proposal, Revision, Row, State, command};
use nexus_raft_store::{
    StoreError,
    storage::{Column, Rocks, SimulatedDisk},
};
use std::{fs, sync::Arc};
use tempfile::TempDir;

async fn written(disk: &SimulatedDisk) -> Node {
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.vote(1).await.unwrap();
    node.run([scribe.beginning(), scribe.features(39), scribe.texts()].concat()).await;
    node
}

async fn finding(node: &Node) -> String {
    let error = node.handle.scrub(Arc::default()).await.unwrap_err();
    assert!(error.is_damage(), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_whole_store_has_no_finding_while_it_is_written_and_after_a_restart() {
    let disk = SimulatedDisk::new();
    let mut node = written(&disk).await;
    let first = node.handle.scrub(Arc::default()).await.unwrap();
    assert_eq!(first.rows, pairs(node.storage.as_ref(), Column::Rows).len() as u64);
    let records: usize = [Column::Log, Column::Rows, Column::Documents, Column::Events]
        .iter()
        .map(|column| pairs(node.storage.as_ref(), *column).len())
        .sum();
    assert_eq!(first.records, records as u64);
    let mut scribe = Scribe::new().at(1, node.last().await.unwrap() + 1);
    node.run(vec![scribe.blank()]).await;
    node.handle.scrub(Arc::default()).await.unwrap();
    drop(node);
    Node::start(disk).await.handle.scrub(Arc::default()).await.unwrap();
}

#[tokio::test]
async fn one_bit_that_rots_in_any_column_is_named_with_its_column_and_key() {
    for column in [Column::Log, Column::Rows, Column::Documents, Column::Events] {
        let disk = SimulatedDisk::new();
        let node = written(&disk).await;
        let stored = pairs(node.storage.as_ref(), column);
        let (key, _) = &stored[stored.len() / 2];
        assert!(disk.rot(column, key));
        let found = finding(&node).await;
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(found.contains(column.name()) && found.contains(&name), "{found}");
    }
}

#[tokio::test]
async fn a_row_that_storage_lost_is_found() {
    let disk = SimulatedDisk::new();
    let node = written(&disk).await;
    let rows = pairs(node.storage.as_ref(), Column::Rows);
    crate::node::lose(&disk, Column::Rows, &rows[rows.len() - 1].0);
    let found = finding(&node).await;
    assert!(found.contains("stored rows are not those that were written"), "{found}");
}

/// Rules of a node whose memory changes a row behind its back: everything else is as it should be, and so is storage.
fn with_a_flipped_bit(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    if matches!(proposal.command, nexus_domain::Command::Tick(_)) {
        let rows: Vec<Row> = state
            .rows()
            .map(|row| match row {
                Row::Feature(mut feature) => {
                    Arc::make_mut(&mut feature).priority ^= 1;
                    Row::Feature(feature)
                }
                other => other,
            })
            .collect();
        *state = State::from_rows(rows).unwrap();
    }
    nexus_domain::apply(state, revision, proposal)
}

#[tokio::test]
async fn a_bit_that_flips_in_memory_is_named_with_its_row() {
    let disk = SimulatedDisk::new();
    let mut node = written(&disk).await.judged_by(with_a_flipped_bit);
    node.handle.scrub(Arc::default()).await.unwrap();
    let mut scribe = Scribe::new().at(1, node.last().await.unwrap() + 1);
    node.run(vec![scribe.ask(Actor::System, command::Tick.into())]).await;
    let found = finding(&node).await;
    assert!(found.contains("Feature(") && found.contains("in memory differs"), "{found}");
    // The stored rows are right: a restart would have them again.
    drop(node);
    Node::start(disk).await.handle.scrub(Arc::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_that_changes_in_a_sorted_file_is_named_with_the_file() {
    let folder = TempDir::new().unwrap();
    let mut node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    let mut scribe = Scribe::new();
    node.vote(1).await.unwrap();
    node.run([scribe.beginning(), scribe.features(39), scribe.texts()].concat()).await;
    node.stop().await;
    // The start writes what is in the write-ahead log into sorted files.
    let node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    node.handle.scrub(Arc::default()).await.unwrap();
    let files = fs::read_dir(folder.path().join("db")).unwrap().map(|file| file.unwrap().path());
    let sorted = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let largest = sorted.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[20] ^= 0x04;
    fs::write(&largest, bytes).unwrap();
    let found = finding(&node).await;
    let name = largest.file_name().unwrap().to_string_lossy().into_owned();
    assert!(found.contains(&name) && found.contains("checksum"), "{found}");
    node.stop().await;
}

#[tokio::test]
async fn a_scrub_that_is_asked_to_stop_is_no_finding() {
    let node = written(&SimulatedDisk::new()).await;
    let stopped = node.handle.scrub(Arc::new(true.into())).await;
    // It may have been over before it looked.
    assert!(stopped.is_ok() || matches!(stopped, Err(StoreError::Stopped(_))), "{stopped:?}");
}
