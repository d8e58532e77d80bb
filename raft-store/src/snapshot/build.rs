//! Builds a snapshot beside apply. It takes the view of storage and its progress in one step, and delays no entry while
//! it writes.

use super::{
    dir::{Building, SnapshotDir, meta_of},
    file::SnapshotFile,
    format,
};
use crate::{
    error::StoreError,
    machine::progress::Progress,
    storage::{Reader, Storage},
    types::{SnapshotMeta, TypeConfig},
};
use openraft::{RaftSnapshotBuilder, Snapshot, alias::SnapshotOf};
use std::{io, sync::Arc};
use tokio::sync::oneshot;

type Built = Result<(SnapshotMeta, SnapshotFile), StoreError>;

/// A view of storage that can be written as a snapshot. A drop releases the view.
pub struct SnapshotBuilder(Option<Stage>);

enum Stage {
    /// A thread holds the view, and waits for the signal to write it.
    Waiting { go: oneshot::Sender<()>, built: oneshot::Receiver<Built> },
    /// The storage never blocks, so the snapshot is written already.
    Done(Built),
}

impl SnapshotBuilder {
    /// Takes the view. Call it while nothing is applied: `progress` must be that of storage.
    pub(crate) async fn begin(
        storage: &Arc<dyn Storage>,
        snapshot_dir: &Arc<SnapshotDir>,
        progress: Progress,
    ) -> Self {
        let building = snapshot_dir.begin_building();
        if !storage.may_block() {
            let mut built = Err(StoreError::Stopped("no view was given".into()));
            storage.with_view(&mut |view| built = build(view, snapshot_dir, &progress));
            return Self(Some(Stage::Done(built)));
        }
        let (took, taken) = oneshot::channel();
        let (go, went) = oneshot::channel();
        let (done, built) = oneshot::channel();
        let task = Task { took, went, done, building, progress };
        let (storage, snapshot_dir) = (storage.clone(), snapshot_dir.clone());
        tokio::task::spawn_blocking(move || {
            let mut task = Some(task);
            storage.with_view(&mut |view| {
                if let Some(task) = task.take() {
                    task.run(view, &snapshot_dir);
                }
            });
        });
        // An error means that the runtime is shutting down, which building then reports.
        let _ = taken.await;
        Self(Some(Stage::Waiting { go, built }))
    }
}

struct Task {
    took: oneshot::Sender<()>,
    went: oneshot::Receiver<()>,
    done: oneshot::Sender<Built>,
    building: Building,
    progress: Progress,
}

impl Task {
    fn run(self, view: &dyn Reader, snapshot_dir: &SnapshotDir) {
        let Self { took, went, done, building, progress } = self;
        // The caller may have stopped waiting at any of these steps.
        let _ = took.send(());
        if went.blocking_recv().is_ok() {
            let built = build(view, snapshot_dir, &progress);
            drop(building);
            let _ = done.send(built);
        }
    }
}

fn build(view: &dyn Reader, snapshot_dir: &SnapshotDir, progress: &Progress) -> Built {
    write(view, snapshot_dir, progress).or_else(|error| current_instead(snapshot_dir, error))
}

/// Writes the snapshot of a view, durably, and makes it the current one.
///
/// # Errors
/// If the device fails or is full.
pub(super) fn write(view: &dyn Reader, snapshot_dir: &SnapshotDir, progress: &Progress) -> Built {
    let (name, file) = snapshot_dir.create()?;
    let length = format::write(view, progress, file.as_ref()).inspect_err(|_| snapshot_dir.discard(&name))?;
    let meta = meta_of(progress);
    // File systems that allocate late notice only now that it does not fit.
    let snapshot = snapshot_dir.complete(name, file, length)?;
    snapshot_dir.adopt(&meta, &snapshot)?;
    Ok((meta, snapshot))
}

/// The result of a build that did not fit on the disk. It is no reason to stop the node, since the snapshot would only
/// keep the log short. But Raft stops at any error of a builder. So it gets the current snapshot, and notices that it
/// is not newer. Without a current one there is only the log, and a full disk stops the node.
fn current_instead(snapshot_dir: &SnapshotDir, error: StoreError) -> Built {
    if matches!(error, StoreError::Full { .. })
        && let Some(current) = snapshot_dir.current()
    {
        snapshot_dir.count_failure();
        tracing::warn!(%error, "the snapshot does not fit on the disk; the log cannot be shortened");
        return Ok(current);
    }
    Err(error)
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotFile>, io::Error> {
        let ended = || StoreError::Stopped("the snapshot was aborted".into());
        let built = match self.0.take() {
            Some(Stage::Done(built)) => built,
            Some(Stage::Waiting { go, built }) => {
                // If the receiver is gone, `built` has the result.
                let _ = go.send(());
                built.await.unwrap_or_else(|_| Err(ended()))
            }
            None => Err(ended()),
        };
        let (meta, snapshot) = built?;
        Ok(Snapshot { meta, snapshot })
    }
}
