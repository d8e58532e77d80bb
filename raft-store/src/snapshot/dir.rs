//! A node's folder of snapshots: the current one, and temporary ones that are being written. It deletes only files that
//! it has written itself, and no file that it cannot read.

use super::{file::SnapshotFile, format};
use crate::{
    error::StoreError,
    machine::progress::Progress,
    storage::{File, Folder, Storage},
    types::{LogId, SnapshotMeta},
};
use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".snap";
const TEMPORARY_PREFIX: &str = "unfinished-";
const TEMPORARY_SUFFIX: &str = ".tmp";
const DAMAGED_PREFIX: &str = "damaged-";

/// The folder of a node's snapshots.
pub(crate) struct SnapshotDir {
    folder: Arc<dyn Folder>,
    may_block: bool,
    current: Mutex<Option<(SnapshotMeta, SnapshotFile)>>,
    next_temporary: AtomicU64,
    building: AtomicUsize,
    failures: AtomicU64,
}

/// The last entry and the membership that a snapshot covers.
pub(super) fn meta_of(progress: &Progress) -> SnapshotMeta {
    SnapshotMeta { last_log_id: progress.applied, last_membership: progress.membership.clone() }
}

/// The permanent name of a snapshot. Names sort by the last index.
fn name_of(meta: &SnapshotMeta) -> String {
    let index = meta.last_log_id.map_or(0, |log_id| log_id.index);
    format!("{PREFIX}{index:020}{SUFFIX}")
}

impl SnapshotDir {
    /// Scans the folder: deletes unfinished files, finds the newest valid snapshot, deletes older ones, and renames
    /// damaged ones.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn open(storage: &dyn Storage) -> Result<Self, StoreError> {
        let folder = storage.folder();
        let mut names = folder.names()?;
        names.sort_unstable_by(|a, b| b.cmp(a));
        let snapshot_dir = Self {
            folder,
            may_block: storage.may_block(),
            current: Mutex::new(None),
            next_temporary: AtomicU64::new(0),
            building: AtomicUsize::new(0),
            failures: AtomicU64::new(0),
        };
        let mut current = None;
        for name in names {
            if name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX) {
                snapshot_dir.folder.remove(&name)?;
            } else if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
                if current.is_some() {
                    snapshot_dir.folder.remove(&name)?;
                } else {
                    current = snapshot_dir.examine(&name)?;
                }
            }
        }
        *snapshot_dir.lock() = current;
        Ok(snapshot_dir)
    }

    fn examine(&self, name: &str) -> Result<Option<(SnapshotMeta, SnapshotFile)>, StoreError> {
        let Some(file) = self.folder.open(name)? else {
            return Ok(None);
        };
        match format::verify(file.as_ref()) {
            Ok(progress) => {
                let length = file.length()?;
                let snapshot = SnapshotFile::new(&self.folder, file, name.to_owned(), length, self.may_block);
                snapshot.keep_as(name)?;
                Ok(Some((meta_of(&progress), snapshot)))
            }
            Err(StoreError::Snapshot(cause)) => {
                tracing::warn!(name, cause, "a damaged snapshot was renamed");
                self.folder.rename(name, &format!("{DAMAGED_PREFIX}{name}"))?;
                self.folder.sync()?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(SnapshotMeta, SnapshotFile)>> {
        self.current.lock().expect("no code panics while it holds the current snapshot")
    }

    /// The current snapshot.
    pub(crate) fn current(&self) -> Option<(SnapshotMeta, SnapshotFile)> {
        self.lock().clone()
    }

    /// The current snapshot, if it has this name.
    pub(super) fn find(&self, name: &str) -> Option<SnapshotFile> {
        self.current().map(|(_, file)| file).filter(|file| file.name() == name)
    }

    /// Whether a snapshot is being built.
    pub(crate) fn is_building(&self) -> bool {
        self.building.load(Ordering::Relaxed) > 0
    }

    /// The number of snapshots that failed for lack of space.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a snapshot as being built until the guard is dropped.
    pub(super) fn begin_building(self: &Arc<Self>) -> Building {
        self.building.fetch_add(1, Ordering::Relaxed);
        Building(self.clone())
    }

    /// Creates a temporary file.
    ///
    /// # Errors
    /// If the device fails or is full.
    pub(super) fn create(&self) -> Result<(String, Arc<dyn File>), StoreError> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMPORARY_PREFIX}{number}{TEMPORARY_SUFFIX}");
        let file = self.folder.create(&name)?;
        Ok((name, file))
    }

    /// Makes a complete temporary file durable.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn complete(
        &self,
        name: String,
        file: Arc<dyn File>,
        length: u64,
    ) -> Result<SnapshotFile, StoreError> {
        // The handle comes first: if the flush fails, its drop removes the file.
        let snapshot = SnapshotFile::new(&self.folder, file, name, length, self.may_block);
        snapshot.file().sync()?;
        Ok(snapshot)
    }

    /// Removes a temporary file that is not needed any more.
    pub(super) fn discard(&self, name: &str) {
        if let Err(error) = self.folder.remove(name) {
            tracing::warn!(%error, name, "an unfinished snapshot could not be removed; it stays until the next start");
        }
    }

    pub(super) fn may_block(&self) -> bool {
        self.may_block
    }

    /// Makes a complete snapshot the current one, unless the current one covers more. Returns whether it did.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn adopt(&self, meta: &SnapshotMeta, snapshot: &SnapshotFile) -> Result<bool, StoreError> {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|(covered, _)| covered.last_log_id > meta.last_log_id) {
            return Ok(false);
        }
        let name = name_of(meta);
        snapshot.keep_as(&name)?;
        if let Some((_, older)) = current.replace((meta.clone(), snapshot.clone())) {
            let older = older.name();
            if older != name {
                self.folder.remove(&older)?;
            }
        }
        Ok(true)
    }
}

/// A snapshot as it is found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotNote {
    /// The name of its file.
    pub name: String,
    /// The length of its file in bytes.
    pub bytes: u64,
    /// The last entry that it covers, or how it is damaged.
    pub covers: Result<Option<LogId>, String>,
}

/// The complete snapshots in a folder, which stays as it is.
///
/// # Errors
/// If the device fails.
pub(crate) fn snapshots_in(folder: &dyn Folder) -> Result<Vec<SnapshotNote>, StoreError> {
    let mut names = folder.names()?;
    names.retain(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
    names.sort_unstable();
    let mut notes = Vec::with_capacity(names.len());
    for name in names {
        // A running node may have replaced it meanwhile.
        let Some(file) = folder.open(&name)? else { continue };
        let covers = format::verify(file.as_ref()).map(|progress| progress.applied);
        notes.push(SnapshotNote {
            bytes: file.length()?,
            covers: covers.map_err(|error| error.to_string()),
            name,
        });
    }
    Ok(notes)
}

/// A guard: while it lives, a snapshot counts as being built.
pub(super) struct Building(Arc<SnapshotDir>);

impl Drop for Building {
    fn drop(&mut self) {
        self.0.building.fetch_sub(1, Ordering::Relaxed);
    }
}
