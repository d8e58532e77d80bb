//! A snapshot's file, as Raft and the transport hold it. Never changes once it is complete.

use crate::{
    blocking,
    error::StoreError,
    snapshot::transfer::CHUNK_BYTES,
    storage::{File, Folder},
};
use bytes::Bytes;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A complete snapshot. It can be read for as long as it is held, also after a newer one has taken
/// its place; one that was never installed is deleted with its last handle.
#[derive(Clone)]
pub struct SnapshotFile(Arc<Inner>);

struct Inner {
    folder: Arc<dyn Folder>,
    file: Arc<dyn File>,
    length: u64,
    may_block: bool,
    place: Mutex<Place>,
}

struct Place {
    name: String,
    is_temporary: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let place = self.place.get_mut().unwrap_or_else(PoisonError::into_inner);
        if place.is_temporary
            && let Err(error) = self.folder.remove(&place.name)
        {
            // It is tried again at the next start.
            tracing::warn!(%error, name = place.name, "a temporary snapshot stays behind");
        }
    }
}

impl SnapshotFile {
    pub(super) fn new(
        folder: &Arc<dyn Folder>,
        file: Arc<dyn File>,
        name: String,
        length: u64,
        may_block: bool,
    ) -> Self {
        let place = Mutex::new(Place { name, is_temporary: true });
        Self(Arc::new(Inner { folder: folder.clone(), file, length, may_block, place }))
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// Reads up to [`CHUNK_BYTES`] from an offset; empty at the end.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn read_chunk(&self, offset: u64) -> Result<Bytes, StoreError> {
        let snapshot = self.clone();
        blocking::run(self.0.may_block, move || snapshot.chunk_at(offset)).await
    }

    /// The same, for who may wait for the device.
    pub(super) fn chunk_at(&self, offset: u64) -> Result<Bytes, StoreError> {
        let left = usize::try_from(self.0.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; left.min(CHUNK_BYTES)];
        let read = self.0.file.read_at(offset, &mut chunk)?;
        chunk.truncate(read);
        Ok(chunk.into())
    }

    pub(super) fn may_block(&self) -> bool {
        self.0.may_block
    }

    pub(super) fn file(&self) -> &dyn File {
        self.0.file.as_ref()
    }

    pub(super) fn name(&self) -> String {
        self.place().name.clone()
    }

    /// Gives it its lasting name, durably.
    pub(super) fn keep_as(&self, name: &str) -> Result<(), StoreError> {
        let mut place = self.place();
        if place.name != name {
            self.0.folder.rename(&place.name, name)?;
            self.0.folder.sync()?;
            name.clone_into(&mut place.name);
        }
        place.is_temporary = false;
        Ok(())
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotFile").field("name", &self.name()).field("length", &self.0.length).finish()
    }
}
