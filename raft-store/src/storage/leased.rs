//! A storage that tells when nobody holds it any more. Changes nothing on the way.
//!
//! Raft ends its tasks by itself, some of them after it says that it has ended, and each holds the
//! storage. Whoever wants to open the folder again has to know when the last one has let go.

use super::{Batch, Column, Folder, KeyRange, Order, Reader, Scan, Storage, Usage};
use crate::error::StoreError;
use std::sync::Arc;
use tokio::sync::watch;

/// Resolves, with an error, once the storage is let go of.
pub(crate) type Released = watch::Receiver<()>;

/// A storage and the word that it is still held.
pub(crate) struct Leased {
    // Fields are dropped in this order: first the storage is closed, then its waiters hear of it.
    storage: Arc<dyn Storage>,
    _held: watch::Sender<()>,
}

impl Leased {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> (Self, Released) {
        let (held, released) = watch::channel(());
        (Self { storage, _held: held }, released)
    }
}

impl Reader for Leased {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.get(column, key)
    }

    fn get_at_hand(&self, column: Column, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.storage.get_at_hand(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        self.storage.scan(column, range, order)
    }
}

impl Storage for Leased {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.storage.write(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.storage.flush()
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

    fn usage(&self) -> Usage {
        self.storage.usage()
    }
}
