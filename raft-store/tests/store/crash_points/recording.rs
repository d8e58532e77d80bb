//! A disk that records each step of its life, so that a test can end that life at any byte.

use nexus_raft_store::{
    StoreError,
    storage::{
        Batch, Column, Crash, File, Folder, KeyRange, Order, Reader, Scan, SimulatedDisk, SpaceUsage, Storage,
    },
};
use std::sync::{Arc, Mutex};

/// A change of the disk. A file has the number of the handle that it was opened with.
#[derive(Clone, Debug)]
enum Step {
    Write(Batch),
    Flush,
    /// A file is created, or only opened.
    Open {
        name: String,
        is_new: bool,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove(String),
    SyncFolder,
    WriteAt {
        file: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    SyncFile(usize),
}

#[derive(Default)]
struct Recorded {
    steps: Vec<Step>,
    files: usize,
}

/// Whether a disk does what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    Honest,
    /// The write-ahead log is not flushed.
    SkipsFlushes,
    /// Files are not flushed.
    SkipsFileFlushes,
}

/// A simulated disk with a record of all changes.
#[derive(Clone)]
pub(crate) struct RecordingDisk {
    disk: SimulatedDisk,
    recorded: Arc<Mutex<Recorded>>,
    honesty: Honesty,
}

impl RecordingDisk {
    pub(crate) fn new(honesty: Honesty) -> Self {
        Self { disk: SimulatedDisk::new(), recorded: Arc::default(), honesty }
    }

    /// The number of steps until now.
    pub(crate) fn steps(&self) -> usize {
        self.recorded.lock().unwrap().steps.len()
    }

    /// The disks that a crash can leave behind, if it comes after `from` steps or at any byte of a later one. `visit`
    /// gets each with the number of steps that were whole.
    pub(crate) async fn each_crash(
        &self,
        from: usize,
        mut visit: impl AsyncFnMut(usize, SimulatedDisk, String),
    ) -> Crashes {
        let steps = self.recorded.lock().unwrap().steps.clone();
        let mut replay = Replay { disk: SimulatedDisk::new(), names: Vec::new() };
        let mut crashes = Crashes::default();
        for whole in 0..=steps.len() {
            if whole >= from {
                let step = steps.get(whole);
                for choice in replay.choices() {
                    crashes.disks += 1;
                    visit(whole, replay.disk.fork().crash(choice), format!("{choice:?}")).await;
                }
                if let Some(Step::WriteAt { bytes, .. }) = step {
                    crashes.bytes += bytes.len();
                    for cut in 1..bytes.len() {
                        for disk in replay.torn(&steps[whole], cut) {
                            crashes.disks += 1;
                            visit(whole, disk, format!("torn after {cut} bytes")).await;
                        }
                    }
                }
            }
            if let Some(step) = steps.get(whole) {
                replay.carry_out(step);
            }
        }
        crashes.steps = steps.len() - from;
        crashes
    }

    fn record(&self, step: Step) {
        match (self.honesty, &step) {
            (Honesty::SkipsFlushes, Step::Flush) | (Honesty::SkipsFileFlushes, Step::SyncFile(_)) => return,
            _ => {}
        }
        self.recorded.lock().unwrap().steps.push(step);
    }

    fn recording_file(&self, inner: Arc<dyn File>, name: &str, is_new: bool) -> Arc<dyn File> {
        let mut recorded = self.recorded.lock().unwrap();
        recorded.steps.push(Step::Open { name: name.into(), is_new });
        recorded.files += 1;
        Arc::new(RecordingFile { inner, number: recorded.files - 1, disk: self.clone() })
    }
}

/// The crashes that were tried.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Crashes {
    /// The steps of the disk that a crash interrupted.
    pub(crate) steps: usize,
    /// The bytes of files after each of which a crash came.
    pub(crate) bytes: usize,
    /// The disks that the crashes left behind.
    pub(crate) disks: usize,
}

/// The record carried out once more, up to some step.
struct Replay {
    disk: SimulatedDisk,
    /// The present name of each file; `None` once another file has it.
    names: Vec<Option<String>>,
}

impl Replay {
    fn file(&self, disk: &SimulatedDisk, number: usize) -> Option<Arc<dyn File>> {
        disk.folder().open(self.names[number].as_deref()?).unwrap()
    }

    /// The ways in which a device may have chosen what to write first.
    fn choices(&self) -> Vec<Crash> {
        let mut choices = vec![Crash::Process];
        for batches in 0..=self.disk.unflushed_batches() {
            for [names, contents] in [[false, false], [false, true], [true, false], [true, true]] {
                choices.push(Crash::Chosen { batches, names, contents });
            }
        }
        choices
    }

    /// The disks after a crash in the middle of a write to a file: with and without the batches that were not flushed.
    /// Behind the cut is nothing new, or there are zeros: file systems may have written the length and not the bytes.
    fn torn(&self, step: &Step, cut: usize) -> Vec<SimulatedDisk> {
        let Step::WriteAt { file, offset, bytes } = step else { return Vec::new() };
        let zeros = bytes[..cut].iter().copied().chain(std::iter::repeat_n(0, bytes.len() - cut)).collect();
        let mut disks = Vec::new();
        for torn in [bytes[..cut].to_vec(), zeros] {
            let disk = self.disk.fork();
            let Some(file) = self.file(&disk, *file) else { continue };
            file.write_at(*offset, &torn).unwrap();
            if disk.unflushed_batches() > 0 {
                let without = Crash::Chosen { batches: 0, names: true, contents: true };
                disks.push(disk.fork().crash(without));
            }
            disks.push(disk.crash(Crash::Process));
        }
        disks
    }

    fn carry_out(&mut self, step: &Step) {
        let folder = self.disk.folder();
        match step {
            Step::Write(batch) => self.disk.write(batch.clone()).unwrap(),
            Step::Flush => self.disk.flush().unwrap(),
            Step::Open { name, is_new } => {
                if *is_new {
                    folder.create(name).unwrap();
                }
                self.names.push(Some(name.clone()));
            }
            Step::Rename { from, to } => {
                folder.rename(from, to).unwrap();
                for name in &mut self.names {
                    if name.as_ref() == Some(to) {
                        *name = None;
                    } else if name.as_ref() == Some(from) {
                        *name = Some(to.clone());
                    }
                }
            }
            Step::Remove(name) => folder.remove(name).unwrap(),
            Step::SyncFolder => folder.sync().unwrap(),
            Step::WriteAt { file, offset, bytes } => {
                self.file(&self.disk, *file).unwrap().write_at(*offset, bytes).unwrap();
            }
            Step::SyncFile(file) => self.file(&self.disk, *file).unwrap().sync().unwrap(),
        }
    }
}

impl Reader for RecordingDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.get(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        self.disk.scan(column, range, order)
    }
}

impl Storage for RecordingDisk {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.record(Step::Write(batch.clone()));
        self.disk.write(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.record(Step::Flush);
        self.disk.flush()
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        self.disk.with_view(work);
    }

    fn folder(&self) -> Arc<dyn Folder> {
        Arc::new(self.clone())
    }

    fn may_block(&self) -> bool {
        self.disk.may_block()
    }

    fn usage(&self) -> SpaceUsage {
        self.disk.usage()
    }
}

impl Folder for RecordingDisk {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        self.disk.folder().names()
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>, StoreError> {
        let inner = self.disk.folder().create(name)?;
        Ok(self.recording_file(inner, name, true))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn File>>, StoreError> {
        let inner = self.disk.folder().open(name)?;
        Ok(inner.map(|inner| self.recording_file(inner, name, false)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.record(Step::Rename { from: from.into(), to: to.into() });
        self.disk.folder().rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.record(Step::Remove(name.into()));
        self.disk.folder().remove(name)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.record(Step::SyncFolder);
        self.disk.folder().sync()
    }
}

/// A file whose changes are recorded.
struct RecordingFile {
    inner: Arc<dyn File>,
    number: usize,
    disk: RecordingDisk,
}

impl File for RecordingFile {
    fn length(&self) -> Result<u64, StoreError> {
        self.inner.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.record(Step::WriteAt { file: self.number, offset, bytes: bytes.into() });
        self.inner.write_at(offset, bytes)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.disk.record(Step::SyncFile(self.number));
        self.inner.sync()
    }
}
