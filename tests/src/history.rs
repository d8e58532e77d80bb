//! Reads a stopped node's data folder and checks its history.

use nexus_domain::{
    Event, ProjectId, Recorded, Revision, SessionId,
    entity::ClaimMode,
    pattern::{Pattern, PatternIndex},
};
use nexus_raft_store::open_folder;
use std::{collections::BTreeMap, path::Path};

/// Events that are read at once: each may name a thousand paths.
const PAGE: usize = 2_000;

/// The figures of one node's folder.
#[derive(Debug, PartialEq, Eq)]
pub struct HistoryReport {
    /// The last applied log index.
    pub revision: u64,
    /// Hash of all applied entries.
    pub hash: u64,
    /// The number of granted picks in the whole history.
    pub picks: usize,
}

/// Reads a stopped node's folder and checks it: the state is consistent, a reload gives the same state, and at no log
/// index did any file have two holders.
///
/// # Panics
/// When a check fails.
pub async fn check(data_dir: &Path) -> HistoryReport {
    check_some(data_dir, None).await
}

/// The same, but checks holders only in this project: claims of the others are expensive to compare.
///
/// # Panics
/// When a check fails.
pub async fn check_project(data_dir: &Path, project: ProjectId) -> HistoryReport {
    check_some(data_dir, Some(project)).await
}

async fn check_some(data_dir: &Path, project: Option<ProjectId>) -> HistoryReport {
    let (log, machine, store) = open_folder(data_dir).await.expect("a stopped node's folder opens");
    let latest = store.latest();
    latest.state.check_invariants().expect("the state is consistent");
    let mut replay = Replay::default();
    let (mut from, mut picks) = (Revision(0), 0);
    loop {
        let page = store.events(from, PAGE).await.expect("the history can be read");
        let is_asked_for = |of: &&Recorded| project.is_none() || of.event.project() == project;
        for event in page.events.iter().filter(is_asked_for) {
            picks += usize::from(matches!(event.event, Event::FeatureClaimed(_)));
            replay.fold(event);
        }
        if page.events.is_empty() || page.next <= from {
            break;
        }
        from = page.next;
    }
    let verdict = HistoryReport { revision: latest.revision().0, hash: latest.hash(), picks };
    drop((log, machine, latest));
    store.released().await;
    verdict
}

/// The holders of paths, computed from the public history alone.
#[derive(Default)]
struct Replay {
    held: BTreeMap<ProjectId, PatternIndex<(SessionId, Option<nexus_domain::FeatureId>)>>,
    shared: BTreeMap<(ProjectId, SessionId, Pattern), bool>,
}

impl Replay {
    fn fold(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::FilesClaimed { project, holder, feature, paths, mode, .. } => {
                let index = self.held.entry(*project).or_default();
                for path in paths.iter() {
                    let shares = *mode == ClaimMode::Shared;
                    for (held, (session, _)) in index.overlapping(path) {
                        let both_share =
                            shares && self.shared.get(&(*project, *session, held.clone())) == Some(&true);
                        assert!(
                            *session == holder.session || both_share,
                            "at revision {} session {} was given {path} while {session} held {held}",
                            recorded.revision,
                            holder.session,
                        );
                    }
                    self.shared.insert((*project, holder.session, path.clone()), shares);
                }
                for path in paths.iter() {
                    index.insert(path, (holder.session, *feature));
                }
            }
            Event::FilesReleased { project, holder, feature, paths, .. } => {
                let index = self.held.entry(*project).or_default();
                for path in paths.iter() {
                    index.remove(path, &(holder.session, *feature));
                }
            }
            _ => {}
        }
    }
}
