//! Deleted data is removed from the disk, and reads complete the events that are stored without lists.

use crate::{
    entries::{PROJECT, Scribe, feature_id},
    node::{Node, pairs},
};
use nexus_domain::{
    Actor, Revision,
    command::{self, FeaturePatch},
    pattern::Pattern,
    short_text::{Slug, Title},
    usage::Owner,
};
use nexus_raft_store::storage::{Column, SimulatedDisk};

/// The keys that begin or end with the project's id.
fn of_project(disk: &SimulatedDisk, column: Column) -> usize {
    let id = PROJECT.0.as_bytes();
    pairs(disk, column).iter().filter(|(key, _)| key.starts_with(id) || key.ends_with(id)).count()
}

#[tokio::test]
async fn nothing_of_a_deleted_project_is_left_on_the_disk_however_entries_come_in_batches() {
    let mut hashes = Vec::new();
    for one_by_one in [true, false] {
        let disk = SimulatedDisk::new();
        let mut node = Node::start(disk.clone()).await;
        let mut scribe = Scribe::new();
        let mut history = [scribe.beginning(), scribe.texts(), scribe.features(4)].concat();
        history.push(scribe.keep_young_events());
        history.push(scribe.engineer_asks(command::DeleteProject { project: PROJECT }.into()));
        let before = history.len() - 1;
        for _ in 0..5 {
            history.push(scribe.ask(Actor::System, command::Tick.into()));
        }
        if one_by_one {
            for (at, entry) in history.into_iter().enumerate() {
                if at == before {
                    for column in [Column::Rows, Column::Documents, Column::Events] {
                        assert!(of_project(&disk, column) > 5, "{column:?}");
                    }
                }
                node.run(vec![entry]).await;
            }
        } else {
            node.run(history).await;
        }
        for column in [Column::Rows, Column::Documents, Column::Events] {
            assert_eq!(of_project(&disk, column), 0, "{column:?}");
        }
        node.machine.verify().unwrap();
        hashes.push(node.handle.latest().hash());
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn however_much_happened_in_a_deleted_project_one_entry_deletes_a_bounded_part_of_it() {
    let mut hashes = Vec::new();
    for one_by_one in [true, false] {
        let disk = SimulatedDisk::new();
        let mut node = Node::start(disk.clone()).await;
        let mut scribe = Scribe::new();
        let mut history = scribe.beginning();
        for _ in 0..2_500 {
            history.push(scribe.claim(vec![Pattern::parse("a.rs").unwrap()]));
            history
                .push(scribe.engineer_asks(command::ReleasePaths { project: PROJECT, paths: None }.into()));
        }
        history.push(scribe.engineer_asks(command::DeleteProject { project: PROJECT }.into()));
        let ticks: Vec<_> = (0..12).map(|_| scribe.ask(Actor::System, command::Tick.into())).collect();
        if one_by_one {
            node.run(history).await;
            let mut parts = 0;
            for tick in ticks {
                let before = of_project(&disk, Column::Events);
                node.run(vec![tick]).await;
                let gone = before - of_project(&disk, Column::Events);
                assert!(gone <= 2_010, "one entry deletes {gone} events");
                parts += usize::from(gone > 0);
            }
            assert!(parts > 2, "{parts} parts");
        } else {
            node.run([history, ticks].concat()).await;
        }
        assert_eq!(of_project(&disk, Column::Events), 0);
        assert_eq!(of_project(&disk, Column::Rows), 0);
        node.machine.verify().unwrap();
        hashes.push(node.handle.latest().hash());
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn events_list_the_paths_of_their_time_although_they_are_stored_once() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let slug = Slug::parse("feature-1").unwrap();
    let update = |patch| {
        command::UpdateFeature { project: PROJECT, slug: slug.clone(), patch: Box::new(patch) }.into()
    };
    let titled = |title: &str| {
        update(FeaturePatch { title: Some(Title::parse(title).unwrap()), ..FeaturePatch::default() })
    };
    let many: Vec<Pattern> =
        (0..1_000).map(|n| Pattern::parse(&format!("generated/{n}.rs")).unwrap()).collect();
    let touching =
        |paths: Vec<Pattern>| update(FeaturePatch { touches: Some(paths.into()), ..FeaturePatch::default() });

    node.run(scribe.beginning()).await;
    node.run(scribe.feature()).await;
    let create = scribe.engineer_asks(touching(many.clone()));
    node.run(vec![create]).await;
    let from = node.handle.latest().revision();
    let first = scribe.engineer_asks(titled("While it touched much"));
    let fewer = scribe.engineer_asks(touching(vec![Pattern::parse("b.rs").unwrap()]));
    let last = scribe.engineer_asks(titled("While it touched little"));
    node.run(vec![first, fewer, last]).await;

    let page = node.handle.events(Revision(from.0 + 1), 100).await.unwrap();
    let touched: Vec<usize> = page
        .events
        .into_iter()
        .map(|mut recorded| recorded.event.feature_mut().unwrap().touches.len())
        .collect();
    assert_eq!(touched, [1_000, 1, 1]);
    let largest = pairs(&disk, Column::Events).iter().map(|(_, value)| value.len()).max().unwrap();
    assert!(largest < 2_000, "an event takes {largest} bytes");

    let feature = node.handle.latest().state.feature(PROJECT, feature_id(1)).cloned().unwrap();
    assert_eq!(feature.touches.len(), 1);
}

#[tokio::test]
async fn replaced_lists_are_kept_no_longer_than_the_events_that_name_them() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let slug = Slug::parse("feature-1").unwrap();
    node.run(scribe.beginning()).await;
    node.run(scribe.feature()).await;
    let few = scribe.keep_few_events();
    node.run(vec![few]).await;
    let documents = |disk: &SimulatedDisk| pairs(disk, Column::Documents).len();
    let before = (documents(&disk), node.handle.latest().state.usage(Owner::Cluster).texts);
    for path in ["a.rs", "b.rs", "c.rs"] {
        let touches = Some([Pattern::parse(path).unwrap()].into());
        let patch = Box::new(FeaturePatch { touches, ..FeaturePatch::default() });
        let update = scribe
            .engineer_asks(command::UpdateFeature { project: PROJECT, slug: slug.clone(), patch }.into());
        node.run(vec![update]).await;
    }
    assert_eq!(documents(&disk), before.0 + 3);
    assert!(node.handle.latest().state.usage(Owner::Cluster).texts > before.1);
    for _ in 0..4 {
        let later = (0..1_000).map(|_| scribe.ask(Actor::System, command::Tick.into())).collect();
        node.run(later).await;
    }
    assert_eq!(documents(&disk), before.0);
    assert_eq!(node.handle.latest().state.usage(Owner::Cluster).texts, before.1);
    assert_eq!(pairs(&disk, Column::Events).len(), 0, "the events went before");
    node.machine.verify().unwrap();
}

#[tokio::test]
async fn history_is_bounded_in_bytes_whatever_the_events_of_an_entry() {
    let mut hashes = Vec::new();
    for one_by_one in [true, false] {
        let disk = SimulatedDisk::new();
        let mut node = Node::start(disk.clone()).await;
        let mut scribe = Scribe::new();
        let mut history = scribe.beginning();
        history.push(scribe.keep_small_events());
        let paths: Vec<Pattern> =
            (0..1_000).map(|n| Pattern::parse(&format!("generated/{n}.rs")).unwrap()).collect();
        for _ in 0..100 {
            history.push(scribe.claim(paths.clone()));
            history
                .push(scribe.engineer_asks(command::ReleasePaths { project: PROJECT, paths: None }.into()));
        }
        while history.len() < 1_030 {
            history.push(scribe.ask(Actor::System, command::Tick.into()));
        }
        let from = node.handle.latest().revision();
        if one_by_one {
            for entry in history {
                node.run(vec![entry]).await;
            }
        } else {
            node.run(history).await;
        }
        let kept = pairs(&disk, Column::Events);
        let bytes: usize = kept.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!((1 << 19..=1 << 20).contains(&bytes), "{bytes} bytes of events are kept");
        let page = node.handle.events(Revision(from.0 + 1), 1).await.unwrap();
        assert!(page.oldest > from, "a reader of deleted events learns that they are gone");
        node.machine.verify().unwrap();
        hashes.push(node.handle.latest().hash());
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn few_entries_with_very_long_events_are_not_kept_until_many_came() {
    let disk = SimulatedDisk::new();
    let mut node = Node::start(disk.clone()).await;
    let mut scribe = Scribe::new();
    let mut history = scribe.beginning();
    history.push(scribe.keep_small_events());
    let long = "x".repeat(900);
    let paths: Vec<Pattern> =
        (0..1_000).map(|n| Pattern::parse(&format!("generated/{n}{long}.rs")).unwrap()).collect();
    for _ in 0..40 {
        history.push(scribe.claim(paths.clone()));
        history.push(scribe.engineer_asks(command::ReleasePaths { project: PROJECT, paths: None }.into()));
    }
    assert!(history.len() < 1_000);
    node.run(history).await;
    let bytes: usize = pairs(&disk, Column::Events).iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(bytes < 20 << 20, "{bytes} of more than 70 MB of events are kept");
    node.machine.verify().unwrap();
}
