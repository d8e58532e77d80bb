//! Snapshots on demand, and the newest one as a backup. Never stops what Raft does by itself.

use crate::node::Node;
use futures::stream;
use nexus_api::cluster::{Backup, MAX_PREPARATION, StorageFailure, Unavailable};
use nexus_domain::Revision;
use openraft::async_runtime::watch::WatchReceiver;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Between two looks: one that was being made already may end without covering enough, and another one has to
/// be asked for then.
const LOOK: Duration = Duration::from_millis(200);

impl Node {
    /// A backup that holds everything up to a revision that is applied here.
    ///
    /// # Errors
    /// When no snapshot can be made now.
    pub(crate) async fn backup(&self, through: Revision) -> Result<Backup, Unavailable> {
        self.snapshot_through(through, MAX_PREPARATION).await?;
        let none = || Unavailable::NotApplied("there is no snapshot yet; try again".to_owned());
        let backup = self.store.backup().ok_or_else(none)?;
        let (revision, bytes) = (backup.revision(), backup.length());
        let pieces = stream::try_unfold(backup, |mut backup| async {
            let piece = backup.next().await.map_err(|error| {
                tracing::error!(%error, "a backup is cut short");
                StorageFailure(error.to_string())
            })?;
            Ok(piece.map(|piece| (piece, backup)))
        });
        Ok(Backup { revision, bytes, pieces: Box::pin(pieces) })
    }

    /// Makes sure that there is a snapshot on this node that covers a revision which is applied here.
    ///
    /// # Errors
    /// When there is none in time, or the disk has no room for one.
    pub(crate) async fn snapshot_through(
        &self,
        through: Revision,
        within: Duration,
    ) -> Result<(), Unavailable> {
        let deadline = Instant::now() + within;
        let failures = self.store.failed_snapshots();
        let mut metrics = self.raft.metrics();
        loop {
            if self.store.backup().is_some_and(|current| current.revision() >= through) {
                return Ok(());
            }
            if self.disk.is_low() || self.store.failed_snapshots() > failures {
                let why = "the disk of this node has no room for a snapshot; ask another node";
                return Err(Unavailable::NotApplied(why.to_owned()));
            }
            if Instant::now() >= deadline {
                return Err(Unavailable::NotApplied(
                    "the snapshot is not finished yet; try again".to_owned(),
                ));
            }
            let stopped = |error: &dyn std::fmt::Display| Unavailable::NotApplied(error.to_string());
            self.raft.trigger().snapshot().await.map_err(|error| stopped(&error))?;
            let look = deadline.min(Instant::now() + LOOK);
            let made = async {
                while metrics.borrow_watched().snapshot.is_none_or(|covered| covered.index < through.0) {
                    metrics.changed().await?;
                }
                Ok(())
            };
            if let Ok(Err(error)) = timeout_at(look, made).await {
                let error: openraft::async_runtime::watch::RecvError = error;
                return Err(stopped(&error));
            }
        }
    }
}
