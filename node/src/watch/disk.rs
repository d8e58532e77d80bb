//! Watches the disk of the data folder: its free space, the size of the database, and whether flushes are slow. What is
//! refused while space is low is decided elsewhere; this module deletes nothing but its own reserve file.
//!
//! Without it, a disk gets full in the middle of a write (etcd#2819, #3591). All marks come from one setting, the
//! reserve:
//! - when less than the reserve is free, space counts as low, until a quarter more than the reserve is free again;
//! - when less than an eighth of it is free, the reserve file, another eighth, is deleted, so that writes that end
//!   leases and release files still succeed.

use crate::blocking;
use nexus_raft_store::StoreHandle;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often free space is measured. Writes that fill a quarter of a gigabyte faster than that use the reserve file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the size of the database is measured.
const DATABASE_SIZE_INTERVAL: Duration = Duration::from_secs(10);

/// The file that is deleted in an emergency.
const RESERVE_FILE: &str = "reserve";

/// Thresholds of free space, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    low: u64,
    enough: u64,
    emergency: u64,
    /// Length of the reserve file.
    file: u64,
}

impl Marks {
    fn of_reserve(reserve: u64) -> Self {
        Self { low: reserve, enough: reserve + reserve / 4, emergency: reserve / 8, file: reserve / 8 }
    }

    /// Whether space is low, given whether it was before. There are two marks, so that it does not alternate.
    fn is_low(&self, free: u64, was_low: bool) -> bool {
        free < if was_low { self.enough } else { self.low }
    }
}

/// The data folder's disk when it was last measured.
pub(crate) struct Disk {
    space: Arc<dyn FreeSpace>,
    folder: PathBuf,
    marks: Marks,
    free: AtomicU64,
    is_low: AtomicBool,
    is_slow: AtomicBool,
    database_bytes: AtomicU64,
}

impl Disk {
    /// Measures the disk of a data folder, and makes the reserve file if there is room for it.
    ///
    /// # Errors
    /// When the file system does not report its free space.
    pub(crate) fn open(folder: &Path, reserve: u64, space: Arc<dyn FreeSpace>) -> io::Result<Self> {
        let disk = Self {
            space,
            folder: folder.to_owned(),
            marks: Marks::of_reserve(reserve),
            free: AtomicU64::new(0),
            is_low: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            database_bytes: AtomicU64::new(0),
        };
        disk.measure()?;
        Ok(disk)
    }

    /// Free bytes when last measured.
    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Whether space is low.
    pub(crate) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Whether flushes are slow.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Records whether flushes are slow, and returns whether they were before.
    pub(crate) fn set_slow(&self, is_slow: bool) -> bool {
        self.is_slow.swap(is_slow, Ordering::Relaxed)
    }

    /// Bytes that the database takes on the disk.
    pub(crate) fn database_bytes(&self) -> u64 {
        self.database_bytes.load(Ordering::Relaxed)
    }

    /// Space counts as low when fewer bytes than this are free.
    pub(crate) fn low_mark(&self) -> u64 {
        self.marks.low
    }

    /// Measures free space. Blocks on the file system, so it must not run on an async worker.
    fn measure(&self) -> io::Result<()> {
        let free = self.space.free_bytes(&self.folder)?;
        let was_low = self.is_low();
        let is_low = self.marks.is_low(free, was_low);
        self.free.store(free, Ordering::Relaxed);
        self.is_low.store(is_low, Ordering::Relaxed);
        if is_low != was_low {
            let (free, low) = (mib(free), mib(self.marks.low));
            let folder = self.folder.display();
            if is_low {
                tracing::error!(%folder, "the disk is nearly full: {free} MiB are free, {low} MiB are kept back");
            } else {
                tracing::info!(%folder, "the disk has room again: {free} MiB are free");
            }
        }
        let path = self.folder.join(RESERVE_FILE);
        if free < self.marks.emergency {
            if fs::remove_file(&path).is_ok() {
                tracing::error!("the reserve file is deleted: the disk is all but full");
            }
        } else if free >= self.marks.enough + self.marks.file && !path.exists() {
            self.make_reserve(&path);
        }
        Ok(())
    }

    /// Allocates the reserve file. If that fails, an emergency only comes sooner.
    fn make_reserve(&self, path: &Path) {
        let made = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            Ok(fallocate(&file, FallocateFlags::empty(), 0, self.marks.file.max(1))?)
        };
        if let Err(error) = made() {
            tracing::debug!(%error, "this file system cannot allocate the reserve file");
        }
    }
}

/// Reports how much space is free.
pub trait FreeSpace: Send + Sync + 'static {
    /// The bytes that are free for the files of a folder.
    ///
    /// # Errors
    /// When the file system does not report them.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// Asks the file system of the folder.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileSystemSpace;

impl FreeSpace for FileSystemSpace {
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let found = statvfs(folder)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Bytes as whole MiB, for messages.
pub(crate) const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Measures the disk for as long as the node runs, and defers snapshots that do not fit.
pub(crate) async fn watch(disk: Arc<Disk>, store: StoreHandle, stop: CancellationToken) {
    let mut database_measured = None::<Instant>;
    loop {
        let measured = disk.clone();
        // A disk that hangs blocks this task alone.
        match blocking::run(move || measured.measure()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot measure how much space is free"),
            Err(_) => return,
        }
        // A snapshot lets the log be purged: only one that does not fit is deferred.
        let needed = store.snapshot_bytes().unwrap_or(0).saturating_mul(2);
        store.defer_snapshots(disk.is_low() && disk.free() < needed.max(disk.marks.emergency));
        if database_measured.is_none_or(|at| at.elapsed() >= DATABASE_SIZE_INTERVAL) {
            database_measured = Some(Instant::now());
            if let Ok(usage) = store.usage().await {
                disk.database_bytes.store(usage.disk_bytes, Ordering::Relaxed);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn low_space_has_two_marks_so_that_it_does_not_alternate() {
        let marks = Marks::of_reserve(800);
        assert!(!marks.is_low(800, false));
        assert!(marks.is_low(799, false));
        assert!(marks.is_low(999, true));
        assert!(!marks.is_low(1_000, true));
    }

    #[test]
    fn a_reserve_file_is_made_when_there_is_room_and_deleted_when_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), 8 << 20, Arc::new(FileSystemSpace)).unwrap();
        assert!(!disk.is_low() && disk.free() > 0);
        let reserve = folder.path().join(RESERVE_FILE);
        assert_eq!(fs::metadata(&reserve).unwrap().len(), 1 << 20);
        // More than any disk has: everything is an emergency.
        let full = Disk::open(folder.path(), u64::MAX / 2, Arc::new(FileSystemSpace)).unwrap();
        assert!(full.is_low());
        assert!(!reserve.exists());
    }
}
