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

/// Records of documents or events that are read in one view: meanwhile, the storage keeps what is deleted.
const VIEW_RECORDS: u64 = 1_000;

/// The amount that a scrub has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// The rows that were compared with the state in memory; 0 when that changed too fast to compare them.
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
    found.records += scrub_others(storage, &mut pace)?;
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

/// Scrubs all other columns. Returns the number of records.
fn scrub_others(storage: &dyn Storage, pace: &mut Pace<'_>) -> Result<u64, StoreError> {
    let (mut count, mut log) = (0, Ok(()));
    storage.with_view(&mut |view| {
        let read = read_log(view, &mut |_, _| {
            count += 1;
            pace.step()
        });
        log = read.map(drop);
    });
    log?;
    count += each(storage, Column::Documents, pace, &|key, value| {
        let decoded = record::decode::<Document>(Kind::DOCUMENT, value);
        decoded.map_err(|cause| StoreError::corrupt(Column::Documents, key, cause))?;
        let known = keys::read_document(key).map(|_| ());
        known.ok_or_else(|| StoreError::Inconsistent("a document has a key of no known kind".into()))
    })?;
    count += each(storage, Column::Events, pace, &|key, value| {
        let decoded = record::decode::<StoredEvent<'_>>(Kind::EVENT, value);
        decoded.map(|_| ()).map_err(|cause| StoreError::corrupt(Column::Events, key, cause))
    })?;
    Ok(count)
}

/// Checks one record by its key and its value.
type Check = dyn Fn(&[u8], &[u8]) -> Result<(), StoreError>;

/// Checks each record of a column, some of them in each view. Returns their number.
fn each(
    storage: &dyn Storage,
    column: Column,
    pace: &mut Pace<'_>,
    check: &Check,
) -> Result<u64, StoreError> {
    let (mut count, mut rest) = (0, KeyRange::all());
    loop {
        let mut part = Ok((0, None));
        storage.with_view(&mut |view| part = check_part(view, column, &rest, pace, check));
        let (checked, last) = part?;
        count += checked;
        let Some(mut next) = last else { return Ok(count) };
        // The first key after the last one.
        next.push(0);
        rest = KeyRange::from(next);
    }
}

/// Checks the first records of a range. Returns their number, and the last key if there may be more.
fn check_part(
    view: &dyn Reader,
    column: Column,
    range: &KeyRange,
    pace: &mut Pace<'_>,
    check: &Check,
) -> Result<(u64, Option<Vec<u8>>), StoreError> {
    let mut count = 0;
    for pair in view.scan(column, range, Order::Ascending) {
        pace.step()?;
        let (key, value) = pair?;
        check(&key, &value)?;
        count += 1;
        if count == VIEW_RECORDS {
            return Ok((count, Some(key.to_vec())));
        }
    }
    Ok((count, None))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::storage::{Batch, SimulatedDisk};
    use std::{cell::RefCell, rc::Rc};

    #[test]
    fn a_column_is_read_to_its_end_in_several_views() {
        let disk = SimulatedDisk::new();
        let keys: Vec<Vec<u8>> =
            (0..VIEW_RECORDS * 2 + 1).map(|number| number.to_be_bytes().to_vec()).collect();
        let mut batch = Batch::new();
        for key in &keys {
            batch.put(Column::Events, key.as_slice(), vec![1]);
        }
        disk.write(batch).unwrap();
        let mut pace = Pace { working_since: Instant::now(), rests: false, is_stopped: &|| false };
        let seen = Rc::new(RefCell::new(Vec::new()));
        let noted = seen.clone();
        let check = move |key: &[u8], _: &[u8]| {
            noted.borrow_mut().push(key.to_vec());
            Ok(())
        };
        assert_eq!(each(&disk, Column::Events, &mut pace, &check).unwrap(), keys.len() as u64);
        assert_eq!(*seen.borrow(), keys);
    }
}
