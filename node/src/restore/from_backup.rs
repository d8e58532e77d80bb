//! `nexusd restore`: builds a data folder from a backup.

use super::{
    account::say,
    folders::{self, Place, RESTORING},
    founder::{self, NewCluster, Plan},
};
use crate::raft::clock::Clock;
use anyhow::{Context, ensure};
use nexus_api::mint::Mint;
use nexus_api_types::Moment;
use nexus_domain::{ClusterId, NodeId};
use nexus_raft_store::{
    BackupContents, BackupFile, Published, check_backup, restore,
    storage::{Rocks, Storage},
};
use std::{fs, path::Path, sync::Arc};

/// Restores a backup into a data folder, which is missing or empty, and prints what to do next. With `is_dry_run`, it
/// prints what it would do. Blocks on the device.
///
/// # Errors
/// When the backup cannot be relied on, the folder is in use, or the device fails. Then the folder is as it was.
pub fn run(
    backup: &Path,
    data_dir: &Path,
    new: &NewCluster,
    is_dry_run: bool,
    (clock, mint): (&dyn Clock, &dyn Mint),
) -> anyhow::Result<()> {
    let (contents, cluster, plan) = planned(backup, new, (clock, mint))?;
    check_is_free(data_dir)?;
    folders::check_is_replaceable(data_dir)?;
    say!("Backup     {}, cluster {cluster}", backup.display());
    say!("Revision   {}, of {}", contents.revision, Moment(contents.at));
    say!("State hash {:016x}", contents.hash);
    say!("New        cluster {}, node {}, log from {}", plan.cluster, plan.node, plan.first);
    if is_dry_run {
        say!("Nothing was written: this was a dry run.");
        return Ok(());
    }
    let place = Place::take(data_dir)?;
    place.clean_up()?;
    let building = place.begin(RESTORING, mint)?;
    let built = {
        let storage: Arc<dyn Storage> = Arc::new(Rocks::open(building.path())?);
        fill(&storage, backup, &contents, &plan)?
    };
    founder::complete(building.path(), &built, mint)?;
    check_is_free(place.data_dir())?;
    place.put(building)?;
    say!("Restored to {}.", place.data_dir().display());
    founder::print_next(place.data_dir(), &plan);
    Ok(())
}

/// Builds the storage of the first node of a new cluster from a backup. Returns the state as it is stored; the new log
/// begins right behind its revision. Blocks on the device.
///
/// # Errors
/// When the backup cannot be relied on, or the device fails. Then the storage is marked as unfinished.
pub fn build(
    storage: &Arc<dyn Storage>,
    backup: &Path,
    new: &NewCluster,
    sources: (&dyn Clock, &dyn Mint),
) -> anyhow::Result<Published> {
    let (contents, _, plan) = planned(backup, new, sources)?;
    fill(storage, backup, &contents, &plan)
}

/// The contents of a backup with their cluster, and the plan for a new one.
fn planned(
    backup: &Path,
    new: &NewCluster,
    (clock, mint): (&dyn Clock, &dyn Mint),
) -> anyhow::Result<(BackupContents, ClusterId, Plan)> {
    let contents = check_backup(backup).with_context(|| unreliable(backup))?;
    let cluster = contents.cluster.context("the backup is from before its cluster was formed")?;
    let highest = NodeId(contents.highest_node);
    let plan = Plan::new(new, cluster, (contents.revision, contents.at), highest, clock, mint)?;
    Ok((contents, cluster, plan))
}

/// Fills an empty storage.
fn fill(
    storage: &Arc<dyn Storage>,
    backup: &Path,
    contents: &BackupContents,
    plan: &Plan,
) -> anyhow::Result<Published> {
    let opened = BackupFile::open(backup).with_context(|| unreliable(backup))?;
    let built =
        restore::<anyhow::Error>(storage, &opened, |_| plan.founder()).context("the restore failed")?;
    ensure!(built.hash() == contents.hash, "the backup has changed while it was restored");
    Ok(built)
}

fn unreliable(backup: &Path) -> String {
    format!("{} cannot be relied on", backup.display())
}

/// Checks that a data folder is missing or empty.
///
/// # Errors
/// When it is not, or cannot be read.
pub(super) fn check_is_free(data_dir: &Path) -> anyhow::Result<()> {
    match fs::read_dir(data_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(founder::unreadable(data_dir, error)),
        Ok(mut entries) => {
            ensure!(
                entries.next().is_none(),
                "{} is not empty: give a new folder with --data-dir; a restore never replaces data",
                data_dir.display()
            );
            Ok(())
        }
    }
}
