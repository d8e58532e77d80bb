//! A snapshot's file, as Raft and the transport hold it. A complete file never changes.

use crate::{
    blocking,
    error::StoreError,
    storage::{File, Folder},
};
use bytes::Bytes;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The bytes that are read and sent at once: enough to be fast, few enough not to delay a heartbeat.
pub const CHUNK_BYTES: usize = 1 << 20;

/// A complete snapshot. It stays readable until its last handle is dropped, also after a newer one has replaced it. The
/// drop deletes it if it never became the current one.
#[derive(Clone)]
pub struct SnapshotFile(Arc<Inner>);

struct Inner {
    folder: Arc<dyn Folder>,
    file: Arc<dyn File>,
    length: u64,
    may_block: bool,
    file_name: Mutex<FileName>,
}

/// The name that the file has in its folder at the moment.
struct FileName {
    name: String,
    is_temporary: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let file_name = self.file_name.get_mut().unwrap_or_else(PoisonError::into_inner);
        if file_name.is_temporary
            && let Err(error) = self.folder.remove(&file_name.name)
        {
            // The next start tries again.
            tracing::warn!(%error, name = file_name.name, "a temporary snapshot stays on disk until the next start");
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
        let file_name = Mutex::new(FileName { name, is_temporary: true });
        Self(Arc::new(Inner { folder: folder.clone(), file, length, may_block, file_name }))
    }

    /// The length in bytes.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// Reads up to [`CHUNK_BYTES`] from an offset; empty at the end.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn read_chunk(&self, offset: u64) -> Result<Bytes, StoreError> {
        let snapshot = self.clone();
        blocking::run(self.0.may_block, move || snapshot.chunk_at(offset)).await
    }

    /// Like [`Self::read_chunk`], for threads that may block on the device.
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
        self.file_name().name.clone()
    }

    /// Gives the file its permanent name, durably.
    pub(super) fn keep_as(&self, name: &str) -> Result<(), StoreError> {
        let mut file_name = self.file_name();
        if file_name.name != name {
            self.0.folder.rename(&file_name.name, name)?;
            self.0.folder.sync()?;
            name.clone_into(&mut file_name.name);
        }
        file_name.is_temporary = false;
        Ok(())
    }

    fn file_name(&self) -> std::sync::MutexGuard<'_, FileName> {
        self.0.file_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotFile").field("name", &self.name()).field("length", &self.0.length).finish()
    }
}
