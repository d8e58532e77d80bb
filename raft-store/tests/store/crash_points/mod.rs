//! A crash at every step of the disk, and after every byte of a file: all that was acknowledged is there, nothing
//! half-made counts as whole, and the store goes on.

mod recording;
mod story;

use crate::{
    entries::{Scribe, log_id},
    node::Node,
};
use nexus_raft_store::storage::SimulatedDisk;
use recording::{Crashes, Honesty};
use story::Story;

/// The flushes of the log after which its mark is flushed, too.
const FLUSHES_OF_A_MARK: usize = 256;

fn report(story: &str, crashes: Crashes) {
    println!("{story}: {crashes:?}");
}

#[tokio::test]
async fn an_append_a_vote_and_a_truncation_survive_a_crash_at_every_byte() {
    let mut story = Story::begin(Honesty::Honest).await;
    story.vote(1).await;
    let entries = [story.scribe.beginning(), story.scribe.features(1)].concat();
    story.append(entries.clone()).await;
    story.apply(&entries[..5]).await;
    let first = vec![story.scribe.blank()];
    let second = vec![story.scribe.blank(), story.scribe.blank()];
    let waiting = [story.begin_append(first).await, story.begin_append(second).await];
    story.vote(2).await;
    for durable in waiting {
        durable.await;
    }
    story.save_committed(log_id(1, 6)).await;
    story.truncate_after(1, 8).await;
    let mut scribe = Scribe::new().at(2, 9);
    story.append(vec![scribe.blank()]).await;
    story.apply(&entries[5..]).await;
    story.truncate_after(1, 8).await;
    story.vote(3).await;
    let mut scribe = Scribe::new().at(3, 9);
    story.append(vec![scribe.blank(), scribe.blank()]).await;
    report("an append", story.crash_everywhere(0).await);
}

#[tokio::test]
async fn a_mark_that_is_flushed_once_in_a_while_survives_a_crash_at_every_byte() {
    let mut story = Story::begin(Honesty::Honest).await;
    for _ in 0..FLUSHES_OF_A_MARK - 2 {
        let blank = story.scribe.blank();
        story.append(vec![blank]).await;
    }
    let from = story.steps();
    for term in 1..3 {
        story.vote(term).await;
        let blank = story.scribe.blank();
        story.append(vec![blank]).await;
    }
    report("a mark", story.crash_everywhere(from).await);
}

#[tokio::test]
async fn a_snapshot_that_is_built_survives_a_crash_at_every_byte() {
    let mut story = Story::begin(Honesty::Honest).await;
    let entries = story.scribe.beginning();
    story.append(entries.clone()).await;
    story.apply(&entries).await;
    let first = story.build_snapshot().await;
    story.purge(log_id(1, first.index - 1)).await;
    let entries = story.scribe.features(1);
    story.append(entries.clone()).await;
    story.apply(&entries).await;
    let second = story.build_snapshot().await;
    story.purge(second).await;
    let blank = story.scribe.blank();
    story.append(vec![blank]).await;
    report("a snapshot", story.crash_everywhere(0).await);
}

#[tokio::test]
async fn a_snapshot_that_is_received_and_installed_survives_a_crash_at_every_byte() {
    let mut leader = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    leader.run([scribe.beginning(), scribe.features(1)].concat()).await;
    let mut scribe = Scribe::new().at(4, 8);
    leader.run(vec![scribe.blank(), scribe.blank()]).await;
    let hash = leader.handle.latest().hash();
    let snapshot = leader.build_snapshot().await;

    let mut story = Story::begin(Honesty::Honest).await;
    let entries = story.scribe.beginning();
    story.append(entries.clone()).await;
    story.apply(&entries).await;
    story.build_snapshot().await;
    // Entries that nobody else has, of a later term than those of the snapshot.
    let mut scribe = Scribe::new().at(5, 4);
    story.append(vec![scribe.blank(), scribe.blank()]).await;
    let from = story.steps();
    let last = story.install(snapshot, hash).await;
    story.purge(last).await;
    let mut scribe = Scribe::new().at(6, last.index + 1);
    story.append(vec![scribe.blank()]).await;
    report("an install", story.crash_everywhere(from).await);
}

async fn crash_on(honesty: Honesty) {
    let mut story = Story::begin(honesty).await;
    let entries = story.scribe.beginning();
    story.append(entries.clone()).await;
    story.apply(&entries).await;
    story.build_snapshot().await;
    story.crash_everywhere(0).await;
}

#[tokio::test]
#[should_panic(expected = "the log is")]
async fn a_log_that_is_not_flushed_is_found() {
    crash_on(Honesty::SkipsFlushes).await;
}

#[tokio::test]
#[should_panic(expected = "the mark of what was durable is gone or unreadable")]
async fn a_file_that_is_not_flushed_is_found() {
    crash_on(Honesty::SkipsFileFlushes).await;
}
