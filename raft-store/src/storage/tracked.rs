//! A storage that signals when its last handle is dropped. It passes all calls through.
//!
//! Raft ends its tasks by itself, some of them after its shutdown has returned, and each of them holds the storage. The
//! data folder can be opened again only after the last of them has dropped it.

use super::{Batch, Column, Folder, KeyRange, Order, Reader, Scan, SpaceUsage, Storage};
use crate::error::StoreError;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Resolves, with an error, once the storage is closed.
pub(crate) type Released = watch::Receiver<()>;

/// A storage and the sender that its drop closes.
pub(crate) struct TrackedStorage {
    // Fields are dropped in this order: first the storage is closed, then the receivers resolve.
    storage: Arc<dyn Storage>,
    _held: watch::Sender<()>,
}

impl TrackedStorage {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> (Self, Released) {
        let (held, released) = watch::channel(());
        (Self { storage, _held: held }, released)
    }
}

impl Reader for TrackedStorage {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.get(column, key)
    }

    fn get_cached(&self, column: Column, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.storage.get_cached(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        self.storage.scan(column, range, order)
    }
}

impl Storage for TrackedStorage {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.storage.write(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.storage.flush()
    }

    fn flush_delay(&self) -> Duration {
        self.storage.flush_delay()
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        self.storage.with_view(work);
    }

    fn folder(&self) -> Arc<dyn Folder> {
        self.storage.folder()
    }

    fn may_block(&self) -> bool {
        self.storage.may_block()
    }

    fn usage(&self) -> SpaceUsage {
        self.storage.usage()
    }
}
