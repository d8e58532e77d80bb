//! The ordered storage under the log and the state machine. It knows nothing about the content of its records.
//!
//! [`Storage`] is five sorted columns with one write-ahead log: a batch is written atomically, batches survive a crash
//! in the order of writing, and [`Storage::flush`] makes all of them durable. [`Folder`] has the plain files on the
//! same device. There are two implementations: [`Rocks`] with [`OsFolder`], and [`SimulatedDisk`], which loses or tears
//! whatever was not flushed.

mod batch;
mod folder;
mod rocks;
mod simulated;
mod simulated_failures;
mod simulated_files;
mod tracked;

pub use batch::{Batch, KeyRange, Operation};
pub use folder::{File, Folder, OsFolder};
pub use rocks::Rocks;
pub use simulated::SimulatedDisk;
pub use simulated_failures::{Crash, Fault};

pub(crate) use folder::open_to_read;
pub(crate) use rocks::FILES;
pub(crate) use tracked::{Released, TrackedStorage};

pub use crate::column::Column;

use crate::error::StoreError;
use std::{sync::Arc, time::Duration};

/// The direction of a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The lowest key comes first.
    Ascending,
    /// The highest key comes first.
    Descending,
}

/// A key with its value.
pub type Pair = (Box<[u8]>, Box<[u8]>);
/// The pairs of a range, which are read while it is iterated. It ends after the first error.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// Reads the columns of a storage.
pub trait Reader {
    /// The value of a key.
    ///
    /// # Errors
    /// If the device fails.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The value of a key, if that is known from memory; `None` if it has to be [read](Reader::get) from the device.
    fn get_cached(&self, _column: Column, _key: &[u8]) -> Option<Option<Vec<u8>>> {
        None
    }

    /// The pairs of a range, as of the beginning of the scan.
    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a>;
}

/// Sorted columns on a device.
pub trait Storage: Reader + Send + Sync + 'static {
    /// Writes a batch to the write-ahead log and makes it readable. It is durable after the next [`Storage::flush`],
    /// and never without all batches before it.
    ///
    /// # Errors
    /// If the device fails or is full. Then nothing of the batch is readable.
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Makes everything durable that was written before the call. It blocks on the device: never call it on an async
    /// worker.
    ///
    /// # Errors
    /// If the device fails. Then it is unknown what is durable, and a second flush would not reveal it (Rebello et al.,
    /// "Can Applications Recover from fsync Failures?", ATC 2020).
    fn flush(&self) -> Result<(), StoreError>;

    /// How long the next flush takes where no flush blocks. Only its writers wait for so long.
    fn flush_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Runs `work` on a view of all columns at the moment of the call.
    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader));

    /// The plain files on the same device.
    fn folder(&self) -> Arc<dyn Folder>;

    /// Whether a flush waits for a device, and so needs a thread of its own. A simulated disk never waits, so that
    /// everything stays on the caller's deterministic runtime.
    fn may_block(&self) -> bool;

    /// The space in use.
    fn usage(&self) -> SpaceUsage;
}

/// The space in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpaceUsage {
    /// The estimated bytes of sorted files and write-ahead log on disk.
    pub disk_bytes: u64,
    /// The estimated bytes of write buffers, table readers and block cache in memory.
    pub memory_bytes: u64,
}
