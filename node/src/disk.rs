//! Watches the space on the data folder's file system. Below the low mark the node asks for relief:
//! see `admit`. Never decides what is refused, and never deletes anything but its own reserve.
//!
//! etcd#2819 and #3591 are what happens without: a full disk in the middle of a write. The marks all
//! come from one setting, the space that is kept back:
//! - below it, space counts as low, until there is a quarter more than that again;
//! - below an eighth of it, the reserve file is given back, another eighth: what ends leases and gives
//!   files back is written from it.

use crate::node::Node;
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
use tokio_util::sync::CancellationToken;

/// Space that is kept back unless the operator says otherwise, in bytes: several times what RocksDB
/// writes at once when it flushes its buffers and compacts, and its largest write-ahead log.
pub(crate) const DEFAULT_RESERVE: u64 = 256 << 20;

/// The disk is looked at this often. What fills a quarter of a gigabyte faster than that meets the
/// reserve file.
const LOOK: Duration = Duration::from_secs(1);

/// The file that is given back in an emergency.
const RESERVE_FILE: &str = "reserve";

/// The marks, in bytes of free space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    low: u64,
    enough: u64,
    emergency: u64,
    /// Length of the reserve file.
    file: u64,
}

impl Marks {
    fn keeping_back(reserve: u64) -> Self {
        Self { low: reserve, enough: reserve + reserve / 4, emergency: reserve / 8, file: reserve / 8 }
    }

    /// Whether space is low, given whether it was: two marks, so that it does not flutter.
    fn is_low(&self, free: u64, was_low: bool) -> bool {
        free < if was_low { self.enough } else { self.low }
    }
}

/// The data folder's disk as it was when last looked at.
pub(crate) struct Disk {
    folder: PathBuf,
    marks: Marks,
    free: AtomicU64,
    is_low: AtomicBool,
}

impl Disk {
    /// Looks at the disk of a data folder for the first time, and makes the reserve file if there is
    /// room for it.
    ///
    /// # Errors
    /// When the file system does not say how much is free.
    pub(crate) fn open(folder: &Path, reserve: u64) -> io::Result<Self> {
        let disk = Self {
            folder: folder.to_owned(),
            marks: Marks::keeping_back(reserve),
            free: AtomicU64::new(0),
            is_low: AtomicBool::new(false),
        };
        disk.look()?;
        Ok(disk)
    }

    /// Free bytes.
    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Whether space is low.
    pub(crate) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Free bytes from which space counts as low.
    pub(crate) fn low_mark(&self) -> u64 {
        self.marks.low
    }

    /// Looks again. Waits for the file system: not to be called on an async worker.
    fn look(&self) -> io::Result<()> {
        let free = free_bytes(&self.folder)?;
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
                tracing::error!("the reserve is given back: the disk is all but full");
            }
        } else if free >= self.marks.enough + self.marks.file && !path.exists() {
            self.make_reserve(&path);
        }
        Ok(())
    }

    /// Takes the space, whatever is written into it. Without it, an emergency only comes sooner.
    fn make_reserve(&self, path: &Path) {
        let made = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            Ok(fallocate(&file, FallocateFlags::empty(), 0, self.marks.file.max(1))?)
        };
        if let Err(error) = made() {
            tracing::debug!(%error, "this file system cannot set space aside");
        }
    }
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// For people.
pub(crate) const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Looks at the disk for as long as the node runs.
pub(crate) async fn watch(node: Arc<Node>, stop: CancellationToken) {
    loop {
        let disk = node.disk.clone();
        // On a disk that hangs this waits, and that is all it does.
        match tokio::task::spawn_blocking(move || disk.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot see how much space is free"),
            Err(_) => return,
        }
        // A snapshot is what lets the log be dropped: only one that does not fit is put off.
        let needed = node.store.snapshot_bytes().unwrap_or(0).saturating_mul(2);
        node.store
            .defer_snapshots(node.disk.is_low() && node.disk.free() < needed.max(node.disk.marks.emergency));
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn low_space_has_two_marks_so_that_it_does_not_flutter() {
        let marks = Marks::keeping_back(800);
        assert!(!marks.is_low(800, false));
        assert!(marks.is_low(799, false));
        assert!(marks.is_low(999, true));
        assert!(!marks.is_low(1_000, true));
    }

    #[test]
    fn a_reserve_is_made_where_there_is_room_and_given_back_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), 8 << 20).unwrap();
        assert!(!disk.is_low() && disk.free() > 0);
        let reserve = folder.path().join(RESERVE_FILE);
        assert_eq!(fs::metadata(&reserve).unwrap().len(), 1 << 20);
        // More than any disk has: everything is an emergency.
        let full = Disk::open(folder.path(), u64::MAX / 2).unwrap();
        assert!(full.is_low());
        assert!(!reserve.exists());
    }
}
