//! Snapshots are built beside apply, checked while they are received, and installed whole or not at all.

use crate::{
    entries::Scribe,
    node::{Node, Pairs},
};
use nexus_raft_store::{
    Published, StoreError,
    storage::{Crash, Fault, Rocks, SimulatedDisk, Storage},
};
use openraft::{RaftSnapshotBuilder as _, storage::RaftStateMachine as _};
use tempfile::TempDir;

/// A node with some history, and its content.
async fn leader(storage: impl Storage) -> (Node, Scribe) {
    let mut node = Node::start(storage).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.features(30)].concat()).await;
    (node, scribe)
}

fn contents(node: &Node) -> (Published, [Pairs; 3]) {
    (Published::clone(&node.handle.latest()), node.columns())
}

fn names(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.folder().names().unwrap();
    names.retain(|name| name != "durable.mark");
    names
}

#[tokio::test]
async fn a_follower_gets_the_whole_state_from_a_snapshot() {
    let (mut leader, mut scribe) = leader(SimulatedDisk::new()).await;
    let mut snapshot = leader.build_snapshot().await;
    let disk = SimulatedDisk::new();
    let mut follower = Node::start(disk.clone()).await;
    snapshot.snapshot = leader.send_snapshot(&snapshot.snapshot, &follower, |_| {}).await.unwrap();
    follower.install(snapshot).await.unwrap();
    assert!(contents(&follower) == contents(&leader));
    assert_eq!(names(&disk).len(), 1, "{:?}", names(&disk));

    let more = scribe.features(3);
    leader.run(more.clone()).await;
    follower.apply(more).await.unwrap();
    assert!(contents(&follower) == contents(&leader));

    // The snapshot is durable without any further write.
    let follower = Node::start(disk.crash(Crash::Power)).await;
    follower.machine.verify().unwrap();
    assert!(follower.applied() >= Some(90));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_on_rocksdb_shows_one_moment_while_entries_are_applied() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (mut leader, mut scribe) = leader(Rocks::open(folders[0].path()).unwrap()).await;
    let moment = contents(&leader);
    let mut builder = leader.machine.try_create_snapshot_builder(true).await.unwrap();
    leader.run(scribe.features(20)).await;
    let mut snapshot = builder.build_snapshot().await.unwrap();
    leader.run(scribe.features(20)).await;
    assert_eq!(snapshot.meta.last_log_id, moment.0.applied());

    let mut follower = Node::start(Rocks::open(folders[1].path()).unwrap()).await;
    snapshot.snapshot = leader.send_snapshot(&snapshot.snapshot, &follower, |_| {}).await.unwrap();
    follower.install(snapshot).await.unwrap();
    assert!(contents(&follower) == moment);
    follower.stop().await;
    let follower = Node::start(Rocks::open(folders[1].path()).unwrap()).await;
    assert!(contents(&follower) == moment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unused_builder_releases_its_view() {
    let folder = TempDir::new().unwrap();
    let (mut node, _) = leader(Rocks::open(folder.path()).unwrap()).await;
    drop(node.machine.try_create_snapshot_builder(true).await);
    node.build_snapshot().await;
    node.stop().await;
}

#[tokio::test]
async fn a_byte_that_flips_on_the_way_is_noticed_before_raft_hears_of_it() {
    let (mut leader, _) = leader(SimulatedDisk::new()).await;
    let snapshot = leader.build_snapshot().await.snapshot;
    let disk = SimulatedDisk::new();
    let follower = Node::start(disk.clone()).await;
    let length = usize::try_from(snapshot.length()).unwrap();
    for at in (0..length).step_by(997).chain([length - 1]) {
        let refused = leader.send_snapshot(&snapshot, &follower, |chunk| chunk[at] ^= 1).await;
        assert!(matches!(refused, Err(StoreError::Snapshot(_))), "byte {at}: {refused:?}");
    }
    assert_eq!(names(&disk), [""; 0], "nothing stays behind");
    assert_eq!(*follower.handle.fatal().borrow(), None, "the follower goes on");
}

#[tokio::test]
async fn a_transfer_of_another_length_is_refused() {
    let (mut leader, _) = leader(SimulatedDisk::new()).await;
    let snapshot = leader.build_snapshot().await.snapshot;
    let follower = Node::start(SimulatedDisk::new()).await;
    let chunk = snapshot.read_chunk(0).await.unwrap();

    let mut short = follower.handle.begin_receiving(snapshot.length()).await.unwrap();
    short.write_chunk(chunk.slice(..100)).await.unwrap();
    assert!(matches!(short.finish().await, Err(StoreError::Snapshot(_))));
    let mut long = follower.handle.begin_receiving(99).await.unwrap();
    assert!(matches!(long.write_chunk(chunk.slice(..100)).await, Err(StoreError::Snapshot(_))));
}

#[tokio::test]
async fn a_damaged_snapshot_changes_nothing() {
    let (mut leader, _) = leader(SimulatedDisk::new()).await;
    let mut snapshot = leader.build_snapshot().await;
    let disk = SimulatedDisk::new();
    let mut follower = Node::start(disk.clone()).await;
    follower.run(Scribe::new().beginning()).await;
    let before = contents(&follower);
    snapshot.snapshot = leader.send_snapshot(&snapshot.snapshot, &follower, |_| {}).await.unwrap();
    assert!(disk.rot_file(&names(&disk)[0], 3000));
    assert!(follower.install(snapshot).await.is_err());
    assert!(contents(&follower) == before);
}

#[tokio::test]
async fn an_interrupted_install_is_finished_or_was_never_begun() {
    let (mut leader, _) = leader(SimulatedDisk::new()).await;
    let taken = leader.build_snapshot().await;
    let after = contents(&leader);
    let mut outcomes = [0; 2];
    for crash in [Crash::Process, Crash::Power, Crash::Torn(0), Crash::Torn(1), Crash::Torn(2)] {
        for writes in 0..3 {
            let disk = SimulatedDisk::new();
            let mut follower = Node::start(disk.clone()).await;
            follower.run(Scribe::new().beginning()).await;
            follower.handle.save_identity(b"flushes").await.unwrap();
            let before = contents(&follower);
            let mut snapshot = taken.clone();
            snapshot.snapshot = leader.send_snapshot(&taken.snapshot, &follower, |_| {}).await.unwrap();
            disk.plan(Fault::Write { after: writes });
            let installed = follower.install(snapshot).await;
            assert_eq!(installed.is_err(), writes < 2, "an install is two batches here");

            let disk = disk.crash(crash);
            let node = Node::try_start(disk.clone())
                .await
                .unwrap_or_else(|error| panic!("{crash:?} {writes}: {error}"));
            node.machine.verify().unwrap();
            let found = contents(&node);
            assert!(found == before || found == after, "{crash:?} {writes}");
            assert!(
                installed.is_err() || found == after,
                "{crash:?} {writes}: an installed snapshot is gone"
            );
            outcomes[usize::from(found == after)] += 1;
            let unfinished = names(&disk).into_iter().filter(|name| name.starts_with("unfinished")).count();
            assert_eq!(unfinished, 0);
        }
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 5, "{outcomes:?}");
}

#[tokio::test]
async fn an_interrupted_install_whose_file_is_damaged_is_quarantined() {
    let (mut leader, _) = leader(SimulatedDisk::new()).await;
    let mut snapshot = leader.build_snapshot().await;
    let disk = SimulatedDisk::new();
    let mut follower = Node::start(disk.clone()).await;
    snapshot.snapshot = leader.send_snapshot(&snapshot.snapshot, &follower, |_| {}).await.unwrap();
    disk.plan(Fault::Write { after: 1 });
    assert!(follower.install(snapshot).await.is_err());
    let disk = disk.crash(Crash::Process);
    assert!(disk.rot_file(&names(&disk)[0], 3000));
    let refused = Node::try_start(disk.clone()).await;
    assert!(matches!(refused.err(), Some(StoreError::Quarantined(_))));
    assert!(names(&disk)[0].starts_with("damaged-snapshot-"), "it is kept for inspection");
}

#[tokio::test]
async fn there_is_one_snapshot_and_its_readers_are_not_disturbed_by_the_next() {
    let disk = SimulatedDisk::new();
    let (mut node, mut scribe) = leader(disk.clone()).await;
    let first = node.build_snapshot().await;
    let length = first.snapshot.length();
    let bytes = first.snapshot.read_chunk(0).await.unwrap();
    node.run(scribe.features(2)).await;
    let second = node.build_snapshot().await;
    assert_eq!(names(&disk).len(), 1);
    assert_eq!(first.snapshot.read_chunk(0).await.unwrap(), bytes);
    assert_eq!(first.snapshot.length(), length);
    assert_eq!(node.handle.snapshot_bytes(), Some(second.snapshot.length()));

    // Two snapshots of the same entry are the same file.
    let again = node.build_snapshot().await;
    assert_eq!(again.meta, second.meta);
    assert_eq!(names(&disk).len(), 1);

    let mut node = Node::start(disk.crash(Crash::Power)).await;
    let current = node.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta, second.meta);
}

#[tokio::test]
async fn only_unfinished_files_are_deleted_at_start() {
    let disk = SimulatedDisk::new();
    let (mut node, _) = leader(disk.clone()).await;
    node.build_snapshot().await;
    let receiver = node.handle.begin_receiving(1 << 30).await.unwrap();
    disk.folder().create("notes.txt").unwrap();
    assert_eq!(names(&disk).len(), 3);
    let disk = disk.crash(Crash::Process);
    drop(receiver);
    drop(Node::start(disk.clone()).await);
    let left = names(&disk);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&"notes.txt".to_owned()));
}

#[tokio::test]
async fn a_damaged_snapshot_is_put_aside_at_start() {
    let disk = SimulatedDisk::new();
    let (mut node, _) = leader(disk.clone()).await;
    node.build_snapshot().await;
    let disk = disk.crash(Crash::Process);
    let name = names(&disk).remove(0);
    assert!(disk.rot_file(&name, 5000));
    let mut node = Node::start(disk.clone()).await;
    assert!(node.machine.get_current_snapshot().await.unwrap().is_none());
    assert_eq!(names(&disk), [format!("damaged-{name}")]);
    node.build_snapshot().await;
}

#[tokio::test]
async fn a_disk_that_fills_up_while_a_snapshot_is_built_leaves_the_old_one() {
    let disk = SimulatedDisk::new();
    let (mut node, mut scribe) = leader(disk.clone()).await;
    let first = node.build_snapshot().await;
    node.run(scribe.features(2)).await;
    disk.plan(Fault::File { after: 1 });
    let mut builder = node.machine.try_create_snapshot_builder(true).await.unwrap();
    // Raft gets the current one, and notices that it is not newer: an error would stop it.
    assert_eq!(builder.build_snapshot().await.unwrap().meta, first.meta);
    assert_eq!(node.handle.failed_snapshots(), 1);
    assert!(node.handle.fatal().borrow().is_none());
    assert_eq!(names(&disk).len(), 1);
    let current = node.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta, first.meta);
    // Once there is space again, the next one is built.
    assert!(node.build_snapshot().await.meta.last_log_id > first.meta.last_log_id);
}

#[tokio::test]
async fn a_snapshot_that_is_found_not_to_fit_when_it_is_flushed_leaves_the_old_one() {
    let disk = SimulatedDisk::new();
    let (mut node, mut scribe) = leader(disk.clone()).await;
    let first = node.build_snapshot().await;
    node.run(scribe.features(2)).await;
    disk.plan(Fault::FileSync { after: 0 });
    let mut builder = node.machine.try_create_snapshot_builder(true).await.unwrap();
    assert_eq!(builder.build_snapshot().await.unwrap().meta, first.meta);
    assert_eq!(node.handle.failed_snapshots(), 1);
    assert!(node.handle.fatal().borrow().is_none());
    assert_eq!(names(&disk).len(), 1, "nothing of it stays behind: {:?}", names(&disk));
    assert!(node.build_snapshot().await.meta.last_log_id > first.meta.last_log_id);
}

#[tokio::test]
async fn without_an_older_snapshot_one_that_does_not_fit_is_an_error() {
    let disk = SimulatedDisk::new();
    let (mut node, _) = leader(disk.clone()).await;
    disk.plan(Fault::File { after: 1 });
    let mut builder = node.machine.try_create_snapshot_builder(true).await.unwrap();
    let error = builder.build_snapshot().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(names(&disk).len(), 0);
}

#[tokio::test]
async fn snapshots_that_can_wait_are_put_off_while_the_disk_is_nearly_full() {
    let (mut node, _) = leader(SimulatedDisk::new()).await;
    node.handle.defer_snapshots(true);
    assert!(node.machine.try_create_snapshot_builder(false).await.is_none());
    assert!(node.machine.try_create_snapshot_builder(true).await.is_some());
    node.handle.defer_snapshots(false);
    assert!(node.machine.try_create_snapshot_builder(false).await.is_some());
}
