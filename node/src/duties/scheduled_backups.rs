//! Follows the schedule of a node for as long as it runs. A backup of a node that lags, or whose state differs from
//! that of most others, would be worth nothing: such a node waits.

use crate::{
    backups::{
        catalog::{self, StoredBackup},
        destination::{Destination, explain},
        name::BackupName,
        schedule::{Other, Outlook, Schedule, has_come},
        snapshot_through, upload,
    },
    leader::read_index::ReadIndexes,
    node::Node,
    watch::{backups::BackupWatch, disk::Disk, reports::Reports},
};
use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use futures::{Stream, stream};
use nexus_api::cluster::MAX_PREPARATION;
use nexus_api_types::Moment;
use nexus_domain::{ClusterId, NodeId, Revision, WallTime};
use nexus_raft_store::Backup;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The longest time between two looks at the store, so that what a node reports of it is not old.
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// The pause after a failure, and while this node has nothing to back up.
const RETRY: Duration = Duration::from_secs(30);
/// The longest time of one backup with all of its requests. A folder that hangs, such as one of a network, has no
/// time-out of its own; 100 GiB get through a line of 40 Mbit/s in six hours.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
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
    pub(crate) reads: ReadIndexes,
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
                step = timeout(BACKUP_TIMEOUT, self.step(began, &stop)) => step.unwrap_or_else(|_| {
                    let longest = humantime::format_duration(BACKUP_TIMEOUT);
                    Err(anyhow!("it took longer than {longest}: is the store slow, or does it hang?"))
                }),
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
        let stored = self.look(&destination, cluster).await?;
        let now = self.reports.wall();
        let newest = newest(&stored, now).map(|newest| newest.name.at);
        let others = self.others();
        let outlook = Outlook { newest, now, began, others: &others };
        let wait = outlook.wait(self.schedule.every);
        if !wait.is_zero() {
            return Ok(wait.min(MAX_PAUSE));
        }
        if !self.has_caught_up().await {
            return Ok(RETRY.min(self.schedule.every));
        }
        self.watch.begins();
        self.take(&destination, cluster, &stored, stop).await?;
        self.look(&destination, cluster).await?;
        // Long enough for a store that shows late what was written.
        Ok(RETRY.min(self.schedule.every))
    }

    /// The backups in the store, of which the newest one is noted.
    async fn look(&self, destination: &Destination, cluster: ClusterId) -> anyhow::Result<Vec<StoredBackup>> {
        let stored = catalog::list_of(destination, cluster).await;
        let stored = stored.with_context(|| format!("cannot list {destination}"))?;
        let newest = newest(&stored, self.reports.wall());
        self.watch.found(newest.map(|newest| (Moment(newest.name.at), newest.bytes)));
        Ok(stored)
    }

    /// Whether this node has applied, after a short wait, all that a quorum has committed. A backup of a node that lags
    /// would be the newest one, and better ones would be deleted for it.
    async fn has_caught_up(&self) -> bool {
        match self.reads.next().await {
            Ok(index) => self.node.applied(index.0, self.node.deadline()).await.is_ok(),
            Err(_) => false,
        }
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
        stored: &[StoredBackup],
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let others = self.node.other_members();
        let differing = others.iter().filter(|(id, _)| self.reports.divergence(*id).is_some()).count();
        ensure!(differing * 2 <= others.len(), "the state of this node differs from that of most others");
        let began = Instant::now();
        let applied = self.node.published().revision();
        snapshot_through(&self.node, &self.disk, applied, MAX_PREPARATION).await?;
        let backup = self.node.store.backup().context("there is no snapshot yet")?;
        let length = backup.length();
        let name = BackupName::new(cluster, self.node.id, self.reports.wall(), backup.revision());
        check_is_no_step_back(stored, name.revision)?;
        destination.check_room(length, self.disk.low_mark()).await?;
        let before = stored.last().map(|stored| stored.name);
        let is_wanted = async || {
            let stored = catalog::list_of(destination, cluster).await?;
            check_is_no_step_back(&stored, name.revision)?;
            Ok(stored.last().map(|stored| stored.name) == before)
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
            // Nobody may take it for a good one. Where it cannot be deleted either, its checksum shows that it is none.
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

/// The newest backup of those that count for the schedule now.
fn newest(stored: &[StoredBackup], now: WallTime) -> Option<StoredBackup> {
    stored.iter().rev().find(|backup| has_come(backup.name.at, now)).copied()
}

/// Checks that no backup in the store goes farther than a new one: the new one would be taken for the newest, and the
/// farther one deleted for it. A cluster without writes has backups of the same revision.
fn check_is_no_step_back(stored: &[StoredBackup], revision: Revision) -> anyhow::Result<()> {
    let Some(farthest) = stored.iter().max_by_key(|stored| stored.name.revision) else { return Ok(()) };
    ensure!(
        farthest.name.revision <= revision,
        "{} is in the store, and this node has revision {revision} only: does this node lag, or was that backup put \
         there by somebody else?",
        farthest.name
    );
    Ok(())
}

/// Resolves a moment after the stop of a node, so that an upload that is cut off can still be cancelled in its store.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn backup(seconds: i64, revision: u64) -> StoredBackup {
        let (cluster, at) = (ClusterId(Uuid::from_u128(1)), WallTime(seconds * 1_000));
        StoredBackup { name: BackupName::new(cluster, NodeId(1), at, Revision(revision)), bytes: 1 }
    }

    #[test]
    fn a_backup_that_goes_less_far_than_a_stored_one_is_refused() {
        let stored = [backup(0, 10), backup(60, 30), backup(120, 20)];
        let error = check_is_no_step_back(&stored, Revision(29)).unwrap_err().to_string();
        assert!(error.contains(&stored[1].name.to_string()), "{error}");
        check_is_no_step_back(&stored, Revision(30)).unwrap();
        check_is_no_step_back(&[], Revision(0)).unwrap();
    }

    #[test]
    fn a_backup_of_a_time_that_has_not_come_is_not_the_newest() {
        let stored = [backup(0, 1), backup(60, 2), backup(86_400, 3)];
        assert_eq!(newest(&stored, WallTime(60_000)), Some(stored[1]));
        assert_eq!(newest(&[stored[2]], WallTime(0)), None);
    }
}
