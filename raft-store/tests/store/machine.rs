//! Applying entries: every published state is written, and can be rebuilt from what is written.

use crate::{
    entries::{PROJECT, Scribe, feature_id},
    node::Node,
};
use nexus_domain::{
    Actor, Applied, Document, DocumentKey, Event, FeatureId, Proposal, Revision, Row, RulesVersion, State,
    command, document::LogPosition, pattern::Pattern,
};
use nexus_raft_store::{
    StoreError,
    record::{self, Kind},
    storage::{Batch, Column, Crash, Fault, Rocks, SimulatedDisk, Storage as _},
};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_on_rocksdb_makes_the_same_state() {
    let folder = TempDir::new().unwrap();
    let mut node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    let mut scribe = Scribe::new();
    node.vote(1).await.unwrap();
    node.run([scribe.beginning(), scribe.features(39), scribe.texts()].concat()).await;
    node.machine.verify().unwrap();
    node.handle.save_identity(b"node 1").await.unwrap();
    let (before, columns) = (node.handle.latest(), node.columns());
    node.stop().await;

    let node = Node::start(Rocks::open(folder.path()).unwrap()).await;
    assert_eq!(*node.handle.latest(), *before);
    assert_eq!(node.columns(), columns);
    assert_eq!(node.handle.identity().await.unwrap().as_deref(), Some(b"node 1".as_slice()));
    assert!(node.handle.usage().await.unwrap().disk_bytes > 0);
}

#[tokio::test]
async fn readers_keep_their_state_while_entries_are_applied() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    let mut published = node.handle.published();
    node.run(scribe.beginning()).await;
    assert!(published.has_changed().unwrap());
    let earlier = published.borrow_and_update().clone();
    node.run(scribe.features(5)).await;
    assert_eq!(earlier.revision(), Revision(3));
    assert_eq!(earlier.state.features().count(), 0);
    assert_eq!(published.borrow().state.features().count(), 4);
}

#[tokio::test]
async fn a_state_that_could_not_be_written_is_not_shown() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.run(scribe.beginning()).await;
    disk.plan(Fault::Write { after: 0 });
    assert!(node.apply(scribe.features(1)).await.is_err());
    assert_eq!(node.applied(), Some(3));
    assert!(node.handle.fatal().borrow().is_some());
    assert!(node.apply(Scribe::new().at(1, 4).features(1)).await.is_err(), "nothing is skipped");
}

#[tokio::test]
async fn an_entry_is_never_applied_twice() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let entries = Scribe::new().beginning();
    node.run(entries.clone()).await;
    assert!(node.apply(entries).await.is_err());
    assert!(matches!(*node.handle.fatal().borrow(), Some(StoreError::Apply { index: 0, .. })));
}

/// Rules with a defect.
fn panic_at_a_tick(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let applied = nexus_domain::apply(state, revision, proposal);
    assert!(proposal.command.name() != "tick", "an unexpected tick");
    applied
}

#[tokio::test]
async fn rules_that_panic_stop_the_node_again_and_again_and_keep_nothing_of_the_entry() {
    let mut disk = SimulatedDisk::new();
    let mut scribe = Scribe::new();
    let mut node = Node::start(disk.clone()).await;
    node.run(scribe.beginning()).await;
    let (columns, hash) = (node.columns(), node.handle.latest().hash());
    let entries = [scribe.features(1), vec![scribe.ask(Actor::System, command::Tick.into())]].concat();
    node.append(entries.clone()).await.unwrap();
    drop(node);
    for _ in 0..2 {
        disk = disk.crash(Crash::Process);
        let mut node = Node::start(disk.clone()).await.judged_by(panic_at_a_tick);
        let error = node.apply(entries.clone()).await.unwrap_err();
        let why = node.handle.fatal().borrow().clone().unwrap();
        assert!(matches!(why, StoreError::Apply { index: 8, .. }), "{why:?}");
        for text in [error.to_string(), why.to_string()] {
            assert!(text.contains("the rules panicked: an unexpected tick"), "{text}");
        }
        assert!(node.apply(entries.clone()).await.is_err(), "nothing is applied afterwards");
        assert_eq!((node.applied(), node.columns()), (Some(3), columns.clone()));
        assert_eq!(node.handle.latest().hash(), hash);
    }
    // Once the defect is fixed, the same log is applied.
    let mut node = Node::start(disk.crash(Crash::Process)).await;
    node.apply(entries).await.unwrap();
    assert_eq!(node.applied(), Some(8));
}

#[tokio::test]
async fn a_node_that_does_not_know_the_rules_of_its_cluster_logs_that_and_stops() {
    let newer = RulesVersion(RulesVersion::KNOWN.0 + 1);
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.run(scribe.beginning()).await;
    let raise = scribe.ask(Actor::System, command::RaiseRules { to: newer }.into());
    node.append(vec![raise.clone()]).await.unwrap();
    let error = node.apply(vec![raise]).await.unwrap_err().to_string();
    assert!(error.contains("start this node with the newer program"), "{error}");
    assert_eq!(node.applied(), Some(3));
    drop(node);

    // A folder with newer rules is not read at all.
    let disk = disk.crash(Crash::Process);
    let key = [[0; 16].as_slice(), &[0]].concat();
    let mut batch = Batch::new();
    batch.put(Column::Rows, key, record::encode(Kind::ROW, &Row::Rules(newer)));
    disk.write(batch).unwrap();
    let error = Node::try_start(disk).await.err();
    assert_eq!(error, Some(StoreError::TooNew { cluster: newer }));
}

#[tokio::test]
async fn an_entry_whose_events_cannot_be_written_stops_the_node_and_keeps_nothing() {
    /// Rules without a limit.
    fn tell_too_much(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
        let mut applied = nexus_domain::apply(state, revision, proposal);
        for (_, document) in &mut applied.documents {
            *document = Some(Document::Spec("x".repeat(65 << 20).into()));
        }
        applied
    }
    let mut node = Node::start(SimulatedDisk::new()).await.judged_by(tell_too_much);
    let mut scribe = Scribe::new();
    node.run(scribe.beginning()).await;
    let columns = node.columns();
    assert!(node.apply(scribe.features(1)).await.is_err());
    let why = node.handle.fatal().borrow().clone().unwrap();
    assert!(why.to_string().contains("cannot be written"), "{why}");
    assert_eq!(node.columns(), columns);
}

#[tokio::test]
async fn a_session_with_the_most_claims_ends_a_part_with_each_entry() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    node.run(scribe.beginning()).await;
    // Requests of a MiB with the longest paths.
    for part in 0..16 {
        let paths =
            (0..1_024).map(|n| Pattern::parse(&format!("{part:08}{n:08}{}", "x".repeat(1_008))).unwrap());
        node.run(vec![scribe.claim(paths.collect())]).await;
    }
    assert_eq!(node.handle.latest().state.claim_count(), 16 << 10);
    let one_more = scribe.claim(vec![Pattern::parse("y").unwrap()]);
    node.run(vec![one_more]).await;
    assert_eq!(node.handle.latest().state.claim_count(), 16 << 10, "that was too much");
    // The session is silent until its lease and its grace have expired.
    let before = node.handle.latest().revision();
    for _ in 0..2 {
        node.run(vec![scribe.much_later()]).await;
    }
    let mut held = node.handle.latest().state.claim_count();
    assert_eq!(held, 15 << 10, "a MiB of paths is given back by one entry");
    while held > 0 {
        let tick = scribe.ask(Actor::System, command::Tick.into());
        node.run(vec![tick]).await;
        let left = node.handle.latest().state.claim_count();
        assert_eq!(held - left, 1 << 10);
        held = left;
    }
    assert_eq!(node.handle.latest().state.sessions().count(), 0);
    let (mut events, mut from, mut has_more) = (Vec::new(), Revision(before.0 + 1), true);
    while has_more {
        let page = node.handle.events(from, 1_000).await.unwrap();
        events.extend(page.events);
        (from, has_more) = (page.next, page.has_more);
    }
    let released: Vec<usize> = events
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::FilesReleased { paths, .. } => Some(paths.len()),
            _ => None,
        })
        .collect();
    assert_eq!(released.iter().sum::<usize>(), 16 << 10);
    assert!(released.iter().all(|paths| *paths <= 1_000), "{released:?}");
    node.machine.verify().unwrap();
}

#[tokio::test]
async fn unflushed_state_is_lost_with_its_progress_and_rebuilt() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let entries = [scribe.beginning(), scribe.features(4)].concat();
    node.run(entries.clone()).await;
    let hash = node.handle.latest().hash();

    let mut node = Node::start(disk.crash(Crash::Power)).await;
    assert_eq!(node.applied(), None, "apply never waits for the disk");
    assert_eq!(node.last().await, Some(entries.len() as u64 - 1));
    node.apply(entries).await.unwrap();
    assert_eq!(node.handle.latest().hash(), hash);
}

#[tokio::test]
async fn documents_are_written_and_deleted_with_their_features() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.features(3)].concat()).await;
    let spec = |number| node.handle.document(DocumentKey::Spec(PROJECT, feature_id(number)));
    let Some(Document::Spec(text)) = spec(1).await.unwrap() else { panic!("no spec") };
    assert!(text.starts_with("The text of feature 1."));
    assert_eq!(spec(3).await.unwrap(), None, "the draft was thrown away");
}

#[tokio::test]
async fn documents_are_listed_newest_first() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.features(5)].concat()).await;
    let all = DocumentKey::Spec(PROJECT, FeatureId::MIN)..=DocumentKey::Spec(PROJECT, FeatureId::MAX);
    let found = node.handle.documents(all, 3).await.unwrap();
    let keys: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
    let expected = [5, 4, 2].map(|number| DocumentKey::Spec(PROJECT, feature_id(number)));
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_later_document_is_newer_whatever_its_id() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.texts()].concat()).await;
    let learning = |place| DocumentKey::Learning(PROJECT, feature_id(1), place);
    let newest = LogPosition::end_of(node.handle.latest().revision());
    let all = node.handle.documents(learning(LogPosition::FIRST)..=learning(newest), 10).await.unwrap();
    let texts: Vec<_> = all
        .iter()
        .map(|(_, document)| match document {
            Document::Learning(learning) => learning.content.to_string(),
            other => panic!("{other:?} is no learning"),
        })
        .collect();
    assert_eq!(texts, ["1 are left", "2 are left", "3 are left"]);
    // A page begins before a position, with another list beside it.
    let before = all[0].0.position().unwrap().before();
    let rest = node.handle.documents(learning(LogPosition::FIRST)..=learning(before), 10).await.unwrap();
    assert_eq!(rest, all[1..]);
    let about = |place| DocumentKey::DecisionAbout(PROJECT, feature_id(1), place);
    let marks = node.handle.documents(about(LogPosition::FIRST)..=about(newest), 10).await.unwrap();
    assert_eq!(marks.len(), 1);
    let key = DocumentKey::Decision(PROJECT, marks[0].0.position().unwrap());
    let Some(Document::Decision(decision)) = node.handle.document(key).await.unwrap() else { panic!() };
    assert_eq!(&*decision.decision, "2 are left");
}

#[tokio::test]
async fn a_repeated_checkpoint_is_known_after_a_restart_and_from_a_snapshot() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.texts()].concat()).await;
    let latest = *node.handle.latest().state.latest_checkpoint(PROJECT, feature_id(1)).unwrap();
    let list = |place| DocumentKey::Checkpoint(PROJECT, feature_id(1), place);
    let kept = node.handle.documents(list(LogPosition::FIRST)..=list(latest.position), 10).await.unwrap();
    assert_eq!(kept.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [latest.key()], "kept once");

    let mut other = Node::start(SimulatedDisk::new()).await;
    let mut snapshot = node.build_snapshot().await;
    snapshot.snapshot = node.send_snapshot(&snapshot.snapshot, &other, |_| {}).await.unwrap();
    other.install(snapshot).await.unwrap();
    assert_eq!(other.handle.latest().state.latest_checkpoint(PROJECT, feature_id(1)), Some(&latest));
    assert_eq!(other.columns(), node.columns());
    let again = Node::start(disk.crash(Crash::Process)).await;
    assert_eq!(again.handle.latest().state.latest_checkpoint(PROJECT, feature_id(1)), Some(&latest));
}

#[tokio::test]
async fn events_are_paged_without_gap_and_without_splitting_a_revision() {
    let mut node = Node::start(SimulatedDisk::new()).await;
    let mut scribe = Scribe::new();
    node.run([scribe.beginning(), scribe.features(6)].concat()).await;
    let all = node.handle.events(Revision(0), usize::MAX).await.unwrap();
    assert!(all.events.len() > 10);
    assert_eq!(all.next, Revision(node.applied().unwrap() + 1));

    for limit in 1..5 {
        let mut collected = Vec::new();
        let mut from = Revision(0);
        while from < all.next {
            let page = node.handle.events(from, limit).await.unwrap();
            assert!(page.next > from);
            collected.extend(page.events);
            from = page.next;
        }
        assert_eq!(collected, all.events, "pages of {limit}");
    }
    let none = node.handle.events(all.next, 10).await.unwrap();
    assert_eq!((none.events.len(), none.next), (0, all.next));
}

#[tokio::test]
async fn old_events_are_deleted_at_the_same_revisions_on_every_node() {
    let mut scribe = Scribe::new();
    let mut entries = scribe.beginning();
    entries.push(scribe.keep_few_events());
    entries.extend(scribe.features(800));
    assert!(entries.len() > 2_500);
    let mut nodes = Vec::new();
    for size in [1_000, 37] {
        let mut node = Node::start(SimulatedDisk::new()).await;
        for part in entries.chunks(size) {
            node.apply(part.to_vec()).await.unwrap();
        }
        nodes.push(node);
    }
    let page = nodes[0].handle.events(Revision(0), 1).await.unwrap();
    assert_eq!(page.oldest, Revision(2048 - 1000));
    assert!(page.events[0].revision >= page.oldest);
    assert_eq!(nodes[0].columns(), nodes[1].columns());
    assert_eq!(*nodes[0].handle.latest(), *nodes[1].handle.latest());
}

#[tokio::test]
async fn events_that_are_too_old_are_deleted_at_the_same_revisions_however_entries_are_batched() {
    let mut scribe = Scribe::new();
    let mut entries = scribe.beginning();
    entries.push(scribe.keep_young_events());
    entries.extend(scribe.features(400));
    assert!((1_100..2_000).contains(&entries.len()));
    let mut nodes = Vec::new();
    for size in [1_000, 37, 1] {
        let mut node = Node::start(SimulatedDisk::new()).await;
        for part in entries.chunks(size) {
            node.apply(part.to_vec()).await.unwrap();
        }
        nodes.push(node);
    }
    let page = nodes[0].handle.events(Revision(0), 1).await.unwrap();
    // An entry takes 10 ms of cluster time: 500 of them are within the age at revision 1024.
    assert_eq!(page.oldest, Revision(1024 - 500));
    assert!(page.events[0].revision >= page.oldest);
    for node in &nodes[1..] {
        assert_eq!(nodes[0].columns(), node.columns());
        assert_eq!(*nodes[0].handle.latest(), *node.handle.latest());
    }
}
