//! Backups that are in a store: `nexusd backups` lists them, and `nexusd restore` gets one from there. The cluster may
//! be lost, so nothing is asked but the store.

use super::{account::say, folders, from_backup::check_is_free};
use crate::backups::{
    catalog::{self, StoredBackup},
    destination::{Address, Destination, explain},
};
use anyhow::{Context, anyhow, bail, ensure};
use nexus_api_types::Moment;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use url::Url;

/// The suffix of the file that a backup is fetched into; the name of the data folder goes before it.
const FETCHED: &str = ".from-store";
/// The end of the name of a backup.
const BACKUP: &str = ".backup";

/// Prints the scheduled backups at an address, the oldest first.
///
/// # Errors
/// When the address is none, or the store does not answer.
pub async fn list(from: &str, as_json: bool) -> anyhow::Result<()> {
    let address = existing(from)?;
    let found = stored(&address.open()?).await?;
    let url = |backup: &StoredBackup| format!("{address}/{}", backup.name);
    if as_json {
        let rows = found.iter().map(|backup| {
            let StoredBackup { name, bytes } = backup;
            json!({
                "url": url(backup), "cluster": name.cluster.0, "at": Moment(name.at), "revision": name.revision.0,
                "bytes": bytes,
            })
        });
        say!("{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
        return Ok(());
    }
    ensure!(!found.is_empty(), "there are no scheduled backups in {address}");
    say!("{:<24}  {:>12}  {:>12}  BACKUP", "TAKEN", "REVISION", "BYTES");
    for backup in &found {
        let at = Moment(backup.name.at).to_string();
        say!("{at:<24}  {:>12}  {:>12}  {}", backup.name.revision.0, backup.bytes, url(backup));
    }
    Ok(())
}

/// A backup as a file of this machine.
pub struct BackupOnDisk {
    path: PathBuf,
    /// The lock on a file that was fetched, which the drop deletes.
    fetched: Option<File>,
}

impl BackupOnDisk {
    /// The file with all of it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BackupOnDisk {
    fn drop(&mut self) {
        if self.fetched.is_some() {
            // The next restore writes over it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Finds the backup that the operator names: a file, an address of a backup, or a folder or an address with several, of
/// which the one that goes farthest is meant. One that is not on this machine is fetched into a file beside the data
/// folder.
///
/// # Errors
/// When there is none, it cannot be fetched, or the data folder is in use.
pub async fn find(from: &str, data_dir: &Path) -> anyhow::Result<BackupOnDisk> {
    let address = match Address::parse(from)? {
        Address::Folder(path) if !path.is_dir() => return Ok(BackupOnDisk { path, fetched: None }),
        address => address,
    };
    let (destination, name) = match &address {
        Address::Bucket(url) if url.path().ends_with(BACKUP) => {
            let (above, name) = split(url)?;
            (above.open()?, name)
        }
        address => {
            let destination = address.open()?;
            let name = newest(&destination).await?.name.to_string();
            (destination, name)
        }
    };
    if let Address::Folder(folder) = &address {
        return Ok(BackupOnDisk { path: folder.join(name), fetched: None });
    }
    // Before hours of fetching.
    check_is_free(data_dir)?;
    let (data_dir, _) = folders::check_is_replaceable(data_dir)?;
    say!("Fetching   {name} from {destination}");
    let path = folders::sibling(&data_dir, FETCHED);
    let mut file = create_locked(&path)?;
    let found = BackupOnDisk { path, fetched: Some(file.try_clone()?) };
    let fetched = catalog::fetch(&destination, &name, &mut file).await;
    let fetched = fetched.with_context(|| format!("cannot fetch {name} from {destination}"));
    fetched.map_err(|error| anyhow!(explain(&error)))?;
    Ok(found)
}

/// The address of a folder or a store that is there: nothing is made by looking.
fn existing(from: &str) -> anyhow::Result<Address> {
    let address = Address::parse(from)?;
    if let Address::Folder(folder) = &address {
        ensure!(folder.is_dir(), "{} is not a folder", folder.display());
    }
    Ok(address)
}

/// The address above that of a backup, and its name.
fn split(url: &Url) -> anyhow::Result<(Address, String)> {
    let (above, name) = url.path().rsplit_once('/').context("an address of a backup has a path")?;
    let mut folder = url.clone();
    folder.set_path(above);
    Ok((Address::Bucket(folder), name.to_owned()))
}

async fn stored(destination: &Destination) -> anyhow::Result<Vec<StoredBackup>> {
    let found = catalog::list(destination).await.with_context(|| format!("cannot list {destination}"));
    let mut found = found.map_err(|error| anyhow!(explain(&error)))?;
    found.sort_unstable_by_key(|backup| (backup.name.at, backup.name));
    Ok(found)
}

async fn newest(destination: &Destination) -> anyhow::Result<StoredBackup> {
    let found = stored(destination).await?;
    // By its revision: the clock of a node may have been wrong.
    let newest = found.iter().max_by_key(|backup| (backup.name.revision, backup.name));
    let Some(newest) = newest else { bail!("there are no scheduled backups in {destination}") };
    let clusters: BTreeSet<_> = found.iter().map(|backup| backup.name.cluster).collect();
    ensure!(
        clusters.len() == 1,
        "{destination} has backups of {} clusters: choose one of those that nexusd backups {destination} prints",
        clusters.len()
    );
    Ok(*newest)
}

/// Makes a file that one process at a time writes, and only its owner can read.
fn create_locked(path: &Path) -> anyhow::Result<File> {
    let failed = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(failed)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    ensure!(
        locked != Err(rustix::io::Errno::WOULDBLOCK),
        "another restore writes {}: wait for it, then try again",
        path.display()
    );
    file.set_len(0).with_context(failed)?;
    file.flush().with_context(failed)?;
    Ok(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::backups::name::BackupName;
    use nexus_domain::{ClusterId, NodeId, Revision, WallTime};
    use uuid::Uuid;

    fn name(cluster: u128, hour: i64) -> String {
        let cluster = ClusterId(Uuid::from_u128(cluster));
        BackupName::new(cluster, NodeId(1), WallTime(hour * 3_600_000), Revision(1)).to_string()
    }

    async fn found(from: &Path) -> anyhow::Result<PathBuf> {
        let from = from.display().to_string();
        Ok(find(&from, Path::new("data")).await?.path().to_owned())
    }

    #[tokio::test]
    async fn a_folder_means_its_newest_backup_and_a_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(folder.path().join(name), "whole").unwrap();
        let path = |name: &str| folder.path().join(name);
        let none = found(folder.path()).await.unwrap_err();
        assert!(none.to_string().contains("no scheduled backups"), "{none}");
        for hour in [3, 1, 2] {
            put(&name(7, hour));
        }
        put("zzz.backup");
        put(&format!("{}#1", name(7, 9)));
        assert_eq!(found(folder.path()).await.unwrap(), path(&name(7, 3)));
        assert_eq!(found(&path("zzz.backup")).await.unwrap(), path("zzz.backup"));
        put(&name(8, 1));
        let several = found(folder.path()).await.unwrap_err().to_string();
        assert!(several.contains("2 clusters") && several.contains("nexusd backups"), "{several}");
    }

    #[tokio::test]
    async fn a_folder_means_the_backup_of_the_highest_revision_whatever_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let put = |hour: i64, revision| {
            let cluster = ClusterId(Uuid::from_u128(7));
            let name = BackupName::new(cluster, NodeId(1), WallTime(hour * 3_600_000), Revision(revision));
            let path = folder.path().join(name.to_string());
            fs::write(&path, "whole").unwrap();
            path
        };
        put(99, 5);
        let farthest = put(2, 9);
        put(1, 8);
        assert_eq!(found(folder.path()).await.unwrap(), farthest);
    }

    #[test]
    fn an_address_of_a_backup_has_a_store_above_it() {
        let (above, name) = split(&"s3://bucket/nexus/monday.backup".parse().unwrap()).unwrap();
        assert_eq!((above.to_string().as_str(), name.as_str()), ("s3://bucket/nexus", "monday.backup"));
        let (above, _) = split(&"s3://bucket/monday.backup".parse().unwrap()).unwrap();
        assert_eq!(above.to_string(), "s3://bucket");
    }

    #[test]
    fn one_process_at_a_time_fetches_into_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.from-store");
        fs::write(&path, "half of an earlier one").unwrap();
        let first = create_locked(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert!(create_locked(&path).unwrap_err().to_string().contains("another restore"));
        drop(first);
        create_locked(&path).unwrap();
    }
}
