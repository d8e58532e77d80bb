//! Reads everything that is stored, slowly, and compares the rows with the state in memory. It finds what rots on a
//! device before anything else reads it (a "latent sector error": Bairavasundaram et al., SIGMETRICS 2007), and bits of
//! the state that flip in memory. It writes and repairs nothing.

use crate::{
    error::StoreError,
    history::StoredEvent,
    keys::{self, meta},
    log::read_log,
    machine::{
        Published,
        load::load_progress,
        progress::{Progress, RowsDigest, hash_row},
    },
    record::{self, Kind},
    storage::{Column, KeyRange, Order, Reader, Storage},
};
use nexus_domain::{Document, Row, RowKey};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The time for which a scrub works between two rests.
const SLICE: Duration = Duration::from_millis(2);
/// A rest is this many times as long as the work before it: a scrub takes three percent of a core.
const REST: u32 = 32;
/// Attempts to find the state in memory at the entry of a view of the storage. Under load the next batch comes in a
/// millisecond; without luck, the next scrub compares them.
const MAX_ATTEMPTS: usize = 200;

/// The amount that a scrub has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// The rows that were compared with the state in memory.
    pub rows: u64,
    /// All records that were read, rows included.
    pub records: u64,
}

/// Scrubs a storage. `is_stopped` is asked after each rest.
///
/// # Errors
/// The damage, which names the column and the key, or the file; [`StoreError::Stopped`] when it is asked to stop, or if
/// the device fails.
pub(crate) fn scrub(
    storage: &dyn Storage,
    published: &watch::Receiver<Arc<Published>>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Scrubbed, StoreError> {
    let mut pace = Pace { working_since: Instant::now(), rests: storage.may_block(), is_stopped };
    let mut found = Scrubbed::default();
    let mut rows = None;
    for _ in 0..MAX_ATTEMPTS {
        storage.with_view(&mut |view| rows = scrub_rows(view, published, &mut pace).transpose());
        match rows.take() {
            Some(scrubbed) => {
                found.rows = scrubbed?;
                found.records = found.rows;
                break;
            }
            None => pace.rest()?,
        }
    }
    let mut others = Ok(0);
    storage.with_view(&mut |view| others = scrub_others(view, &mut pace));
    found.records += others?;
    Ok(found)
}

/// Scrubs the rows of a view, if the state in memory is at the same entry. Returns their number.
fn scrub_rows(
    view: &dyn Reader,
    published: &watch::Receiver<Arc<Published>>,
    pace: &mut Pace<'_>,
) -> Result<Option<u64>, StoreError> {
    let (progress, live) = (load_progress(view)?, published.borrow().clone());
    if live.progress != progress || view.get(Column::Meta, meta::INSTALLING)?.is_some() {
        return Ok(None);
    }
    compare(view, &live, &progress, pace).map(Some)
}

fn compare(
    view: &dyn Reader,
    live: &Published,
    progress: &Progress,
    pace: &mut Pace<'_>,
) -> Result<u64, StoreError> {
    let (mut digest, mut count, mut stored) = (RowsDigest::default(), 0, 0);
    let mut differs = None::<RowKey>;
    for pair in view.scan(Column::Rows, &KeyRange::all(), Order::Ascending) {
        pace.step()?;
        let (key, value) = pair?;
        let row: Row = record::decode(Kind::ROW, &value)
            .map_err(|cause| StoreError::corrupt(Column::Rows, &key, cause))?;
        digest.add(hash_row(&key, &value));
        count += 1;
        let name = row.key();
        stored += u64::from(!is_always_there(&name));
        if differs.is_none() && live.state.row(&name).as_ref() != Some(&row) {
            differs = Some(name);
        }
    }
    let at = progress.revision();
    // The digest was computed when the rows were written: if it holds, they are what was written.
    if digest != progress.rows {
        return Err(StoreError::Inconsistent(format!(
            "the stored rows are not those that were written up to revision {at}: {digest:?} found, {:?} written",
            progress.rows
        )));
    }
    if let Some(name) = differs {
        return Err(StoreError::Inconsistent(format!(
            "the row of {name:?} in memory differs from the stored one, which is as it was written (revision {at})"
        )));
    }
    let mut live_rows = 0;
    for row in live.state.rows() {
        pace.step()?;
        live_rows += u64::from(!is_always_there(&row.key()));
    }
    if live_rows != stored {
        return Err(StoreError::Inconsistent(format!(
            "the state in memory has {live_rows} rows, and {stored} were written up to revision {at}"
        )));
    }
    Ok(count)
}

/// Whether the state has this row from its beginning, and the storage only once it was written.
fn is_always_there(key: &RowKey) -> bool {
    matches!(key, RowKey::Clock | RowKey::Origin | RowKey::Settings | RowKey::Rules)
}

/// Scrubs all other columns of a view. Returns the number of records.
fn scrub_others(view: &dyn Reader, pace: &mut Pace<'_>) -> Result<u64, StoreError> {
    let mut count = 0;
    read_log(view, &mut |_, _| {
        count += 1;
        pace.step()
    })?;
    count += each(view, Column::Documents, pace, &|key, value| {
        let decoded = record::decode::<Document>(Kind::DOCUMENT, value);
        decoded.map_err(|cause| StoreError::corrupt(Column::Documents, key, cause))?;
        let known = keys::read_document(key).map(|_| ());
        known.ok_or_else(|| StoreError::Inconsistent("a document has a key of no known kind".into()))
    })?;
    count += each(view, Column::Events, pace, &|key, value| {
        let decoded = record::decode::<StoredEvent<'_>>(Kind::EVENT, value);
        decoded.map(|_| ()).map_err(|cause| StoreError::corrupt(Column::Events, key, cause))
    })?;
    Ok(count)
}

/// Checks one record by its key and its value.
type Check = dyn Fn(&[u8], &[u8]) -> Result<(), StoreError>;

/// Checks each record of a column. Returns their number.
fn each(view: &dyn Reader, column: Column, pace: &mut Pace<'_>, check: &Check) -> Result<u64, StoreError> {
    let mut count = 0;
    for pair in view.scan(column, &KeyRange::all(), Order::Ascending) {
        pace.step()?;
        let (key, value) = pair?;
        check(&key, &value)?;
        count += 1;
    }
    Ok(count)
}

/// Lets a scrub rest, so that it takes a small part of one core, however much there is to read.
struct Pace<'a> {
    working_since: Instant,
    /// Whether it runs on a thread of its own, which may sleep.
    rests: bool,
    is_stopped: &'a dyn Fn() -> bool,
}

impl Pace<'_> {
    /// Rests if it has worked for long enough.
    fn step(&mut self) -> Result<(), StoreError> {
        if self.working_since.elapsed() < SLICE { Ok(()) } else { self.rest() }
    }

    fn rest(&mut self) -> Result<(), StoreError> {
        if (self.is_stopped)() {
            return Err(StoreError::Stopped("the scrub was asked to stop".into()));
        }
        if self.rests {
            thread::sleep(self.working_since.elapsed().max(Duration::from_micros(100)) * REST);
        }
        self.working_since = Instant::now();
        Ok(())
    }
}
