//! Where snapshots are kept: one that is current, and temporary ones that are being made. Deletes
//! only what it made itself, and nothing that it cannot read.

use super::{file::SnapshotFile, format};
use crate::{
    error::StoreError,
    machine::progress::Progress,
    storage::{File, Folder, Storage},
    types::SnapshotMeta,
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

/// The node's snapshots.
pub(crate) struct SnapshotDir {
    folder: Arc<dyn Folder>,
    may_block: bool,
    current: Mutex<Option<(SnapshotMeta, SnapshotFile)>>,
    next_temporary: AtomicU64,
    building: AtomicUsize,
    failures: AtomicU64,
}

/// What a snapshot covers, as openraft wants it.
pub(super) fn meta_of(progress: &Progress) -> SnapshotMeta {
    SnapshotMeta { last_log_id: progress.applied, last_membership: progress.membership.clone() }
}

/// The lasting name; names sort as what they cover.
fn name_of(meta: &SnapshotMeta) -> String {
    let index = meta.last_log_id.map_or(0, |log_id| log_id.index);
    format!("{PREFIX}{index:020}{SUFFIX}")
}

impl SnapshotDir {
    /// Looks through the folder: deletes what was not finished, finds the newest snapshot that is
    /// whole, deletes older ones, and puts damaged ones aside.
    ///
    /// # Errors
    /// When the device fails.
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
                tracing::warn!(name, cause, "a damaged snapshot is put aside");
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

    /// Whether one is being built.
    pub(crate) fn is_building(&self) -> bool {
        self.building.load(Ordering::Relaxed) > 0
    }

    /// Snapshots that could not be made for want of space.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Marks one as being built until the guard is dropped.
    pub(super) fn begin_building(self: &Arc<Self>) -> Building {
        self.building.fetch_add(1, Ordering::Relaxed);
        Building(self.clone())
    }

    /// Makes a temporary file.
    ///
    /// # Errors
    /// When the device fails or is full.
    pub(super) fn create(&self) -> Result<(String, Arc<dyn File>), StoreError> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMPORARY_PREFIX}{number}{TEMPORARY_SUFFIX}");
        let file = self.folder.create(&name)?;
        Ok((name, file))
    }

    /// A complete temporary file, made durable.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn complete(
        &self,
        name: String,
        file: Arc<dyn File>,
        length: u64,
    ) -> Result<SnapshotFile, StoreError> {
        // First the handle: if flushing fails, it removes the file.
        let snapshot = SnapshotFile::new(&self.folder, file, name, length, self.may_block);
        snapshot.file().sync()?;
        Ok(snapshot)
    }

    /// Removes a temporary file that was given up.
    pub(super) fn discard(&self, name: &str) {
        if let Err(error) = self.folder.remove(name) {
            tracing::warn!(%error, name, "an unfinished snapshot stays behind until the next start");
        }
    }

    pub(super) fn may_block(&self) -> bool {
        self.may_block
    }

    /// Makes a complete snapshot the current one, unless that covers more already; whether it did.
    ///
    /// # Errors
    /// When the device fails.
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

/// While it lives, a snapshot is being built.
pub(super) struct Building(Arc<SnapshotDir>);

impl Drop for Building {
    fn drop(&mut self) {
        self.0.building.fetch_sub(1, Ordering::Relaxed);
    }
}
