//! Storage on RocksDB: one database, one write-ahead log, one column family for each column.
//!
//! Recovery is *point in time*: the write-ahead log is read up to its first damaged record, and the rest is dropped.
//! After a crash the rest is a torn tail that was never acknowledged. *Absolute consistency* would refuse to start
//! after every power failure. RocksDB cannot tell such a tail from damage in the middle; the log's mark can (see
//! `log::mark`).

use super::{
    Batch, Column, Folder, KeyRange, Operation, Order, OsFolder, Pair, Reader, Scan, SpaceUsage, Storage,
};
use crate::error::StoreError;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    ErrorKind, IteratorMode, LogLevel, MemtableFactory, Options, ReadOptions, ReadTier,
    SnapshotWithThreadMode, WriteBatch, WriteOptions, properties,
};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// The bytes of a column's write buffer. The state is small and rewritten often; larger buffers would only cost memory.
const WRITE_BUFFER_BYTES: usize = 4 << 20;
/// The bytes of all write buffers together; beyond them the fullest is written out.
const ALL_WRITE_BUFFERS_BYTES: usize = 16 << 20;
/// The bytes of the block cache. Everything that is read often is in the state already.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
/// The number of open sorted files: far more than there are, far fewer than a process may open.
const OPEN_FILES: i32 = 128;
/// Flushes and compactions that run at once, so that a long one does not delay writes.
const BACKGROUND_JOBS: i32 = 2;
/// The first level of sorted files that are compressed. The levels above it have a few write buffers, which are soon
/// written again or dropped with the log.
const LEVEL_OF_SETTLED: i32 = 1;
/// The bytes of the write-ahead log, which bounds what a start reads again.
const ALL_LOGS_BYTES: u64 = 64 << 20;
/// The bytes of RocksDB's own text logs, which are read only after a failure.
const TEXT_LOG_BYTES: usize = 1 << 20;
const TEXT_LOGS: usize = 2;
/// An upper bound of all keys: none begins with this many bytes 0xff.
const COLUMN_END: [u8; 64] = [u8::MAX; 64];

/// The folder of plain files in a data folder.
pub(crate) const FILES: &str = "files";

/// Storage on RocksDB.
pub struct Rocks {
    db: DB,
    block_cache: Cache,
    folder: Arc<dyn Folder>,
    /// The first flush that failed. The lock is held during a flush: the system reports a failed write to only one
    /// caller, and a concurrent flush would seem to succeed.
    flush_failure: Mutex<Option<StoreError>>,
}

impl Rocks {
    /// Opens `dir/db` and `dir/files`, and creates them if needed.
    ///
    /// # Errors
    /// If another process has it open, if it is damaged, or if the device fails.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let folder = Arc::new(OsFolder::open(&dir.join(FILES))?);
        let block_cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let columns = Column::ALL
            .map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(column, &block_cache)));
        let db = DB::open_cf_descriptors(&database_options(), dir.join("db"), columns).map_err(opening)?;
        Ok(Self { db, block_cache, folder, flush_failure: Mutex::new(None) })
    }

    /// Opens an existing `dir/db` and `dir/files` for reading, also while a node runs on them: as of the node's last
    /// flush. RocksDB writes its own log, which it cannot do without, into `text_log`.
    ///
    /// # Errors
    /// If there is no database, if it is damaged, or if the device fails.
    pub fn open_to_read(dir: &Path, text_log: &Path) -> Result<Self, StoreError> {
        let folder = Arc::new(OsFolder::open_to_read(&dir.join(FILES)));
        let block_cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let mut options = database_options();
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        // The node may be deleting files at this moment: all of them are opened at once. Its closed write-ahead logs
        // are verified as at a start: without that, RocksDB would forget them in a manifest that it does not write
        // here, by way of a null pointer.
        options.set_max_open_files(-1);
        options.set_db_log_dir(text_log);
        let columns = || {
            Column::ALL.map(|column| {
                ColumnFamilyDescriptor::new(column.name(), column_options(column, &block_cache))
            })
        };
        let open = || DB::open_cf_descriptors_read_only(&options, dir.join("db"), columns(), false);
        // A running node may have replaced a file between its name and its opening.
        let db = open().or_else(|_| open()).or_else(|_| open()).map_err(opening)?;
        Ok(Self { db, block_cache, folder, flush_failure: Mutex::new(None) })
    }

    fn handle(&self, column: Column) -> &ColumnFamily {
        handle(&self.db, column)
    }

    fn sum(&self, property: &properties::PropName) -> u64 {
        let of = |column| self.db.property_int_value_cf(self.handle(column), property);
        Column::ALL.into_iter().filter_map(|column| of(column).ok().flatten()).sum()
    }
}

fn handle(db: &DB, column: Column) -> &ColumnFamily {
    db.cf_handle(column.name()).expect("column families are made in Rocks::open")
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A closed write-ahead log that is missing or shorter than when it was flushed is an error.
    options.set_track_and_verify_wals_in_manifest(true);
    // The log's writes stay in memory until the flusher flushes: one system call for many.
    options.set_manual_wal_flush(true);
    options.set_db_write_buffer_size(ALL_WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(ALL_LOGS_BYTES);
    options.set_max_open_files(OPEN_FILES);
    options.set_max_file_opening_threads(1);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    // Apply and the log each have one writer, and memtables that are lists allow only one.
    options.set_allow_concurrent_memtable_write(false);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(TEXT_LOG_BYTES);
    options.set_keep_log_file_num(TEXT_LOGS);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn column_options(column: Column, block_cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(block_cache);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_min_level_to_compress(LEVEL_OF_SETTLED);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    if column == Column::Rows {
        // Rows are written all the time, and only read as a whole, at start and for snapshots. They are sorted then.
        options.set_memtable_factory(MemtableFactory::Vector);
    }
    options.set_max_write_buffer_number(2);
    options
}

fn opening(error: rocksdb::Error) -> StoreError {
    // RocksDB has no error kind of its own for it.
    let is_locked = error.kind() == ErrorKind::IOError
        && ["While lock file", "lock hold by"].iter().any(|text| error.as_ref().contains(text));
    if is_locked { StoreError::InUse } else { failed("opening the database", error) }
}

fn failed(doing: &'static str, error: rocksdb::Error) -> StoreError {
    let is_corruption = error.kind() == ErrorKind::Corruption;
    let cause = error.into_string();
    if cause.contains("No space left") {
        StoreError::Full { doing }
    } else if is_corruption {
        StoreError::Damaged { doing, cause }
    } else {
        StoreError::Disk { doing, cause }
    }
}

fn bounded(range: &KeyRange) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(range.start.clone());
    if let Some(end) = &range.end {
        options.set_iterate_upper_bound(end.clone());
    }
    options
}

/// The position at which an iterator begins. The bounds alone do not set it: a reverse one begins at its upper bound.
fn mode(order: Order) -> IteratorMode<'static> {
    match order {
        Order::Ascending => IteratorMode::Start,
        Order::Descending => IteratorMode::End,
    }
}

fn pair(item: Result<Pair, rocksdb::Error>) -> Result<Pair, StoreError> {
    item.map_err(|error| failed("scanning a column", error))
}

impl Reader for Rocks {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.handle(column), key).map_err(|error| failed("reading a key", error))
    }

    fn get_cached(&self, column: Column, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::BlockCache);
        // The error is "incomplete" if it is not in memory. Any other failure occurs again when the key is read.
        self.db.get_cf_opt(self.handle(column), key, &options).ok()
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let mut options = bounded(range);
        // The log and the rows are read as a whole, and would only evict what is read often.
        options.fill_cache(!matches!(column, Column::Log | Column::Rows));
        let pairs = self.db.iterator_cf_opt(self.handle(column), options, mode(order));
        Box::new(pairs.map(pair))
    }
}

/// A view of all columns at one moment.
struct View<'a> {
    db: &'a DB,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl Reader for View<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot.get_cf(handle(self.db, column), key).map_err(|error| failed("reading a key", error))
    }

    fn scan<'a>(&'a self, column: Column, range: &KeyRange, order: Order) -> Scan<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let mut options = bounded(range);
        // A view is read once as a whole, and should not evict what is read often.
        options.fill_cache(false);
        let pairs = self.snapshot.iterator_cf_opt(handle(self.db, column), options, mode(order));
        Box::new(pairs.map(pair))
    }
}

impl Storage for Rocks {
    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let handles = Column::ALL.map(|column| self.handle(column));
        let handle = |column: Column| handles[column as usize];
        // Each change has a few bytes beside its key and value.
        let mut changes = WriteBatch::with_capacity_bytes(batch.bytes() + batch.bytes() / 8);
        for operation in batch.operations() {
            match operation {
                Operation::Put(column, key, value) => changes.put_cf(handle(column), key, value),
                Operation::Delete(column, key) => changes.delete_cf(handle(column), key),
                Operation::DeleteRange(column, KeyRange { start, end }) => {
                    let end = end.as_deref().unwrap_or(&COLUMN_END);
                    changes.delete_range_cf(handle(column), start.as_slice(), end);
                }
            }
        }
        self.db.write_opt(changes, &WriteOptions::default()).map_err(|error| failed("writing a batch", error))
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut failure = self.flush_failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = &*failure {
            return Err(StoreError::Stopped(first.to_string()));
        }
        let flushed = self.db.flush_wal(true);
        let flushed = flushed.map_err(|error| failed("flushing the write-ahead log", error));
        *failure = flushed.clone().err();
        flushed
    }

    fn with_view(&self, work: &mut dyn FnMut(&dyn Reader)) {
        work(&View { db: &self.db, snapshot: self.db.snapshot() });
    }

    fn folder(&self) -> Arc<dyn Folder> {
        self.folder.clone()
    }

    fn may_block(&self) -> bool {
        true
    }

    fn usage(&self) -> SpaceUsage {
        let buffers = self.sum(properties::CUR_SIZE_ALL_MEM_TABLES);
        let readers = self.sum(properties::ESTIMATE_TABLE_READERS_MEM);
        SpaceUsage {
            // The content of the write buffers is in the write-ahead log, too.
            disk_bytes: self.sum(properties::TOTAL_SST_FILES_SIZE) + buffers,
            memory_bytes: buffers + readers + self.block_cache.get_usage() as u64,
        }
    }
}
