//! Receives a snapshot chunk by chunk. Only a complete one is passed on.

use super::{dir::SnapshotDir, file::SnapshotFile, format};
use crate::{blocking, error::StoreError, storage::File};
use bytes::Bytes;
use std::sync::Arc;

/// A snapshot that is being received. A drop deletes it unless it is finished.
pub struct SnapshotReceiver {
    snapshot_dir: Arc<SnapshotDir>,
    expected: u64,
    received: u64,
    /// The temporary file; `None` once it is finished.
    target: Option<(String, Arc<dyn File>)>,
}

impl SnapshotReceiver {
    pub(crate) async fn begin(snapshot_dir: &Arc<SnapshotDir>, expected: u64) -> Result<Self, StoreError> {
        let creator = snapshot_dir.clone();
        let target = blocking::run(snapshot_dir.may_block(), move || creator.create()).await?;
        Ok(Self { snapshot_dir: snapshot_dir.clone(), expected, received: 0, target: Some(target) })
    }

    /// The bytes that were received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] if they exceed the announced length; other errors if the device fails.
    pub async fn write_chunk(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let Some((_, file)) = &self.target else {
            return Err(StoreError::Snapshot("it is finished already".into()));
        };
        let received = self.received + chunk.len() as u64;
        if received > self.expected {
            let expected = self.expected;
            return Err(StoreError::Snapshot(format!("{received} bytes came, {expected} were announced")));
        }
        let (file, offset) = (file.clone(), self.received);
        blocking::run(self.snapshot_dir.may_block(), move || file.write_at(offset, &chunk)).await?;
        self.received = received;
        Ok(())
    }

    /// Checks the snapshot and makes it durable.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] if it is damaged or too short; other errors if the device fails.
    pub async fn finish(mut self) -> Result<SnapshotFile, StoreError> {
        if self.received != self.expected {
            let (received, expected) = (self.received, self.expected);
            return Err(StoreError::Snapshot(format!("{received} bytes came, {expected} were announced")));
        }
        let Some((name, file)) = self.target.take() else {
            return Err(StoreError::Snapshot("it is finished already".into()));
        };
        let (snapshot_dir, length) = (self.snapshot_dir.clone(), self.received);
        blocking::run(self.snapshot_dir.may_block(), move || {
            let snapshot = snapshot_dir.complete(name, file, length)?;
            format::verify(snapshot.file())?;
            Ok(snapshot)
        })
        .await
    }
}

impl Drop for SnapshotReceiver {
    fn drop(&mut self) {
        if let Some((name, _)) = self.target.take() {
            self.snapshot_dir.discard(&name);
        }
    }
}
