//! Makes snapshots on demand. Does not disturb those that Raft makes itself.

use crate::{node::Node, watch::disk::Disk};
use nexus_api::cluster::Unavailable;
use nexus_domain::Revision;
use openraft::async_runtime::watch::WatchReceiver;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often the snapshot is checked. One that was already in progress may not cover the revision, and another one then
/// has to be requested.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Makes sure that this node has a snapshot that covers a revision which it has applied.
///
/// # Errors
/// When the snapshot is not finished in time, or the disk has no room for it.
pub(crate) async fn snapshot_through(
    node: &Node,
    disk: &Disk,
    through: Revision,
    within: Duration,
) -> Result<(), Unavailable> {
    let deadline = Instant::now() + within;
    let failures = node.store.failed_snapshots();
    let mut metrics = node.raft.metrics();
    loop {
        if node.store.backup().is_some_and(|current| current.revision() >= through) {
            return Ok(());
        }
        if disk.is_low() || node.store.failed_snapshots() > failures {
            let why = "the disk of this node has no room for a snapshot; ask another node";
            return Err(Unavailable::NotApplied(why.to_owned()));
        }
        if Instant::now() >= deadline {
            return Err(Unavailable::NotApplied("the snapshot is not finished yet; try again".to_owned()));
        }
        let stopped = |error: &dyn std::fmt::Display| Unavailable::NotApplied(error.to_string());
        node.raft.trigger().snapshot().await.map_err(|error| stopped(&error))?;
        let next_check = deadline.min(Instant::now() + CHECK_INTERVAL);
        let made = async {
            while metrics.borrow_watched().snapshot.is_none_or(|covered| covered.index < through.0) {
                metrics.changed().await?;
            }
            Ok(())
        };
        if let Ok(Err(error)) = timeout_at(next_check, made).await {
            let error: openraft::async_runtime::watch::RecvError = error;
            return Err(stopped(&error));
        }
    }
}
