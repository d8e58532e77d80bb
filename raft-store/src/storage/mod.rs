//! The ordered storage that everything else is written against. Never knows what it keeps.
//!
//! [`Storage`] is five sorted columns with one write-ahead log: a batch is written whole or not at
//! all, batches survive a crash in the order of writing, and [`Storage::flush`] makes all of them
//! durable. [`Folder`] is the same device's plain files. Both come in two kinds: [`Rocks`] with
//! [`OsFolder`], and [`SimulatedDisk`], which loses or tears whatever was not flushed.

mod batch;
mod folder;
mod leased;
mod rocks;
mod simulated;
mod simulated_files;

pub use batch::{Batch, KeyRange, Operation};
pub use folder::{File, Folder, OsFolder};
pub use rocks::Rocks;
pub use simulated::{Crash, Fault, SimulatedDisk};

pub(crate) use folder::open_to_read;
pub(crate) use leased::{Leased, Released};

use crate::error::StoreError;
use std::{fmt, sync::Arc};

/// A sorted space of keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// Raft log entries by index.
    Log,
    /// Single records: vote, progress, identity.
    Meta,
    /// The hot state, row by row.
    Rows,
    /// The documents: long texts.
    Documents,
    /// The history, by revision.
    Events,
}

impl Column {
    /// All columns, in a fixed order.
    pub const ALL: [Self; 5] = [Self::Log, Self::Meta, Self::Rows, Self::Documents, Self::Events];

    /// Its name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Meta => "meta",
            Self::Rows => "rows",
            Self::Documents => "documents",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which end a scan begins at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Lowest key first.
    Ascending,
    /// Highest key first.
    Descending,
}

/// A key and its value.
pub type Pair = (Box<[u8]>, Box<[u8]>);
/// The pairs of a range, read as it goes; ends after the first error.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// Reads the columns of a storage.
pub trait Reader {
    /// The value of a key.
    ///
    /// # Errors
    /// When the device fails.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The value of a key, if telling it needs no device: what is in memory. None when it has to be
    /// [read](Reader::get).
    fn get_at_hand(&self, _column: Column, _key: &[u8]) -> Option<Option<Vec<u8>>> {
        None
    }

    /// The pairs of a range as they were when the scan began.
    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a>;
}

/// Sorted columns on a device.
pub trait Storage: Reader + Send + Sync + 'static {
    /// Writes a batch to the write-ahead log and makes it readable. It is durable after the next
    /// [`Storage::flush`], and never without all batches before it.
    ///
    /// # Errors
    /// When the device fails or is full; then nothing of the batch is readable.
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Makes durable all that was written before the call. Waits for the device: never call it on
    /// an async worker.
    ///
    /// # Errors
    /// When the device fails. What is durable is then unknown, and a second try would not tell
    /// (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
    fn flush(&self) -> Result<(), StoreError>;

    /// Runs `work` on all columns as they are at the moment of the call.
    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader));

    /// Plain files on the same device.
    fn folder(&self) -> Arc<dyn Folder>;

    /// Whether flushing waits for a device, so that it needs a thread of its own. A simulated disk
    /// answers at once, and everything stays on the caller's deterministic runtime.
    fn may_block(&self) -> bool;

    /// Space in use.
    fn usage(&self) -> Usage;
}

/// Space in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Sorted files and write-ahead log on disk, in bytes; an estimate.
    pub disk_bytes: u64,
    /// Write buffers, table readers and block cache, in bytes; an estimate.
    pub memory_bytes: u64,
}
