//! A new history is built from a backup, or from the folder of one node: whole, or not at all.

use crate::{
    entries::{Scribe, log_id},
    node::{Node, vote},
};
use nexus_domain::{
    Actor, ClusterId, ClusterTime, Command, InstanceId, NodeId, Revision, RulesVersion, Stamp, WallTime,
    command::{self, FormCluster},
    entity::{ClusterOrigin, NodeRecord, ResetKind},
    short_text::Label,
};
use nexus_raft_store::{
    BackupFile, Command as Payload, Entry, Founder, Member, NewHistory, Published, StoreError, inspect,
    recover, restore,
    storage::{Crash, Fault, SimulatedDisk, Storage},
};
use openraft::{
    EntryPayload,
    storage::{RaftLogStorage as _, RaftStateMachine as _},
};
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

/// Not one at which old events are pruned.
const FIRST: Revision = Revision((1 << 50) + 1);
const FORMER: ClusterId = ClusterId(Uuid::from_u128(0xc1));
const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(0xc2));

fn founder(_: &Published) -> Result<Founder, StoreError> {
    let member = Member { peer_addr: "127.0.0.1:7504".into(), ..Member::default() };
    Ok(Founder { cluster: CLUSTER, first: FIRST, node: 4, member, identity: b"four".to_vec() })
}

/// A node of a formed cluster with some history. Its last entries are not applied.
async fn node_with_history(disk: SimulatedDisk, unapplied: usize) -> (Node, u64) {
    let mut node = Node::start(disk).await;
    let mut scribe = Scribe::new();
    let origin = ClusterOrigin { cluster: FORMER, formed_at: WallTime(0), bootstrap: None };
    let beginning = scribe.beginning();
    let formed = scribe.ask(Actor::System, FormCluster { origin, nodes: Vec::new() }.into());
    let rest = scribe.features(20);
    let entries = [beginning, vec![formed], rest].concat();
    node.vote(1).await.unwrap();
    node.append(entries.clone()).await.unwrap();
    let applied = entries.len() - unapplied;
    node.apply(entries[..applied].to_vec()).await.unwrap();
    (node, entries.len() as u64 - 1)
}

/// A backup of a node, as a file in a folder of its own.
async fn backup_of(node: &mut Node) -> (TempDir, BackupFile) {
    node.build_snapshot().await;
    let (folder, mut bytes) = (TempDir::new().unwrap(), Vec::new());
    let mut backup = node.handle.backup().unwrap();
    while let Some(chunk) = backup.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    let path = folder.path().join("backup");
    std::fs::write(&path, bytes).unwrap();
    let opened = BackupFile::open(&path).unwrap();
    (folder, opened)
}

fn shared(disk: &SimulatedDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

/// Checks that a storage is whole, and begins the new history on it.
async fn check_whole(disk: SimulatedDisk, hash: u64, through: u64, kind: ResetKind) {
    let found = inspect(&disk, disk.folder().as_ref());
    assert_eq!(found.damage, [""; 0]);
    assert_eq!((found.is_unfinished, found.quarantined, found.entries), (false, None, 0));
    assert_eq!(found.identity.as_deref(), Some(&b"four"[..]));
    let history = NewHistory { cluster: CLUSTER, through: Revision(through), kind };
    assert_eq!(found.new_history, Some(history));
    assert_eq!(found.state.unwrap().hash(), hash);
    assert_eq!(found.snapshots.len(), 1);
    let base = found.snapshots[0].covers.clone().unwrap();
    assert_eq!(base.map(|base| base.index), Some(FIRST.0 - 1));

    let mut node = Node::start(disk).await;
    node.machine.verify().unwrap();
    assert_eq!(node.handle.new_history().await.unwrap(), Some(history));
    let state = node.log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (base, base));
    assert_eq!(node.applied(), Some(FIRST.0 - 1));
    assert!(node.machine.get_current_snapshot().await.unwrap().is_some(), "others join by it");

    // The first entries of the new history.
    let term = base.unwrap().leader_id.term + 1;
    let record = NodeRecord {
        id: NodeId(4),
        instance: InstanceId::MIN,
        peer_addr: Label::parse("127.0.0.1:7504").unwrap(),
        client_addr: Label::parse("127.0.0.1:7404").unwrap(),
        replaces: None,
        admitted_at: WallTime(0),
    };
    let begin = command::BeginHistory {
        cluster: CLUSTER,
        through: history.through,
        kind,
        node: record,
        rules: RulesVersion::KNOWN,
    };
    let blank = Scribe::new().at(term, FIRST.0).blank();
    let entries =
        vec![blank, soon(term, FIRST.0 + 1, begin.into()), soon(term, FIRST.0 + 2, command::Tick.into())];
    node.run(entries).await;
    node.machine.verify().unwrap();
    let latest = node.handle.latest();
    assert_eq!(latest.state.origin().unwrap().cluster, CLUSTER);
    let start = latest.state.history_start().unwrap();
    assert_eq!((start.from.0, start.through.0, start.is_ending), (FIRST.0 + 1, through, false));
    assert_eq!(latest.state.sessions().count(), 0, "all sessions have ended");
    assert_eq!(latest.state.rules(), RulesVersion::KNOWN);
    let events = node.handle.events(Revision(0), 10_000).await.unwrap();
    assert!(events.events.iter().any(|event| event.revision.0 <= through));
    // Old events are counted by entries, however far indexes have jumped.
    let pruning = FIRST.0.next_multiple_of(1_024);
    node.apply(vec![soon(term, pruning, command::Tick.into())]).await.unwrap();
    assert_eq!(node.handle.latest().oldest_events(), Revision(0));
}

/// An entry right after the history that all nodes here have.
fn soon(term: u64, index: u64, command: Command) -> Entry {
    let mut entry = Scribe::new().at(term, index).ask(Actor::System, command);
    if let EntryPayload::Normal(Payload(proposal)) = &mut entry.payload {
        Arc::make_mut(proposal).stamp = Stamp { cluster: ClusterTime(2_000), wall: WallTime(2_000) };
    }
    entry
}

#[tokio::test]
async fn a_restored_storage_has_the_state_of_the_backup_and_begins_far_above_it() {
    let (mut node, last) = node_with_history(SimulatedDisk::new(), 0).await;
    let (_folder, backup) = backup_of(&mut node).await;
    let before = node.handle.latest();
    let disk = SimulatedDisk::new();
    let restored = restore(&shared(&disk), &backup, founder).unwrap();
    assert!(restored.state == before.state, "not a row differs");
    check_whole(disk.crash(Crash::Power), before.hash(), last, ResetKind::Restored).await;
}

#[tokio::test]
async fn a_restore_that_is_cut_off_anywhere_is_never_taken_for_whole() {
    let (mut node, _) = node_with_history(SimulatedDisk::new(), 0).await;
    let (_folder, backup) = backup_of(&mut node).await;
    cut_off_anywhere(|disk| restore(&shared(disk), &backup, founder)).await;
}

#[tokio::test]
async fn a_recovery_that_is_cut_off_anywhere_is_never_taken_for_whole_and_leaves_the_node_alone() {
    let former = SimulatedDisk::new();
    let (node, _) = node_with_history(former.clone(), 7).await;
    let before = inspect(&former, former.folder().as_ref());
    cut_off_anywhere(|disk| recover(&shared(disk), &former, founder)).await;
    let after = inspect(&former, former.folder().as_ref());
    assert_eq!((after.log, after.state), (before.log, before.state));
    drop(node);
}

/// Lets each write and each flush fail in turn, then crashes the machine in every way.
async fn cut_off_anywhere(build: impl Fn(&SimulatedDisk) -> Result<Published, StoreError>) {
    type Plan = fn(usize) -> Fault;
    let plans: [Plan; 4] = [
        |after| Fault::Write { after },
        |after| Fault::Flush { after },
        |after| Fault::File { after },
        |after| Fault::FileSync { after },
    ];
    for plan in plans {
        let mut cut_off = 0;
        for after in 0.. {
            let disk = SimulatedDisk::new();
            disk.plan(plan(after));
            if build(&disk).is_ok() {
                break;
            }
            cut_off += 1;
            for crash in [Crash::Process, Crash::Power, Crash::Torn(0), Crash::Torn(1), Crash::Torn(2)] {
                let left = disk.crash(crash);
                // What is empty is a new folder and nobody's.
                let is_empty = !inspect(&left, left.folder().as_ref()).is_unfinished;
                match Node::try_start(left.clone()).await {
                    Err(StoreError::Unfinished) => {}
                    Ok(node) if is_empty && node.applied().is_none() => {}
                    // The last flush failed, but the device had written everything.
                    Ok(node) if node.handle.new_history().await.unwrap().is_some() => {
                        node.machine.verify().unwrap();
                    }
                    Ok(_) => panic!("{:?} {crash:?}: it starts", plan(after)),
                    Err(other) => panic!("{:?} {crash:?}: {other}", plan(after)),
                }
            }
        }
        assert!(cut_off > 0, "{:?}", plan(0));
    }
}

#[tokio::test]
async fn a_recovered_storage_has_the_whole_log_of_its_node() {
    let former = SimulatedDisk::new();
    let (mut node, last) = node_with_history(former.clone(), 9).await;
    let disk = SimulatedDisk::new();
    let recovered = recover(&shared(&disk), &former, founder).unwrap();
    let entries = node.entries().await;
    node.apply(entries[entries.len() - 9..].to_vec()).await.unwrap();
    let whole = node.handle.latest();
    assert!(recovered.state == whole.state, "as if the entries had been committed");
    check_whole(disk.crash(Crash::Power), whole.hash(), last, ResetKind::Recovered).await;
}

#[tokio::test]
async fn an_inspection_names_what_is_damaged() {
    let disk = SimulatedDisk::new();
    let (node, last) = node_with_history(disk.clone(), 0).await;
    let found = inspect(&disk, disk.folder().as_ref());
    assert_eq!((found.damage.as_slice(), found.quarantined), ([].as_slice(), None));
    assert_eq!(found.log.unwrap().last, Some(log_id(1, last)));
    assert_eq!(found.log.unwrap().vote, Some(vote(1)));
    assert_eq!(found.state.unwrap().hash(), node.handle.latest().hash());
    drop(node);
    assert!(disk.rot(nexus_raft_store::storage::Column::Log, &3_u64.to_be_bytes()));
    let found = inspect(&disk, disk.folder().as_ref());
    assert!(found.log.is_none() && found.state.is_some());
    assert!(found.damage[0].starts_with("log at 0000000000000003: checksum"), "{:?}", found.damage);
}

#[tokio::test]
async fn a_history_does_not_begin_below_the_former_one() {
    let (mut node, _) = node_with_history(SimulatedDisk::new(), 0).await;
    let (_folder, backup) = backup_of(&mut node).await;
    let low = |found: &Published| Ok(Founder { first: Revision(found.revision().0 + 1), ..founder(found)? });
    let disk = SimulatedDisk::new();
    assert!(matches!(restore(&shared(&disk), &backup, low), Err(StoreError::Inconsistent(_))));
}

#[tokio::test]
async fn a_history_does_not_begin_under_the_id_of_the_former_cluster_or_none() {
    let former = SimulatedDisk::new();
    let (mut node, _) = node_with_history(former.clone(), 0).await;
    let (_folder, backup) = backup_of(&mut node).await;
    for cluster in [FORMER, ClusterId(Uuid::nil())] {
        let named = |found: &Published| Ok(Founder { cluster, ..founder(found)? });
        for is_restore in [true, false] {
            let disk = SimulatedDisk::new();
            let built = if is_restore {
                restore(&shared(&disk), &backup, named)
            } else {
                recover(&shared(&disk), &former, named)
            };
            assert!(matches!(built, Err(StoreError::NewHistory(_))), "{cluster}");
            assert!(inspect(&disk, disk.folder().as_ref()).is_unfinished, "no node starts on it");
        }
    }
}

#[tokio::test]
async fn a_node_that_has_not_begun_its_new_history_is_not_recovered() {
    let (mut node, _) = node_with_history(SimulatedDisk::new(), 0).await;
    let (_folder, backup) = backup_of(&mut node).await;
    let restored = SimulatedDisk::new();
    restore(&shared(&restored), &backup, founder).unwrap();
    let again = |found: &Published| {
        let first = Revision(found.revision().0 + (1 << 10) + 1);
        Ok(Founder { cluster: ClusterId(Uuid::from_u128(0xc3)), first, node: 5, ..founder(found)? })
    };
    let built = recover(&shared(&SimulatedDisk::new()), &restored, again);
    assert!(matches!(built, Err(StoreError::NewHistory(_))));
}
