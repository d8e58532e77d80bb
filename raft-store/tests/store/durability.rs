//! Whatever was acknowledged survives every failure, and every failure of the device stops the node.

use crate::{
    entries::{Scribe, log_id},
    node::{Node, vote},
};
use nexus_raft_store::{
    Entry, LeaderId, StoreError,
    storage::{Crash, Fault, Rocks, SimulatedDisk},
};
use openraft::{
    RaftLogReader as _,
    storage::{LeaderBoundedStreamError, RaftLogStorage as _},
};

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn an_entry_is_read_at_once_and_acknowledged_when_it_is_durable() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let durable = node.begin_append(Scribe::new().beginning()).await.unwrap();
    assert_eq!(indexes(&node.entries().await), [0, 1, 2, 3]);
    assert_eq!(disk.unflushed_batches(), 1, "no append waited for the disk");
    durable.await.unwrap();
    assert_eq!(disk.unflushed_batches(), 0);
}

#[tokio::test]
async fn many_appends_share_one_flush() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let before = disk.flushes();
    let mut scribe = Scribe::new();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(node.begin_append(vec![scribe.blank()]).await.unwrap());
    }
    for durable in waiting {
        durable.await.unwrap();
    }
    assert_eq!(disk.flushes(), before + 1);
    assert_eq!(node.handle.flush_stats().writes(), 20);
}

#[tokio::test]
async fn a_flush_lasts_until_the_mark_is_flushed_too() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.append(vec![scribe.blank()]).await.unwrap();
    assert!(node.handle.flush_stats().waiting().is_none());
    // The log is flushed as usual, but the mark is not.
    disk.plan(Fault::FileSync { after: 0 });
    while node.append(vec![scribe.blank()]).await.is_ok() {}
    assert!(node.handle.flush_stats().waiting().is_some(), "the disk watch sees the waiting flush");
}

#[tokio::test]
async fn a_vote_is_durable_before_it_is_answered() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    node.vote(7).await.unwrap();
    let mut node = Node::start(disk.crash(Crash::Power)).await;
    assert_eq!(node.read_vote().await, Some(vote(7)));
}

#[tokio::test]
async fn a_failed_flush_stops_the_node_and_acknowledges_nothing() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.append(vec![scribe.blank()]).await.unwrap();
    disk.plan(Fault::Flush { after: 0 });
    let first = node.begin_append(vec![scribe.blank()]).await.unwrap();
    let second = node.begin_append(vec![scribe.blank()]).await.unwrap();
    assert!(first.await.is_err());
    assert!(second.await.is_err());

    let fatal = node.handle.fatal().borrow().clone();
    assert!(matches!(fatal, Some(StoreError::Disk { .. })), "{fatal:?}");
    // The disk works again, but its content is unknown, so there is no retry.
    let flushes = disk.flushes();
    assert!(node.append(vec![scribe.blank()]).await.is_err());
    assert!(node.vote(9).await.is_err());
    assert!(node.apply(Scribe::new().beginning()).await.is_err());
    assert_eq!(disk.flushes(), flushes);
}

#[tokio::test]
async fn a_full_disk_stops_the_node_and_keeps_all_acknowledged_entries() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.append(scribe.beginning()).await.unwrap();
    disk.plan(Fault::Write { after: 0 });
    let error = node.append(vec![scribe.blank()]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    assert!(matches!(*node.handle.fatal().borrow(), Some(StoreError::Full { .. })));
    let mut node = Node::start(disk.crash(Crash::Process)).await;
    assert_eq!(node.last().await, Some(3));
}

#[tokio::test]
async fn a_mark_that_cannot_be_written_stops_the_node_before_it_acknowledges() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    disk.plan(Fault::File { after: 0 });
    assert!(node.append(vec![Scribe::new().blank()]).await.is_err());
    assert!(node.handle.fatal().borrow().is_some());
}

#[tokio::test]
async fn an_entry_that_leaves_a_hole_is_not_appended() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    node.append(Scribe::new().beginning()).await.unwrap();
    assert!(node.append(vec![Scribe::new().at(1, 5).blank()]).await.is_err());
}

#[tokio::test]
async fn a_truncated_log_may_come_back_shorter_after_any_crash() {
    for crash in [Crash::Process, Crash::Power, Crash::Torn(0), Crash::Torn(1), Crash::Torn(2)] {
        let disk = SimulatedDisk::new();
        let mut node = Node::start(disk.clone()).await;
        let mut scribe = Scribe::new();
        node.append((0..10).map(|_| scribe.blank()).collect()).await.unwrap();
        node.truncate_after(1, 5).await;
        assert_eq!(node.last().await, Some(5));
        let _unacknowledged = node.begin_append(vec![Scribe::new().at(2, 6).blank()]).await.unwrap();
        let mut node = Node::start(disk.crash(crash)).await;
        let last = node.last().await.unwrap();
        assert!([9, 5, 6].contains(&last), "{crash:?}: {last}");
    }
}

#[tokio::test]
async fn a_purged_log_goes_on_where_it_was_after_a_restart() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let entries = [scribe.beginning(), scribe.features(10)].concat();
    node.run(entries.clone()).await;
    node.build_snapshot().await;
    node.purge(1, 20).await;
    node.append(vec![scribe.blank()]).await.unwrap();

    let mut node = Node::start(disk.crash(Crash::Power)).await;
    let state = node.log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(1, 20)));
    let expected: Vec<u64> = (21..=entries.len() as u64).collect();
    assert_eq!(indexes(&node.entries().await), expected);
    node.machine.verify().unwrap();
    node.append(vec![scribe.blank()]).await.unwrap();
}

/// More than the cache has, so that reads need storage, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_entries_are_read_in_one_go_on_rocksdb() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    let mut scribe = Scribe::new();
    node.run(scribe.beginning()).await;
    let mut all = 4;
    for _ in 0..12 {
        let part = scribe.features(1_000);
        all += part.len() as u64;
        node.append(part).await.unwrap();
    }
    let expected: Vec<u64> = (0..all).collect();
    assert_eq!(indexes(&node.entries().await), expected);

    let mut reader = node.log.get_log_reader().await;
    let part = reader.limited_get_log_entries(10, all).await.unwrap();
    assert_eq!(part[0].log_id.index, 10);
    assert!(part.len() > 100 && (part.len() as u64) < all, "{} entries", part.len());

    let streamed: Vec<_> = futures::StreamExt::collect(reader.entries_stream(5..all).await).await;
    let streamed: Vec<_> = streamed.into_iter().map(Result::unwrap).collect();
    assert_eq!(indexes(&streamed), expected[5..]);

    drop(reader);
    node.stop().await;
    let mut node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    assert_eq!(indexes(&node.entries().await), expected);
}

#[tokio::test]
async fn a_stream_for_a_deposed_leader_ends() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    node.append(Scribe::new().beginning()).await.unwrap();
    let leader = LeaderId { term: 3, node_id: 1 };
    let committed = openraft::vote::RaftVote::from_leader_id(leader, true);
    node.log.save_vote(&committed).await.unwrap();
    let mut reader = node.log.get_log_reader().await;
    let entries: Vec<_> = futures::StreamExt::collect(reader.leader_bounded_stream(leader, 0..4).await).await;
    assert_eq!(entries.len(), 4);

    let stream = reader.leader_bounded_stream(leader, 0..4).await;
    node.vote(4).await.unwrap();
    let entries: Vec<_> = futures::StreamExt::collect(stream).await;
    assert!(matches!(entries[..], [Err(LeaderBoundedStreamError::LeaderChanged(_))]), "{entries:?}");
}
