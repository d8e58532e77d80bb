//! A disk in memory that fails on demand. A flush never waits, a crash loses whatever a real disk may lose, and its
//! behaviour is as deterministic as its caller's.

use super::{
    Batch, Column, Folder, KeyRange, Operation, Order, Reader, Scan, SpaceUsage, Storage,
    simulated_failures::{Crash, Fault, crashed, strikes},
    simulated_files::{SimulatedFiles, SurvivingContents, SurvivingFiles},
};
use crate::error::StoreError;
use imbl::OrdMap;
use std::{
    collections::VecDeque,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// Flushed batches that [`Crash::Forgets`] can still lose.
const KEPT_VERSIONS: usize = 4096;

type Sorted = OrdMap<Vec<u8>, Arc<[u8]>>;

/// All columns after one batch. Versions share what they have in common.
#[derive(Clone, Default)]
struct Version([Sorted; Column::ALL.len()]);

/// A disk in memory.
#[derive(Clone)]
pub struct SimulatedDisk {
    columns: Arc<Mutex<Columns>>,
    files: Arc<SimulatedFiles>,
}

#[derive(Clone, Default)]
struct Columns {
    /// The versions after each flushed batch. The last one survives every crash but a forgetting one.
    flushed: VecDeque<Version>,
    /// The versions after each batch since the last flush.
    unflushed: Vec<Version>,
    flush_fault: Option<usize>,
    write_fault: Option<usize>,
    flushes: usize,
    crashed: bool,
    flush_delay: Duration,
}

impl Columns {
    fn live(&self) -> Version {
        self.unflushed.last().or(self.flushed.back()).cloned().unwrap_or_default()
    }

    /// The version after the last flush and this many batches since.
    fn with_unflushed(&self, batches: usize) -> Version {
        let kept = batches.min(self.unflushed.len()).checked_sub(1);
        kept.map_or_else(|| self.flushed.back(), |last| self.unflushed.get(last)).cloned().unwrap_or_default()
    }

    fn check(&self, doing: &'static str) -> Result<(), StoreError> {
        if self.crashed {
            return Err(crashed(doing));
        }
        Ok(())
    }
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedDisk {
    /// Creates an empty disk.
    pub fn new() -> Self {
        Self { columns: Arc::default(), files: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Columns> {
        self.columns.lock().expect("no code panics while it holds the columns")
    }

    /// Plans a failure.
    pub fn plan(&self, fault: Fault) {
        match fault {
            Fault::Flush { after } => self.lock().flush_fault = Some(after),
            Fault::Write { after } => self.lock().write_fault = Some(after),
            Fault::File { after } => self.files.plan(after),
            Fault::FileSync { after } => self.files.plan_sync(after),
        }
    }

    /// A copy of the disk, of which as much is flushed. Later writes to one of the two do not change the other.
    pub fn fork(&self) -> Self {
        Self { columns: Arc::new(Mutex::new(self.lock().clone())), files: Arc::new(self.files.fork()) }
    }

    /// Crashes the machine. Every handle to this disk fails from now on; the returned disk has what is left.
    pub fn crash(&self, crash: Crash) -> Self {
        let mut columns = self.lock();
        columns.crashed = true;
        let (version, files) = match crash {
            Crash::Process => (columns.live(), SurvivingFiles::WRITTEN),
            Crash::Power => (columns.with_unflushed(0), SurvivingFiles::SYNCED),
            Crash::Torn(batches) => (columns.with_unflushed(batches), SurvivingFiles::TORN),
            Crash::Chosen { batches, names, contents } => {
                let contents = if contents { SurvivingContents::Written } else { SurvivingContents::Synced };
                (columns.with_unflushed(batches), SurvivingFiles { has_names: names, contents })
            }
            Crash::Forgets(batches) => {
                let kept = columns.flushed.len().saturating_sub(batches);
                let version = kept.checked_sub(1).and_then(|last| columns.flushed.get(last));
                (version.cloned().unwrap_or_default(), SurvivingFiles::SYNCED)
            }
        };
        let left = Columns { flushed: VecDeque::from([version]), ..Columns::default() };
        Self { columns: Arc::new(Mutex::new(left)), files: Arc::new(self.files.crash(files)) }
    }

    /// Sets how long each flush takes from now on.
    pub fn set_flush_delay(&self, delay: Duration) {
        self.lock().flush_delay = delay;
    }

    /// The number of batches since the last flush.
    pub fn unflushed_batches(&self) -> usize {
        self.lock().unflushed.len()
    }

    /// The number of successful flushes.
    pub fn flushes(&self) -> usize {
        self.lock().flushes
    }

    /// Flips one bit of a stored value. Returns whether there is such a key.
    pub fn rot(&self, column: Column, key: &[u8]) -> bool {
        let mut columns = self.lock();
        let Columns { flushed, unflushed, .. } = &mut *columns;
        let Some(Version(version)) = unflushed.last_mut().or(flushed.back_mut()) else {
            return false;
        };
        let Some(value) = version[column as usize].get_mut(key) else {
            return false;
        };
        let mut damaged = value.to_vec();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x10;
        *value = damaged.into();
        true
    }

    /// Flips one bit of a file. Returns whether the file is long enough.
    pub fn rot_file(&self, name: &str, offset: usize) -> bool {
        self.files.rot(name, offset)
    }
}

impl Reader for Version {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0[column as usize].get(key).map(|value| value.to_vec()))
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        Box::new(self.clone().into_scan(column, range, order))
    }
}

impl Version {
    fn into_scan(
        self,
        column: Column,
        range: &KeyRange,
        order: Order,
    ) -> impl Iterator<Item = Result<super::Pair, StoreError>> + use<> {
        let [start, end] = [range.start.clone(), range.end.clone().unwrap_or_default()];
        let end = match range.end {
            None => Bound::Unbounded,
            Some(_) => Bound::Excluded(end),
        };
        let sorted = &self.0[column as usize];
        let mut pairs: Vec<_> = if range.is_empty() {
            Vec::new()
        } else {
            sorted
                .range((Bound::Included(start), end))
                .map(|(key, value)| (key.as_slice().into(), value.as_ref().into()))
                .collect()
        };
        if order == Order::Descending {
            pairs.reverse();
        }
        pairs.into_iter().map(Ok)
    }

    fn change(&mut self, operation: Operation<'_>) {
        match operation {
            Operation::Put(column, key, value) => {
                self.0[column as usize].insert(key.to_vec(), value.into());
            }
            Operation::Delete(column, key) => {
                self.0[column as usize].remove(key);
            }
            Operation::DeleteRange(column, range) => {
                let keys: Vec<_> =
                    self.clone().into_scan(column, range, Order::Ascending).flatten().collect();
                for (key, _) in keys {
                    self.0[column as usize].remove(key.as_ref());
                }
            }
        }
    }
}

impl Reader for SimulatedDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let columns = self.lock();
        columns.check("reading a key")?;
        columns.live().get(column, key)
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        let columns = self.lock();
        if let Err(error) = columns.check("scanning a column") {
            return Box::new(std::iter::once(Err(error)));
        }
        Box::new(columns.live().into_scan(column, range, order))
    }
}

impl Storage for SimulatedDisk {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut columns = self.lock();
        columns.check("writing a batch")?;
        if strikes(&mut columns.write_fault) {
            return Err(StoreError::Full { doing: "writing a batch" });
        }
        let mut version = columns.live();
        for operation in batch.operations() {
            version.change(operation);
        }
        columns.unflushed.push(version);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut columns = self.lock();
        columns.check("flushing the write-ahead log")?;
        if strikes(&mut columns.flush_fault) {
            return Err(StoreError::Disk {
                doing: "flushing the write-ahead log",
                cause: "a planned fault".into(),
            });
        }
        columns.flushes += 1;
        let versions = std::mem::take(&mut columns.unflushed);
        columns.flushed.extend(versions);
        let excess = columns.flushed.len().saturating_sub(KEPT_VERSIONS);
        columns.flushed.drain(..excess);
        Ok(())
    }

    fn flush_delay(&self) -> Duration {
        self.lock().flush_delay
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        let live = self.lock().live();
        work(&live);
    }

    fn folder(&self) -> Arc<dyn Folder> {
        self.files.clone()
    }

    fn may_block(&self) -> bool {
        false
    }

    fn usage(&self) -> SpaceUsage {
        let Version(columns) = self.lock().live();
        let bytes = columns
            .iter()
            .flat_map(|sorted| sorted.iter())
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum();
        SpaceUsage { disk_bytes: bytes, memory_bytes: bytes }
    }
}
