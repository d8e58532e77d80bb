//! The disk of a node, with a point to crash at before and after each of its steps.

use super::{
    network::Place,
    points::{self, Step},
};
use nexus_raft_store::{
    StoreError,
    storage::{
        Batch, Column, File, Folder, KeyRange, Operation, Order, Reader, Scan, SimulatedDisk, SpaceUsage,
        Storage,
    },
};
use std::{sync::Arc, time::Duration};

/// The disk of the node at a place.
pub(super) struct PointedDisk {
    pub(super) disk: SimulatedDisk,
    pub(super) place: Place,
}

/// Does a step between its two points.
fn step<T>(place: Place, step: Step, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let crashed = || StoreError::Stopped("the node has crashed".to_owned());
    if points::pass(place, step, false) {
        return Err(crashed());
    }
    let done = work();
    if points::pass(place, step, true) { Err(crashed()) } else { done }
}

/// The step that a batch is.
fn step_of(batch: &Batch) -> Step {
    let mut found = Step::OtherWrite;
    for operation in batch.operations() {
        let this = match operation {
            Operation::Put(Column::Meta, b"log/purged", _) => return Step::Purge,
            Operation::Put(Column::Meta, b"machine/installing", _) => return Step::InstallBegin,
            Operation::Delete(Column::Meta, b"machine/installing") => return Step::InstallEnd,
            Operation::Put(Column::Meta, b"log/vote", _) => return Step::Vote,
            Operation::Put(Column::Meta, b"node/identity", _) => return Step::Identity,
            Operation::Put(Column::Meta, b"machine/progress", _) => return Step::Apply,
            Operation::Put(Column::Log, ..) => return Step::Append,
            Operation::Delete(Column::Log, _) | Operation::DeleteRange(Column::Log, _) => Step::Truncate,
            Operation::DeleteRange(Column::Rows, _) => return Step::InstallClear,
            Operation::Put(Column::Rows | Column::Documents | Column::Events, ..) => Step::InstallFill,
            Operation::Put(Column::Meta, b"log/committed", _) => Step::Committed,
            _ => continue,
        };
        found = this;
    }
    found
}

impl Reader for PointedDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        self.disk.scan(column, range, order)
    }
}

impl Storage for PointedDisk {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        step(self.place, step_of(&batch), || self.disk.write(batch))
    }

    fn flush(&self) -> Result<(), StoreError> {
        step(self.place, Step::Flush, || self.disk.flush())
    }

    fn flush_delay(&self) -> Duration {
        self.disk.flush_delay()
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        self.disk.with_view(work);
    }

    fn folder(&self) -> Arc<dyn Folder> {
        Arc::new(PointedFolder { folder: self.disk.folder(), place: self.place })
    }

    fn may_block(&self) -> bool {
        false
    }

    fn usage(&self) -> SpaceUsage {
        self.disk.usage()
    }
}

struct PointedFolder {
    folder: Arc<dyn Folder>,
    place: Place,
}

impl PointedFolder {
    fn file(&self, name: &str, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(PointedFile { file, place: self.place, is_mark: name.ends_with(".mark") })
    }
}

impl Folder for PointedFolder {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.folder.names()
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>, StoreError> {
        let made = step(self.place, Step::SnapshotCreate, || self.folder.create(name))?;
        Ok(self.file(name, made))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn File>>, StoreError> {
        Ok(self.folder.open(name)?.map(|file| self.file(name, file)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        step(self.place, Step::SnapshotRename, || self.folder.rename(from, to))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        step(self.place, Step::FileRemove, || self.folder.remove(name))
    }

    fn sync(&self) -> Result<(), StoreError> {
        step(self.place, Step::NamesSync, || self.folder.sync())
    }
}

struct PointedFile {
    file: Arc<dyn File>,
    place: Place,
    is_mark: bool,
}

impl File for PointedFile {
    fn length(&self) -> Result<u64, StoreError> {
        self.file.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let of = if self.is_mark { Step::MarkWrite } else { Step::SnapshotWrite };
        step(self.place, of, || self.file.write_at(offset, bytes))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let of = if self.is_mark { Step::MarkSync } else { Step::SnapshotSync };
        step(self.place, of, || self.file.sync())
    }
}
