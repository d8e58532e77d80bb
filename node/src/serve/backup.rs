//! Streams the newest snapshot as a backup, after it was made where that is necessary.

use crate::{backups::snapshot_through, node::Node, watch::disk::Disk};
use futures::stream;
use nexus_api::cluster::{Backup, MAX_PREPARATION, StorageFailure, Unavailable};
use nexus_domain::Revision;

/// A backup that covers a revision which this node has applied.
///
/// # Errors
/// When no snapshot can be made in time.
pub(crate) async fn backup(node: &Node, disk: &Disk, through: Revision) -> Result<Backup, Unavailable> {
    snapshot_through(node, disk, through, MAX_PREPARATION).await?;
    let none = || Unavailable::NotApplied("there is no snapshot yet; try again".to_owned());
    let backup = node.store.backup().ok_or_else(none)?;
    let (revision, bytes) = (backup.revision(), backup.length());
    let pieces = stream::try_unfold(backup, |mut backup| async {
        let piece = backup.next().await.map_err(|error| {
            tracing::error!(%error, "a backup ends early");
            StorageFailure(error.to_string())
        })?;
        Ok(piece.map(|piece| (piece, backup)))
    });
    Ok(Backup { revision, bytes, pieces: Box::pin(pieces) })
}
