//! One history, crashed at every point in every way: nothing acknowledged is lost, every restart succeeds, and
//! continuing leads to the same state.

use crate::{
    entries::Scribe,
    node::{Node, Pairs},
};
use nexus_raft_store::{
    Entry,
    storage::{Crash, SimulatedDisk, Storage},
};
use openraft::storage::RaftLogStorage as _;

/// A call of Raft.
#[derive(Clone, Debug)]
enum Step {
    Vote(u64),
    /// Appends an entry and waits until it is acknowledged.
    Append(std::ops::Range<usize>),
    /// Appends an entry and does not wait.
    AppendOnly(std::ops::Range<usize>),
    /// Truncates everything after an index; entries of the next term follow.
    Truncate(u64),
    Apply(std::ops::Range<usize>),
    Snapshot,
    Purge(u64),
    SaveCommitted(usize),
}

/// The steps, and the committed entries by index.
fn script() -> (Vec<Step>, Vec<Entry>, Vec<Entry>) {
    let mut scribe = Scribe::new();
    let mut log = [scribe.beginning(), scribe.features(6)].concat();
    let kept = log.len();
    // These entries are of a leader that was deposed before they were committed.
    let mut lost = Scribe::new().at(1, kept as u64);
    let lost: Vec<_> = (0..3).map(|_| lost.blank()).collect();
    let mut scribe = scribe.at(2, kept as u64);
    log.extend(scribe.features(6));
    log.extend(scribe.texts());
    let end = log.len();
    let steps = vec![
        Step::Vote(1),
        Step::Append(0..4),
        Step::AppendOnly(4..9),
        Step::Apply(0..4),
        Step::SaveCommitted(8),
        Step::Append(9..kept),
        Step::Apply(4..9),
        Step::Snapshot,
        Step::Append(usize::MAX..usize::MAX),
        Step::Vote(2),
        Step::Truncate(kept as u64 - 1),
        Step::Append(kept..kept + 5),
        Step::Apply(9..kept + 2),
        Step::Purge(6),
        Step::AppendOnly(kept + 5..end),
        Step::Apply(kept + 2..kept + 5),
        Step::Snapshot,
        Step::Purge(kept as u64),
    ];
    (steps, log, lost)
}

/// The acknowledged entries, votes and purges of the node.
#[derive(Default)]
struct Promised {
    last: Option<u64>,
    vote: Option<u64>,
}

async fn play(node: &mut Node, steps: &[Step], log: &[Entry], lost: &[Entry]) -> Promised {
    let mut promised = Promised::default();
    for step in steps.iter().cloned() {
        match step {
            Step::Vote(term) => {
                node.vote(term).await.unwrap();
                promised.vote = Some(term);
            }
            Step::Append(range) if range.start == usize::MAX => {
                node.append(lost.to_vec()).await.unwrap();
                promised.last = Some(lost.last().unwrap().log_id.index);
            }
            Step::Append(range) => {
                let last = range.end as u64 - 1;
                node.append(log[range].to_vec()).await.unwrap();
                promised.last = Some(last);
            }
            Step::AppendOnly(range) => {
                let _waiting = node.begin_append(log[range].to_vec()).await.unwrap();
            }
            Step::Truncate(index) => {
                let leader = log[index as usize].log_id.leader_id;
                node.truncate_after(leader.term, index).await;
                promised.last = promised.last.min(Some(index));
            }
            Step::Apply(range) => node.apply(log[range].to_vec()).await.unwrap(),
            Step::Snapshot => {
                node.build_snapshot().await;
            }
            Step::Purge(index) => node.log.purge(log[index as usize].log_id).await.unwrap(),
            Step::SaveCommitted(index) => node.log.save_committed(Some(log[index].log_id)).await.unwrap(),
        }
    }
    promised
}

/// Brings the node to the end of the log, as openraft does at start and a leader afterwards.
async fn catch_up(node: &mut Node, log: &[Entry]) -> (u64, [Pairs; 3]) {
    use openraft::storage::RaftStateMachine as _;
    let snapshot = node.machine.get_current_snapshot().await.unwrap();
    if let Some(snapshot) = snapshot.filter(|kept| kept.meta.last_log_id > node.handle.latest().applied()) {
        node.install(snapshot).await.unwrap();
    }
    let applied = node.handle.latest().applied();
    if node.log.get_log_state().await.unwrap().last_log_id < applied {
        node.log.purge(applied.unwrap()).await.unwrap();
    }
    let last = node.log.get_log_state().await.unwrap().last_log_id;
    if let Some(last) = last {
        // A leader of term 2 truncates the entries that it does not have.
        let same =
            log.iter().rev().find(|entry| entry.log_id <= last && entry.log_id.index <= last.index).unwrap();
        if same.log_id != last {
            node.log.truncate_after(Some(same.log_id)).await.unwrap();
        }
    }
    let next = node.last().await.map_or(0, |last| last as usize + 1);
    if next < log.len() {
        node.append(log[next..].to_vec()).await.unwrap();
    }
    let unapplied = node.applied().map_or(0, |applied| applied as usize + 1);
    if unapplied < log.len() {
        node.apply(log[unapplied..].to_vec()).await.unwrap();
    }
    node.machine.verify().unwrap();
    (node.handle.latest().hash(), node.columns())
}

async fn uninterrupted(log: &[Entry]) -> (u64, [Pairs; 3]) {
    let mut node = Node::start(SimulatedDisk::new()).await;
    catch_up(&mut node, log).await
}

#[tokio::test]
async fn a_crash_at_any_point_loses_nothing_that_was_acknowledged() {
    let (steps, log, lost) = script();
    let expected = uninterrupted(&log).await;
    for stop in 0..=steps.len() {
        for torn in 0..8 {
            let crash = match torn {
                0 => Crash::Process,
                1 => Crash::Power,
                torn => Crash::Torn(torn - 2),
            };
            let disk = SimulatedDisk::new();
            let mut node = Node::start(disk.clone()).await;
            let promised = play(&mut node, &steps[..stop], &log, &lost).await;
            let disk = disk.crash(crash);
            let what = format!("{crash:?} after {:?}", &steps[..stop].last());

            let mut node = Node::try_start(disk).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(node.last().await >= promised.last, "{what}: entries are lost");
            let vote = node.read_vote().await.map(|vote| vote.leader_id.term);
            assert!(vote >= promised.vote, "{what}: a vote is lost");
            node.machine.verify().unwrap();
            let reached = catch_up(&mut node, &log).await;
            assert!(reached == expected, "{what}: another state");
        }
    }
}

#[tokio::test]
async fn a_second_crash_right_after_the_first_changes_nothing() {
    let (steps, log, lost) = script();
    for stop in 0..=steps.len() {
        let disk = SimulatedDisk::new();
        let mut node = Node::start(disk.clone()).await;
        let promised = play(&mut node, &steps[..stop], &log, &lost).await;
        // Raft relies on what the first start found, so the second one must find it, too.
        let disk = disk.crash(Crash::Process);
        let found = Node::start(disk.clone()).await.last().await;
        let mut node = Node::start(disk.crash(Crash::Power)).await;
        assert_eq!(node.last().await, found);
        assert!(found >= promised.last);
    }
}

#[tokio::test]
async fn the_same_log_gives_the_same_bytes_however_it_is_cut() {
    let (_, log, _) = script();
    let expected = uninterrupted(&log).await;
    for size in [1, 2, 3, 7] {
        let disk = SimulatedDisk::new();
        let mut node = Node::start(disk.clone()).await;
        for part in log.chunks(size) {
            node.run(part.to_vec()).await;
        }
        assert!((node.handle.latest().hash(), node.columns()) == expected, "parts of {size}");
        assert!(!disk.folder().names().unwrap().is_empty(), "the mark is there");
    }
}
