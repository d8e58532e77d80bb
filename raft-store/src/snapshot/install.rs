//! Installs a snapshot in place of the state machine. The log and the vote stay untouched.
//!
//! First the file is checked and gets its permanent name. Then storage is marked, emptied and filled in bounded
//! batches; the last batch removes the mark. If a crash comes in between, the next start finds the mark and begins
//! again from the file.

use super::{
    dir::{SnapshotDir, meta_of},
    file::SnapshotFile,
    format,
};
use crate::{
    error::{Quarantined, StoreError},
    keys::meta,
    machine::{Published, apply::encode_progress, load::load, progress::Progress, row_hashes::RowHashes},
    record::{self, Kind},
    storage::{Batch, Column, File, KeyRange, Storage},
    types::SnapshotMeta,
};

/// The bytes of one batch.
const BATCH_BYTES: usize = 1 << 20;

/// Installs a complete snapshot, and returns its state.
///
/// # Errors
/// [`StoreError::Snapshot`] if it is damaged or does not cover what `covered` says; then nothing has changed. Other
/// errors if the device fails.
pub(crate) fn install(
    storage: &dyn Storage,
    snapshot_dir: &SnapshotDir,
    covered: &SnapshotMeta,
    snapshot: &SnapshotFile,
) -> Result<(Published, RowHashes), StoreError> {
    let progress = format::verify(snapshot.file())?;
    if meta_of(&progress) != *covered {
        return Err(StoreError::Snapshot(format!("it covers {}, not {covered}", meta_of(&progress))));
    }
    if !snapshot_dir.adopt(covered, snapshot)? {
        return Err(StoreError::Snapshot("one that covers more is kept already".into()));
    }
    replace(storage, &snapshot.name(), snapshot.file())
}

/// Finishes an install that a crash interrupted. Returns whether there was one.
///
/// # Errors
/// [`StoreError::Quarantined`] if the snapshot is lost or damaged: the old state is lost, too, and the log may no
/// longer have the entries that led to it.
pub(crate) fn resume(storage: &dyn Storage, snapshot_dir: &SnapshotDir) -> Result<bool, StoreError> {
    let Some(value) = storage.get(Column::Meta, meta::INSTALLING)? else {
        return Ok(false);
    };
    let name: String = record::decode(Kind::INSTALLING, &value)
        .map_err(|cause| StoreError::corrupt(Column::Meta, meta::INSTALLING, cause))?;
    let Some(snapshot) = snapshot_dir.find(&name) else {
        return Err(Quarantined::because(format!(
            "installing {name} was interrupted, and the file is gone or damaged"
        )));
    };
    replace(storage, &name, snapshot.file())?;
    Ok(true)
}

fn replace(storage: &dyn Storage, name: &str, file: &dyn File) -> Result<(Published, RowHashes), StoreError> {
    let mut batch = Batch::new();
    batch.put(Column::Meta, meta::INSTALLING, record::encode(Kind::INSTALLING, name));
    batch.delete(Column::Meta, meta::PROGRESS);
    for column in [Column::Rows, Column::Documents, Column::Events] {
        batch.delete_range(column, KeyRange::all());
    }
    storage.write(batch)?;

    let (_, mut last) = copy(storage, |visit| format::read(file, visit))?;
    last.delete(Column::Meta, meta::INSTALLING);
    storage.write(last)?;
    // Raft purges the log next. Then this state could not be rebuilt from anything else.
    storage.flush()?;
    load(storage)
}

/// Writes all pairs that `read` visits in bounded batches, and returns the progress that they are at with the last
/// batch, which is not written yet.
///
/// # Errors
/// The errors of `read`, and if the device fails or is full.
pub(super) fn copy(
    storage: &dyn Storage,
    read: impl FnOnce(format::Visit<'_>) -> Result<Progress, StoreError>,
) -> Result<(Progress, Batch), StoreError> {
    let mut batch = Batch::new();
    let progress = read(&mut |column, key, value| {
        batch.put(column, key, value);
        if batch.bytes() >= BATCH_BYTES {
            storage.write(std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    batch.put(Column::Meta, meta::PROGRESS, encode_progress(&progress));
    Ok((progress, batch))
}
