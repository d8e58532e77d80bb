//! Follows the schedule of a node for as long as it runs. A backup of a node that does not hear its leader, or whose
//! state differs from that of most others, would be worth nothing: such a node waits.

use super::{
    catalog::{self, StoredBackup},
    destination::{Destination, explain},
    name::BackupName,
    schedule::{Other, Outlook, Schedule},
    snapshot::snapshot_through,
    upload,
};
use crate::{
    node::Node,
    watch::{backups::BackupWatch, disk::Disk, reports::Reports},
};
use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use futures::{Stream, stream};
use nexus_api::cluster::MAX_PREPARATION;
use nexus_api_types::Moment;
use nexus_domain::{ClusterId, NodeId, WallTime};
use nexus_raft_store::Backup;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The longest time between two looks at the store, so that what a node reports of it is not old.
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// The pause after a failure, and while this node has nothing to back up.
const RETRY: Duration = Duration::from_secs(30);
/// The time that an upload has to end after the stop of the node, which takes a few seconds in all.
const GIVE_UP_AFTER: Duration = Duration::from_millis(500);
/// The largest backup whose records are checked after it was written, in bytes: the check loads the state a second
/// time, which takes several times its length in memory. A larger one is compared byte by byte with what was sent.
const MAX_CHECKED_BYTES: u64 = 256 << 20;
/// The file in the data folder through which a backup is checked.
const SPOOL: &str = "backup-check";

/// The backups of one node.
pub(crate) struct ScheduledBackups {
    pub(crate) schedule: Schedule,
    pub(crate) node: Node,
    pub(crate) disk: Arc<Disk>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) watch: Arc<BackupWatch>,
    pub(crate) data_dir: PathBuf,
}

impl ScheduledBackups {
    /// Runs for as long as the node does.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let began = self.reports.wall();
        // What a node that was killed in the middle of a check has left.
        let _ = tokio::fs::remove_file(self.data_dir.join(SPOOL)).await;
        loop {
            let step = tokio::select! {
                step = self.step(began, &stop) => step,
                () = given_up(&stop) => return,
            };
            let pause = step.unwrap_or_else(|error| {
                let why = explain(&error);
                if !stop.is_cancelled() {
                    tracing::error!(to = %self.schedule.to, why, "a scheduled backup failed");
                    self.watch.failed(why);
                }
                RETRY.min(self.schedule.every)
            });
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks at the store, and takes a backup if it is this node's turn. Returns the time until the next look.
    async fn step(&self, began: WallTime, stop: &CancellationToken) -> anyhow::Result<Duration> {
        let Some(cluster) = self.node.published().state.origin().map(|origin| origin.cluster) else {
            return Ok(RETRY.min(self.schedule.every));
        };
        let to = self.schedule.to.clone();
        // Blocks on a folder that hangs.
        let destination = tokio::task::spawn_blocking(move || to.open()).await??;
        let newest = self.look(&destination, cluster).await?;
        let others = self.others();
        let outlook =
            Outlook { newest: newest.map(|name| name.at), now: self.reports.wall(), began, others: &others };
        let wait = outlook.wait(self.schedule.every);
        if !wait.is_zero() {
            return Ok(wait.min(MAX_PAUSE));
        }
        if !self.node.hears_leader().await {
            return Ok(RETRY.min(self.schedule.every));
        }
        self.watch.begins();
        self.take(&destination, cluster, newest, stop).await?;
        self.look(&destination, cluster).await?;
        // Long enough for a store that shows late what was written.
        Ok(RETRY.min(self.schedule.every))
    }

    /// The newest backup in the store, which is noted.
    async fn look(
        &self,
        destination: &Destination,
        cluster: ClusterId,
    ) -> anyhow::Result<Option<BackupName>> {
        let stored = catalog::list_of(destination, cluster).await;
        let newest: Option<StoredBackup> =
            stored.with_context(|| format!("cannot list {destination}"))?.pop();
        self.watch.found(newest.map(|newest| (Moment(newest.name.at), newest.bytes)));
        Ok(newest.map(|newest| newest.name))
    }

    /// The other nodes that take backups into the same store. Followers go before the leader, which has enough to do.
    fn others(&self) -> Vec<Other> {
        let (own, leader) = (self.node.id, self.node.leader_id());
        let turn = |id: NodeId| (leader == Some(id), id);
        let to = self.schedule.to.to_string();
        let reported = |(id, _): (NodeId, _)| {
            let backups = self.reports.details_of(id)?.0?.backups.filter(|backups| backups.to == to)?;
            Some(Other { goes_first: turn(id) < turn(own), is_running: backups.running })
        };
        self.node.other_members().into_iter().filter_map(reported).collect()
    }

    async fn take(
        &self,
        destination: &Destination,
        cluster: ClusterId,
        newest: Option<BackupName>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let others = self.node.other_members();
        let differing = others.iter().filter(|(id, _)| self.reports.divergence(*id).is_some()).count();
        ensure!(differing * 2 <= others.len(), "the state of this node differs from that of most others");
        let began = Instant::now();
        let applied = self.node.published().revision();
        snapshot_through(&self.node, &self.disk, applied, MAX_PREPARATION).await?;
        let backup = self.node.store.backup().context("there is no snapshot yet")?;
        let (name, length) =
            (BackupName::new(cluster, self.reports.wall(), backup.revision()), backup.length());
        let is_wanted = async || {
            let stored = catalog::list_of(destination, cluster).await?;
            Ok(stored.last().map(|stored| stored.name) == newest)
        };
        let written = upload::write(destination, name, length, pieces(backup, stop.clone()), is_wanted);
        let written = written.await.with_context(|| format!("cannot write {name} to {destination}"))?;
        let Some(digest) = written else {
            tracing::info!(to = %destination, "another node was faster with the scheduled backup");
            self.watch.left_to_another();
            return Ok(());
        };
        let spool = self.data_dir.join(SPOOL);
        let has_room = self.disk.free() > self.disk.low_mark().saturating_add(length.saturating_mul(2));
        let spool = (length <= MAX_CHECKED_BYTES && has_room).then_some(spool.as_path());
        if let Err(error) = upload::verify(destination, name, digest, spool).await {
            // Nobody shall take it for a good one. If that fails too, its checksum tells.
            catalog::discard(destination, name).await;
            return Err(error.context(format!("{name} in {destination} cannot be relied on")));
        }
        self.watch.succeeded(began.elapsed());
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(to = %destination, %name, bytes = length, millis, "a scheduled backup was taken and checked");
        let pruned = catalog::prune(destination, name, self.schedule.retention).await;
        match pruned.with_context(|| format!("cannot delete older backups from {destination}"))? {
            0 => {}
            deleted => tracing::info!(to = %destination, deleted, "older backups were deleted"),
        }
        Ok(())
    }
}

/// Resolves a moment after the stop of a node: until then, an upload that is cut off can tell its store.
async fn given_up(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(GIVE_UP_AFTER).await;
}

/// The pieces of a backup, until the node stops.
fn pieces(backup: Backup, stop: CancellationToken) -> impl Stream<Item = anyhow::Result<Bytes>> {
    stream::try_unfold((backup, stop), |(mut backup, stop)| async {
        let piece = tokio::select! {
            piece = backup.next() => piece?,
            () = stop.cancelled() => return Err(anyhow!("this node stops")),
        };
        Ok(piece.map(|piece| (piece, (backup, stop))))
    })
}
