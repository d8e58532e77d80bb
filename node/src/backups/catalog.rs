//! Lists the backups in a store, fetches one of them, and deletes those that are not kept. Deletes backups of one
//! cluster alone, and nothing that has another kind of name.

use super::{
    destination::{Destination, explain},
    name::BackupName,
    ranges::RangeReader,
    schedule::Retention,
};
use anyhow::{Context, anyhow};
use nexus_domain::{ClusterId, WallTime};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime},
};

/// Age of an unfinished file at which nobody can still be writing to it.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A backup in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredBackup {
    /// Its name, which says its cluster, its time and its revision.
    pub name: BackupName,
    /// Its length in bytes.
    pub bytes: u64,
}

/// All backups in a store, those of each cluster in the order of their times. What is in folders below belongs to
/// others, and is not looked at.
///
/// # Errors
/// When the store does not answer.
pub async fn list(destination: &Destination) -> anyhow::Result<Vec<StoredBackup>> {
    let mut found = match destination.folder().map(Path::to_owned) {
        // Blocks on a folder that hangs.
        Some(folder) => tokio::task::spawn_blocking(move || list_folder(&folder)).await??,
        None => list_bucket(destination).await?,
    };
    found.sort_unstable();
    Ok(found)
}

/// The backups in a folder. Other entries are passed over by their names, so that one that cannot be read stops
/// nothing.
fn list_folder(folder: &Path) -> anyhow::Result<Vec<StoredBackup>> {
    let unreadable = |path: &Path, error: io::Error| anyhow!("cannot read {}: {error}", path.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match fs::metadata(entry.path()) {
            Ok(file) if file.is_file() => found.push(StoredBackup { name, bytes: file.len() }),
            Ok(_) => {}
            // Another node has deleted it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&entry.path(), error)),
        }
    }
    Ok(found)
}

/// The backups in a bucket, at the level of the prefix.
async fn list_bucket(destination: &Destination) -> anyhow::Result<Vec<StoredBackup>> {
    let listed = destination.store.list_with_delimiter(Some(&destination.below)).await?;
    let backup = |object: object_store::ObjectMeta| {
        let name = object.location.filename()?.parse().ok()?;
        Some(StoredBackup { name, bytes: object.size })
            .filter(|found| destination.location(found.name) == object.location)
    };
    Ok(listed.objects.into_iter().filter_map(backup).collect())
}

/// The backups of a cluster in a store, in the order of their times.
///
/// # Errors
/// When the store does not answer.
pub async fn list_of(destination: &Destination, cluster: ClusterId) -> anyhow::Result<Vec<StoredBackup>> {
    let mut found = list(destination).await?;
    found.retain(|backup| backup.name.cluster == cluster);
    Ok(found)
}

/// Deletes the backups of a cluster that are too many or too old, after `last` was found to be good. Returns how many.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn prune(
    destination: &Destination,
    last: BackupName,
    retention: Retention,
) -> anyhow::Result<usize> {
    let stored = list_of(destination, last.cluster).await?;
    let names: Vec<BackupName> = stored.iter().map(|backup| backup.name).collect();
    let dispensable = dispensable(&names, last, retention);
    for name in &dispensable {
        let deleted = destination.store.delete(&destination.location(name)).await;
        deleted.with_context(|| format!("cannot delete {name}"))?;
    }
    if let Some(folder) = destination.folder().map(Path::to_owned) {
        // What cannot be deleted now is tried again after the next backup.
        let removed = move || remove_abandoned(&folder, last.cluster, SystemTime::now());
        let _ = tokio::task::spawn_blocking(removed).await;
    }
    Ok(dispensable.len())
}

/// Deletes a backup that was just written and is not good. An error leaves it there.
pub(crate) async fn discard(destination: &Destination, name: BackupName) {
    if let Err(error) = destination.store.delete(&destination.location(name)).await {
        let why = explain(&error.into());
        tracing::error!(why, %name, to = %destination, "a backup that cannot be relied on was not deleted");
    }
}

/// The backups that may go. Those from `last` on stay: nothing newer is known to be good.
fn dispensable(names: &[BackupName], last: BackupName, retention: Retention) -> Vec<BackupName> {
    let Retention { keep, keep_for } = retention;
    let oldest = keep_for
        .map(|age| WallTime(last.at.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))));
    let earlier: Vec<BackupName> = names.iter().copied().filter(|name| *name < last).collect();
    let surplus = (earlier.len() + 1).saturating_sub(keep.get());
    let is_dispensable =
        |(at, name): &(usize, &BackupName)| *at < surplus || oldest.is_some_and(|oldest| name.at < oldest);
    earlier.iter().enumerate().filter(is_dispensable).map(|(_, name)| *name).collect()
}

/// Removes what processes that ended in the middle of a write have left in a folder: files with the name of a backup of
/// this cluster, and a suffix.
fn remove_abandoned(folder: &Path, cluster: ClusterId, now: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let begun = name.to_str().and_then(|name| name.split_once('#'));
        let is_own = begun
            .and_then(|(name, _)| name.parse::<BackupName>().ok())
            .is_some_and(|name| name.cluster == cluster);
        if is_own && now.duration_since(entry.metadata()?.modified()?).is_ok_and(|age| age > ABANDONED_AFTER)
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes what has a name in a store into a file.
///
/// # Errors
/// When the store does not have it, or the file cannot be written.
pub async fn fetch(destination: &Destination, name: &str, to: &mut impl Write) -> anyhow::Result<()> {
    let mut pieces = RangeReader::open(destination, name).await?;
    while let Some(piece) = pieces.next().await? {
        to.write_all(&piece)?;
    }
    Ok(to.flush()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::backups::destination::Address;
    use nexus_domain::{NodeId, Revision};
    use object_store::memory::InMemory;
    use std::{num::NonZeroUsize, sync::Arc};
    use uuid::Uuid;

    const HOUR_MS: i64 = 3_600_000;

    fn name(cluster: u128, hour: i64) -> BackupName {
        let cluster = ClusterId(Uuid::from_u128(cluster));
        BackupName::new(cluster, NodeId(1), WallTime(hour * HOUR_MS), Revision(1))
    }

    fn keep(count: usize, hours: Option<u64>) -> Retention {
        Retention {
            keep: NonZeroUsize::new(count).unwrap(),
            keep_for: hours.map(|hours| Duration::from_secs(hours * 3600)),
        }
    }

    #[test]
    fn what_is_too_many_or_too_old_may_go_and_the_last_good_one_never() {
        let names: Vec<_> = (0..10).map(|hour| name(1, hour)).collect();
        let hours = |last: i64, retention| -> Vec<i64> {
            let gone = dispensable(&names, name(1, last), retention);
            gone.iter().map(|name| name.at.0 / HOUR_MS).collect()
        };
        assert_eq!(hours(9, keep(20, None)), [0; 0]);
        assert_eq!(hours(9, keep(3, None)), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(hours(9, keep(20, Some(4))), [0, 1, 2, 3, 4]);
        assert_eq!(hours(9, keep(7, Some(4))), [0, 1, 2, 3, 4]);
        assert_eq!(hours(9, keep(3, Some(8))), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(hours(9, keep(1, Some(0))), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        // Nobody has looked at the two that are newer.
        assert_eq!(hours(7, keep(1, None)), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn files_of_others_and_of_other_clusters_stay() {
        let store = Arc::new(InMemory::new());
        let destination = Destination::of_test(store.clone());
        for hour in 0..5 {
            store.put(&destination.location(name(1, hour)), "own".into()).await.unwrap();
        }
        let others = [
            destination.location(name(2, 0)),
            destination.location("README.md"),
            destination.location("nexus-monday.backup"),
            destination.location("sub").join(name(1, 0).to_string()),
            object_store::path::Path::from(name(1, 0).to_string()),
        ];
        for other in &others {
            store.put(other, "other".into()).await.unwrap();
        }
        assert_eq!(list(&destination).await.unwrap().len(), 6, "with that of the other cluster");
        assert_eq!(prune(&destination, name(1, 4), keep(2, None)).await.unwrap(), 3);
        let left = list_of(&destination, name(1, 0).cluster).await.unwrap();
        assert_eq!(left.iter().map(|left| left.name).collect::<Vec<_>>(), [name(1, 3), name(1, 4)]);
        for other in others {
            assert!(store.head(&other).await.is_ok(), "{other} is gone");
        }
    }

    #[tokio::test]
    async fn foreign_folders_and_files_do_not_stop_a_list() {
        use std::os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &std::ffi::OsStr| fs::write(folder.path().join(name), "whole").unwrap();
        put(std::ffi::OsStr::new(&name(1, 0).to_string()));
        put(std::ffi::OsStr::from_bytes(b"not \xff UTF-8"));
        std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        let foreign = folder.path().join("lost+found");
        fs::create_dir(&foreign).unwrap();
        fs::create_dir(folder.path().join(name(1, 1).to_string())).unwrap();
        fs::set_permissions(&foreign, fs::Permissions::from_mode(0o0)).unwrap();
        let destination = Address::Folder(folder.path().to_owned()).open().unwrap();
        let found = list(&destination).await.unwrap();
        assert_eq!(found, [StoredBackup { name: name(1, 0), bytes: 5 }]);
        // So that the folder of this test can be deleted.
        fs::set_permissions(&foreign, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn what_a_killed_process_has_begun_is_removed_once_nobody_can_be_writing_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            fs::write(folder.path().join(name), "half").unwrap();
            folder.path().join(name)
        };
        let abandoned = file(&format!("{}#1", name(1, 0)));
        let others = [file(&format!("{}#1", name(2, 0))), file("notes#1"), file(&name(1, 0).to_string())];
        let now = SystemTime::now();
        remove_abandoned(folder.path(), name(1, 0).cluster, now).unwrap();
        assert!(abandoned.exists(), "it may be written to at this moment");
        remove_abandoned(folder.path(), name(1, 0).cluster, now + ABANDONED_AFTER * 2).unwrap();
        assert!(!abandoned.exists() && others.iter().all(|other| other.exists()));
    }
}
